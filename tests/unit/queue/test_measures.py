from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.model import ID_EPOCH, RECIPIENT_BITS
from mailtui.queue import measures


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("512", 512), ("512b", 512), ("1k", 1024), ("1K", 1024), ("1kb", 1000), ("1.5MB", 1_500_000), ("1.5M", 1_572_864),
        ("4.1K", 4198), ("1GiB", 2**30), ("999999999999999T", 2**63 - 1),
    ],
)  # fmt: skip
def test_sizes(text: str, octets: int) -> None:
    assert measures.size(text) == octets


@pytest.mark.parametrize("text", ["", "k", "1.", ".5", "1kk", "1e3", "-1", "1.2345k", "٣", "1\u212a"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        measures.size(text)


@given(text=st.text(max_size=20))
def test_any_text_is_measured_or_refused(text: str) -> None:
    for measure in (measures.number, measures.size):
        try:
            assert measure(text) <= measures.LARGEST
        except ValueError:
            pass


@given(
    taken=st.integers(0, (1 << 40) - 1), age=st.integers(0, 10**12), relation=st.sampled_from([">=", "<=", ">", "<"])
)
def test_the_bound_of_an_age_divides_the_rows_exactly(taken: int, age: int, relation: measures.Relation) -> None:
    now = datetime(2030, 1, 1).timestamp() + timedelta(milliseconds=375).total_seconds()
    sign, bound = measures.age_bound(relation, age, now)
    has, wanted = int((now - ID_EPOCH) * 1000) - taken, age
    holds = {">=": has >= wanted, "<=": has <= wanted, ">": has > wanted, "<": has < wanted}[relation]
    for n in (1, (1 << RECIPIENT_BITS) - 1):
        row = taken << RECIPIENT_BITS | n
        assert (row < bound if sign == "<" else row >= bound) is holds
