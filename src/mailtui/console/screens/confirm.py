"""The dialog before a change: it is deaf at first, Enter never confirms, and what is dangerous must be typed.

Owned here: which keys mean what. What it says is in `present.confirm`; what happens then is `change`'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from mailtui.console.actions import Action, Scope, Tier, command_line
from mailtui.console.present import confirm as says
from mailtui.console.present import frame
from mailtui.console.widgets.canvas import Canvas
from mailtui.views import Preview

#: Seconds without a key after which keys are heard: until then they were typed before the dialog could be seen.
GUARD: Final = 0.4
#: Seconds between two looks whether it can still be done.
_LOOK: Final = 0.25


class Confirm(ModalScreen[bool]):
    """True when the operator said so. `missing` says why it cannot be done at this moment, "" when it can."""

    def __init__(self, action: Action, scope: Scope, plan: Preview, tier: Tier, missing: Callable[[], str]) -> None:
        super().__init__()
        self._missing = missing
        self._action, self._scope, self._plan, self._tier = action, scope, plan, tier
        self._typed = self._hint = ""
        self._heard_from = float("inf")

    def compose(self) -> ComposeResult:
        """One surface in the middle."""
        yield Canvas(id="dialog")

    def on_mount(self) -> None:
        """Heard from some time after it is seen."""
        self._draw()
        self.call_after_refresh(self._seen)
        self.set_interval(_LOOK, self._draw)

    def on_resize(self) -> None:
        """It is drawn where all of it can be seen."""
        self._draw()

    def _seen(self) -> None:
        self._heard_from = time.monotonic() + GUARD

    def _draw(self) -> None:
        canvas = self.query_one("#dialog", Canvas)
        assert self._action.verb is not None
        if not frame.fits(*self.app.size):
            unseen(canvas)
            return
        lines = says.dialog(
            self._action.verb.name,
            self._scope,
            self._plan,
            self._tier,
            self._typed,
            command_line(self._action.verb, self._scope),
            says.WIDTH,
            self._missing() or self._hint,
        )
        canvas.styles.width, canvas.styles.height = says.WIDTH, len(lines)
        canvas.show(lines)

    @property
    def _ready(self) -> bool:
        return not self._missing() and self._plan.done > 0 and (self._tier < 2 or self._typed == str(self._plan.done))

    def on_key(self, event: events.Key) -> None:
        """Escape at any time; the others once the dialog was seen."""
        event.stop()
        event.prevent_default()
        if event.key == "escape":
            self.dismiss(False)
        elif time.monotonic() < self._heard_from:
            self._heard_from = max(self._heard_from, time.monotonic() + GUARD)  # who types on has not seen it
        elif not frame.fits(*self.app.size):
            return
        elif event.key == "y":
            self._agree()
        elif event.key == "enter":
            self._enter()
        elif self._tier == 2 and event.key == "backspace":
            self._typed = self._typed[:-1]
        elif self._tier == 2 and (event.character or "").isdecimal() and len(self._typed) < 12:
            self._typed += event.character or ""
        self._draw()

    def _agree(self) -> None:
        if self._ready:
            self.dismiss(True)
        elif self._tier == 2 and self._plan.done and not self._missing():
            self._hint = f"First the number: {self._plan.done}, then y."

    def _enter(self) -> None:
        if self._typed:
            self._hint = "Enter does not confirm: y does, esc leaves."
        else:
            self.dismiss(False)  # Cancel has the focus

    def on_click(self, event: events.Click) -> None:
        """Beside the dialog: away; the mouse confirms nothing."""
        if event.widget is self:
            self.dismiss(False)


def unseen(canvas: Canvas) -> None:
    """In the place of a dialog there is no room for."""
    room, height = canvas.app.size
    lines = frame.too_small(room, height)
    canvas.styles.width, canvas.styles.height = room, len(lines)
    canvas.show(lines)
