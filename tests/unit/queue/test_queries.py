from __future__ import annotations

import asyncio
import json
import sqlite3
import time

import msgspec
import pytest
from tests.unit.queue.office import NOW, Office, id_of

from mailtui.model import Disposition, State, recipient_row
from mailtui.queue import groups, message_view, queries
from mailtui.queue.filter import EVERYTHING, FilterError, parse
from mailtui.queue.reader import QueryTimeout, Reader
from mailtui.queue.selection import Everything, Ids, UnknownId


async def test_a_row_is_exactly_the_promised_json(office: Office, reader: Reader) -> None:
    message = office.message("ana@one.example", sender="app@example.org", age=90, subject="Hello")
    office.try_all("one.example")
    page = await queries.queue_list(reader, EVERYTHING, NOW)
    assert json.loads(msgspec.json.encode(page.rows[0])) == {
        "id": id_of(message, 1),
        "recipient": "ana@one.example",
        "sender": "app@example.org",
        "subject": "Hello",
        "message_id": f"<{message}@example.org>",
        "state": "deferred",
        "destination": "one.example",
        "site": "",
        "attempts": 1,
        "next_attempt": "2026-09-21T14:18:20Z",
        "age_seconds": 90,
        "size": 21,
        "last_code": 451,
        "last_enhanced": "4.7.1",
        "last_text": "slow down",
        "class": "throttled",
    }


async def test_pages_follow_each_other_without_gap_or_repetition(office: Office, reader: Reader) -> None:
    for age in range(7, 0, -1):
        office.message(f"a{age}@x.example", f"b{age}@y.example", age=age)
    seen: list[str] = []
    after = ""
    for _ in range(10):
        page = await queries.queue_list(reader, EVERYTHING, NOW, limit=4, after=after)
        seen += [row.recipient for row in page.rows]
        if page.after is None:
            break
        after = page.after
    assert seen == [
        f"{side}{age}@{domain}" for age in range(7, 0, -1) for side, domain in (("a", "x.example"), ("b", "y.example"))
    ]
    with pytest.raises(FilterError, match="cursor"):
        await queries.queue_list(reader, EVERYTHING, NOW, after="nonsense")


async def test_pages_backwards_are_the_rows_in_front_in_the_same_order(office: Office, reader: Reader) -> None:
    for n in range(7):
        office.message(f"r{n}@x.example", age=100 - n)
    whole = [row.id for row in (await queries.queue_list(reader, EVERYTHING, NOW)).rows]
    last = await queries.queue_list(reader, EVERYTHING, NOW, limit=3, before=queries.END_CURSOR)
    assert ([row.id for row in last.rows], last.after) == (whole[4:], None)
    middle = await queries.queue_list(reader, EVERYTHING, NOW, limit=3, before=last.rows[0].id)
    assert [row.id for row in middle.rows] == whole[1:4]
    first = await queries.queue_list(reader, EVERYTHING, NOW, limit=3, before=middle.rows[0].id)
    assert [row.id for row in first.rows] == whole[:1]
    between = await queries.queue_list(reader, EVERYTHING, NOW, before=whole[5], after=whole[2])
    assert [row.id for row in between.rows] == whole[3:5]
    with pytest.raises(FilterError):
        await queries.queue_list(reader, EVERYTHING, NOW, before="nonsense")


async def test_finished_recipients_appear_with_history_or_a_state_word_only(office: Office, reader: Reader) -> None:
    office.message("ana@one.example", age=10)
    office.message("bo@two.example", age=5)
    office.try_all("one.example", Disposition.DELIVERED)

    async def found(text: str, history: bool = False) -> list[str]:
        return [row.recipient for row in (await queries.queue_list(reader, parse(text), NOW, history)).rows]

    assert await found("") == ["bo@two.example"]
    assert await found("", history=True) == ["ana@one.example", "bo@two.example"]
    assert await found("state:delivered") == ["ana@one.example"]
    assert await found("domain:one.example") == []


async def test_the_next_attempt_shown_is_when_the_lane_may_be_tried(office: Office, reader: Reader) -> None:
    waiting, held = office.message("ana@one.example", age=10), office.message("bo@one.example", age=5)
    office.db.execute("UPDATE lane SET not_before = ?", (NOW + 3600,))
    office.db.execute("UPDATE recipient SET state = 'held' WHERE id = ?", (recipient_row(held, 1),))
    rows = {row.id: row for row in (await queries.queue_list(reader, EVERYTHING, NOW)).rows}
    shown = rows[id_of(waiting, 1)].next_attempt
    assert shown is not None
    assert shown.timestamp() == NOW + 3600
    assert rows[id_of(held, 1)].next_attempt is None


