"""The one grammar of durations and moments: what it reads, what it refuses and with which words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui import times
from mailtui.times import TimeError

NOON = datetime(2026, 9, 21, 12, 0).timestamp()
UNITS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
MOMENTS = st.integers(0, 4_000_000_000)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time with summer time, without the files of a system."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@given(st.dictionaries(st.sampled_from(list(UNITS)), st.integers(0, 10**9 - 1), min_size=1), st.booleans())
def test_a_duration_is_the_sum_of_its_parts(parts: dict[str, int], upper: bool) -> None:
    text = "".join(f"{parts[unit]}{unit}" for unit in UNITS if unit in parts)
    assert times.milliseconds(text.upper() if upper else text) == sum(n * UNITS[unit] for unit, n in parts.items())


@given(st.integers(0, int(times.LONGEST) * 1000))
def test_a_duration_that_is_written_reads_the_same(milliseconds: int) -> None:
    assert times.milliseconds(times.spelled(milliseconds / 1000)) == milliseconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("1.5h", 5400), ("0.25s", 0.25), ("1w", 604_800), ("90m", 5400), ("0s", 0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert times.duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "write 30m, 2h or 1d12h"), ("90", "90 of what"), ("1h30", "30 of what"), ("1h1d", "the longest first"),
        ("1h1h", "each unit once"), ("5 minutes", "write 30m"), ("1 h", "write 30m"), ("-5m", "write 30m"), ("h", "write 30m"),
        ("1e3s", "write 30m"), ("5mo", "write 30m"), ("\u0663m", "write 30m"), ("1\u017f", "write 30m"), ("5m\n", "write 30m"),
        ("9999999999s", "write 30m"),
    ],
)  # fmt: skip
def test_what_is_no_duration(text: str, told: str) -> None:
    with pytest.raises(TimeError, match="is not a duration") as caught:
        times.duration(text)
    assert told in caught.value.hint


def test_a_duration_has_bounds() -> None:
    with pytest.raises(TimeError, match='"3651d" is too long: at most 3650d'):
        times.duration("3651d")
    with pytest.raises(TimeError, match="no time at all"):
        times.lasting("0h")


@given(MOMENTS, MOMENTS)
def test_a_moment_that_is_written_reads_the_same(at: int, now: int) -> None:
    utc = datetime.fromtimestamp(at, UTC)
    for shown in (utc, utc.astimezone(timezone(timedelta(hours=-3, minutes=-30)))):
        assert times.latest(shown.isoformat(), now) == times.coming(shown.isoformat(), now) == at
    assert times.latest(f"{utc:%Y-%m-%dT%H:%M:%SZ}", now) == at


@given(st.integers(10**6, 4_000_000_000), st.times(), st.sampled_from(["", "Z", "+05:30", "-1100"]))
def test_a_time_of_day_is_the_nearest_on_its_side(now: int, clock: object, zone: str) -> None:
    text = f"{clock:%H:%M:%S}{zone}"
    before, behind = times.latest(text, now), times.coming(text, now)
    assert before <= now < behind
    assert behind - before <= 90_000, "a day, and the hour of a change of clocks"


@pytest.mark.parametrize(
    ("text", "latest", "coming"),
    [
        ("09:00", datetime(2026, 9, 21, 9), datetime(2026, 9, 22, 9)),
        ("12:00", datetime(2026, 9, 21, 12), datetime(2026, 9, 22, 12)),
        ("12:00:01", datetime(2026, 9, 20, 12, 0, 1), datetime(2026, 9, 21, 12, 0, 1)),
        ("2026-09-20", datetime(2026, 9, 20), datetime(2026, 9, 20)),
        ("2026-11-22t09:30", datetime(2026, 11, 22, 9, 30), datetime(2026, 11, 22, 9, 30)),
        ("2026-11-22 09:30", datetime(2026, 11, 22, 9, 30), datetime(2026, 11, 22, 9, 30)),
    ],
)
def test_a_time_of_day_has_two_nearest_days_and_a_date_is_itself(text: str, latest: datetime, coming: datetime) -> None:
    assert (times.latest(text, NOON), times.coming(text, NOON)) == (latest.timestamp(), coming.timestamp())


@pytest.mark.usefixtures("berlin")
def test_where_clocks_change() -> None:
    """2026-10-25 03:00 CEST is 02:00 CET: 02:30 comes twice; 2026-03-29 has no 02:30."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    assert times.latest("02:30", first + 3599) == first
    assert times.latest("02:30", first + 3600) == first + 3600
    assert times.coming("02:30", first) == first + 3600
    assert (
        times.coming("02:30", datetime(2026, 3, 29, 0, 0, tzinfo=UTC).timestamp())
        == datetime(2026, 3, 29, 1, 30, tzinfo=UTC).timestamp()
    )


@pytest.mark.parametrize(
    "text",
    ["", "9:00", "24:01", "T09:00", "2026-09-20T", "2026-13-01", "2026-09-2009:00", "now", "Z", "2026-09-20Z", "09:00+99:00",
     "0001-01-01", "tomorrow", "1h", "12", ":"],
)  # fmt: skip
def test_what_is_no_moment(text: str) -> None:
    for read in (times.latest, times.coming):
        with pytest.raises(TimeError) as caught:
            read(text, NOON)
        assert caught.value.hint


def test_how_long_ago_and_in_how_long() -> None:
    assert times.past("2h", NOON) == NOON - 7200
    assert times.past("09:00", NOON) == times.latest("09:00", NOON)
    assert times.ahead("2h", NOON) == NOON + 7200
    assert times.ahead("18:00", NOON) == times.coming("18:00", NOON)
    for wrong, told in (("2026-09-21T11:59", "is past"), ("0m", "no time at all"), ("2x", "is not a")):
        with pytest.raises(TimeError, match=told):
            times.ahead(wrong, NOON)


@given(st.text(max_size=24))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (times.past, times.ahead, times.latest, times.coming):
        try:
            assert isinstance(read(text, NOON), float)
        except TimeError as error:
            assert error.hint
