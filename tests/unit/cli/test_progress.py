"""How far an action is, on one line."""

from __future__ import annotations

from mailtui.cli.progress import bar, left
from mailtui.views import Affected, AuditRow, moment


def row(done: int, matched: int) -> AuditRow:
    return AuditRow(7, moment(0), "anna", "hold", "*", "", matched, done, 1, 0, done, "open", False)


def test_the_bar() -> None:
    assert bar(row(0, 4000)) == f"hold [{'-' * 30}] 1 of 4,000; Ctrl-C stops"
    assert bar(row(1999, 4000)) == f"hold [{'#' * 15}{'-' * 15}] 2,000 of 4,000; Ctrl-C stops"
    assert bar(row(3999, 4000)).startswith(f"hold [{'#' * 30}] 4,000")


def test_what_was_not_touched() -> None:
    assert left(Affected(7, "hold", 100, 40, 1, 2, 30)) == 57
    assert left(Affected(7, "hold", 43, 40, 1, 2, 30)) == 0
