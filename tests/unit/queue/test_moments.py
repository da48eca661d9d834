"""The minutes of the relay: what happened in each, how deep the queue was at its end, read for any range."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.queue.office import NOW, Office

from mailtui.events import Accepted, Attempted
from mailtui.queue import moments
from mailtui.queue.moments import Flow, Meter, percentile, samples, write
from mailtui.queue.reader import Reader

MINUTE = int(NOW // 60)


def tried(disposition: str, delay: float = 0.0) -> Attempted:
    return Attempted(NOW, "1QHQZRES", "a@b", disposition, "", "rcpt", 250, "", "", delay=delay)


def test_a_minute_is_told_once_when_it_is_over() -> None:
    meter = Meter(NOW)
    meter.sink(Accepted(NOW, "1QHQZRES", "a@b", 3, 100, "192.0.2.1"))
    for delay in range(1, 101):
        meter.sink(tried("delivered", delay))
    meter.sink(tried("deferred"))
    meter.sink(tried("bounced"))
    assert meter.over(NOW) is None
    assert meter.over(NOW + 60) == Flow(MINUTE, 3, 100, 1, 1, 51.0, 96.0)
    assert meter.over(NOW + 60) is None
    assert meter.over(NOW + 300) == Flow(MINUTE + 1)


def test_no_more_delays_are_kept_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "DELAYS", 100)
    meter = Meter(NOW)
    for delay in range(2000):
        meter.sink(tried("delivered", delay))
    flow = meter.over(NOW + 60)
    assert flow is not None and flow.delivered == 2000
    assert flow.p50 is not None and 500 < flow.p50 < 1500  # the first hundred alone would say 50


@pytest.mark.parametrize(("values", "share", "wanted"), [([], 0.5, None), ([7.0], 0.95, 7.0), ([1.0, 2.0], 0.5, 2.0)])
def test_percentiles(values: list[float], share: float, wanted: float | None) -> None:
    assert percentile(values, share) == wanted


async def test_minutes_are_kept_and_found_again(office: Office, reader: Reader) -> None:
    office.message("a@one.example", "b@one.example", "c@two.example")
    office.try_all("one.example")
    for n in range(3):
        write(office.db, Flow(MINUTE + n, accepted=n))
    write(office.db, Flow(MINUTE + 3, 5, 4, 3, 2, 1.5, 2.5))
    rows = await samples(reader, NOW, NOW + 240, 100)
    assert [row.accepted for row in rows] == [0, 1, 2, 5]
    assert msgspec.to_builtins(rows[-1]) == {
        "at": "2026-09-21T14:16:00Z", "queued": 1, "sending": 0, "deferred": 2, "held": 0, "accepted": 5, "delivered": 4,
        "deferrals": 3, "bounced": 2, "p50": 1.5, "p95": 2.5,
    }  # fmt: skip
    assert len(await samples(reader, NOW, NOW + 240, 2)) == 2
    assert [row.accepted for row in await samples(reader, NOW + 60, NOW + 120, 100)] == [1, 2]
    assert await samples(reader, NOW - 900, NOW - 600, 100) == ()
