from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.model import ID_EPOCH, RECIPIENT_BITS
from mailtui.queue import measures

NOON = datetime(2026, 9, 21, 12, 0).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("90s", 90), ("2H", 7200), ("1d12h", 129600), ("1w1d1h1m1s", 694861)]
)
def test_durations(text: str, seconds: int) -> None:
    assert measures.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "h", "1h1d", "1h1h", "-1h", "1.5h", "1ms", "1 h", "١h", "1ſ", "9999999999s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        measures.duration(text)


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


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("09:00", datetime(2026, 9, 21, 9)),
        ("12:00", datetime(2026, 9, 21, 12)),
        ("12:00:01", datetime(2026, 9, 20, 12, 0, 1)),
        ("2026-09-20", datetime(2026, 9, 20)),
        ("2026-11-22T09:30", datetime(2026, 11, 22, 9, 30)),
    ],
)
def test_moments_are_local_and_a_time_of_day_is_the_latest(text: str, moment: datetime) -> None:
    assert measures.since(text, NOON) == moment.timestamp()


@pytest.mark.parametrize("text", ["", "9:00", "24:01", "T09:00", "2026-09-20T", "2026-13-01", "2026-09-2009:00", "now"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError):  # the calendar has its own words
        measures.since(text, NOON)


@given(text=st.text(max_size=20))
def test_any_text_is_measured_or_refused(text: str) -> None:
    for measure in (measures.number, measures.duration, measures.size, lambda value: measures.since(value, NOON)):
        try:
            assert measure(text) <= measures.LARGEST
        except ValueError:
            pass


@given(taken=st.integers(0, (1 << 40) - 1), age=st.integers(0, 10**9), relation=st.sampled_from([">=", "<=", ">", "<"]))
def test_the_bound_of_an_age_divides_the_rows_exactly(taken: int, age: int, relation: measures.Relation) -> None:
    now = datetime(2030, 1, 1).timestamp() + timedelta(milliseconds=375).total_seconds()
    sign, bound = measures.age_bound(relation, age, now)
    has, wanted = int((now - ID_EPOCH) * 1000) - taken, age * 1000
    holds = {">=": has >= wanted, "<=": has <= wanted, ">": has > wanted, "<": has < wanted}[relation]
    for n in (1, (1 << RECIPIENT_BITS) - 1):
        row = taken << RECIPIENT_BITS | n
        assert (row < bound if sign == "<" else row >= bound) is holds
