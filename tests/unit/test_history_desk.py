"""Which moments operators may write, and whether minutes or hours answer."""

from __future__ import annotations

from datetime import datetime

import pytest

from mailtui.errors import ControlError
from mailtui.history_desk import moment_of, range_of

NOW = 1_790_000_000.0


def test_moments() -> None:
    assert moment_of("2h", NOW) == NOW - 7200
    assert moment_of("2026-09-21T10:00", NOW) == datetime(2026, 9, 21, 10).timestamp()
    assert moment_of("2026-09-21T10:00Z", NOW) == datetime.fromisoformat("2026-09-21T10:00Z").timestamp()
    for wrong in ("", "soon", "25:00", "2026-13-01", "-2h"):
        with pytest.raises(ControlError, match="is not a"):
            moment_of(wrong, NOW)


@pytest.mark.parametrize(
    ("since", "until", "by", "unit"),
    [
        ("1h", "", "auto", "minute"), ("1d", "", "auto", "minute"), ("30h", "", "auto", "hour"), ("3d", "2d", "auto", "hour"),
        ("1h", "", "hour", "hour"), ("40h", "", "minute", "minute"), ("9d", "1h", "minute", "minute"),
    ],
)  # fmt: skip
def test_minutes_of_a_day_or_less_while_they_are_kept(since: str, until: str, by: str, unit: str) -> None:
    assert range_of(since, until, by, NOW).unit == unit


def test_what_cannot_be_told() -> None:
    with pytest.raises(ControlError, match="minutes are kept for 48 hours"):
        range_of("5d", "3d", "minute", NOW)
    with pytest.raises(ControlError, match="before it begins"):
        range_of("1h", "2h", "auto", NOW)