async def test_counts_agree_whether_counted_or_read(office: Office, reader: Reader) -> None:
    office.message("a@one.example", "b@one.example", "c@two.example", age=10)
    office.message("d@two.example", age=5)
    office.try_all("one.example", Disposition.DELIVERED)
    for text, history, wanted in [
        ("", False, (2, 2)),
        ("to:*", False, (2, 2)),
        ("", True, (4, 2)),
        ("to:*", True, (4, 2)),
        ("state:delivered", False, (2, 1)),
    ]:
        counts = await queries.count(reader, parse(text), history)
        assert (counts.recipients, counts.messages) == wanted
        assert counts.recipients == sum(msgspec.structs.astuple(counts.by_state))


async def test_standing_has_the_exact_keys_and_the_oldest(office: Office, reader: Reader) -> None:
    assert (await queries.standing(reader, NOW)).oldest_seconds == 0
    office.message("a@one.example", age=500)
    office.message("b@two.example", age=100)
    office.try_all("one.example", Disposition.DELIVERED)
    standing = await queries.standing(reader, NOW)
    assert msgspec.to_builtins(standing) == {
        "queue": {"queued": 1, "sending": 0, "deferred": 0, "held": 0},
        "totals": {"accepted": 2, "delivered": 1, "bounced": 0, "suppressed": 0, "purged": 0},
        "oldest_seconds": 100,
    }


# ---------------------------------------------------------------------- groups


async def test_destinations_most_waiting_first(office: Office, reader: Reader) -> None:
    office.message("a@small.example", age=7000)
    office.message("a@big.example", "b@big.example", "c@big.example", age=400)
    office.message("a@done.example", age=10)
    office.try_all("big.example")
    office.try_all("done.example", Disposition.DELIVERED)
    office.db.execute("INSERT INTO site (id, name) VALUES (7, 'mx.big.example')")
    office.db.execute("UPDATE lane SET site = 7 WHERE destination = 'big.example'")
    rows = await groups.domains(reader, EVERYTHING, NOW)
    assert [msgspec.to_builtins(row) for row in rows] == [
        {
            "destination": "big.example", "site": "mx.big.example", "waiting": 3, "held": 0, "oldest_seconds": 400,
            "delivered_15m": 0, "deferred_15m": 3, "bounced_15m": 0, "top_class": "throttled", "suspended_until": None,
            "suspended": False,
        },
        {
            "destination": "small.example", "site": "", "waiting": 1, "held": 0, "oldest_seconds": 7000,
            "delivered_15m": 0, "deferred_15m": 0, "bounced_15m": 0, "top_class": "", "suspended_until": None,
            "suspended": False,
        },
        {
            "destination": "done.example", "site": "", "waiting": 0, "held": 0, "oldest_seconds": 0,
            "delivered_15m": 1, "deferred_15m": 0, "bounced_15m": 0, "top_class": "", "suspended_until": None,
            "suspended": False,
        },
    ]  # fmt: skip
    assert [row.destination for row in await groups.domains(reader, parse("to:a@*"), NOW)] == [
        "big.example",
        "small.example",
    ]
    assert [row.waiting for row in await groups.domains(reader, parse("to:a@big*"), NOW)] == [1]
    assert len(await groups.domains(reader, EVERYTHING, NOW, limit=1)) == 1
    later = await groups.domains(reader, EVERYTHING, NOW + 3600)
    assert [row.deferred_15m for row in later] == [0, 0]


async def test_destinations_and_totals_come_from_the_counts_that_are_kept(office: Office, reader: Reader) -> None:
    """A rowless tally shows: the recipients are not what is counted."""
    office.message("a@one.example", age=1)
    office.db.execute("UPDATE tally SET n = 1000000")
    office.db.execute("UPDATE counter SET n = 1000000 WHERE name = 'queued'")
    assert (await groups.domains(reader, EVERYTHING, NOW))[0].waiting == 1_000_000
    assert (await queries.standing(reader, NOW)).queue.queued == 1_000_000


async def test_ages_fall_into_their_buckets(office: Office, reader: Reader) -> None:
    for age in (299, 301, 1201, 3601, 14401, 43201, 86401, 172801, 500000):
        office.message("a@one.example", age=age)
    office.message("a@two.example", age=10)
    rows = await groups.ages(reader, EVERYTHING, NOW, "destination")
    assert [msgspec.to_builtins(row) for row in rows] == [
        {
            "site": "",
            "destination": "one.example",
            "waiting": 9,
            "ages": {"5m": 1, "20m": 1, "1h": 1, "4h": 1, "12h": 1, "1d": 1, "2d": 1, "2d+": 2},
        },
        {
            "site": "",
            "destination": "two.example",
            "waiting": 1,
            "ages": {"5m": 1, "20m": 0, "1h": 0, "4h": 0, "12h": 0, "1d": 0, "2d": 0, "2d+": 0},
        },
    ]
    assert [row.destination for row in await groups.ages(reader, EVERYTHING, NOW)] == ["one.example", "two.example"]


# ---------------------------------------------------------------------- one message


