"""Token buckets and the memory budget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailtui.intake.limits import Buckets, Budget


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    buckets = Buckets(rate=0.5, burst=3)
    assert [buckets.take("a", 100.0) for _ in range(4)] == [True, True, True, False]
    assert not buckets.take("a", 101.9)
    assert buckets.take("a", 102.0)
    assert buckets.take("b", 102.0), "one key says nothing about another"


def test_a_token_can_be_given_back_but_never_above_the_burst() -> None:
    buckets = Buckets(rate=0.0, burst=2)
    buckets.take("a", 0.0)
    for _ in range(5):
        buckets.give_back("a", 0.0)
    assert buckets.level("a", 0.0) == 2


def test_overdrawing_stops_at_the_floor() -> None:
    buckets = Buckets(rate=1.0, burst=1)
    assert [buckets.overdraw("a", 0.0, floor=-2) for _ in range(5)] == [0, -1, -2, -2, -2]
    assert buckets.level("a", 3.0) == 1


def test_memory_is_bounded_and_the_least_used_is_forgotten_first() -> None:
    buckets = Buckets(rate=0.0, burst=1, keys=100)
    for number in range(1000):
        buckets.take(str(number), 0.0)
        buckets.overdraw("busy", 0.0, floor=-5)
    assert len(buckets) == 100
    assert buckets.level("busy", 0.0) == -5
    assert buckets.level("0", 0.0) == 1


@given(st.lists(st.floats(0, 50), max_size=200))
def test_no_bucket_gives_more_than_burst_and_rate_allow(steps: list[float]) -> None:
    buckets = Buckets(rate=0.25, burst=5)
    now, taken = 0.0, 0
    for step in steps:
        now += step
        taken += buckets.take("a", now)
    assert taken <= 5 + now * 0.25 + 1e-6


def test_time_that_goes_back_takes_nothing_away() -> None:
    buckets = Buckets(rate=1.0, burst=10)
    buckets.take("a", 100.0)
    assert buckets.level("a", 50.0) == 9


def test_a_budget_is_spent_at_its_limit() -> None:
    budget = Budget(10)
    budget.used += 9
    assert not budget.spent
    budget.used += 1
    assert budget.spent
