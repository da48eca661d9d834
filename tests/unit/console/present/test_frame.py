"""The frame: what the title says of time, the range beside the tabs, what never leaves the footer, and what the mouse finds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailtui.console.place import TABS
from mailtui.console.present import frame
from mailtui.console.present.line import Line, cells, line

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


KEYS = [
    ("enter", "open", 10),
    *((f"{n}", f"label {n}", 5) for n in range(20)),
    ("escape", "back", 12),
    ("q", "quit", 12),
]


def test_the_way_back_and_the_end_stay_when_there_is_no_room() -> None:
    for room in (30, 80, 120):
        line = frame.footer(KEYS, room)
        text = "".join(part.text for part in line)
        assert "esc back" in text and "q quit" in text and cells(line) == room


def test_a_cell_of_the_footer_has_its_key() -> None:
    line = frame.footer(KEYS, 30)
    text = "".join(part.text for part in line)
    for key, label in (("esc", "back"), ("q", "quit")):
        assert {frame.key_at(line, text.index(f"{key} {label}") + cell) for cell in range(len(key + label) + 1)} == {
            key
        }
    assert frame.key_at(line, 500) == ""


def test_a_cell_of_the_tabs_has_its_tab() -> None:
    line = frame.tabs("queue", frozenset(TABS), 80)
    text = "".join(part.text for part in line)
    assert [frame.tab_at(line, text.index(kind.capitalize())) for kind in TABS] == list(TABS)
    assert frame.tab_at(line, 0) == "" and frame.tab_at(line, 79) == ""


def test_between_a_long_breadcrumb_and_its_note_there_is_a_blank() -> None:
    crumb = text(frame.crumb(["incident", "x" * 90], line("row 1 of 46"), 80))
    assert crumb.endswith("… row 1 of 46 ") and len(crumb) == 80
