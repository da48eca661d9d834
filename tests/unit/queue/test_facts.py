"""What the queue file knows of a recipient: read whole, with the latest event and attempt."""

from __future__ import annotations

import pytest
from tests.unit.queue.office import NOW, Office, id_of

from mailtui.model import Disposition, Reply, State, recipient_row
from mailtui.queue.facts import Happened, LastAttempt, facts, recipients
from mailtui.queue.reader import Reader
from mailtui.queue.selection import UnknownId
from mailtui.queue.verbs import Change, Verb, apply


async def test_a_deferred_recipient_with_its_lane_and_site(office: Office, reader: Reader) -> None:
    message = office.message("ana@one.example", age=90)
    office.try_all("one.example")
    office.db.execute(
        "INSERT INTO site (id, name, failures, broken_until, reason) VALUES (7, 'mx.one', 3, 9.0, 'refused')"
    )
    office.db.execute("UPDATE lane SET site = 7, failures = 2, not_before = 8.0, reason = 'SERVFAIL'")
    office.db.execute("UPDATE attempt SET wait = 300")
    found = await facts(reader, recipient_row(message, 1))
    assert (found.state, found.address, found.sender) == (State.DEFERRED, "ana@one.example", "app@example.org")
    assert (found.destination, found.site, found.attempts) == ("one.example", "mx.one", 1)
    assert (found.next_attempt, found.expires_at, found.changed_at) == (NOW + 300, NOW - 90 + 432_000, NOW)
    assert (found.lane_failures, found.lane_until, found.lane_reason) == (2, 8.0, "SERVFAIL")
    assert (found.site_failures, found.site_until, found.site_reason) == (3, 9.0, "refused")
    assert (found.class_, found.sentence, found.host) == ("throttled", "They are busy.", "mx.example")
    assert (found.reply, found.last, found.event) == (Reply(451, "4.7.1", "slow down"), LastAttempt(NOW, 300.0), None)


async def test_the_event_that_led_to_the_state(office: Office, reader: Reader) -> None:
    message = office.message("ana@one.example", "bo@one.example", age=90)
    row = recipient_row(message, 1)
    for verb, at in ((Verb.HOLD, 5), (Verb.RELEASE, 6), (Verb.HOLD, 7)):
        apply(office.db, Change(verb, [row], NOW + at, "kim", f"at {at}"))
    office.db.execute("INSERT INTO event (at, message, kind, text) VALUES (?, ?, 'dsn', 'x')", (NOW + 9, message))
    held = await facts(reader, row)
    assert (held.state, held.event) == (State.HELD, Happened(NOW + 7, "hold", "kim", "at 7"))
    assert (held.former_state, held.former_next, held.last) == ("queued", NOW + 6, None)
    assert (await facts(reader, recipient_row(message, 2))).event is None


async def test_the_one_to_speak_of_is_tried_next(office: Office, reader: Reader) -> None:
    message = office.message("a@done.example", "b@slow.example", "c@next.example", age=90)
    office.try_all("done.example", Disposition.DELIVERED)
    office.db.execute("UPDATE lane SET not_before = ? WHERE destination = 'slow.example'", (NOW + 50,))
    found = await recipients(reader, id_of(message))
    assert [(other.id, other.state) for other in found] == [
        (id_of(message, 3), State.QUEUED),
        (id_of(message, 2), State.QUEUED),
        (id_of(message, 1), State.DELIVERED),
    ]
    assert found[1].next_attempt == NOW + 50
    assert [other.address for other in await recipients(reader, id_of(message, 1))] == ["a@done.example"]


@pytest.mark.parametrize("id", ["", "zzz", "05JQ3K8T", "05JQ3K8T.1", "x" * 1000])
async def test_what_is_not_there_is_unknown(office: Office, reader: Reader, id: str) -> None:
    office.message("ana@one.example")
    with pytest.raises(UnknownId):
        await recipients(reader, id)
    with pytest.raises(UnknownId):
        await facts(reader, 5)


async def test_an_undo_ends_what_a_retry_led_to_and_the_list_led_to_its_own(office: Office, reader: Reader) -> None:
    message = office.message("ana@one.example", age=90)
    row = recipient_row(message, 1)
    insert = "INSERT INTO event (at, message, recipient, kind, actor, text) VALUES (?, ?, 1, ?, ?, '')"
    for at, kind, actor in ((1, "retry", "kim"), (2, "undo", "lee"), (3, "suppressed", "relay"), (4, "release", "kim")):
        office.db.execute(insert, (NOW + at, message, kind, actor))
    assert (await facts(reader, row)).event == Happened(NOW + 2, "undo", "lee", "")
    office.db.execute("UPDATE recipient SET state = 'suppressed' WHERE id = ?", (row,))
    assert (await facts(reader, row)).event == Happened(NOW + 3, "suppressed", "relay", "")
