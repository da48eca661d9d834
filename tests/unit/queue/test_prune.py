from __future__ import annotations

import sqlite3

import pytest
from tests.unit.queue.office import NOW, Office

from mailtui.model import Disposition, recipient_row
from mailtui.queue import lanes, verbs
from mailtui.queue.check import check_queue
from mailtui.queue.moments import Flow, write
from mailtui.queue.prune import Keep, drop_unused, give_back, used, waiting_octets
from mailtui.queue.pruner import Offline, Pruner
from mailtui.queue.verbs import Change, Verb

DAY = 86400.0
KEEP = Keep(history=14 * DAY, history_size=2_000_000_000, trash=DAY)


def _pruner(office: Office, keep: Keep = KEEP) -> Pruner:
    return Pruner(Offline(office.path, office.db), keep, office.fingerprints.forget)


def _purge(office: Office, message: int, now: float = NOW, verb: Verb = Verb.PURGE) -> None:
    office.db.execute("BEGIN")
    verbs.apply(office.db, Change(verb, [recipient_row(message, 1)], now, "root"))
    office.db.execute("COMMIT")


def _count(office: Office, table: str) -> int:
    n: int = office.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return n


def _finished(office: Office) -> list[float]:
    rows = office.db.execute("SELECT finished_at FROM message WHERE finished_at IS NOT NULL ORDER BY finished_at")
    return [row[0] for row in rows]


async def test_bodies_go_when_the_last_recipient_is_finished(office: Office) -> None:
    done = office.message("a@done.example", age=100)
    half = office.message("a@done.example", "b@wait.example", age=90)
    office.try_all("done.example", Disposition.DELIVERED)
    swept = await _pruner(office).sweep(NOW + 60)
    assert (swept.bodies, swept.messages) == (1, 0)
    assert (office.has_body(done), office.has_body(half)) == (False, True)
    assert not await _pruner(office).step(NOW + 60)
    assert check_queue(office.path) == []


async def test_the_trash_keeps_bodies_until_its_time_and_is_not_looked_at_again_and_again(office: Office) -> None:
    purged = [office.message("a@one.example", age=1000 + i) for i in range(300)]
    for message in purged:
        _purge(office, message)
    pruner = _pruner(office)
    await pruner.sweep(NOW + 60)
    later = office.message("a@two.example", age=0)
    office.try_all("two.example", Disposition.DELIVERED, now=NOW + 70)
    looked = 0

    def trace(sql: str) -> None:
        nonlocal looked
        looked += "FROM recipient" in sql

    office.db.set_trace_callback(trace)
    await pruner.sweep(NOW + 80)
    office.db.set_trace_callback(None)
    assert not office.has_body(later)
    assert all(office.has_body(message) for message in purged)
    assert looked < 10
    swept = await pruner.sweep(NOW + DAY + 1)
    assert swept.bodies == 300
    assert check_queue(office.path) == []


async def test_a_bounce_of_an_operator_can_be_taken_back_for_a_minute(office: Office) -> None:
    message = office.message("a@one.example", age=1000)
    _purge(office, message, verb=Verb.BOUNCE)
    await _pruner(office).sweep(NOW + 30)
    assert office.has_body(message)
    await _pruner(office).sweep(NOW + 61)
    assert not office.has_body(message)


async def test_what_finished_late_is_found_though_the_look_has_gone_past(office: Office) -> None:
    """A commit may carry an older time than one before it."""
    first, second = office.message("a@one.example", age=100), office.message("a@two.example", age=100)
    office.try_all("one.example", Disposition.DELIVERED, now=NOW + 10)
    pruner = _pruner(office)
    await pruner.sweep(NOW + 12)
    assert office.has_body(first)
    office.try_all("two.example", Disposition.DELIVERED, now=NOW + 8)
    await pruner.sweep(NOW + 20)
    assert not office.has_body(first)
    assert not office.has_body(second)


async def test_history_goes_with_everything_known_of_it_and_counters_stay(office: Office) -> None:
    for i in range(250):
        office.message(f"a{i}@old.example", age=20 * DAY + i)
    office.try_all("old.example", now=NOW - 19 * DAY)
    office.try_all("old.example", Disposition.DELIVERED, now=NOW - 18 * DAY)
    young = office.message("a@young.example", age=1000)
    office.try_all("young.example", Disposition.DELIVERED)
    old_waiting = office.message("a@held.example", age=30 * DAY)
    _purge(office, old_waiting, NOW - 30 * DAY, Verb.HOLD)
    totals = dict(office.db.execute("SELECT name, n FROM counter"))
    swept = await _pruner(office).sweep(NOW + 60)
    assert swept.messages == 250
    assert [row[0] for row in office.db.execute("SELECT id FROM message ORDER BY id")] == [old_waiting, young]
    assert (_count(office, "recipient"), _count(office, "attempt"), _count(office, "transcript")) == (2, 1, 2)
    assert dict(office.db.execute("SELECT name, n FROM counter")) == totals
    assert totals["delivered"] == 251
    assert office.has_body(old_waiting)
    assert office.balanced()
    assert check_queue(office.path) == []


