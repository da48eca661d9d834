"""The frame: what never leaves the footer, and what the mouse finds in it."""

from __future__ import annotations

from mailtui.console.place import TABS
from mailtui.console.present import frame
from mailtui.console.present.line import cells

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
