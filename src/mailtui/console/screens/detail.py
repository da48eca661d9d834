"""A row of a list in full, over the screen it is of; any of a few keys closes it.

Owned here: showing it. What it says comes from `present`.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from mailtui.console.present.line import Line
from mailtui.console.widgets.canvas import Canvas


class Detail(ModalScreen[bool]):
    """Lines that are drawn already; True when it was left by enter."""

    def __init__(self, lines: Sequence[Line], width: int) -> None:
        super().__init__()
        self._drawn, self._width = lines, width
        self._surface = Canvas(id="dialog")

    def compose(self) -> ComposeResult:
        """One surface in the middle."""
        yield self._surface

    def on_mount(self) -> None:
        """Nothing changes in it."""
        self._surface.styles.width, self._surface.styles.height = self._width, len(self._drawn)
        self._surface.show(self._drawn)

    def on_key(self, event: events.Key) -> None:
        """Away, by the keys that open and leave."""
        event.stop()
        event.prevent_default()
        if event.key in ("escape", "enter", "q", "h"):
            self.dismiss(event.key == "enter")

    def on_click(self) -> None:
        """Away."""
        self.dismiss(False)
