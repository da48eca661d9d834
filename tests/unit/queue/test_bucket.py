"""Tokens: never more than the rate and a second's worth, and never less than the rate to somebody who asks often enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.config import Rate
from mailtui.queue.bucket import Bucket

NOW = 1_790_000_000.0
RATES = st.builds(Rate, st.integers(1, 100_000), st.sampled_from([1, 60, 3600, 86400]))
STEPS = st.lists(st.floats(0, 1000, allow_nan=False), min_size=1, max_size=200)


@given(RATES, STEPS)
def test_in_no_time_more_is_taken_than_the_rate_and_its_burst(rate: Rate, steps: list[float]) -> None:
    bucket, now = Bucket(rate, NOW), NOW
    taken: list[float] = []
    for step in steps:
        now += step
        while len(taken) < 2000 and bucket.take(now):
            taken.append(now)

    per_second = rate.count / rate.seconds
    for i in range(0, len(taken), max(1, len(taken) // 20)):
        for j in range(i, len(taken), max(1, len(taken) // 20)):
            assert j - i + 1 <= (taken[j] - taken[i]) * per_second + max(1.0, per_second) + 1e-2


@given(RATES, st.integers(1, 300))
def test_who_comes_when_the_next_token_is_due_gets_it_and_so_the_whole_rate(rate: Rate, count: int) -> None:
    bucket, now = Bucket(rate, NOW), NOW
    for _ in range(count):
        now = bucket.next_at(now)
        assert bucket.take(now)

    burst = max(1.0, rate.count / rate.seconds)
    assert now - NOW <= max(0.0, count - burst + 1) * rate.seconds / rate.count + 1e-2


@given(RATES, st.lists(st.floats(-1e6, 1e6, allow_nan=False), max_size=50))
def test_a_clock_that_is_set_back_neither_stops_nor_fills_it(rate: Rate, moves: list[float]) -> None:
    bucket, now = Bucket(rate, NOW), NOW
    for move in moves:
        now += move
        bucket.take(now)
        wait = bucket.next_at(now) - now
        assert 0 <= wait <= rate.seconds / rate.count + 1e-2


def test_it_begins_full_and_goes_on_evenly() -> None:
    bucket = Bucket(Rate(100, 60), NOW)

    assert bucket.take(NOW)
    assert not bucket.take(NOW)
    assert bucket.next_at(NOW) == pytest.approx(NOW + 0.2)  # two thirds of the next one were there
    assert not bucket.take(NOW + 0.1)
    assert bucket.take(NOW + 0.2)
    assert bucket.next_at(NOW + 0.2) == pytest.approx(NOW + 0.8)


def test_a_token_that_was_not_used_comes_back_but_not_twice() -> None:
    bucket = Bucket(Rate(1, 60), NOW)
    assert bucket.take(NOW)
    bucket.give_back()
    bucket.give_back()

    assert bucket.take(NOW)
    assert not bucket.take(NOW)


def test_what_another_rate_left_over_is_kept_within_the_new_one() -> None:
    assert not Bucket(Rate(1, 60), NOW, 0.0).ready(NOW)
    assert Bucket(Rate(1, 60), NOW, 50.0).tokens(NOW) == 1.0
