"""Rates per minute against a count of what happened, on a clock that is a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.events import Accepted, Attempted, Notice
from mailtui.rates import BUCKET, KEPT, NAMES, Rates


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_nothing_yet() -> None:
    assert Rates(Clock()).per_minute(1) == dict.fromkeys(NAMES, 0.0)


def test_a_young_relay_is_judged_by_its_age() -> None:
    clock = Clock()
    rates = Rates(clock)
    clock.now += 30
    rates.add("accepted", 15)

    assert rates.per_minute(1)["accepted"] == rates.per_minute(15)["accepted"] == 30.0


def test_what_is_older_than_the_window_does_not_count() -> None:
    clock = Clock()
    rates = Rates(clock)
    rates.add("bounced", 60)
    clock.now += 120

    assert rates.per_minute(1)["bounced"] == 0
    assert rates.per_minute(15)["bounced"] == 30.0


@given(
    st.lists(st.tuples(st.floats(0, 40), st.sampled_from(NAMES), st.integers(1, 9)), max_size=60),
    st.sampled_from([1, 15]),
)
def test_a_rate_is_the_count_of_its_window_give_or_take_a_bucket(
    happened: list[tuple[float, str, int]], minutes: int
) -> None:
    clock = Clock()
    rates, log = Rates(clock), []
    for pause, name, count in happened:
        clock.now += pause
        rates.add(name, count)
        log.append((clock.now, name, count))
    span = max(min(minutes * 60.0, clock.now - 1000.0), 1.0)

    found = rates.per_minute(minutes)

    for name in NAMES:
        total = found[name] * span / 60
        inside = sum(count for at, other, count in log if other == name and at > clock.now - span)
        wider = sum(count for at, other, count in log if other == name and at >= clock.now - span - BUCKET)
        assert inside - 0.2 <= total <= wider + 0.2


def test_memory_does_not_grow() -> None:
    clock = Clock()
    rates = Rates(clock)
    for _ in range(2 * KEPT):
        clock.now += BUCKET
        rates.add("accepted")

    assert rates.per_minute(15)["accepted"] == pytest.approx(60 / BUCKET, rel=0.02)
    assert len(rates._ring) == KEPT


def test_events_are_counted_in_recipients() -> None:
    rates = Rates(Clock())
    rates.sink(Accepted(1.0, "A", "a@b", 3, 10, "::1"))
    rates.sink(Attempted(1.0, "A", "c@d", "deferred", "x", "rcpt", 450, "", ""))
    rates.sink(Attempted(1.0, "A", "c@d", "delivered", "x", "final-dot", 250, "", ""))
    rates.sink(Notice(1.0, "info", "x"))

    assert rates.per_minute(1) == dict.fromkeys(NAMES, 0.0) | {"accepted": 180.0, "deferred": 60.0, "delivered": 60.0}
