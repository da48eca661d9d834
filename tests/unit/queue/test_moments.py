"""The minutes of the relay: what happened in each, and the row it becomes."""

from __future__ import annotations

from tests.unit.queue.office import NOW, Office

from mailtui.events import Accepted, Attempted
from mailtui.queue.delays import percentile
from mailtui.queue.moments import Flow, Meter, write

MINUTE = int(NOW // 60)


def tried(disposition: str, delay: float = 0.0) -> Attempted:
    return Attempted(NOW, "1QHQZRES", "a@b", disposition, "", "rcpt", 250, "", "", delay=delay)


def test_a_minute_is_told_once_when_it_is_over() -> None:
    meter = Meter(NOW)
    meter.sink(Accepted(NOW, "1QHQZRES", "a@b", 3, 100, "192.0.2.1"))
    for delay in range(1, 101):
        meter.sink(tried("delivered", delay))
    meter.sink(tried("deferred", 7.0))
    meter.sink(tried("bounced"))
    meter.refused("refused_4xx", 2)
    meter.refused("refused_5xx", 5)
    assert meter.over(NOW) is None
    flow = meter.over(NOW + 60)
    assert flow is not None
    assert (flow.minute, flow.accepted, flow.delivered, flow.deferrals, flow.bounced) == (MINUTE, 3, 100, 1, 1)
    assert (flow.refused_4xx, flow.refused_5xx) == (2, 5)
    assert sum(flow.delays.values()) == 100
    median = percentile(flow.delays, 0.5)
    assert median is not None and 47 < median < 53
    assert meter.over(NOW + 60) is None
    assert meter.over(NOW + 300) == Flow(MINUTE + 1)


def test_a_minute_is_kept_with_the_depth_at_its_end(office: Office) -> None:
    office.message("a@one.example", "b@one.example", "c@two.example")
    office.try_all("one.example")
    write(office.db, Flow(MINUTE, 5, 4, 3, 2, 7, 8, {3: 4}))
    columns = (
        "queued, sending, deferred, held, accepted, delivered, deferrals, bounced, refused_4xx, refused_5xx, delays"
    )
    kept = office.db.execute(f"SELECT minute, {columns} FROM moment").fetchall()
    assert kept == [(MINUTE, 1, 0, 2, 0, 5, 4, 3, 2, 7, 8, '{"3":4}')]
