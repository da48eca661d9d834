"""Delays as counts: percentiles true to 5 %, and the same whether minutes are added up first or all is counted at once."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mailtui.queue.delays import LAST, added, decoded, encoded, percentile, place

seconds = st.floats(0.0, 900_000.0)


def counted(delays: list[float]) -> Counter[int]:
    return Counter(map(place, delays))


@given(st.lists(seconds, min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_true_to_five_percent(delays: list[float], share: float) -> None:
    exact = sorted(delays)[math.ceil(len(delays) * share) - 1]
    told = percentile(counted(delays), share)
    assert told is not None and abs(told - exact) <= 0.05 * exact + 0.001


@given(st.lists(st.lists(seconds, max_size=20), max_size=5))
def test_minutes_add_up(minutes: list[list[float]]) -> None:
    together = added(decoded(encoded(counted(minute))) for minute in minutes)
    assert together == counted([delay for minute in minutes for delay in minute])


def test_the_ends() -> None:
    assert percentile({}, 0.5) is None
    assert (place(-1.0), place(0.0), place(0.001)) == (0, 0, 0)
    assert place(1e12) == LAST
