"""The question at the end of `mailtui run`: does the relay go on, or is it stopped?

Owned here: that question.
"""

from __future__ import annotations

import time

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from mailtui.console.present.line import BLANK, box, line
from mailtui.console.widgets.canvas import Canvas

from .confirm import GUARD


class Leave(ModalScreen[bool | None]):
    """True: it goes on. False: it is stopped. None: stay."""

    def __init__(self) -> None:
        super().__init__()
        self._heard_from = float("inf")

    def compose(self) -> ComposeResult:
        """One surface in the middle."""
        yield Canvas(id="dialog")

    def on_mount(self) -> None:
        """Three ways."""
        body = [
            BLANK,
            line("This console started the relay."),
            BLANK,
            line(("l", "key"), "    leave it running; `mailtui attach` comes back"),
            line(("s", "key"), "    stop it: what is being sent is finished first"),
            line(("esc", "key"), "  stay here"),
        ]
        canvas = self.query_one("#dialog", Canvas)
        canvas.styles.width, canvas.styles.height = 60, len(body) + 3
        self.call_after_refresh(self._seen)
        canvas.show(box("Leave", body, 60, len(body) + 3, tone="strong"))

    def _seen(self) -> None:
        self._heard_from = time.monotonic() + GUARD

    def on_key(self, event: events.Key) -> None:
        """One of three keys; the letters once the question was seen."""
        event.stop()
        event.prevent_default()
        answers = {"l": True, "s": False, "escape": None}
        if event.key == "escape" or (event.key in answers and time.monotonic() >= self._heard_from):
            self.dismiss(answers[event.key])
