"""The one table: a heading and the rows of a window that fit, drawn by line, moved by name of an action, by wheel and by click.

Owned here: what is visible, what movement and marking mean, when the order holds. What a row says is given; pages come from whoever hears
`Wanted`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from textual import events
from textual.message import Message

from mailtui.console.present.line import BLANK, Line, Piece, box, fit, line, toned

from .canvas import Canvas
from .rows import Rows

T = TypeVar("T")

#: Seconds after a move in which no row moves under the cursor.
HOLD: Final = 3.0
_WHEEL: Final = 3


@dataclass(frozen=True)
class Look(Generic[T]):
    """How a table draws a row for a width, the heading above them, and what it says when there is none, and as long as that is not
    known. With `first` the cursor stays on the first row until it is moved: that is where the worst stands."""

    row: Callable[[T, int], Line]
    heading: Callable[[int], Line] | None = None
    empty: str = "nothing here"
    unknown: str = ""
    first: bool = False


class VirtualTable(Canvas, Generic[T]):
    """Rows `rows`, of which only what is visible is drawn. With a `title` it stands in a box."""

    class Moved(Message):
        """The cursor is on another row of `table`."""

        def __init__(self, table: VirtualTable[Any]) -> None:
            super().__init__()
            self.table = table

    class Wanted(Message):
        """Rows are missing in a direction: "after" or "before"."""

        def __init__(self, direction: str) -> None:
            super().__init__()
            self.direction = direction

    class Opened(Message):
        """The row under the cursor was clicked twice."""

    def __init__(self, rows: Rows[T], look: Look[T], *, title: str = "", id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows = rows
        self.look = look
        self.title = title
        self.note = ""
        self.active = True
        self._touched = float("-inf")
        self._asked = ""
        self._known = False

    @property
    def holds(self) -> bool:
        """Whether no row may move now."""
        return self.rows.any_marks or time.monotonic() - self._touched < HOLD

    # --- drawing

    def redraw(self) -> None:
        """Draw what is visible of the rows as they are now."""
        room, height = self.size
        if not room or not height:
            return
        boxed = 1 if self.title else 0
        inner = room - 4 * boxed
        heading = [fit((Piece("  "), *self.look.heading(inner - 2)), inner)] if self.look.heading else []
        self.rows.height = max(height - 2 * boxed - len(heading), 1)
        self.rows.scroll(0)
        lines = list(heading)
        lines += [self._row(row, index, inner) for index, row in enumerate(self.rows.visible, self.rows.top)] or [
            line((self.look.empty if self._known else self.look.unknown or self.look.empty, "dim"))
        ]
        lines += [BLANK] * (height - 2 * boxed - len(lines))
        self.show(box(self.title, lines, room, height, self.note) if boxed else lines)
        self._ask()

    def _row(self, row: T, index: int, room: int) -> Line:
        marked = self.rows.marked(row)
        here = index == self.rows.cursor and self.active
        lead = Piece((">" if here else " ") + ("*" if marked else " "), "accent" if marked else "")
        whole = fit((lead, *self.look.row(row, room - 2)), room)
        if self.rows.key(row) in self.rows.gone:
            whole = toned(whole, "dim")
        return toned(whole, "cursor") if here else whole

    def _ask(self) -> None:
        wanted = self.rows.wants() if self.rows.items else ""
        if wanted and wanted != self._asked:
            self.post_message(self.Wanted(wanted))
        self._asked = wanted

    def fill(self, rows: Sequence[T]) -> None:
        """All rows of a short list; while the order holds, those that were there stay where they were."""
        if self.holds and self.rows.items:
            fresh = {self.rows.key(row): row for row in rows}
            rows = [fresh.pop(self.rows.key(row), row) for row in self.rows.items] + list(fresh.values())
        self.rows.start(rows, 0, True)
        if self.look.first and self._touched == float("-inf"):
            self.rows.place(0)
        self._known = True
        self.redraw()

    def arrived(self) -> None:
        """What was wanted came, or will not: it may be asked for again."""
        self._asked, self._known = "", True
        self.redraw()

    def on_resize(self) -> None:
        """Another size shows other rows."""
        self.redraw()

    # --- doing

    def perform(self, action: str) -> bool:
        """Do what an action of the groups move and select says; False when it is none of ours."""
        rows = self.rows
        doing: dict[str, Callable[[], None]] = {
            "row.down": lambda: rows.move(1),
            "row.up": lambda: rows.move(-1),
            "page.down": lambda: rows.move(rows.height),
            "page.up": lambda: rows.move(-rows.height),
            "row.first": lambda: rows.place(0),
            "row.last": lambda: rows.place(len(rows.items) - 1),
            "select.mark": rows.toggle,
            "select.range": rows.range,
            "select.all": rows.mark_all,
            "select.invert": rows.invert,
            "select.clear": rows.unmark,
        }
        if action not in doing:
            return False
        doing[action]()
        self.touched()
        return True

    def touched(self) -> None:
        """The operator did something here: hold the order, draw, tell."""
        self._touched = time.monotonic()
        self.redraw()
        self.post_message(self.Moved(self))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves the view."""
        event.stop()
        self.rows.scroll(_WHEEL)
        self.touched()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel moves the view."""
        event.stop()
        self.rows.scroll(-_WHEEL)
        self.touched()

    def on_click(self, event: events.Click) -> None:
        """A click sets the cursor, two open."""
        event.stop()
        index = self.rows.top + event.y - bool(self.title) - bool(self.look.heading)
        if not 0 <= index - self.rows.top < len(self.rows.visible):
            return
        self.rows.place(index)
        self.touched()
        if event.chain > 1:
            self.post_message(self.Opened())
