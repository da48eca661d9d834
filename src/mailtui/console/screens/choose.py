"""A short menu: some things to choose from, each by its key.

Owned here: that question. What becomes of the answer is the asker's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from mailtui.console.offers import Choice
from mailtui.console.present.line import BLANK, box, line, middle, pad
from mailtui.console.widgets.canvas import Canvas

_WIDTH: Final = 74


class Choose(ModalScreen[Choice | None]):
    """The choice; None when it was left."""

    def __init__(self, title: str, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._title, self._choices = title, choices
        self._canvas = Canvas(id="dialog")

    def compose(self) -> ComposeResult:
        """One surface in the middle."""
        yield self._canvas

    def on_mount(self) -> None:
        """A line each."""
        body = [
            BLANK,
            *(
                line((pad(one.key, 4), "key"), pad(one.label, 12), (middle(one.value, _WIDTH - 20), "dim"))
                for one in self._choices
            ),
            BLANK,
        ]
        self._canvas.styles.width, self._canvas.styles.height = _WIDTH, len(body) + 2
        self._canvas.show(box(self._title, body, _WIDTH, len(body) + 2, note="esc leaves", tone="strong"))

    def on_key(self, event: events.Key) -> None:
        """One of the keys, or away."""
        event.stop()
        event.prevent_default()
        if event.key == "escape":
            self.dismiss(None)
        elif chosen := next((one for one in self._choices if one.key == event.character), None):
            self.dismiss(chosen)
