"""Durations, moments and replies in sentences."""

from __future__ import annotations

import pytest

from mailtui.queue.wording import ago, ahead, clock, count, said, span

NOW = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0.4, "0s"),
        (59.6, "1m"),
        (90, "1m30s"),
        (3600, "1h"),
        (7980, "2h13m"),
        (86_400 * 3 + 14_400, "3d4h"),
    ],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_moments_are_utc_with_the_day_where_it_matters() -> None:
    assert clock(NOW, NOW) == "14:13:20 UTC"
    assert clock(NOW + 86_400, NOW) == "2026-09-22 14:13:20 UTC"
    assert ahead(NOW + 300, NOW) == "14:18:20 UTC (in 5m)"
    assert ahead(NOW - 1, NOW) == "now"
    assert ago(NOW - 300, NOW) == "14:08:20 UTC (5m ago)"
    assert (count(1, "site"), count(1204, "site")) == ("1 site", "1,204 sites")


def test_replies_stay_on_one_short_line() -> None:
    assert said("a\r\n  b") == "a b"
    assert len(said("x" * 5000)) == 200
