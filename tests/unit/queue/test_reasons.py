"""Failure groups: whose, of which kind, how many; read from the tally or counted, of what waits or of the last minutes."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.unit.queue.office import NOW, Office, id_of

from mailtui.model import Disposition, Reply
from mailtui.queue import walks
from mailtui.queue.filter import EVERYTHING, parse
from mailtui.queue.queries import queue_list
from mailtui.queue.reader import Reader
from mailtui.queue.reasons import NEXT_LANES, By, reasons
from mailtui.views import ReasonRow, moment

FULL = Reply(452, "4.2.2", "full")


@pytest.fixture
def scene(office: Office) -> list[int]:
    """Four messages: three recipients of a shared site throttled, one mailbox full where no site is known."""
    numbers = [
        office.message("a@one.example", "b@two.example", age=600),
        office.message("c@one.example", age=60, sender="news@list.example"),
        office.message("d@three.example", age=30, sender=""),
    ]
    office.db.execute("INSERT INTO site (id, name) VALUES (7, 'mx.shared.example')")
    office.db.execute("UPDATE lane SET site = 7 WHERE destination IN ('one.example', 'two.example')")
    office.db.execute("UPDATE message SET user = 'ana' WHERE sender = 'news@list.example'")
    office.try_all("one.example")
    office.try_all("two.example")
    office.try_all("three.example", reply=FULL)
    return numbers


async def test_a_line_is_exactly_the_promised_json(scene: list[int], reader: Reader) -> None:
    first, second = await reasons(reader, EVERYTHING, NOW)
    assert json.loads(msgspec.json.encode(first)) == {
        "site": "mx.shared.example",
        "destinations": 2,
        "fingerprint": "451 slow down",
        "count": 3,
        "behind": 0,
        "group": 1,
        "class": "throttled",
        "sentence": "They are busy.",
        "first_seen": "2026-09-21T14:13:20Z",
        "last_seen": "2026-09-21T14:13:20Z",
        "oldest_seconds": 600,
        "next_attempt": "2026-09-21T14:18:20Z",
        "sample_id": id_of(scene[0], 1),
        "top_destinations": [
            {"destination": "one.example", "count": 2},
            {"destination": "two.example", "count": 1},
        ],
    }
    assert (second.site, second.count, second.class_, second.sample_id) == ("", 1, "mailbox-full", id_of(scene[2], 1))


@pytest.mark.parametrize(
    ("by", "wanted"),
    [
        ("destination", [("one.example", 2), ("three.example", 1), ("two.example", 1)]),
        ("sender", [("app@example.org", 2), ("", 1), ("news@list.example", 1)]),
        ("user", [("", 2), ("", 1), ("ana", 1)]),
    ],
)
async def test_the_other_ways_to_group(scene: list[int], reader: Reader, by: By, wanted: list[tuple[str, int]]) -> None:
    found = [msgspec.to_builtins(row) for row in await reasons(reader, EVERYTHING, NOW, by)]
    assert [(row[by], row["count"]) for row in found] == wanted
    assert all("site" not in row for row in found)


async def test_by_class_it_is_the_kind_of_reply_wherever_it_came_from(scene: list[int], reader: Reader) -> None:
    rows = await reasons(reader, EVERYTHING, NOW, "class")
    assert [(row.class_, row.count, row.destinations) for row in rows] == [("throttled", 3, 2), ("mailbox-full", 1, 1)]
    assert not {"site", "destination", "sender", "user"} & set(msgspec.to_builtins(rows[0]))


async def test_the_tally_and_the_count_agree(scene: list[int], office: Office, reader: Reader) -> None:
    """Every recipient matches `to:*`, but that is counted; held and retried ones are still in their groups."""
    office.db.execute("UPDATE recipient SET state = 'held' WHERE address LIKE 'a@%'")
    office.db.execute("UPDATE recipient SET state = 'queued', next_attempt = ? WHERE address LIKE 'c@%'", (NOW + 7,))
    office.db.execute("UPDATE lane SET not_before = ? WHERE destination = 'two.example'", (NOW + 9000,))
    for by in ("site", "destination", "class"):
        read = await reasons(reader, EVERYTHING, NOW, by)
        assert read == await reasons(reader, parse("to:*"), NOW, by)
        assert read[0].next_attempt is not None
    assert (await reasons(reader, EVERYTHING, NOW))[0].next_attempt.timestamp() == NOW + 7  # type: ignore[union-attr]
    office.db.execute("UPDATE tally SET n = n + 1000 WHERE state = 'held' AND n > 0")
    assert (await reasons(reader, EVERYTHING, NOW))[0].count == 1003  # not the rows are counted
    assert (await reasons(reader, parse("to:*"), NOW))[0].count == 3


async def test_a_group_of_held_recipients_has_no_next_attempt(scene: list[int], office: Office, reader: Reader) -> None:
    office.db.execute("UPDATE recipient SET state = 'held'")
    for text in ("", "to:*"):
        assert [row.next_attempt for row in await reasons(reader, parse(text), NOW)] == [None, None]


async def test_a_filter_and_a_limit_narrow(scene: list[int], reader: Reader) -> None:
    assert [row.count for row in await reasons(reader, parse("code:452"), NOW)] == [1]
    assert [row.count for row in await reasons(reader, parse("from:news@*"), NOW, "sender")] == [1]
    for text in ("", "to:*"):
        assert [row.count for row in await reasons(reader, parse(text), NOW, limit=1)] == [3]


async def test_what_was_not_tried_stands_behind_what_was(scene: list[int], office: Office, reader: Reader) -> None:
    """Of a site or DNS that does not work only probes fail; the rest waits for the same reason."""
    for i in range(4):
        office.message(f"e{i}@two.example", age=20 - i, sender="news@list.example")
        office.message(f"f{i}@three.example", age=10 - i)
    assert [row.behind for row in await reasons(reader, EVERYTHING, NOW)] == [0, 0], "they wait for their turn"
    office.db.execute("UPDATE site SET failures = 1")
    office.db.execute("UPDATE lane SET failures = 2 WHERE destination = 'three.example'")
    for filter in (EVERYTHING, parse("domain:*.example")):
        first, second = await reasons(reader, filter, NOW)
        assert (first.site, first.count, first.behind) == ("mx.shared.example", 3, 4)
        assert (second.class_, second.count, second.behind) == ("mailbox-full", 1, 4)
    (row,) = await reasons(reader, parse("from:news@list.example"), NOW)
    assert (row.count, row.behind) == (1, 4)
    places = {row.destination: row.behind for row in await reasons(reader, EVERYTHING, NOW, by="destination")}
    assert places == {"one.example": 0, "two.example": 4, "three.example": 4}
    assert {row.behind for row in await reasons(reader, EVERYTHING, NOW, by="class")} == {0}


async def test_the_largest_group_is_first_with_those_behind(scene: list[int], office: Office, reader: Reader) -> None:
    for i in range(4):
        office.message(f"f{i}@three.example", age=10 - i)
    office.db.execute("UPDATE lane SET failures = 2 WHERE destination = 'three.example'")
    assert [(row.count, row.behind) for row in await reasons(reader, EVERYTHING, NOW)] == [(1, 4), (3, 0)]


async def test_no_more_than_three_destinations_are_named(office: Office, reader: Reader) -> None:
    for n in range(5):
        office.message(*(f"{i}@d{n}.example" for i in range(n + 1)), age=10)
        office.try_all(f"d{n}.example")
    (row,) = await reasons(reader, EVERYTHING, NOW, "class")
    assert (row.destinations, row.count) == (5, 15)
    assert [(top.destination, top.count) for top in row.top_destinations] == [
        ("d4.example", 5),
        ("d3.example", 4),
        ("d2.example", 3),
    ]


async def test_a_window_counts_attempts_with_bounces_and_of_finished_recipients(office: Office, reader: Reader) -> None:
    office.message("a@one.example", age=3000)
    office.message("b@two.example", age=3000)
    office.try_all("one.example", now=NOW - 2000)
    office.try_all("one.example", now=NOW - 800)
    office.try_all("one.example", now=NOW - 400)
    office.try_all("one.example", Disposition.DELIVERED, now=NOW)
    office.try_all("two.example", Disposition.BOUNCED, now=NOW - 300)

    async def counted(window: float, text: str = "") -> list[tuple[str, int]]:
        rows = await reasons(reader, parse(text), NOW, "destination", window=window)
        return [(str(row.destination), row.count) for row in rows]

    assert await reasons(reader, EVERYTHING, NOW) == ()
    assert await counted(900) == [("one.example", 2), ("two.example", 1)]
    assert await counted(350) == [("two.example", 1)]
    assert await counted(3600) == [("one.example", 3), ("two.example", 1)]
    assert await counted(3600, "state:bounced") == [("two.example", 1)]
    first: ReasonRow = (await reasons(reader, EVERYTHING, NOW, window=900))[0]
    assert (first.first_seen.timestamp(), first.last_seen.timestamp()) == (NOW - 800, NOW - 400)
    assert (first.next_attempt, first.oldest_seconds) == (None, 3000)


async def test_the_next_attempt_of_a_group_in_many_lanes_is_that_of_the_lanes_due_first(
    office: Office, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane's due time is a lower bound: one that came due for the sake of other mail may hide the group's true next attempt, which
    stands beyond the twenty that are looked at. With a filter it is looked for in all."""
    many = NEXT_LANES + 5
    for i in range(many):
        office.message(f"a@d{i:02}.example")
        office.try_all(f"d{i:02}.example")
        office.db.execute("UPDATE lane SET due_at = ? WHERE destination = ?", (NOW + i, f"d{i:02}.example"))
        office.db.execute(
            "UPDATE recipient SET next_attempt = ? WHERE lane = (SELECT id FROM lane WHERE destination = ?)",
            (NOW + 1000 - 10 * i, f"d{i:02}.example"),
        )
    monkeypatch.setattr(walks, "FIRST", 5 * NEXT_LANES)
    (read,) = await reasons(reader, EVERYTHING, NOW, "class")
    (exact,) = await reasons(reader, parse("to:*"), NOW, "class")
    assert read.count == exact.count == read.destinations == many
    assert read.next_attempt == moment(NOW + 1000 - 10 * (NEXT_LANES - 1))
    assert exact.next_attempt == moment(NOW + 1000 - 10 * (many - 1))
    office.db.execute("UPDATE lane SET due_at = (SELECT next_attempt FROM recipient r WHERE r.lane = lane.id)")
    (read,) = await reasons(reader, EVERYTHING, NOW, "class")
    assert read.next_attempt == exact.next_attempt, "with the due times the relay keeps they agree"


@pytest.mark.parametrize("by", ["site", "class"])
async def test_a_group_is_a_filter(scene: list[int], office: Office, reader: Reader, by: By) -> None:
    for row in await reasons(reader, EVERYTHING, NOW, by):
        for operator in (":", "="):
            found = await queue_list(reader, parse(f"group{operator}{row.group}"), NOW)
            assert [one.class_ for one in found.rows] == [row.class_] * row.count
    office.message("e@four.example", age=5)
    untried = await queue_list(reader, parse("group:0"), NOW)
    assert [one.recipient for one in untried.rows] == ["e@four.example"]
    assert len((await queue_list(reader, parse("not group:0"), NOW)).rows) == 4
    office.db.execute("UPDATE recipient SET state = 'bounced' WHERE address = 'd@three.example'")
    group = (await reasons(reader, EVERYTHING, NOW, window=10_000))[-1].group
    assert (await queue_list(reader, parse(f"group:{group}"), NOW)).rows == ()
    assert len((await queue_list(reader, parse(f"group:{group} state:bounced"), NOW)).rows) == 1
