"""The past, read for any range: by minute, by hour with hours that are not summed yet, by destination."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.queue.office import NOW, Office

from mailtui.model import Disposition
from mailtui.queue import hours, moments
from mailtui.queue.moments import Flow
from mailtui.queue.prune import Keep
from mailtui.queue.pruner import Offline, Pruner
from mailtui.queue.reader import Reader
from mailtui.queue.timeline import Range, Unit, destination, destinations, failures, samples

MINUTE = int(NOW // 60)
HOUR = int(NOW // 3600)
DAY = 86400.0


async def prune(office: Office, now: float) -> None:
    keep = Keep(14 * DAY, 2_000_000_000, DAY)
    await Pruner(Offline(office.path, office.db), keep, office.fingerprints.forget).sweep(now)


async def test_minutes_are_found_again(office: Office, reader: Reader) -> None:
    for n in range(3):
        moments.write(office.db, Flow(MINUTE + n, accepted=n))
    office.message("a@one.example")
    moments.write(office.db, Flow(MINUTE + 3, 5, 4, 3, 2, 1, 9, {80: 4}))
    rows = await samples(reader, Range(NOW, NOW + 240, "minute"), 100)
    assert [row.accepted for row in rows] == [0, 1, 2, 5]
    assert msgspec.to_builtins(rows[-1]) == {
        "at": "2026-09-21T14:16:00Z", "queued": 1, "sending": 0, "deferred": 0, "held": 0, "accepted": 5, "delivered": 4,
        "deferrals": 3, "bounced": 2, "p50": 0.981, "p95": 0.981, "p99": 0.981, "refused_4xx": 1, "refused_5xx": 9,
        "minutes": 1, "peak": 1,
    }  # fmt: skip
    assert len(await samples(reader, Range(NOW, NOW + 240, "minute"), 2)) == 2
    assert [row.accepted for row in await samples(reader, Range(NOW + 60, NOW + 120, "minute"), 100)] == [1, 2]
    assert await samples(reader, Range(NOW - 900, NOW - 600, "minute"), 100) == ()


async def test_hours_are_the_same_before_and_after_they_are_summed_and_outlive_their_minutes(
    office: Office, reader: Reader
) -> None:
    for n in range(0, 150, 10):
        moments.write(office.db, Flow(MINUTE + n, 1, 2, 3, 4, 5, 6, {n % 7: 2}))
    wanted = Range(NOW, NOW + 4 * 3600, "hour")
    before = await samples(reader, wanted, 100)
    assert len(before) in (3, 4) and sum(row.accepted for row in before) == sum(row.minutes for row in before) == 15
    hours.write(office.db, hours.gather(office.path, HOUR))
    assert await samples(reader, wanted, 100) == before
    await prune(office, NOW + 3 * DAY)
    assert office.db.execute("SELECT count(*) FROM moment").fetchone() == (0,)
    assert await samples(reader, wanted, 100) == before
    assert await samples(reader, wanted, 1) == before[:1]
    await prune(office, NOW + 90 * DAY + 5 * 3600)
    assert await samples(reader, wanted, 100) == ()


async def _failing(office: Office) -> None:
    """In the same minute two.example takes its mail, one.example defers two, bounces one."""
    office.message("a@one.example", "b@one.example", "c@two.example")
    office.try_all("one.example", now=NOW)
    office.try_all("two.example", Disposition.DELIVERED, now=NOW)
    office.message("d@one.example")
    office.try_all("one.example", Disposition.BOUNCED, now=NOW + 60)


@pytest.mark.parametrize(("unit", "later"), [("minute", 0.0), ("hour", 0.0), ("hour", 3 * DAY)])
async def test_what_failed_where(office: Office, reader: Reader, unit: Unit, later: float) -> None:
    await _failing(office)
    if later:
        await prune(office, NOW + later)
    wanted = Range(NOW, NOW + 120, unit)
    found = await failures(reader, "", wanted, 10)
    assert [(row.destination, row.class_, row.count, row.deferred, row.bounced) for row in found] == [
        ("one.example", "throttled", 2, 2, 0),
        ("one.example", "throttled", 1, 0, 1),
    ]
    assert found[0].sample == "451 4.7.1 slow down" and found[0].sentence == "They are busy."
    assert await failures(reader, "two.example", wanted, 10) == ()
    assert len(await failures(reader, "one.example", wanted, 1)) == 1
    flow = await destination(reader, "one.example", wanted, 10)
    assert (sum(row.deferrals for row in flow), sum(row.bounced for row in flow), flow[0].class_) == (2, 1, "throttled")
    (other,) = await destination(reader, "two.example", wanted, 10)
    assert (other.delivered, other.class_, other.sentence) == (1, "", "")
    assert [msgspec.structs.astuple(row) for row in await destinations(reader, "", wanted, 10)] == [
        ("one.example", "", 0, 2, 1, "throttled"),
        ("two.example", "", 1, 0, 0, ""),
    ]
    assert [row.destination for row in await destinations(reader, "", wanted, 1)] == ["one.example"]
    assert [row.destination for row in await destinations(reader, "two.example", wanted, 9)] == ["two.example"]
    assert await destinations(reader, "", Range(NOW - 7200, NOW - 3600, unit), 10) == ()


async def test_the_others_of_an_hour_have_no_name(
    office: Office, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hours, "TOP", 1)
    await _failing(office)
    hours.write(office.db, hours.gather(office.path, HOUR))
    found = await failures(reader, "", Range(NOW, NOW + 120, "hour"), 10)
    assert [(row.destination, row.count, row.class_) for row in found] == [
        ("one.example", 2, "throttled"),
        ("", 1, ""),
    ]


async def test_a_kind_of_reply_is_known_as_long_as_an_hour_tells_of_it(office: Office, reader: Reader) -> None:
    office.message("a@one.example")
    office.try_all("one.example", Disposition.BOUNCED, now=NOW)
    await prune(office, NOW + 30 * DAY)
    (row,) = await failures(reader, "one.example", Range(NOW, NOW + 60, "hour"), 10)
    assert row.sentence == "They are busy."
    await prune(office, NOW + 92 * DAY)
    await prune(office, NOW + 93 * DAY)
    assert office.db.execute("SELECT count(*) FROM fingerprint").fetchone() == (0,)
