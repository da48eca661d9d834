"""How an end is written, and what one thing is."""

from __future__ import annotations

from datetime import datetime

import click
import pytest

from mailtui.cli.suspend import target

NOW = datetime(2026, 11, 22, 17, 30).astimezone()


def test_exactly_one_thing_is_named() -> None:
    none = {"destination": None, "site": None, "sender": None, "user": None, "intake": False, "delivery": False}
    assert target({**none, "site": "mx"}) == ("site", "mx")
    assert target({**none, "intake": True}) == ("intake", "")
    for wrong in (none, {**none, "site": "mx", "delivery": True}):
        with pytest.raises(click.UsageError):
            target(wrong)
