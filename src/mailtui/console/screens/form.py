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
    """The form as it was filled, or None. `error` is what was wrong with it before, `word` what must be typed before `y` (there where
    everything is confirmed once more). What has all its words at first is only to be confirmed."""

    def __init__(self, form: Form, values: Mapping[str, str], error: str, word: str = "") -> None:
        super().__init__()
        self._form, self._error = form, error
        self._typing = Typing(form, values)
        self._word, self._typed = ("" if form.plans else word), ""
        self._confirming = bool(values) and not error and self._order() is not None
        self._confirming = self._confirming and not form.plans
        self._error = error or ("" if not values else self._missing(values))
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
        said = says.Said(command, self._error, self._word, self._typed)
        lines = says.dialog(self._form, self._typing, self._confirming, said)
        self._surface.styles.width, self._surface.styles.height = says.WIDTH, len(lines)
        self._surface.show(lines)

    def on_key(self, event: events.Key) -> None:
        """Escape at any time; the others once it was seen."""
        event.stop()
        event.prevent_default()
        if event.key == "escape":
            self._escape()
        elif time.monotonic() < self._heard_from:
            self._heard_from = max(self._heard_from, time.monotonic() + GUARD)  # who types on has not seen it
        elif frame.fits(*self.app.size):
            self._heard(event)
        self._draw()

    def _heard(self, event: events.Key) -> None:
        if self._confirming:
            self._confirm(event)
            return
        self._error = ""
        if event.key == "enter":
            self._enter()
        elif not self._typing.key(event.key) and event.character:
            self._typing.insert(event.character)

    def _confirm(self, event: events.Key) -> None:
        said = event.character or ""
        if event.key == "y" and self._typed == self._word and (order := self._order()):
            self.dismiss(Filled(self._typing.values, order))
        elif event.key == "backspace":
            self._typed = self._typed[:-1]
        elif said == "y" and not self._word.startswith(f"{self._typed}y"):
            return  # it was meant to confirm, and is no letter of the word
        elif said.isprintable() and len(self._typed) < len(self._word):
            self._typed += said

    def _missing(self, values: Mapping[str, str]) -> str:
        """What is wrong with words that were given; that some are missing is seen."""
        given = all(values.get(field.name, field.value).strip() for field in self._form.fields if field.required)
        return self._error if given else ""

    def _enter(self) -> None:
        if not self._typing.last:
            self._typing.key("tab")
        elif order := self._order():
            if self._form.plans:
                self.dismiss(Filled(self._typing.values, order))
            else:
                self._confirming, self._typed = True, ""
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
