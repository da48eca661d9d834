"""The filter bar: one line to type a filter in, what it finds while it is typed, and under it what is wrong with it.

Owned here: typing, keeping and restoring. What a filter finds is asked by the screen, which hears `Typed`, `Kept` and `Left`.
"""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from mailtui.console.editing import LONG
from mailtui.console.present.line import Line, line, pad
from mailtui.display import width

from .canvas import Canvas

_COUNT = 26


class FilterBar(Widget):
    """`/ state:deferred age:2h+      38,114 of 102,418`."""

    class Typed(Message):
        """Another text stands there."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Kept(Typed):
        """Enter."""

    class Left(Message):
        """Escape: the filter that was there is there again."""

    def __init__(self) -> None:
        super().__init__()
        self._sign, self._count, self._error = Canvas(id="sign"), Canvas(id="count"), Canvas(id="error")
        self._field = Input(id="field", disabled=True, select_on_focus=False, max_length=LONG)
        self._before = ""

    def compose(self) -> ComposeResult:
        """The sign, the field, the count; the error below."""
        yield from (self._sign, self._field, self._count, self._error)

    def on_mount(self) -> None:
        """The sign is always there."""
        self._sign.show([line((" /", "key"), " ")])

    @property
    def editing(self) -> bool:
        """Whether somebody types."""
        return not self._field.disabled

    def put(self, text: str) -> None:
        """Show this filter."""
        if not self.editing:
            with self.prevent(Input.Changed):
                self._field.value = text

    def edit(self) -> None:
        """Let it be typed in."""
        self._before = self._field.value
        self._field.disabled = False
        self._field.cursor_position = len(self._field.value)
        self.screen.set_focus(self._field, scroll_visible=False)  # at once: what is typed next is meant for it

    def found(self, text: str) -> None:
        """What the filter finds, at the right."""
        self._count.show([line((pad(text, _COUNT - 1, True) if width(text) < _COUNT else text, "dim"))])

    def wrong(self, lines: list[Line]) -> None:
        """What is wrong; nothing when nothing is."""
        error = self._error
        error.display = bool(lines)
        error.styles.height = len(lines)
        error.show(lines)

    def stop(self) -> None:
        """Nobody types any more."""
        self._field.disabled = True
        self.screen.set_focus(None)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Every key."""
        event.stop()
        self.post_message(self.Typed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        event.stop()
        self.post_message(self.Kept(event.value))

    def on_key(self, event: events.Key) -> None:
        """Escape restores."""
        if event.key == "escape" and self.editing:
            event.stop()
            self.stop()
            self.wrong([])
            self.put(self._before)
            self.post_message(self.Left())
