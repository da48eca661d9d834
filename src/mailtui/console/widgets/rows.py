"""A window on a long list: some rows of it in order, a cursor and marks that stay with what they are on, and an order that holds.

Owned here: that state and how fresh answers are merged into it. It knows neither terminal nor relay: rows are anything with a key, in a
list that sorts the same for ever (`order`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")

#: Most rows that are kept; those furthest from the cursor are forgotten.
KEPT: Final = 2000


class Rows(Generic[T]):
    """Rows `items`, of a list of `total`. `top` is the first that is shown, `height` how many are.

    `above` is how many rows are in front of the first one, None when that is not known; `ends` says whether the last one is the last of
    the list. `gone` are keys of rows that are no longer in the list but still shown, because the order holds.
    """

    def __init__(self, key: Callable[[T], str], order: Callable[[str], tuple[str, int]] | None = None) -> None:
        self.key = key
        self.order = order or (lambda name: (name, 0))
        self.height = 1
        self.clear()

    def clear(self) -> None:
        """Forget everything: another list follows."""
        self.items: list[T] = []
        self.gone: set[str] = set()
        self.marks: dict[str, None] = {}
        self.all_marked = False
        self.anchor: str | None = None
        self.cursor = self.top = 0
        self.above: int | None = 0
        self.ends = True
        self.newer = 0

    # --- what is there

    @property
    def current(self) -> T | None:
        """What the cursor is on."""
        return self.items[self.cursor] if self.items else None

    @property
    def position(self) -> int | None:
        """The number of the cursor's row in the whole list, from 1; None when that is not known."""
        return None if self.above is None or not self.items else self.above + self.cursor + 1

    @property
    def visible(self) -> Sequence[T]:
        """The rows that are shown."""
        return self.items[self.top : self.top + self.height]

    def marked(self, row: T) -> bool:
        """Whether a row is marked."""
        return (self.key(row) in self.marks) != self.all_marked

    @property
    def any_marks(self) -> bool:
        """Whether something is marked."""
        return self.all_marked or bool(self.marks)

    def wants(self) -> str:
        """In which direction rows are missing: "after", "before", or ""."""
        if not self.ends and self.top + 2 * self.height >= len(self.items):
            return "after"
        return "before" if self.above != 0 and self.top < self.height else ""

    # --- moving

    def move(self, by: int) -> None:
        """The cursor some rows down, or up."""
        self.place(self.cursor + by)

    def place(self, index: int) -> None:
        """The cursor on a row, and that row in sight."""
        self.cursor = max(0, min(index, len(self.items) - 1))
        self.top = max(self.cursor - self.height + 1, min(self.top, self.cursor))
        self.top = max(0, min(self.top, max(len(self.items) - self.height, 0)))
        if self.anchor is not None:
            self._mark_range()

    def scroll(self, by: int) -> None:
        """The view some rows down; the cursor comes along only when it would leave it."""
        self.top = max(0, min(self.top + by, max(len(self.items) - self.height, 0)))
        self.cursor = max(self.top, min(self.cursor, self.top + self.height - 1, max(len(self.items) - 1, 0)))

    # --- marks

    def toggle(self) -> None:
        """Mark the cursor's row, or not any more, and go on."""
        if self.current is not None:
            name = self.key(self.current)
            if name in self.marks:
                del self.marks[name]
            else:
                self.marks[name] = None
            self.move(1)

    def mark_all(self) -> None:
        """Mark the whole list, what is not loaded too."""
        self.marks.clear()
        self.all_marked, self.anchor = True, None

    def invert(self) -> None:
        """Mark what is not marked."""
        self.all_marked = not self.all_marked

    def unmark(self) -> None:
        """Mark nothing."""
        self.marks.clear()
        self.all_marked, self.anchor = False, None

    def range(self) -> None:
        """Begin marking from here, or end it."""
        if self.anchor is not None:
            self.anchor = None
        elif self.current is not None:
            self.anchor = self.key(self.current)
            self._mark_range()

    def _mark_range(self) -> None:
        names = [self.key(row) for row in self.items]
        if self.anchor in names and not self.all_marked:
            low, high = sorted((names.index(self.anchor), self.cursor))
            self.marks.update(dict.fromkeys(names[low : high + 1]))

    # --- fresh answers

    def start(self, rows: Sequence[T], above: int | None, ends: bool) -> None:
        """A page as the whole window; the cursor stays with its row if that is among them."""
        mine = self.key(self.current) if self.current is not None else ""
        at, top = self.cursor, self.top
        self.items, self.above, self.ends, self.newer = list(rows), above, ends, 0
        self.gone.clear()
        self.top = min(top, max(len(self.items) - self.height, 0))
        names = [self.key(row) for row in self.items]
        self.place(names.index(mine) if mine in names else at)

    def extend(self, rows: Sequence[T], ends: bool) -> None:
        """The page behind the last row."""
        self.items += rows
        self.ends, self.newer = ends, 0
        if (surplus := len(self.items) - KEPT) > 0 and self.cursor > surplus:
            del self.items[:surplus]
            self.cursor, self.top = self.cursor - surplus, max(self.top - surplus, 0)
            self.above = None if self.above is None else self.above + surplus

    def prepend(self, rows: Sequence[T], begins: bool) -> None:
        """The page in front of the first row."""
        self.items[:0] = rows
        self.cursor, self.top = self.cursor + len(rows), self.top + len(rows)
        self.above = 0 if begins else None if self.above is None else max(self.above - len(rows), 0)
        if len(self.items) > KEPT > self.cursor:
            del self.items[KEPT:]
            self.ends = False

    def merge(self, low: int, fresh: Sequence[T], complete: bool, hold: bool) -> None:
        """What stands from index `low` on now: as far as `fresh` goes, or to the end of the list when it is `complete`.

        With `hold` no row moves: those that left are shown as gone, those that came are counted as newer.
        """
        last = self.order(self.key(fresh[-1])) if fresh else None
        high = low
        while high < len(self.items) and (
            complete or (last is not None and self.order(self.key(self.items[high])) <= last)
        ):
            high += 1
        known = {self.key(row): row for row in fresh}
        shown = [self.key(row) for row in self.items[low:high]]
        if hold:
            self.items[low:high] = [known.get(self.key(row), row) for row in self.items[low:high]]
            self.gone = (self.gone - set(known)) | {name for name in shown if name not in known}
            self.newer = len(known.keys() - set(shown))
            return
        mine, on_screen = self.cursor, self.cursor - self.top
        name = self.key(self.items[mine]) if self.items else ""
        after = [key for row in self.items[mine:] if (key := self.key(row))]
        self.items[low:high] = fresh
        self.gone, self.newer = self.gone - set(shown) - set(known), 0
        if complete:
            self.ends = True
        names = {self.key(row): index for index, row in enumerate(self.items)}
        self.marks = {mark: None for mark in self.marks if mark in names or mark not in shown}
        at = names.get(name, next((names[key] for key in after if key in names), len(self.items) - 1))
        self.top = max(0, at - on_screen)
        self.place(at)