async def test_history_beyond_its_size_goes_oldest_first_whatever_its_age(office: Office) -> None:
    waiting = office.message("a@wait.example", body=b"x" * 2_000_000, age=50)
    for i in range(400):
        office.message(f"a{i}@done.example", age=1000 + i, subject="s" * 900)
        if i % 50 == 0:
            office.try_all("done.example", Disposition.DELIVERED, now=NOW - 500 + i)
    office.try_all("done.example", Disposition.DELIVERED)
    await _pruner(office).sweep(NOW + 60)
    assert _count(office, "message") == 401
    assert waiting_octets(office.path) == 2_000_000
    before = _finished(office)
    pruner = _pruner(office, Keep(14 * DAY, used(office.db) - 2_000_000 - 100_000, DAY))
    swept = await pruner.sweep(NOW + 60)
    assert 0 < swept.messages < 400
    assert _finished(office) == before[swept.messages :]
    assert office.has_body(waiting)
    assert office.state(waiting) == "queued"
    assert check_queue(office.path) == []


async def test_when_the_disk_is_short_all_history_may_go(office: Office) -> None:
    office.message("a@done.example", age=100)
    office.try_all("done.example", Disposition.DELIVERED)
    pruner = _pruner(office)
    await pruner.sweep(NOW + 60)
    assert _count(office, "message") == 1
    assert (await pruner.step(NOW + 60, pressed=True)).messages == 1


async def test_samples_old_events_and_transcripts_of_connections_go_by_age(office: Office) -> None:
    office.message("a@one.example", age=100)
    office.try_all("one.example", now=NOW)
    office.db.executemany(
        "INSERT INTO event (at, message, kind) VALUES (?, 0, 'reload')", [(NOW - 15 * DAY,), (NOW - 15 * DAY,), (NOW,)]
    )
    write(office.db, Flow(int(NOW // 60)))
    assert not await _pruner(office).sweep(NOW - 10) or _count(office, "sample") == 1
    assert (_count(office, "failure"), _count(office, "moment")) == (1, 1)
    await _pruner(office).sweep(NOW + 2 * DAY + 120)
    assert (_count(office, "sample"), _count(office, "event"), _count(office, "transcript")) == (0, 1, 2)
    assert (_count(office, "failure"), _count(office, "moment")) == (0, 0)
    await _pruner(office).sweep(NOW + 15 * DAY)
    assert (_count(office, "event"), _count(office, "transcript")) == (0, 0)
    assert _count(office, "attempt") == 1  # the recipient still waits, with what was answered


def test_unused_failure_groups_and_empty_tallies_go(office: Office) -> None:
    office.message("a@one.example", age=100)
    office.try_all("one.example")
    drop_unused(office.db, KEEP, NOW + 30 * DAY)
    assert _count(office, "fingerprint") == 1
    assert office.db.execute("SELECT state, n FROM tally").fetchall() == [("deferred", 1)]
    office.try_all("one.example", Disposition.DELIVERED, now=NOW + 400)
    drop_unused(office.db, KEEP, NOW + DAY)
    assert _count(office, "fingerprint") == 1
    drop_unused(office.db, KEEP, NOW + 30 * DAY)
    assert _count(office, "fingerprint") == 0


async def test_free_pages_go_back_in_steps_but_for_a_reserve(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailtui.queue.prune.RESERVE", 20)
    office.message("a@done.example", body=b"x" * 8_000_000, age=100)
    office.try_all("done.example", Disposition.DELIVERED)
    pages = office.db.execute("PRAGMA page_count").fetchone()[0]
    swept = await _pruner(office).sweep(NOW + 60)
    assert swept.freed > 6_000_000
    assert (
        office.db.execute("PRAGMA page_count").fetchone()[0]
        == pages - swept.freed // office.db.execute("PRAGMA page_size").fetchone()[0]
    )
    assert not give_back(office.db)


async def test_a_failing_step_changes_nothing(office: Office) -> None:
    office.message("a@done.example", age=100)
    office.try_all("done.example", Disposition.DELIVERED)
    office.db.execute("CREATE TRIGGER stop BEFORE UPDATE OF body ON message BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(sqlite3.IntegrityError):
        await _pruner(office).step(NOW + 60)
    assert _count(office, "content") == 1
    assert not office.db.in_transaction


async def test_sites_that_no_destination_leads_to_go_when_their_history_has(office: Office) -> None:
    office.message("a@moved.example", "b@one.example", age=20 * DAY)
    (lane, other) = (office.lanes.id(office.db, name, "mx") for name in ("moved.example", "one.example"))
    old, then = NOW - 15 * DAY, NOW - 13 * DAY
    lanes.enter_site(office.db, other, "mx.one.example")
    for name, last in (("a.moved.example", old), ("b.moved.example", then), ("c.moved.example", old)):
        lanes.enter_site(office.db, lane, name)
        lanes.mend_site(office.db, name, last)

    def names() -> list[str]:
        return [row[0] for row in office.db.execute("SELECT name FROM site ORDER BY name")]

    await _pruner(office).sweep(NOW)
    assert names() == ["b.moved.example", "c.moved.example", "mx.one.example"]
    await _pruner(office).sweep(NOW + 2 * DAY)
    assert names() == ["c.moved.example", "mx.one.example"]
    assert lanes.enter_site(office.db, lane, "a.moved.example") == lanes.SiteRow("a.moved.example")
    assert check_queue(office.path) == []


def test_sites_go_a_few_at_a_time(office: Office) -> None:
    office.db.executemany("INSERT INTO site (name) VALUES (?)", [(f"s{n}",) for n in range(5)])
    assert [lanes.drop_sites(office.db, NOW, 3) for _ in range(3)] == [3, 2, 0]
