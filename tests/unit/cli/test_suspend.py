"""How an end is written, and what one thing is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from mailtui.cli.suspend import moment, target

NOW = datetime(2026, 11, 22, 17, 30).astimezone()


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("18:00", timedelta(minutes=30)),
        ("17:30:01", timedelta(seconds=1)),
        ("17:30", timedelta(days=1)),
        ("09:00", timedelta(hours=15, minutes=30)),
        ("2026-11-22T18:00", timedelta(minutes=30)),
        ("2026-11-23", timedelta(hours=6, minutes=30)),
    ],
)
def test_a_clock_time_is_the_next_one(text: str, after: timedelta) -> None:
    assert moment(text, NOW) - NOW == after


def test_a_moment_may_name_its_offset() -> None:
    assert moment("2026-11-22T18:00Z", NOW) == datetime(2026, 11, 22, 18, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "25:00", "soon", "1h", "12", ":", "2026-13-01"])
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        moment(text, NOW)


def test_exactly_one_thing_is_named() -> None:
    none = {"destination": None, "site": None, "sender": None, "user": None, "intake": False, "delivery": False}
    assert target({**none, "site": "mx"}) == ("site", "mx")
    assert target({**none, "intake": True}) == ("intake", "")
    for wrong in (none, {**none, "site": "mx", "delivery": True}):
        with pytest.raises(click.UsageError):
            target(wrong)
