"""The window of the queue screen on its list: which pages are asked for, and how what comes is merged.

Owned here: that, over one table, for the filter of the place that is shown and in its order. Keys and words are the screen's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from mailtui.console.link import Trouble
from mailtui.console.paging import Order, ends, with_history
from mailtui.console.present import queue as says
from mailtui.console.widgets.bar import FilterBar
from mailtui.console.widgets.table import VirtualTable
from mailtui.control.api import QueueCount, QueueList
from mailtui.views import QueuePage, QueueRow

from .view import View

PAGE: Final = 200
#: Seconds for which a count is good enough.
COUNTED: Final = 2.0
#: In front of a window that does not begin where its list does.
_UNKNOWN: Final = "?"


class Window:
    """Rows of the list that `view` shows in `table`; what is wrong with its filter is told in `bar`."""

    def __init__(self, view: View, table: VirtualTable[QueueRow], bar: FilterBar) -> None:
        self._view, self._table, self._bar = view, table, bar
        self.now = datetime.now(UTC)  # of the last answer: times are told from then and stand still until the next
        self.order = Order()
        self._in_front = ""  # the id before the first row of the window, "" at the beginning of the list
        self._shown: tuple[str, Order] | None = None  # the filter and the order the window is of

    @property
    def _filter(self) -> str:
        return self._view.place.subject

    @property
    def _wanted(self) -> tuple[str, Order]:
        return self._filter, self.order

    async def refreshed(self) -> None:
        """The visible part again, or the beginning of another list; a frozen list stands still."""
        if self._shown != self._wanted:
            await self.first()
        elif not self._view.link.frozen:
            await self._again()

    async def first_row(self) -> None:
        """The beginning of the list, and the cursor there."""
        if self._in_front:
            await self.first()
        self._table.perform("row.first")

    async def first(self) -> None:
        """The beginning of the list."""
        wanted = self._wanted
        request = self.order.ask(self._filter, PAGE, "first")
        if (page := await self._page(request)) is None:
            return
        if self._shown != wanted:
            self._table.rows.clear()
            self._table.rows.order = self.order.key
        self._shown, self._in_front = wanted, ""
        self._table.rows.start(self.order.rows(page), 0, ends(request, page))
        self._table.arrived()

    async def last(self) -> None:
        """The end of the list."""
        filter, rows = self._filter, self._table.rows
        request = self.order.ask(filter, PAGE, "last")
        page = await self._page(request)
        counts = await self._view.link.ask(QueueCount(filter=filter, history=with_history(filter)), COUNTED)
        if page is None:
            return
        whole = ends(request, page)
        above = None if isinstance(counts, Trouble) else max(counts.recipients - len(page.rows), 0)
        rows.start(self.order.rows(page), 0 if whole else above or None, True)
        self._in_front = "" if whole else _UNKNOWN
        rows.place(len(rows.items) - 1)
        self._table.arrived()

    async def _again(self) -> None:
        """The rows from above the visible ones to below them, merged by identity."""
        rows = self._table.rows
        low = max(rows.top - 5, 0)
        after = rows.key(rows.items[low - 1]) if low else self._in_front
        if after == _UNKNOWN:  # the window begins somewhere: its first row is the anchor
            low, after = 1, rows.key(rows.items[0])
        first = rows.items[low : low + 1]
        request = self.order.ask(self._filter, rows.height + 10, "behind" if after else "first", after)
        page = await self._page(request)
        if page is None or [rows.key(row) for row in rows.items[low : low + 1]] != [rows.key(row) for row in first]:
            return
        rows.merge(low, self.order.rows(page), ends(request, page), self._table.holds)
        self._table.arrived()

    async def more(self, direction: str) -> None:
        """Rows "after" or "before" those there are."""
        rows, later = self._table.rows, direction == "after"
        edge = rows.key(rows.items[-1 if later else 0])
        request = self.order.ask(self._filter, PAGE, "behind" if later else "front", edge)
        page = await self._page(request)
        if page is None or not rows.items or rows.key(rows.items[-1 if later else 0]) != edge:
            return
        if later:
            rows.extend(self.order.rows(page), ends(request, page))
        else:
            rows.prepend(self.order.rows(page), len(page.rows) < PAGE)
        self._in_front = _UNKNOWN if rows.above != 0 else ""
        self._table.arrived()

    async def _page(self, request: QueueList) -> QueuePage | None:
        """A page of the list that is shown; None when there is none, the reason stands under the filter, or nobody wants it any more."""
        order = self.order
        page = await self._view.link.ask(request)
        self.now = self._view.link.now
        if isinstance(page, Trouble):
            self._bar.wrong([] if self._view.link.offline else says.error(page.text, self._view.size.width))
            return None
        self._bar.wrong([])
        return page if (request.filter, order) == self._wanted else None
