"""The audit screen: every change, the latest first; `u` takes the one under the cursor back.

Owned here: which pages are asked for. What a row says is in `present.audit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from textual.app import ComposeResult

from mailtui.console.link import Link, Trouble
from mailtui.console.offers import Choice, Offers
from mailtui.console.orders import About
from mailtui.console.place import Place
from mailtui.console.present import audit as says
from mailtui.console.present.detail import WIDTH
from mailtui.console.present.line import Line, line
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.console.workers import alone
from mailtui.control import api
from mailtui.views import AuditRow, QueueRow

from .detail import Detail
from .view import Open, Say, Shared, View

PAGE: Final = 200
#: Recipients that an action is shown with, and seconds for which those are good enough.
_FIRST, _FRESH = 6, 2.0


def order(name: str) -> tuple[str, int]:
    """How actions sort: the latest first."""
    return "", -int(name)


class Audit(View):
    """Tab 7."""

    kind = "audit"
    kept = True

    def __init__(self, link: Link, shared: Shared) -> None:
        super().__init__(link, shared)
        look: Look[AuditRow] = Look(
            lambda row, room: says.row(row, room, self._now),
            says.heading,
            "nobody has changed anything yet",
            "asking …",
        )
        self.table = VirtualTable(Rows[AuditRow](lambda row: str(row.action), order), look)
        self._now = datetime.now(UTC)
        self._when = link.when

    def compose(self) -> ComposeResult:
        """One list."""
        yield self.table

    async def refreshed(self) -> None:
        """What is visible, and what came before it."""
        rows = self.table.rows
        if self._when != self.link.when:
            self._when = self.link.when
            rows.clear()
        low = 0 if rows.top == 0 else rows.top - 1
        before = rows.items[low - 1].action if low else 0
        limit = rows.height + 10 if rows.items else PAGE
        page = await self._page(before, limit)
        if page is None or (low and (low > len(rows.items) or rows.items[low - 1].action != before)):
            return
        whole = len(page) < limit
        if not rows.items:
            rows.start(page, 0, whole)
        else:
            rows.merge(low, page, whole, self.table.holds)
        self.table.arrived()

    async def _more(self) -> None:
        rows = self.table.rows
        edge = rows.items[-1].action
        page = await self._page(edge, PAGE)
        if page is not None and rows.items and rows.items[-1].action == edge:
            rows.items += page  # all are kept: there is no way to ask for those in front of a page
            rows.ends = len(page) < PAGE
            self.table.arrived()

    async def _page(self, before: int, limit: int) -> tuple[AuditRow, ...] | None:
        link, when = self.link, self.link.when
        until = link.range()[1] if link.past else ""
        page = await link.ask(
            api.Audit(limit=limit, before=before, until=until), link.fresh(0.0, 0) if link.past else 0.0
        )
        self._now = link.now
        if not isinstance(page, Trouble):
            return page if when == link.when else None
        if not self.link.offline:
            self.post_message(Say(page.text.partition("\n")[0], "bad"))
        return None

    def note(self) -> Line:
        """How far the cursor is, and what came meanwhile."""
        rows = self.table.rows
        newer = f"+{rows.newer} newer, order held   " if rows.newer else ""
        more = "" if rows.ends else "+"
        order = "up to then" if self.link.past else "newest first"
        return line((newer, "accent"), (f"{rows.position or 0:,} of {len(rows.items):,}{more}   {order}", "dim"))

    # --- actions

    def about(self) -> About:
        """The action under the cursor."""
        return About(row=self.table.rows.current)

    def perform(self, action: str) -> bool:
        """Movement; enter shows an action in full, and again what it changed."""
        if action == "row.open":
            self.on_virtual_table_opened()
            return True
        return not action.startswith("select.") and self.table.perform(action)

    def on_virtual_table_opened(self) -> None:
        """Enter, or a second click."""
        if (row := self.table.rows.current) is not None:
            alone(self, partial(self._full, row), "full")

    async def _full(self, row: AuditRow) -> None:
        """The action, with the first of the recipients it changed; enter lists all of them."""
        changed: Sequence[QueueRow] = ()
        if filter := says.changed(row):
            page = await self.link.ask(api.QueueList(filter=filter, history=True, limit=_FIRST), _FRESH)
            changed = () if isinstance(page, Trouble) else page.rows

        def closed(entered: bool | None) -> None:
            if entered and changed:
                self.post_message(Open(Place("queue", filter)))

        self.app.push_screen(Detail(says.detail(row, datetime.now(UTC), changed), WIDTH), closed)

    def offers(self) -> Offers:
        """Its selection and what it changed, as filters; its number, and the command that takes it back."""
        if (row := self.table.rows.current) is None:
            return Offers()
        words = [Choice("a", "action", says.changed(row)), Choice("f", "its filter", row.filter)]
        texts = [
            Choice("n", "number", str(row.action)),
            Choice("f", "filter", row.filter),
            Choice("r", "reason", row.reason),
            Choice("c", "command", f"mailtui undo {row.action}"),
        ]
        return Offers(tuple(one for one in words if one.value), tuple(one for one in texts if one.value))

    def on_virtual_table_wanted(self) -> None:
        """The list goes on."""
        alone(self, self._more, "page")
