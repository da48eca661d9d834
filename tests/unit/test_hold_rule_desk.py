"""How long a hold rule stands."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailtui.errors import ControlError
from mailtui.hold_rule_desk import end

NOW = datetime(2026, 11, 22, 12, 0).timestamp()


def local(*when: int) -> float:
    return datetime(*when).timestamp()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lasts", "until", "ends"),
    [
        ("", "", None),
        ("1h30m", "", NOW + 5400),
        ("", "18:00", local(2026, 11, 22, 18, 0)),
        ("1w", "", NOW + 604_800),
        ("", "2026-11-22T18:00Z", datetime(2026, 11, 22, 18, tzinfo=UTC).timestamp()),
        ("", "09:00", local(2026, 11, 23, 9, 0)),
        ("", "12:00", local(2026, 11, 23, 12, 0)),
        ("", "2026-12-24T18:00", local(2026, 12, 24, 18, 0)),
    ],
)
def test_a_rule_ends_after_a_time_at_a_time_or_never(lasts: str, until: str, ends: float | None) -> None:
    assert end(lasts, until, NOW) == ends


@pytest.mark.parametrize(
    ("lasts", "until", "told"),
    [
        ("1h", "18:00", "not both"),
        ("soon", "", "not a duration"),
        ("", "tomorrow", "not a moment"),
        ("0s", "", "no time at all"),
        ("", "2026-11-22T11:59", "ended already"),
    ],
)
def test_other_times_are_refused(lasts: str, until: str, told: str) -> None:
    with pytest.raises(ControlError, match=told):
        end(lasts, until, NOW)
