"""The queue screen: a filter, the recipients it finds as a window on the whole list, and a preview of the one under the cursor.

Owned here: the filter, the preview, and what a change is about. Which rows are asked for is `window`'s, what one says `present.queue`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from textual.app import ComposeResult
from textual.timer import Timer

from mailtui.console.actions import Scope
from mailtui.console.link import Link, Trouble
from mailtui.console.offers import Offers, of_recipient
from mailtui.console.orders import About
from mailtui.console.paging import Order, pages, with_history
from mailtui.console.place import Place
from mailtui.console.present import queue as says
from mailtui.console.present.line import Line
from mailtui.console.widgets.bar import FilterBar
from mailtui.console.widgets.canvas import Canvas
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.console.workers import alone
from mailtui.control.api import QueueCount
from mailtui.views import Counts, QueueRow

from .view import Open, Shared, View
from .window import COUNTED, Window

#: Seconds of idleness before what is typed is counted.
_IDLE: Final = 0.15
#: Seconds the cursor rests before what it is on is shown below: a key that is held sends the list alone.
_REST: Final = 0.1


class Queue(View):
    """Tab 2."""

    kind = "queue"

    def __init__(self, link: Link, shared: Shared) -> None:
        super().__init__(link, shared)
        look: Look[QueueRow] = Look(
            lambda row, room: says.row(row, room, self._window.now), says.heading, "nothing found", "asking …"
        )
        self.bar = FilterBar()
        self.table = VirtualTable(Rows[QueueRow](lambda row: row.id, Order().key), look)
        self._below = Canvas(id="preview")
        self._counts: Counts | None = None
        self._window = Window(self, self.table, self.bar)
        self._resting: Timer | None = None

    def compose(self) -> ComposeResult:
        """Filter, list, preview."""
        yield from (self.bar, self.table, self._below)

    async def enter(self, place: Place) -> None:
        """Another filter is another list."""
        await super().enter(place)
        self.shared.filter, self.shared.ids = place.subject, ()
        self.bar.put(place.subject)

    # --- asking

    async def refreshed(self) -> None:
        """The visible part of the window again, and the count; a frozen list stands still."""
        await self._window.refreshed()
        counts = await self.link.ask(
            QueueCount(filter=self.place.subject, history=with_history(self.place.subject)), COUNTED
        )
        if not isinstance(counts, Trouble):
            self._counts = counts
            self.as_of = counts.as_of if isinstance(counts.as_of, datetime) else None
        self._tell()

    async def _count(self, text: str) -> None:
        await asyncio.sleep(_IDLE)
        counts = await self.link.ask(QueueCount(filter=text, history=with_history(text)))
        if isinstance(counts, Trouble):
            self.bar.wrong(says.error(counts.text, self.size.width))
            self.bar.found("")
        else:
            self.bar.wrong([])
            self.bar.found(says.found(counts, self._waiting))

    # --- showing

    @property
    def _waiting(self) -> int:
        if self.link.status is None:
            return 0
        queue = self.link.status.queue
        return queue.queued + queue.sending + queue.deferred + queue.held

    def _tell(self) -> None:
        if not self.bar.editing:
            self.bar.put(self.place.subject)
            self.bar.found(says.found(self._counts, self._waiting))
        self._preview()

    def _preview(self) -> None:
        preview = self._below
        if preview.display:
            preview.show(
                says.preview(self.table.rows.current, preview.size.width, preview.size.height, self._window.now)
            )

    def note(self) -> Line:
        """What is marked, and where the cursor is."""
        rows = self.table.rows
        total = self._counts.recipients if self._counts else len(rows.items)
        marked = f"{len(rows.marks):,}" if rows.marks and not rows.all_marked else ""
        if rows.all_marked:
            marked = f"all but {len(rows.marks):,}" if rows.marks else "all"
        return says.note(rows.position, total, marked, rows.newer, self._window.order.newest)

    # --- actions

    def scope(self) -> Scope:
        """Marks win over the cursor."""
        rows = self.table.rows
        if rows.all_marked:
            filter = self.place.subject
            if rows.marks:
                filter = f"{f'({filter}) ' if filter else ''}not id:{','.join(rows.marks)}"
            return Scope("filter", filter=filter)
        if rows.marks:
            return Scope("marked", tuple(rows.marks))
        return Scope("cursor", (rows.current.id,) if rows.current else ())

    def about(self) -> About:
        """The recipient under the cursor."""
        row = self.table.rows.current
        return About(row.recipient, row.destination) if row else About()

    def offers(self) -> Offers:
        """The row under the cursor."""
        return of_recipient(row, says.answer(row)) if (row := self.table.rows.current) else Offers()

    def text(self) -> Sequence[str]:
        """The rows of the window, as wide as they are."""
        return says.page(self.table.rows.items, self._window.now)

    async def listing(self) -> AsyncIterator[Sequence[QueueRow] | Trouble]:
        """All that the filter finds."""
        async for page in pages(self.link, self.place.subject):
            yield page

    def perform(self, action: str) -> bool:
        """The list's movements and marks, the filter, the preview, and opening a message."""
        if action == "row.open":
            self._open()
        elif action == "row.first":
            alone(self, self._window.first_row, "page")
        elif action == "row.last":
            alone(self, self._window.last, "page")
        elif action == "filter.edit":
            self.edit_filter(self.place.subject)
        elif action == "filter.clear":
            self.post_message(Open(Place("queue")))
        elif action in ("sort.next", "sort.reverse"):
            self._window.order = Order(not self._window.order.newest)
            self.shared.newest = self._window.order.newest
            alone(self, self._window.first, "page")
        elif action == "view.preview":
            self._below.display = not self._below.display
            self.call_after_refresh(self._preview)
        else:
            return self.table.perform(action)
        return True

    def edit_filter(self, text: str) -> None:
        """In the bar."""
        self.bar.put(text)
        self.bar.edit()

    def _open(self) -> None:
        if (row := self.table.rows.current) is not None:
            self.post_message(Open(Place("message", row.id)))

    def on_virtual_table_opened(self) -> None:
        """A second click."""
        self._open()

    def on_virtual_table_moved(self, message: VirtualTable.Moved) -> None:
        """Another row is under the cursor."""
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(_REST, self._preview)

    def on_virtual_table_wanted(self, message: VirtualTable.Wanted) -> None:
        """The window comes to an end."""
        alone(self, partial(self._window.more, message.direction), "page")

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        """Count what would be found."""
        alone(self, partial(self._count, message.text), "count")

    async def on_filter_bar_kept(self, message: FilterBar.Kept) -> None:
        """Show what it finds, unless it is wrong."""
        counts = await self.link.ask(QueueCount(filter=message.text))
        if isinstance(counts, Trouble):
            self.bar.wrong(says.error(counts.text, self.size.width))
            return
        self.bar.stop()
        self.post_message(Open(Place("queue", message.text.strip())))

    def on_filter_bar_left(self) -> None:
        """The count of the filter that is shown."""
        self._tell()
