"""The frame: what the title says of time, and the range beside the tabs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailtui.console.place import TABS
from mailtui.console.present import frame
from mailtui.console.present.line import Line, cells

NOW = datetime(2026, 11, 22, 9, 45, tzinfo=UTC)
FROZEN = datetime(2026, 11, 22, 9, 41, 7, tzinfo=UTC)


def text(whole: Line) -> str:
    return "".join(part.text for part in whole)


@pytest.mark.parametrize(
    ("state", "frozen", "at", "missed", "said"),
    [
        ("AT", None, "03:10", False, "AT 03:10  "),
        ("FROZEN", FROZEN, "", False, f"FROZEN {FROZEN.astimezone():%H:%M:%S} (+412)  "),
        ("FROZEN", FROZEN, "", True, "(+412 or more)  "),
        ("FROZEN", FROZEN, "Nov 21 03:10", False, f"AT Nov 21 03:10  FROZEN {FROZEN.astimezone():%H:%M:%S} (+412)  "),
        ("OFFLINE", None, "03:10", False, "AT 03:10  OFFLINE  "),
    ],
)
def test_the_title_says_when(state: str, frozen: datetime | None, at: str, missed: bool, said: str) -> None:
    whole = frame.title(frame.Bar(None, state, 1.0, frozen, False, NOW, at, 412, missed), 80)
    assert said in text(whole) and cells(whole) == 80


def test_a_chosen_range_stands_beside_the_tabs() -> None:
    there = frozenset(TABS)
    assert text(frame.tabs("queue", there, 80)).rstrip().endswith("7 Audit")
    for name in (" 6h ", " 24h ", " 7d "):
        drawn = text(frame.tabs("queue", there, 80, name))
        assert drawn.endswith(f"7 Audit {name}"[-len(name) :]) and "7 Audit" in drawn and len(drawn) == 80
