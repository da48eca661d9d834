"""Help over the screen it is about: lines that can be scrolled by keys and wheel.

Owned here: scrolling. What it says is in `present.help`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from mailtui.console.present.help import shown
from mailtui.console.present.line import Line, box
from mailtui.console.widgets.canvas import Canvas

_WIDEST: Final = 110
_CLOSES: Final = frozenset({"escape", "q", "question_mark", "enter"})


class Help(ModalScreen[None]):
    """`page` writes the lines for a width."""

    def __init__(self, title: str, page: Callable[[int], Sequence[Line]]) -> None:
        super().__init__()
        self._title, self._page = title, page
        self._canvas = Canvas(id="dialog")
        self._top = 0

    def compose(self) -> ComposeResult:
        """One surface."""
        yield self._canvas

    def on_mount(self) -> None:
        """From the beginning."""
        self._draw()

    def on_resize(self) -> None:
        """Another size folds other lines."""
        self._draw()

    @property
    def _height(self) -> int:
        return self.app.size.height - 4

    def _draw(self) -> None:
        room, height = min(self.app.size.width - 2, _WIDEST), self._height
        lines = self._page(room - 4)
        seen, self._top = shown(lines, self._top, room - 4, height)
        more = f"{self._top + 1}-{self._top + len(seen)} of {len(lines)}   j k scroll, esc closes"
        canvas = self._canvas
        canvas.styles.width, canvas.styles.height = room, len(seen) + 2
        canvas.show(box(self._title, seen, room, len(seen) + 2, note=more, tone="strong"))

    def on_key(self, event: events.Key) -> None:
        """Scroll, or close."""
        event.stop()
        event.prevent_default()
        page = self._height - 1
        steps = {
            "j": 1,
            "down": 1,
            "k": -1,
            "up": -1,
            "pagedown": page,
            "space": page,
            "ctrl+d": page,
            "pageup": -page,
            "ctrl+u": -page,
        }
        steps |= {"g": -1_000_000, "home": -1_000_000, "G": 1_000_000, "end": 1_000_000}
        if event.key in _CLOSES:
            self.dismiss(None)
        elif event.key in steps:
            self._top += steps[event.key]
            self._draw()

    def on_mouse_scroll_down(self) -> None:
        """The wheel."""
        self._top += 3
        self._draw()

    def on_mouse_scroll_up(self) -> None:
        """The wheel."""
        self._top -= 3
        self._draw()