async def test_show_has_every_attempt_with_its_transcript(office: Office, reader: Reader) -> None:
    message = office.message("ana@one.example", "bo@two.example", age=90)
    office.try_all("one.example")
    office.try_all("one.example", Disposition.DELIVERED, now=NOW + 400)
    office.db.execute(
        "INSERT INTO event (at, message, recipient, kind, actor, text) VALUES (?, ?, 1, 'retry', 'root', 'why')",
        (NOW, message),
    )
    view = await message_view.show(reader, id_of(message).lower())
    shown = json.loads(msgspec.json.encode(view))
    assert shown["id"] == id_of(message)
    assert {"sender", "ret", "envid", "size", "received", "client", "from", "message_id", "signed"} <= shown[
        "envelope"
    ].keys()
    assert shown["envelope"]["recipients"] == ["ana@one.example", "bo@two.example"]
    first, second = shown["recipients"]
    assert (first["state"], first["last_code"], first["next_attempt"]) == ("delivered", 250, None)
    assert second["attempts"] == []
    assert [attempt["disposition"] for attempt in first["attempts"]] == ["deferred", "delivered"]
    assert first["attempts"][0] == {
        "started": "2026-09-21T14:13:19Z", "host": "mx.example", "address": "192.0.2.1", "tls": "TLSv1.3", "code": 451,
        "enhanced": "4.7.1", "text": "slow down", "class": "throttled", "disposition": "deferred", "stage": "rcpt",
        "timings": {"rcpt": 5},
        "transcript": [{"ms": 0, "dir": "<", "line": "220 mx"}, {"ms": 3, "dir": "<", "line": "451 4.7.1 slow down"}],
    }  # fmt: skip
    assert shown["events"] == [
        {"at": "2026-09-21T14:13:20Z", "kind": "retry", "actor": "root", "text": "why", "recipient": id_of(message, 1)}
    ]
    one = await message_view.show(reader, id_of(message, 2))
    assert ([recipient.recipient for recipient in one.recipients], one.events) == (["bo@two.example"], ())


@pytest.mark.parametrize("id", ["", "zzz", "05JQ3K8T", "05JQ3K8T.1", "05JQ3K8T.99999999", "x" * 1000])
async def test_what_is_not_there_cannot_be_shown(office: Office, reader: Reader, id: str) -> None:
    office.message("ana@one.example")
    with pytest.raises(UnknownId):
        await message_view.show(reader, id)


async def test_damaged_or_too_many_transcripts_leave_the_view_readable(
    office: Office, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = office.message("ana@one.example", age=90)
    office.try_all("one.example")
    office.try_all("one.example", now=NOW + 400)
    office.db.execute("UPDATE transcript SET lines = x'00' WHERE id = 4")
    attempts = (await message_view.show(reader, id_of(message))).recipients[0].attempts
    assert attempts[1].transcript[0].line == "220 mx"
    assert "cannot be read" in attempts[1].transcript[1].line
    monkeypatch.setattr(message_view, "MAX_PACKED", 60)
    attempts = (await message_view.show(reader, id_of(message))).recipients[0].attempts
    assert [bool(attempt.transcript) for attempt in attempts] == [False, True]


# ---------------------------------------------------------------------- what a verb is for


async def test_freeze_finds_the_rows_of_a_selection(office: Office, reader: Reader) -> None:
    first, second = office.message("a@one.example", "b@two.example", age=9), office.message("c@one.example", age=5)
    office.try_all("one.example", Disposition.DELIVERED)
    states = (State.QUEUED, State.DEFERRED)
    assert list(await queries.freeze(reader, Everything(), states)) == [recipient_row(first, 2)]
    assert list(await queries.freeze(reader, Ids((id_of(second), id_of(first, 2), id_of(first))), states)) == [
        recipient_row(first, 1),
        recipient_row(first, 2),
        recipient_row(second, 1),
    ]
    with pytest.raises(UnknownId, match=r"00000001, .*\.9"):
        await queries.freeze(reader, Ids(("00000001", id_of(second), id_of(first, 9))), states)


# ---------------------------------------------------------------------- the reader


async def test_a_search_that_takes_too_long_is_interrupted(office: Office) -> None:
    reader = await Reader.open(office.path, lambda data: (), limit=0.1)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    try:
        began = time.monotonic()
        with pytest.raises(QueryTimeout, match="narrow"):
            await reader.fetch(endless)
        assert time.monotonic() - began < 5
        for _ in range(4):  # a cancelled asker leaves no connection behind
            asking = asyncio.ensure_future(reader.fetch(endless, limit=60))
            await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        assert await reader.fetch("SELECT 1") == [(1,)]
    finally:
        await reader.close()


async def test_a_reader_cannot_write(office: Office, reader: Reader) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await reader.fetch("DELETE FROM counter")


async def test_text_that_is_not_utf8_does_not_break_a_view(office: Office, reader: Reader) -> None:
    office.message("ana@one.example")
    office.db.execute("UPDATE message SET subject = CAST(x'ff41' AS TEXT)")
    assert (await queries.queue_list(reader, EVERYTHING, NOW)).rows[0].subject == "\ufffdA"
