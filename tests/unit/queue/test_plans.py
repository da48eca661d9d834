from __future__ import annotations

import itertools
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.model import recipient_row
from mailtui.queue import plans
from mailtui.queue.plans import MOST, STANDS, Frozen, Plans, StalePlan, batches
from mailtui.queue.verbs import Verb


def _frozen(n: int = 1) -> Frozen:
    return Frozen(Verb.HOLD, "--all", array("q", range(n)))


def test_a_plan_stands_for_its_time_until_it_is_applied() -> None:
    kept = Plans()
    first, second = kept.keep(_frozen(3), 0.0), kept.keep(_frozen(), 10.0)
    assert len(kept.get(first, Verb.HOLD, STANDS - 1).rows) == 3
    with pytest.raises(StalePlan):
        kept.get(first, Verb.HOLD, STANDS)
    kept.drop(second)
    with pytest.raises(StalePlan):
        kept.get(second, Verb.HOLD, 11.0)


def test_they_are_bounded_in_number_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Plans()
    ids = [kept.keep(_frozen(), 0.0) for _ in range(MOST + 1)]
    with pytest.raises(StalePlan):
        kept.get(ids[0], Verb.HOLD, 1.0)
    assert kept.get(ids[1], Verb.HOLD, 1.0)
    monkeypatch.setattr(plans, "MOST_ROWS", 100)
    assert kept.keep(_frozen(101), 1.0) == ""
    large = kept.keep(_frozen(100), 1.0)
    assert len(kept.get(large, Verb.HOLD, 1.0).rows) == 100
    with pytest.raises(StalePlan):
        kept.get(ids[-1], Verb.HOLD, 1.0)


@given(st.lists(st.integers(1, 9), max_size=30), st.integers(1, 20))
def test_batches_are_everything_in_order_and_split_no_message(recipients: list[int], size: int) -> None:
    rows = array("q", (recipient_row(m, n) for m, count in enumerate(recipients, 1) for n in range(1, count + 1)))
    spans = list(batches(rows, size))
    assert spans[0][0] == 0 and spans[-1][1] == len(rows)
    for (_, end), (start, _) in itertools.pairwise(spans):
        assert end == start and rows[end - 1] >> 20 != rows[start] >> 20
    assert all(end - start < size + 9 for start, end in spans)
