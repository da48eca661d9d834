"""A surface of lines: draws what it is given and repaints only what differs from before.

Owned here: turning toned lines into strips, and finding the changed part of each. What the lines say comes from `present`.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from mailtui.console.present.line import TONES, Line, cells
from mailtui.display import width


class Canvas(Widget):
    """Lines, at the upper left; the rest is empty."""

    COMPONENT_CLASSES = {f"tone--{tone}" for tone in TONES}

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: list[Line] = []

    @property
    def lines(self) -> Sequence[Line]:
        """What is shown."""
        return self._lines

    def show(self, lines: Sequence[Line]) -> None:
        """Draw these lines instead."""
        before, self._lines = self._lines, list(lines)
        for y in range(max(len(before), len(self._lines))):
            old = before[y] if y < len(before) else ()
            new = self._lines[y] if y < len(self._lines) else ()
            if old != new:
                left, right = changed(old, new)
                self.refresh(Region(left, y, max(right - left, 1), 1))

    def render_line(self, y: int) -> Strip:
        """One line as styled segments."""
        base = self.rich_style
        parts = self._lines[y] if y < len(self._lines) else ()
        segments = [
            Segment(part.text, self.get_component_rich_style(f"tone--{part.tone}") if part.tone else base)
            for part in parts
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base).simplify()


def changed(old: Line, new: Line) -> tuple[int, int]:
    """The cells from which on, and up to which, two lines differ."""
    left = 0
    for mine, theirs in zip(old, new, strict=False):
        if mine != theirs:
            break
        left += width(mine.text)
    right, cut_off = max(cells(old), cells(new)), 0
    if cells(old) == cells(new):
        for mine, theirs in zip(reversed(old), reversed(new), strict=False):
            if mine != theirs:
                break
            cut_off += width(mine.text)
    return left, max(right - cut_off, left)
