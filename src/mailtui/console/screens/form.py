"""The dialog that asks for words before a change: fields, then `y`; deaf at first, and Enter alone changes nothing.

Owned here: which keys mean what. What it says is in `present.form`, editing in `forms`; what happens then is `change`'s.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from mailtui.console.forms import Filled, Form, Order, Typing, Wrong
from mailtui.console.present import form as says
from mailtui.console.present import frame
from mailtui.console.widgets.canvas import Canvas

from .confirm import GUARD, unseen


class Ask(ModalScreen[Filled | None]):
    """The form as it was filled, or None. `error` is what was wrong with it before."""

    def __init__(self, form: Form, values: Mapping[str, str], error: str) -> None:
        super().__init__()
        self._form, self._error = form, error
        self._typing = Typing(form, values)
        self._confirming = False
        self._heard_from = float("inf")
        self._surface = Canvas(id="dialog")

    def compose(self) -> ComposeResult:
        """One surface in the middle."""
        yield self._surface

    def on_mount(self) -> None:
        """Heard from some time after it is seen."""
        self._draw()
        self._deaf()

    def on_resize(self) -> None:
        """It is drawn where all of it can be seen."""
        self._draw()

    def _deaf(self) -> None:
        self._heard_from = float("inf")
        self.call_after_refresh(self._seen)

    def _seen(self) -> None:
        self._heard_from = time.monotonic() + GUARD

    def _draw(self) -> None:
        if not frame.fits(*self.app.size):
            unseen(self._surface)
            return
        try:
            command = self._form.order(self._typing.values).command
        except Wrong as wrong:
            command = f"({wrong})"
        lines = says.dialog(self._form, self._typing, self._confirming, command, self._error)
        self._surface.styles.width, self._surface.styles.height = says.WIDTH, len(lines)
        self._surface.show(lines)

    def on_key(self, event: events.Key) -> None:
        """Escape at any time; the others once it was seen."""
        event.stop()
        event.prevent_default()
        if event.key == "escape":
            self._escape()
        elif time.monotonic() >= self._heard_from and frame.fits(*self.app.size):
            self._heard(event)
        self._draw()

    def _heard(self, event: events.Key) -> None:
        if self._confirming:
            if event.key == "y" and (order := self._order()):
                self.dismiss(Filled(dict(self._typing.values), order))
            return
        self._error = ""
        if event.key == "enter":
            self._enter()
        elif not self._typing.key(event.key) and event.character:
            self._typing.insert(event.character)

    def _enter(self) -> None:
        if not self._typing.last:
            self._typing.key("tab")
        elif order := self._order():
            if self._form.plans:
                self.dismiss(Filled(dict(self._typing.values), order))
            else:
                self._confirming = True
                self._deaf()

    def _order(self) -> Order | None:
        try:
            return self._form.order(self._typing.values)
        except Wrong as wrong:
            self._error = str(wrong)
            self._confirming = False
            return None

    def _escape(self) -> None:
        if self._confirming:
            self._confirming = False
        else:
            self.dismiss(None)

    def on_paste(self, event: events.Paste) -> None:
        """Text, never keys: a pasted line end is none."""
        event.stop()
        if not self._confirming and time.monotonic() >= self._heard_from:
            self._typing.insert(event.text)
            self._draw()

    def on_click(self, event: events.Click) -> None:
        """Beside the dialog: away; the mouse confirms nothing."""
        if event.widget is self:
            self.dismiss(None)
