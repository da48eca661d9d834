"""The window of the queue screen on its list: which pages are asked for, and how what comes is merged.

Owned here: that, over one table and for the filter of the place that is shown. Keys and words are the screen's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from mailtui.console.link import Trouble
from mailtui.console.paging import with_history
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
        self._in_front = ""  # the id before the first row of the window, "" at the beginning of the list
        self._shown: str | None = None  # the filter the window is of

    @property
    def _filter(self) -> str:
        return self._view.place.subject

    async def refreshed(self) -> None:
        """The visible part again, or the beginning of another list."""
        if self._shown != self._filter:
            await self._first()
        else:
            await self._again()

    async def first_row(self) -> None:
        """The beginning of the list, and the cursor there."""
        if self._in_front:
            await self._first()
        self._table.perform("row.first")

    async def _first(self) -> None:
        filter = self._filter
        if (page := await self._page(QueueList(filter=filter, history=with_history(filter), limit=PAGE))) is None:
            return
        if self._shown != filter:
            self._table.rows.clear()
        self._shown, self._in_front = filter, ""
        self._table.rows.start(page.rows, 0, page.after is None)
        self._table.arrived()

    async def last(self) -> None:
        """The end of the list."""
        filter, rows = self._filter, self._table.rows
        page = await self._page(QueueList(filter=filter, history=with_history(filter), limit=PAGE, before="end"))
        counts = await self._view.link.ask(QueueCount(filter=filter, history=with_history(filter)), COUNTED)
        if page is None:
            return
        whole = len(page.rows) < PAGE
        above = None if isinstance(counts, Trouble) else max(counts.recipients - len(page.rows), 0)
        rows.start(page.rows, 0 if whole else above or None, True)
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
        page = await self._page(
            QueueList(filter=self._filter, history=with_history(self._filter), limit=rows.height + 10, after=after)
        )
        if page is None or [rows.key(row) for row in rows.items[low : low + 1]] != [rows.key(row) for row in first]:
            return
        rows.merge(low, page.rows, page.after is None, self._table.holds)
        self._table.arrived()

    async def more(self, direction: str) -> None:
        """Rows "after" or "before" those there are."""
        rows, later = self._table.rows, direction == "after"
        edge = rows.key(rows.items[-1 if later else 0])
        request = QueueList(filter=self._filter, history=with_history(self._filter), limit=PAGE)
        page = await self._page(replace(request, after=edge) if later else replace(request, before=edge))
        if page is None or not rows.items or rows.key(rows.items[-1 if later else 0]) != edge:
            return
        if later:
            rows.extend(page.rows, page.after is None)
        else:
            rows.prepend(page.rows, len(page.rows) < PAGE)
        self._in_front = _UNKNOWN if rows.above != 0 else ""
        self._table.arrived()

    async def _page(self, request: QueueList) -> QueuePage | None:
        """A page of the list that is shown; None when there is none, the reason stands under the filter, or nobody wants it any more."""
        page = await self._view.link.ask(request)
        self.now = datetime.now(UTC)
        if isinstance(page, Trouble):
            self._bar.wrong([] if self._view.link.offline else says.error(page.text, self._view.size.width))
            return None
        self._bar.wrong([])
        return page if request.filter == self._filter else None
