"""The destinations: one row each; enter opens its view.

Owned here: what is asked, and trends, one at a time and only of what is seen. What a row says is in `present.domains`.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from mailtui.console.when import stretch
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.control.api import QueueDomains
from mailtui.control.api_history import Destinations, Samples
from mailtui.findings import DestinationMoment
from mailtui.views import DestinationRow

from .view import Open, Say, Shared, View

#: Destinations that are listed: those with the most waiting.
LISTED: Final = 500
#: Seconds for which a trend is good enough.
_TREND: Final = 60.0
#: Seconds that tries are of until a range is chosen, and for which they are good enough.
_LATELY: Final = 900
_FRESH: Final = 2.0


class Domains(View):
    """Tab 3."""

    kind = "domains"
    kept = True

    def __init__(self, link: Link, shared: Shared) -> None:
        super().__init__(link, shared)
        self._now = datetime.now(UTC)
        self._trends: dict[str, tuple[datetime, tuple[float, ...]]] = {}
        self._when, self._frozen = link.when, link.frozen
        self._rows: Sequence[DestinationRow] = ()
        self.sort = says.Sort()
        look: Look[DestinationRow] = Look(self._row, lambda room: says.heading(room, self._tries), "asking …")
        self.table = VirtualTable(Rows[DestinationRow](lambda row: row.destination), look)

    def compose(self) -> ComposeResult:
        """The table alone."""
        yield self.table

    def _row(self, row: DestinationRow, room: int) -> Line:
        return says.row(row, self._trends.get(row.destination, (self._now, ()))[1], room, self._now, self._tries)

    @property
    def _tries(self) -> says.Tries:
        return says.Tries(self.link.when.name(_LATELY), not self.link.past, self.link.when.name())

    async def refreshed(self) -> None:
        """All rows; then the trend of one that is seen and has none, or an old one."""
        if (self._when, self._frozen) != (self.link.when, self.link.frozen):
            self._when, self._frozen, self._trends = self.link.when, self.link.frozen, {}
        rows = await (self._tried() if self.link.past else self._standing())
        if isinstance(rows, Trouble):
            if not self.link.offline:
                self.post_message(Say(rows.text.partition("\n")[0], "bad"))
            return
        self._now, self._rows = self.link.end, rows
        empty = (
            "nothing was tried, or it is no longer kept"
            if self.link.past
            else "nothing waits, and nothing was tried lately"
        )
        self.table.look = replace(self.table.look, empty=empty)
        self.table.fill(self.sort.rows(rows, not self.link.past))
        if self.table.size.width >= says.WIDE + 2:
            await self._trend()

    async def _standing(self) -> Sequence[DestinationRow] | Trouble:
        """What waits now, with the tries of the range."""
        rows = await self.link.ask(QueueDomains(limit=LISTED), 0.5)
        if isinstance(rows, Trouble) or not self.link.when.span:
            return rows
        flows = await self.link.ask(Destinations(*self.link.range(), limit=LISTED), self.link.fresh(_FRESH))
        return flows if isinstance(flows, Trouble) else says.over(rows, flows)

    async def _tried(self) -> Sequence[DestinationRow] | Trouble:
        """What was tried in a range of the past."""
        flows = await self.link.ask(Destinations(*self.link.range(_LATELY), limit=LISTED), self.link.fresh(_FRESH))
        return flows if isinstance(flows, Trouble) else [says.of_flow(flow) for flow in flows]

    async def _trend(self) -> None:
        seen = [row.destination for row in self.table.rows.visible if row.destination]
        known = {name: (self._now - self._trends[name][0]).total_seconds() for name in seen if name in self._trends}
        name = max(seen, key=lambda name: known.get(name, float("inf")), default="")
        if not name or known.get(name, _TREND) < _TREND:
            return
        when = self.link.when
        moments = await self.link.ask(Samples(*self.link.range(), destination=name))
        if isinstance(moments, Trouble) or when != self.link.when:
            return
        end = self.link.end
        past = [moment for moment in moments if isinstance(moment, DestinationMoment)]
        self._trends = {known: self._trends[known] for known in seen if known in self._trends}
        self._trends[name] = (end, says.trend(past, end, when.seconds()))
        self.table.redraw()
        if self.link.frozen or self.link.past:  # no other look follows soon that would ask for the next one
            self.call_after_refresh(self._trending)

    def _trending(self) -> None:
        self.run_worker(self._trend(), group="trend", exclusive=True)

    def note(self) -> Line:
        """Where the cursor is, and what is suspended."""
        rows, link = self.table.rows, self.link
        when = stretch(link.when, link.now.timestamp(), _LATELY)
        return says.note(
            rows.position, rows.items, len(rows.items) >= LISTED, f"tries of {when}", self.sort.words(not link.past)
        )

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
        if action in ("sort.next", "sort.reverse"):
            self._sort(
                self.sort.next(not self.link.past)
                if action == "sort.next"
                else replace(self.sort, least=not self.sort.least)
            )
            return True
        return not action.startswith("select.") and self.table.perform(action)

    def _sort(self, sort: says.Sort) -> None:
        """In another order at once: that is what was asked for, whatever holds it otherwise."""
        self.sort = sort
        self.table.rows.start(sort.rows(self._rows, not self.link.past), 0, True)
        self.table.redraw()

    def _open(self) -> None:
        if (row := self.table.rows.current) is not None and row.destination:
            self.post_message(Open(Place("domain", row.destination)))

    def on_virtual_table_opened(self) -> None:
        """A second click."""
        self._open()
