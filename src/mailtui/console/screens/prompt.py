"""One line to type at the foot of the screen: a command, the name of a file. What is wrong with it stands above it.

Owned here: typing, history and completion; every key comes here, in its order, also what was typed or pasted before the line could be seen.
Whether a line is right is asked of `check`; what becomes of it is the asker's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import ModalScreen

from mailtui.console.commands import Completed, History
from mailtui.console.editing import LONG, Editor
from mailtui.console.present.form import typed
from mailtui.console.present.line import Line, line
from mailtui.console.widgets.canvas import Canvas
from mailtui.display import width


@dataclass(frozen=True)
class Asked:
    """What is asked for: the sign before the line, what stands there at first, what is wrong with a line, and how it is completed."""

    sign: str
    check: Callable[[str], Awaitable[Sequence[Line]]]
    text: str = ""
    complete: Callable[[str], Completed] = Completed


class Prompt(ModalScreen[str]):
    """The line that was entered; "" when it was left."""

    def __init__(self, asked: Asked, history: History | None = None) -> None:
        super().__init__()
        self._asked, self._history = asked, history or History()
        self._line, self._told = Canvas(id="line"), Canvas(id="told")
        self._editor = Editor(asked.text, LONG)

    def compose(self) -> ComposeResult:
        """What is wrong; the line."""
        with Container(id="asked"):
            yield from (self._told, self._line)

    @property
    def value(self) -> str:
        """What stands there."""
        return self._editor.text

    def on_mount(self) -> None:
        """Typing goes on behind what stands there."""
        self._draw()

    def on_resize(self) -> None:
        """Another width shows another part of a long line."""
        self._draw()

    def _draw(self) -> None:
        sign = self._asked.sign
        room = max(self.app.size.width - width(sign) - 1, 10)
        self._line.show([line((sign, "key"), " ") + typed(self._editor.text, self._editor.at, room)])

    def _tell(self, lines: Sequence[Line]) -> None:
        self._told.display = bool(lines)
        self._told.styles.height = len(lines)
        self._told.show(lines)

    async def _enter(self) -> None:
        text = self._editor.text
        if wrong := await self._asked.check(text) if text.strip() else ():
            self._tell(wrong)
        else:
            self._history.add(text.strip())
            self.dismiss(text)

    def _complete(self) -> None:
        done = self._asked.complete(self._editor.text)
        self._editor.put(done.text)
        self._tell([line((" " + "  ".join(done.choices), "dim"))] if done.choices else ())

    async def on_key(self, event: events.Key) -> None:
        """Escape, older and newer lines, completion, typing."""
        event.stop()
        event.prevent_default()
        match event.key:
            case "escape" | "ctrl+c":
                self.dismiss("")
                return
            case "up" | "ctrl+p":
                self._editor.put(self._history.step(-1, self._editor.text))
            case "down" | "ctrl+n":
                self._editor.put(self._history.step(1, self._editor.text))
            case "enter":
                await self._enter()
                return
            case "tab":
                self._complete()
            case _:
                if not self._editor.key(event.key):
                    self._editor.insert(event.character or "")
                self._tell(())
        self._draw()

    def on_paste(self, event: events.Paste) -> None:
        """Text, never keys: a pasted line end does not enter."""
        event.stop()
        event.prevent_default()
        self._editor.insert(event.text)
        self._tell(())
        self._draw()
