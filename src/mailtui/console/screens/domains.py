"""The destinations: one row each; enter opens its view.

Owned here: what is asked, and trends, one at a time and only of what is seen. What a row says is in `present.domains`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from textual.app import ComposeResult

from mailtui.console.actions import Scope
from mailtui.console.link import Link, Trouble
from mailtui.console.offers import Offers, of_destination
from mailtui.console.orders import About
from mailtui.console.place import Place
from mailtui.console.present import domains as says
from mailtui.console.present.groups import word
from mailtui.console.present.line import Line
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.control.api import QueueDomains
from mailtui.control.api_history import Samples
from mailtui.findings import DestinationMoment
from mailtui.views import DestinationRow

from .view import Open, Say, Shared, View

#: Destinations that are listed: those with the most waiting.
LISTED: Final = 500
#: Seconds for which a trend is good enough.
_TREND: Final = 60.0


class Domains(View):
    """Tab 3."""

    kind = "domains"

    def __init__(self, link: Link, shared: Shared) -> None:
        super().__init__(link, shared)
        self._now = datetime.now(UTC)
        self._trends: dict[str, tuple[datetime, tuple[int, ...]]] = {}
        look: Look[DestinationRow] = Look(self._row, says.heading, "asking …")
        self.table = VirtualTable(Rows[DestinationRow](lambda row: row.destination), look)

    def compose(self) -> ComposeResult:
        """The table alone."""
        yield self.table

    def _row(self, row: DestinationRow, room: int) -> Line:
        return says.row(row, self._trends.get(row.destination, (self._now, ()))[1], room, self._now)

    async def refreshed(self) -> None:
        """All rows; then the trend of one that is seen and has none, or an old one."""
        rows = await self.link.ask(QueueDomains(limit=LISTED), 0.5)
        if isinstance(rows, Trouble):
            if not self.link.offline:
                self.post_message(Say(rows.text.partition("\n")[0], "bad"))
            return
        self._now = datetime.now(UTC)
        self.table.look = replace(self.table.look, empty="nothing waits, and nothing was tried lately")
        self.table.fill(rows)
        if self.table.size.width >= says.WIDE + 2:
            await self._trend()

    async def _trend(self) -> None:
        seen = [row.destination for row in self.table.rows.visible]
        known = {name: (self._now - self._trends[name][0]).total_seconds() for name in seen if name in self._trends}
        name = max(seen, key=lambda name: known.get(name, float("inf")), default="")
        if not name or known.get(name, _TREND) < _TREND:
            return
        moments = await self.link.ask(Samples(destination=name))
        if isinstance(moments, Trouble):
            return
        now = datetime.now(UTC)
        past = [moment for moment in moments if isinstance(moment, DestinationMoment)]
        self._trends = {known: self._trends[known] for known in seen if known in self._trends}
        self._trends[name] = (now, says.trend(past, now))
        self.table.redraw()

    def note(self) -> Line:
        """Where the cursor is, and what is suspended."""
        rows = self.table.rows
        return says.note(rows.position, rows.items, len(rows.items) >= LISTED)

    # --- actions

    def scope(self) -> Scope:
        """All that waits for the destination under the cursor."""
        row = self.table.rows.current
        return Scope("filter", filter=word("domain", row.destination)) if row else Scope("cursor")

    def about(self) -> About:
        """The destination under the cursor."""
        row = self.table.rows.current
        return About(destination=row.destination) if row else About()

    def offers(self) -> Offers:
        """The destination under the cursor."""
        row = self.table.rows.current
        return of_destination(row.destination, row.site, row.top_class) if row else Offers()

    def perform(self, action: str) -> bool:
        """Movement, and opening a destination."""
        if action == "row.open":
            self._open()
            return True
        return not action.startswith("select.") and self.table.perform(action)

    def _open(self) -> None:
        if (row := self.table.rows.current) is not None:
            self.post_message(Open(Place("domain", row.destination)))

    def on_virtual_table_opened(self) -> None:
        """A second click."""
        self._open()
