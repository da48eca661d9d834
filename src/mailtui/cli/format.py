"""How values look on a terminal: cells of safe text, and tables that fit its width.

Owned here: pure functions from values to lines. What a value looks like in few characters is in `display`; what a screen says is decided
elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from msgspec import UNSET, UnsetType

from mailtui.display import clock, cut, width
from mailtui.text import safe_text

_GAP: Final = "  "
#: What stands in front of the text of a line: one or two words and blanks.
_LABEL: Final = re.compile(r"\s*\S+(?: \S+)? {2,}")


def resumed_or(until: datetime | None, now: datetime) -> str:
    """When a suspension ends; None is one that only an operator ends."""
    return clock(until, now) or "until resumed"


def fit(lines: Iterable[str], cells: int | None) -> Iterator[str]:
    """Lines of labels and prose, broken between words where they are too long; what follows stands under the text beside the label.
    A line that is to be copied (`to ...: mailtui ...`) stays in one piece."""
    for line in lines:
        if cells is None or width(line) <= cells or line.startswith("to "):
            yield line
        else:
            yield from _broken(line, cells)


def _broken(line: str, cells: int) -> Iterator[str]:
    """Between the columns where there are several and each fits, else between words; a word longer than the line stays whole."""
    label = _LABEL.match(line)
    head = label[0] if label and len(label[0]) < cells // 2 else ""
    columns = line[len(head) :].split(_GAP)
    gap = _GAP if len(columns) > 2 and max(map(width, columns)) + (len(head) or 2) <= cells else " "
    shown, *parts = line[len(head) :].split(gap)
    shown = head + shown
    for part in parts:
        if width(shown) + len(gap) + width(part) <= cells:
            shown += gap + part
        else:
            yield shown.rstrip()
            shown = " " * (len(head) or 2) + part
    yield shown


class Column(NamedTuple):
    """A column of a table: its title, whether numbers stand at its right edge, the cells it may be cut down to (0: never), and
    whether it may be left out where there is no room or nothing in it."""

    title: str
    right: bool = False
    least: int = 0
    optional: bool = False


def cell(value: object) -> str:
    """Any value as safe text on one line; None is empty."""
    return "" if value is None else safe_text(" ".join(str(value).split("\n")))


def table(columns: Sequence[Column], rows: Iterable[Sequence[object]], cells: int | None) -> Iterator[str]:
    """A heading and the rows, aligned. To fit `cells` (None: any width) optional columns are left out from the right, then those
    that may be cut are cut, the widest first."""
    texts = [[cell(value) for value in row] for row in rows]
    widths = [max(width(column.title), *(width(row[i]) for row in texts), 0) for i, column in enumerate(columns)]
    shown = [i for i, column in enumerate(columns) if not column.optional or any(row[i] for row in texts)]
    if cells is not None:
        _leave_out(columns, widths, shown, cells)
        _shrink(columns, widths, shown, cells - len(_GAP) * (len(shown) - 1))
    for row in ([column.title for column in columns], *texts):
        yield _GAP.join(_place(row[i], widths[i], columns[i].right) for i in shown).rstrip()


def _leave_out(columns: Sequence[Column], widths: Sequence[int], shown: list[int], cells: int) -> None:
    def least() -> int:
        return sum(min(columns[i].least or widths[i], widths[i]) for i in shown) + len(_GAP) * (len(shown) - 1)

    for i in [i for i in reversed(shown) if columns[i].optional]:
        if least() > cells:
            shown.remove(i)


def _shrink(columns: Sequence[Column], widths: list[int], shown: Sequence[int], cells: int) -> None:
    while sum(widths[i] for i in shown) > cells:
        able = [i for i in shown if columns[i].least and widths[i] > columns[i].least]
        if not able:
            return
        widths[max(able, key=lambda i: widths[i])] -= 1


def _place(text: str, cells: int, right: bool) -> str:
    shown = cut(text, cells)
    padding = " " * (cells - width(shown))
    return padding + shown if right else shown + padding


def counted(as_of: datetime | UnsetType) -> Iterator[str]:
    """From when the numbers above are, when they were not counted just now: local time."""
    if as_of is not UNSET:
        yield f"as of {as_of.astimezone():%H:%M:%S}"
