"""What the queue file has to say of one destination, and of nothing else."""

from __future__ import annotations

import pytest
from tests.unit.queue.office import NOW, Office

from mailtui.bundles import DoneRow, Numbers
from mailtui.model import Disposition, Reply, recipient_row
from mailtui.queue import evidence
from mailtui.queue.actions import Entry, at_once, keep
from mailtui.queue.evidence import Beside, Kind, Minute, Pick, Place
from mailtui.queue.reader import Reader
from mailtui.views import moment

FULL = Reply(452, "4.2.2", "full")
SINCE = NOW - 3600


async def here(reader: Reader) -> Place:
    where = await evidence.place(reader, "one.example")
    assert where is not None
    return where


async def test_a_place_has_its_lanes_and_site(office: Office, reader: Reader) -> None:
    office.message("a@one.example", "b@two.example")
    assert await evidence.place(reader, "three.example") is None
    assert (await here(reader)).site == ""
    office.db.execute("INSERT INTO site (id, name) VALUES (7, 'mx.one')")
    office.db.execute("UPDATE lane SET site = 7 WHERE destination = 'one.example'")
    where = await here(reader)
    assert (where.destination, where.site, where.routes, len(where.lanes)) == ("one.example", "mx.one", ("mx",), 1)


async def test_numbers_and_minutes_are_of_the_destination_and_the_window(office: Office, reader: Reader) -> None:
    office.message("a@one.example", "b@one.example", "x@two.example", age=60)
    office.try_all("one.example")
    office.try_all("two.example", Disposition.DELIVERED)
    office.message("c@one.example", age=30)
    office.try_all("one.example", Disposition.DELIVERED)
    where, minute = await here(reader), int(NOW // 60)
    flow = await evidence.flow(reader, where, SINCE)
    assert flow == (Minute(minute, "", 1, 2, 0),)
    assert await evidence.failures(reader, where, SINCE) == (Minute(minute, "throttled", 0, 2, 0),)
    assert await evidence.numbers(reader, where, flow) == Numbers(2, 0, 1, 2, 0)
    assert await evidence.flow(reader, where, NOW + 60) == await evidence.failures(reader, where, NOW + 60) == ()


async def test_groups_have_what_was_tried_and_what_waits(office: Office, reader: Reader) -> None:
    office.message("a@one.example", "b@one.example", "x@two.example", age=100)
    office.try_all("one.example")
    office.try_all("two.example")
    office.message("c@one.example", age=10)
    office.try_all("one.example", Disposition.BOUNCED, reply=FULL)
    where, minute = await here(reader), NOW // 60 * 60
    first, second = await evidence.groups(reader, where, SINCE, 10)
    assert first == Kind("451 slow down", "throttled", "They are busy.", 2, 2, minute, minute)
    assert (second.fingerprint, second.attempts, second.waiting) == ("452 full", 1, 0)
    (later,) = await evidence.groups(reader, where, NOW + 60, 10)
    assert (later.fingerprint, later.attempts, later.waiting, later.first) == ("451 slow down", 0, 2, NOW)


async def test_samples_are_of_different_messages_and_lately(office: Office, reader: Reader) -> None:
    old, new = (office.message("a@one.example", "b@one.example", "x@two.example", age=age) for age in (100, 50))
    office.try_all("one.example")
    office.try_all("two.example")
    third = office.message("c@one.example", age=10)
    office.try_all("one.example", reply=FULL)
    found = await evidence.picks(reader, await here(reader), SINCE, 2)
    assert [pick.fingerprint for pick in found] == ["451 slow down", "451 slow down", "452 full"]
    assert {pick.recipient >> 20 for pick in found[:2]} == {old, new}
    assert found[2] == Pick(recipient_row(third, 1), 1, "452 full")
    assert len(await evidence.picks(reader, await here(reader), SINCE, 1)) == 2
    assert await evidence.picks(reader, await here(reader), NOW, 2) == ()


async def test_attempts_are_found_from_both_ends(office: Office, reader: Reader) -> None:
    row = recipient_row(office.message("a@one.example", "b@two.example", age=100), 1)
    for n in range(3):
        assert office.try_all("one.example", now=NOW + 300 * n) == 1
    assert await evidence.attempts_of(reader, row, 2) == (2, 3)
    assert [await evidence.from_the_end(reader, row, n) for n in (1, 2, 3)] == [3, 2, 1]
    assert await evidence.beside(reader, row) == Beside(
        ("a@one.example", "b@two.example"), ("one.example", "two.example")
    )


async def test_tls_of_what_failed_and_what_was_delivered(office: Office, reader: Reader) -> None:
    office.message("a@one.example", "x@two.example", age=100)
    office.try_all("one.example")
    office.try_all("two.example")
    office.message("b@one.example", age=10)
    office.try_all("one.example", Disposition.DELIVERED, now=NOW + 5)
    office.db.execute("UPDATE attempt SET tls = '' WHERE disposition = 'deferred'")
    rows = await evidence.tls(reader, await here(reader), SINCE, NOW - 86400)
    assert [(row.host, row.address, row.tls, row.attempts, row.last) for row in rows] == [
        ("mx.example", "192.0.2.1", "TLSv1.3", 1, moment(NOW + 5)),
        ("mx.example", "192.0.2.1", "", 1, moment(NOW)),
    ]


async def test_actions_that_touched_it_or_name_it(office: Office, reader: Reader) -> None:
    number = office.message("a@one.example", "b@two.example", age=100)
    mine, other = recipient_row(number, 1), recipient_row(number, 2)
    for row, filter in ((mine, "subject:x"), (other, "subject:y")):
        action = at_once(office.db, Entry(NOW, "ana", "hold", filter, "why", {}), 0)
        keep(office.db, action, [row])
    at_once(office.db, Entry(NOW + 1, "relay", "suspend", "destination:one.example", "slow", {}))
    at_once(office.db, Entry(NOW + 2, "ben", "resume", "domain:one.example", "", {}))
    for entry in (
        Entry(NOW + 3, "ben", "suspend", "destination:two.example"),
        Entry(NOW + 4, "ben", "suspend", "delivery"),
    ):
        at_once(office.db, entry)
    at_once(office.db, Entry(NOW + 5, "ben", "reroute", "", "", {"from": "one.example"}))
    where = await here(reader)
    assert await evidence.actions(reader, where, SINCE) == (
        DoneRow(moment(NOW), "hold", 1, None, "ana", "why", "subject:x"),
        DoneRow(moment(NOW + 1), "suspend", 0, None, "relay", "slow", "destination:one.example"),
        DoneRow(moment(NOW + 2), "resume", 0, None, "ben", "", "domain:one.example"),
        DoneRow(moment(NOW + 4), "suspend", 0, None, "ben", "", "delivery"),
        DoneRow(moment(NOW + 5), "reroute", 0, None, "ben", "", ""),
    )
    assert await evidence.actions(reader, where, NOW + 5) == ()
    assert [done.filter for done in await evidence.touched(reader, other)] == ["subject:y"]


async def test_it_is_known_when_samples_are_chosen_among_some(
    office: Office, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        office.message("a@one.example", age=60)
    office.try_all("one.example")
    monkeypatch.setattr(evidence, "LATEST", 3)
    assert not await evidence.bounded(reader, NOW - 900)
    monkeypatch.setattr(evidence, "LATEST", 2)
    assert await evidence.bounded(reader, NOW - 900)
    assert not await evidence.bounded(reader, NOW + 1)
