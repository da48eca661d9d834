"""One line to type at the foot of the screen: a command, the name of a file. What is wrong with it stands above it.

Owned here: typing, history and completion. Whether a line is right is asked of `check`; what becomes of it is the asker's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import ModalScreen
from textual.widgets import Input

from mailtui.console.commands import History
from mailtui.console.present.line import Line, line
from mailtui.console.widgets.canvas import Canvas
from mailtui.display import width


@dataclass(frozen=True)
class Asked:
    """What is asked for: the sign before the line, what stands there at first, what is wrong with a line, and how it is completed."""

    sign: str
    check: Callable[[str], Awaitable[Sequence[Line]]]
    text: str = ""
    complete: Callable[[str], str] = str


class Prompt(ModalScreen[str]):
    """The line that was entered; "" when it was left."""

    def __init__(self, asked: Asked, history: History | None = None) -> None:
        super().__init__()
        self._asked, self._history = asked, history or History()
        self._sign, self._told = Canvas(id="sign"), Canvas(id="told")
        self._field = Input(asked.text, id="line", select_on_focus=False)

        self._checked = ""

    def compose(self) -> ComposeResult:
        """What is wrong; the sign and the line."""
        with Container(id="asked"):
            yield self._told
            with Container(id="entry"):
                yield from (self._sign, self._field)

    def on_mount(self) -> None:
        """Typing goes on behind what stands there."""
        self._sign.styles.width = width(self._asked.sign) + 1
        self._sign.show([line((self._asked.sign, "key"))])
        self._field.cursor_position = len(self._field.value)
        self._field.focus()

    def _wrong(self, lines: Sequence[Line]) -> None:
        self._told.display = bool(lines)
        self._told.styles.height = len(lines)
        self._told.show(lines)

    def _put(self, text: str) -> None:
        self._field.value = text
        self._field.cursor_position = len(text)

    async def _enter(self, text: str) -> None:
        wrong = await self._asked.check(text) if text.strip() else ()
        self._checked = text
        if wrong:
            self._wrong(wrong)
        else:
            self._history.add(text.strip())
            self.dismiss(text)

    def on_input_changed(self, event: Input.Changed) -> None:
        """What was wrong may not be any more."""
        event.stop()
        if self._field.value != self._checked:
            self._wrong(())

    async def on_key(self, event: events.Key) -> None:
        """Escape, older and newer lines, completion."""
        text = self._field.value
        match event.key:
            case "escape":
                self.dismiss("")
            case "up" | "ctrl+p":
                self._put(self._history.step(-1, text))
            case "down" | "ctrl+n":
                self._put(self._history.step(1, text))
            case "tab":
                self._put(self._asked.complete(text))
            case "shift+tab":
                pass
            case "enter":
                await self._enter(text)
            case _ if event.character and event.is_printable:
                self._put(text + event.character)  # typed before the line could be seen: the field did not hear it
            case _:
                return
        event.stop()
        event.prevent_default()
