"""The live screen: events as they happen, with a filter; it follows, or stands still and counts.

Owned here: that it is followed while somebody looks, and when it is shown. How it goes on is `stream`'s, what a line says `present.live`'s,
what is kept `tail`'s.
"""

from __future__ import annotations

import re
from contextlib import aclosing
from typing import Final

from textual.app import ComposeResult

from mailtui.console.actions import Scope
from mailtui.console.link import Link, Trouble
from mailtui.console.offers import Offers, command, texts, values, word
from mailtui.console.orders import About
from mailtui.console.place import Place
from mailtui.console.present import live as says
from mailtui.console.present.line import Line
from mailtui.console.present.queue import error
from mailtui.console.stream import Stream
from mailtui.console.tail import RING, Tail
from mailtui.console.widgets.bar import FilterBar
from mailtui.console.widgets.canvas import Canvas
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.console.workers import alone
from mailtui.control.api import Entry, Log, QueueList
from mailtui.events import Attempted

from .view import Open, Say, Shared, View

#: Seconds between two looks at what came: six or seven a second.
TICK: Final = 0.15
#: Seconds for which an answer is good enough.
_FRESH: Final = 0.5
#: How the filter of a trace begins.
_TRACED: Final = "domain="
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
        self._stream = Stream(link, self._came)
        self.tail = Tail(lambda missed: self._stream.remark(says.dropped(missed)))
        self.following = True
        self._told = Canvas(id="told")
        self._once = False  # the next attempt of what is traced is the last that is followed
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
            self._stream.again()
            self.following, self._once = True, False
        await super().enter(place)
        self.bar.put(place.subject)
        self._show()

    async def refreshed(self) -> None:
        """Nothing is asked for in intervals: what happens comes by itself."""
        if self._listens_to is None:
            self._listens_to = self.place.subject
            alone(self, self._listen, "stream")
        if self.following and not self.link.frozen:
            self._show()  # the picture may have stood still

    # --- the stream

    async def _listen(self) -> None:
        """Until nobody looks or the filter is refused."""
        refused = await self._stream.listen(self.place.subject, lambda: self.bar.wrong([]))
        self.bar.wrong(error(refused, self.size.width))

    def _came(self, moment: says.Moment, entry: Entry | None) -> None:
        self.tail.heard(moment)
        if self._once and entry is not None and isinstance(entry.event, Attempted):
            self._once = False
            self.tail.take()
            self._follow(False)
            self.table.rows.place(len(self.table.rows.items) - 1)
            self._show()
            self.post_message(Say("that was its next attempt: enter opens the dialogue, F goes on", "ok"))

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
        return says.note(self.following, self.link.frozen, self.tail.newer, self._stream.trouble, self._stream.silent)

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

    def offers(self) -> Offers:
        """The event under the cursor."""
        moment = self.table.rows.current
        if moment is None:
            return Offers()
        domain = moment.address.rpartition("@")[2]
        words = values(("t", "to", moment.address), ("d", "domain", domain), ("i", "id", moment.id))
        shown = command("show", moment.id) if moment.id else ""
        told = texts(
            ("i", "id", moment.id),
            ("a", "address", moment.address),
            ("r", "text", moment.text),
            ("c", "command", shown),
        )
        return Offers(words, told)

    def perform(self, action: str) -> bool:
        """Movement stops it, the end goes on; opening, the filter."""
        if action == "view.trace":
            self._trace()
        elif action in ("view.follow", "row.last"):
            self._follow(not self.following or action == "row.last")
        elif action == "row.open":
            alone(self, self._open, "open")
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

    def about(self) -> About:
        """The recipient of the event under the cursor; while it follows, of the latest event that has one."""
        rows = self.table.rows
        near = rows.items[rows.cursor :: -1] if self.following else rows.items[rows.cursor : rows.cursor + 1]
        address = next((one.address for one in near if "@" in one.address), "")
        return About(address, address.rpartition("@")[2])

    def _trace(self) -> None:
        """The destination of the event under the cursor; where one is traced already, its next attempt only."""
        traced, moment = self.place.subject, self.table.rows.current
        if traced.startswith(_TRACED):
            self._once = not self._once
            self._follow(True)
            told = "stands still after the next attempt" if self._once else "goes on"
            self.post_message(Say(f"{traced} {told}", "accent"))
        elif moment is not None and (domain := self.about().destination):
            self.post_message(Open(Place("live", word("domain", domain))))
        else:
            self.post_message(Say("trace: this event is about no destination", "dim"))

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
