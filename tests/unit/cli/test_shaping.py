"""How `mailtui shaping` looks, and that nothing hostile comes through."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mailtui.cli.shaping import lifted_screen, shaping_screen
from mailtui.shapes import Lifted, RestraintRow, SiteShape

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVIL = "421 x\x1b[2J\u202e\n\x9b"
RESTRAINT = RestraintRow(
    "theirs", "paused", NOW, NOW + timedelta(hours=1), 2, "throttled", EVIL, "mx\x1b", "00000009.1", 7
)
SITE = SiteShape("mx\x1b.example", 3, 5, 20, 50, "100/m", NOW, None, True, ("[[shaping]] *", "shipped *"), (RESTRAINT,))


def test_a_line_for_each_site_and_one_for_each_restraint() -> None:
    lines = list(shaping_screen([SITE], None, NOW))

    assert lines[0].split()[:3] == ["SITE", "IN", "USE"]
    assert "100/m" in lines[1] and "[[shaping]] *, shipped *" in lines[1]
    assert "paused by the rule theirs from" in lines[2] and "(action 7), after 2 replies: 421 x" in lines[2]
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


def test_it_fits_a_narrow_terminal() -> None:
    assert all(len(line) <= 60 for line in list(shaping_screen([SITE], 60, NOW))[:2])


def test_an_empty_list_says_so() -> None:
    assert list(shaping_screen([], 80, NOW)) == ["no site is at work"]


def test_a_lift_names_the_way_back() -> None:
    lines = list(lifted_screen(Lifted(9, "lift", 1, 1, 0, 0, "mx\x1b", ("theirs",))))
    assert lines == ["lifted at mx\\x1b: theirs", "to take it back: mailtui undo 9"]
