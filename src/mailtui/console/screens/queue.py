"""The queue screen: a filter, the recipients it finds as a window on the whole list, and a preview of the one under the cursor.

Owned here: which pages are asked for and how they are merged, and what a change is about. What a row says is in `present.queue`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

from textual.app import ComposeResult

from mailtui.console.actions import Scope
from mailtui.console.link import Link, Trouble
from mailtui.console.offers import Offers, of_recipient
from mailtui.console.orders import About
from mailtui.console.paging import Order, ends, pages
from mailtui.console.place import Place
from mailtui.console.present import queue as says
from mailtui.console.present.line import Line
from mailtui.console.widgets.bar import FilterBar
from mailtui.console.widgets.canvas import Canvas
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.control.api import QueueCount, QueueList
from mailtui.views import Counts, QueuePage, QueueRow

from .view import Open, Shared, View

PAGE: Final = 200
#: In front of a window that does not begin where its list does.
_UNKNOWN: Final = "?"
#: Seconds of idleness before what is typed is counted, and for which a count is good enough.
_IDLE, _COUNTED = 0.15, 2.0


class Queue(View):
    """Tab 2."""

    kind = "queue"

    def __init__(self, link: Link, shared: Shared) -> None:
        super().__init__(link, shared)
        look: Look[QueueRow] = Look(lambda row, room: says.row(row, room, self._now), says.heading, "nothing found")
        self.bar = FilterBar()
        self.table = VirtualTable(Rows[QueueRow](lambda row: row.id, Order().key), look)
        self._below = Canvas(id="preview")
        self._counts: Counts | None = None
        self._now = datetime.now(UTC)  # of the last answer: times are told from then and stand still until the next
        self._in_front = ""  # the id before the first row of the window, "" at the beginning of the list
        self.order = Order()
        self._shown: tuple[str, Order] | None = None  # the filter and the order the window is of

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
        if self._shown != (self.place.subject, self.order):
            await self._first()
        elif not self.link.frozen:
            await self._again()
        counts = await self.link.ask(QueueCount(filter=self.place.subject), _COUNTED)
        if not isinstance(counts, Trouble):
            self._counts = counts
            self.as_of = counts.as_of if isinstance(counts.as_of, datetime) else None
        self._tell()

    async def _first(self) -> None:
        shown = (self.place.subject, self.order)
        request = self.order.ask(self.place.subject, PAGE, "first")
        if (page := await self._page(request)) is None:
            return
        if self._shown != shown:
            self.table.rows.clear()
            self.table.rows.order = self.order.key
        self._shown, self._in_front = shown, ""
        self.table.rows.start(self.order.rows(page), 0, ends(request, page))
        self.table.arrived()

    async def _last(self) -> None:
        filter, rows = self.place.subject, self.table.rows
        request = self.order.ask(filter, PAGE, "last")
        page = await self._page(request)
        counts = await self.link.ask(QueueCount(filter=filter), _COUNTED)
        if page is None:
            return
        whole = ends(request, page)
        above = None if isinstance(counts, Trouble) else max(counts.recipients - len(page.rows), 0)
        rows.start(self.order.rows(page), 0 if whole else above or None, True)
        self._in_front = "" if whole else _UNKNOWN
        rows.place(len(rows.items) - 1)
        self.table.arrived()

    async def _again(self) -> None:
        """The rows from above the visible ones to below them, merged by identity."""
        rows = self.table.rows
        low = max(rows.top - 5, 0)
        after = rows.key(rows.items[low - 1]) if low else self._in_front
        if after == _UNKNOWN:  # the window begins somewhere: its first row is the anchor
            low, after = 1, rows.key(rows.items[0])
        first = rows.items[low : low + 1]
        limit = rows.height + 10
        request = self.order.ask(self.place.subject, limit, "behind" if after else "first", after)
        page = await self._page(request)
        if page is None or [rows.key(row) for row in rows.items[low : low + 1]] != [rows.key(row) for row in first]:
            return
        rows.merge(low, self.order.rows(page), ends(request, page), self.table.holds)
        self.table.arrived()

    async def _more(self, direction: str) -> None:
        rows, later = self.table.rows, direction == "after"
        edge = rows.key(rows.items[-1 if later else 0])
        request = self.order.ask(self.place.subject, PAGE, "behind" if later else "front", edge)
        page = await self._page(request)
        if page is None or not rows.items or rows.key(rows.items[-1 if later else 0]) != edge:
            return
        if later:
            rows.extend(self.order.rows(page), ends(request, page))
        else:
            rows.prepend(self.order.rows(page), len(page.rows) < PAGE)
        self._in_front = _UNKNOWN if rows.above != 0 else ""
        self.table.arrived()

    async def _page(self, request: QueueList) -> QueuePage | None:
        """A page of the list that is shown; None when there is none, the reason stands under the filter, or nobody wants it any more."""
        order = self.order
        page = await self.link.ask(request)
        self._now = self.link.now
        if isinstance(page, Trouble):
            self.bar.wrong([] if self.link.offline else says.error(page.text, self.size.width))
            return None
        self.bar.wrong([])
        return page if (request.filter, order) == (self.place.subject, self.order) else None

    async def _count(self, text: str) -> None:
        await asyncio.sleep(_IDLE)
        counts = await self.link.ask(QueueCount(filter=text))
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
            preview.show(says.preview(self.table.rows.current, self.size.width, preview.size.height, self._now))

    def note(self) -> Line:
        """What is marked, and where the cursor is."""
        rows = self.table.rows
        total = self._counts.recipients if self._counts else len(rows.items)
        marked = f"{len(rows.marks):,}" if rows.marks and not rows.all_marked else ""
        if rows.all_marked:
            marked = f"all but {len(rows.marks):,}" if rows.marks else "all"
        return says.note(rows.position, total, marked, rows.newer, self.order.newest)

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
        return says.page(self.table.rows.items, self._now)

    async def listing(self) -> AsyncIterator[Sequence[QueueRow] | Trouble]:
        """All that the filter finds."""
        async for page in pages(self.link, self.place.subject):
            yield page

    def perform(self, action: str) -> bool:
        """The list's movements and marks, the filter, the preview, and opening a message."""
        if action == "row.open":
            self._open()
        elif action == "row.first":
            self.run_worker(self._first_row(), group="page", exclusive=True)
        elif action == "row.last":
            self.run_worker(self._last(), group="page", exclusive=True)
        elif action == "filter.edit":
            self.bar.edit()
        elif action == "filter.clear":
            self.post_message(Open(Place("queue")))
        elif action in ("sort.next", "sort.reverse"):
            self.order = Order(not self.order.newest)
            self.shared.newest = self.order.newest
            self.run_worker(self._first(), group="page", exclusive=True)
        elif action == "view.preview":
            self._below.display = not self._below.display
            self.call_after_refresh(self._preview)
        else:
            return self.table.perform(action)
        return True

    async def _first_row(self) -> None:
        if self._in_front:
            await self._first()
        self.table.perform("row.first")

    def _open(self) -> None:
        if (row := self.table.rows.current) is not None:
            self.post_message(Open(Place("message", row.id)))

    def on_virtual_table_opened(self) -> None:
        """A second click."""
        self._open()

    def on_virtual_table_moved(self, message: VirtualTable.Moved) -> None:
        """Another row is under the cursor."""
        self._preview()

    def on_virtual_table_wanted(self, message: VirtualTable.Wanted) -> None:
        """The window comes to an end."""
        self.run_worker(self._more(message.direction), group="page", exclusive=True)

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        """Count what would be found."""
        self.run_worker(self._count(message.text), group="count", exclusive=True)

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
