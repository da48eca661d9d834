"""The live screen: events as they happen, with a filter; it follows, or stands still and counts.

Owned here: the stream while somebody looks, and when it is shown. What a line says is in `present.live`, what is kept in `tail`.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import aclosing
from typing import Final

from textual.app import ComposeResult

from mailtui.console.actions import Scope
from mailtui.console.link import Link, Trouble
from mailtui.console.place import Place
from mailtui.console.present import live as says
from mailtui.console.present.line import Line
from mailtui.console.present.queue import error
from mailtui.console.tail import RING, Tail
from mailtui.console.widgets.bar import FilterBar
from mailtui.console.widgets.canvas import Canvas
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.control.api import Entry, Log, QueueList, Status

from .view import Open, Say, Shared, View

#: Seconds between two looks at what came: six or seven a second.
TICK: Final = 0.15
#: Events of the past that are asked for at the beginning, and after an interruption; seconds until it is tried again.
_PAST, _BEHIND, _AGAIN = 200, 2000, 1.0
#: Seconds for which an answer is good enough, and what goes by itself.
_FRESH: Final = 0.5
_PASSING: Final = frozenset({"ended", "Unavailable", "RelayNotRunning"})
#: Addresses that need no quoting in a filter.
_PLAIN: Final = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")


class Live(View):
    """Tab 5."""

    kind = "live"

    def __init__(self, link: Link, shared: Shared) -> None:
        super().__init__(link, shared)
        self.bar = FilterBar()
        self.table = VirtualTable(
            Rows[says.Moment](lambda moment: str(moment.number)), Look(says.row, None, "nothing yet")
        )
        self.tail = Tail(lambda missed: says.remark(says.dropped(missed), self._next(), time.time()))
        self.following = True
        self._told = Canvas(id="told")
        self._number = self._seq = 0
        self._relay: object = None  # which run of the relay the numbers are of
        self._trouble = ""
        self._silent_since = 0.0
        self._listens_to: str | None = None  # the filter of the stream that is open

    def compose(self) -> ComposeResult:
        """Filter, events, the whole of one."""
        yield from (self.bar, self.table, self._told)

    def on_mount(self) -> None:
        """Look regularly at what came."""
        self.set_interval(TICK, self._tick)

    async def enter(self, place: Place) -> None:
        """Another filter is another stream; coming back goes on where it was."""
        if place.subject != self.place.subject:
            self._hush()
            self.tail.clear()
            self.table.rows.clear()
            self._seq, self.following = 0, True
        await super().enter(place)
        self.bar.put(place.subject)
        self._show()

    async def refreshed(self) -> None:
        """Nothing is asked for in intervals: what happens comes by itself."""
        if self._listens_to is None:
            self._listens_to = self.place.subject
            self.run_worker(self._listen(), group="stream", exclusive=True)
        if self.following and not self.link.frozen:
            self._show()  # the picture may have stood still

    # --- the stream

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def _listen(self) -> None:
        """Follow the stream, again and again, until nobody looks or the filter is refused."""
        while True:
            trouble = await self._stream()
            if trouble.code not in _PASSING and not self.link.offline:
                self.bar.wrong(error(trouble.text, self.size.width))
                return
            if not self._trouble:
                self._silent_since = time.monotonic()
                self.tail.heard(says.remark(f"lost: {trouble.text}; trying again", self._next(), time.time(), "bad"))
            self._trouble = trouble.text
            await asyncio.sleep(_AGAIN)

    async def _stream(self) -> Trouble:
        """What happens, until it ends: why it did."""
        status = await self.link.ask(Status(), _FRESH)
        if isinstance(status, Trouble):
            return status
        if self._relay not in (None, status.started):  # numbers of another run mean nothing
            self._seq = 0
            self.tail.heard(says.remark("the relay was started anew", self._next(), time.time()))
        self._relay = status.started
        if self._trouble:
            self._trouble = ""
            self.tail.heard(says.remark("connected again", self._next(), time.time(), "ok"))
        log = Log(self._seq, _BEHIND if self._seq else _PAST, True, self.place.subject)
        self.bar.wrong([])
        async with aclosing(self.link.follow(log)) as stream:
            async for heard in stream:
                if isinstance(heard, Trouble):
                    return heard
                self._came(heard)
        return Trouble("ended", "the relay ended the stream")

    def _came(self, entry: Entry) -> None:
        self._seq = max(self._seq, entry.seq)
        self.tail.heard(says.told(entry, self._next()))

    def _hush(self) -> None:
        """Nobody looks: the stream is closed; where it was is known."""
        if self._listens_to is not None:
            self.workers.cancel_group(self, "stream")
            self._listens_to = None

    # --- showing

    def _tick(self) -> None:
        if not self.has_class("here"):
            self._hush()
        elif self.following and (not self.link.frozen or not self.table.rows.items) and self.tail.take():
            self._show()

    def _show(self) -> None:
        rows, end = self.table.rows, self.link.frozen_at
        rows.start([one for one in self.tail.shown if end is None or one.at <= end], 0, True)
        if self.following:
            rows.place(len(rows.items) - 1)
        self.table.redraw()
        self._tell()

    def _tell(self) -> None:
        room, height = self._told.size
        self._told.show(says.whole(self.table.rows.current, self.following, room, height))

    def note(self) -> Line:
        """Whether it goes on, and what came meanwhile."""
        silent = time.monotonic() - self._silent_since
        return says.note(self.following, self.link.frozen, self.tail.newer, self._trouble, silent)

    def _follow(self, on: bool) -> None:
        self.following = on
        if on and not self.link.frozen:
            if (lost := self.tail.newer - RING) > 0:
                self.post_message(Say(says.dropped(lost), "warn"))
            self.tail.take()
        self._show()

    # --- actions

    def scope(self) -> Scope:
        """Nothing here is changed."""
        return Scope("cursor")

    def perform(self, action: str) -> bool:
        """Movement stops it, the end goes on; opening, the filter."""
        if action in ("view.follow", "row.last"):
            self._follow(not self.following or action == "row.last")
        elif action == "row.open":
            self.run_worker(self._open(), group="open", exclusive=True)
        elif action == "filter.edit":
            self.bar.edit()
        elif action == "filter.clear":
            self.post_message(Open(Place("live")))
        elif action.startswith(("row.", "page.")):
            self.following = False
            return self.table.perform(action)
        else:
            return False
        return True

    async def _open(self) -> None:
        """The message of the event under the cursor, at its recipient."""
        moment = self.table.rows.current
        if moment is None or not moment.id:
            self.post_message(Say("this event is about no message", "dim"))
            return
        name = moment.id
        if _PLAIN.fullmatch(moment.address):
            page = await self.link.ask(
                QueueList(filter=f"id:{name} to:{moment.address}", history=True, limit=1), _FRESH
            )
            if not isinstance(page, Trouble) and page.rows:
                name = page.rows[0].id
        self.shared.ids = tuple(dict.fromkeys(one.id for one in self.table.rows.items if one.id))
        self.post_message(Open(Place("message", name)))

    def on_virtual_table_moved(self, message: VirtualTable.Moved) -> None:
        """Whoever goes up wants to read."""
        rows = self.table.rows
        self.following = self.following and rows.cursor + 1 == len(rows.items)
        self._tell()

    def on_virtual_table_opened(self) -> None:
        """A second click."""
        self.perform("row.open")

    def on_filter_bar_typed(self, message: FilterBar.Typed) -> None:
        """What was wrong may be right now."""
        self.bar.wrong([])

    async def on_filter_bar_kept(self, message: FilterBar.Kept) -> None:
        """Listen for what it means, unless it is wrong."""
        async with aclosing(self.link.follow(Log(limit=0, filter=message.text))) as answer:
            async for heard in answer:
                if isinstance(heard, Trouble) and heard.code != "ended":
                    self.bar.wrong(error(heard.text, self.size.width))
                    return
        self.bar.stop()
        self.post_message(Open(Place("live", message.text.strip())))

    def on_filter_bar_left(self) -> None:
        """As it was."""
        self.bar.wrong([])
