"""The overview screen: boxes of numbers, the grid of ages, what changed; the cursor walks the grid and the changes.

Owned here: what is asked how often, and where a row leads. What it all says is in `present.overview`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from textual.app import ComposeResult

from mailtui.console.link import Link, Trouble
from mailtui.console.offers import Choice, Offers, word
from mailtui.console.orders import About
from mailtui.console.paging import finding
from mailtui.console.place import Place
from mailtui.console.present import domains
from mailtui.console.present import overview as says
from mailtui.console.present import past as past_says
from mailtui.console.present.line import beside, fit, line
from mailtui.console.when import stretch
from mailtui.console.widgets.canvas import Canvas
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.control.api import Forecast, Incidents, QueueAges, QueueReasons, Status
from mailtui.control.api_history import Destinations, Samples
from mailtui.findings import IncidentRow, MomentRow
from mailtui.views import AgeRow, DestinationRow

from .view import Open, Shared, View

_ASKED: Final = "asking …"
#: Seconds for which an answer about ages, changes and the past is good enough.
_AGES, _CHANGES, _PAST = 2.0, 5.0, 5.0
_WIDE: Final = 120


class Overview(View):
    """Tab 1."""

    kind = "overview"
    kept = True

    def __init__(self, link: Link, shared: Shared) -> None:
        super().__init__(link, shared)
        self._numbers, self._alerts = Canvas(id="numbers"), Canvas(id="alerts")
        ages = Look(says.ages_row, says.ages_heading, "nothing waits: the queue is empty", _ASKED, first=True)
        self.grid = VirtualTable(
            Rows[AgeRow](lambda row: row.destination or row.site), ages, title="Waiting by age", id="grid"
        )
        self.grid.note = "enter opens the destination's queue"
        lately = Look[DestinationRow](
            lambda row, room: domains.row(row, (), room, self.link.end, self._tries()),
            lambda room: domains.heading(room, self._tries()),
            "nothing was tried, or it is no longer kept",
        )
        self.tried = VirtualTable(Rows[DestinationRow](lambda row: row.destination), lately, title="Tried", id="tried")
        self.tried.note = "enter opens the destination"
        self.changes = VirtualTable(
            Rows[IncidentRow](lambda row: f"{row.change} {row.site} {row.class_} {row.fingerprint}"),
            Look(says.change_row, None, "nothing out of the ordinary", _ASKED, first=True),
            title=says.change_title(None),
            id="changes",
        )
        self.changes.active = False

    def compose(self) -> ComposeResult:
        """Numbers above, the grid, what changed, alerts."""
        yield from (self._numbers, self.grid, self.tried, self.changes, self._alerts)

    @property
    def upper(self) -> VirtualTable[AgeRow] | VirtualTable[DestinationRow]:
        """The list above: how long mail has waited, or in the past what was tried."""
        return self.tried if self.link.past else self.grid

    async def refreshed(self) -> None:
        """Numbers first: they are what the first look is for."""
        self.set_class(self.link.past, "-past")
        self.tried.active = self.grid.active = not self.changes.active
        await (self._then() if self.link.past else self._now())
        window, at = self.link.compared()
        incidents = await self.link.ask(Incidents(window, at, limit=50), self.link.fresh(_CHANGES))
        if not isinstance(incidents, Trouble):
            when = replace(self.link.when, span=self.link.when.compared)
            self.changes.title = says.change_title(incidents, stretch(when, self.link.now.timestamp()))
            self.changes.look = replace(self.changes.look, empty="nothing out of the ordinary")
            self.changes.fill(says.worst_first(incidents) or await self._still(self.changes.title))
        elif incidents.code == "not-kept":
            self.changes.title = "What changed"
            self.changes.look = replace(self.changes.look, empty=incidents.text)
            self.changes.fill(())

    async def _still(self, title: str) -> list[IncidentRow]:
        """When nothing has changed: what fails as it did before."""
        if self.link.past:
            return []
        reasons = await self.link.ask(QueueReasons(limit=20), _CHANGES)
        if isinstance(reasons, Trouble) or not reasons:
            return []
        self.changes.title = f"{title}: nothing; what still fails"
        return says.as_before(reasons)

    def _tries(self) -> domains.Tries:
        return domains.Tries(self.link.when.name(), False, "")

    async def _range(self) -> says.Range | None:
        link = self.link
        samples = await link.ask(Samples(*link.range()), link.fresh(_PAST))
        if isinstance(samples, Trouble):
            return None
        rows = [row for row in samples if isinstance(row, MomentRow)]
        return says.Range(rows, link.end, link.when.seconds(), link.when.name())

    async def _now(self) -> None:
        status = await self.link.ask(Status(), 0.5)
        known = await self._range()
        forecast = await self.link.ask(Forecast(limit=1), _PAST)
        ages = await self.link.ask(QueueAges(by="destination", limit=200), _AGES)
        now = self.link.now
        past = known or says.Range((), now)
        ahead = None if isinstance(forecast, Trouble) or not forecast else forecast[0]
        if not isinstance(status, Trouble):
            room, height = self.size.width, self._numbers.size.height
            wide = room >= _WIDE
            part = room // (3 if wide else 2)
            when = stretch(self.link.when, now.timestamp())
            blocks = [says.counts(status, past, ahead, part, height)]
            blocks.append(says.flow(status.rates, past, when, part if wide else room - part, height))
            if wide:
                blocks.append(says.health(status, ahead, now, room - 2 * part, height))
            self._numbers.show(beside(*blocks))
            self._alerts.show([fit(says.alerts(status, room), room)])
        if not isinstance(ages, Trouble):
            dated = ages[0].as_of if ages else None
            self.as_of = dated if isinstance(dated, datetime) else None
            self.grid.fill(ages)

    async def _then(self) -> None:
        """A moment of the past, from the samples."""
        link = self.link
        last = await link.ask(Samples(*link.moment()), link.fresh(_PAST))
        past = await self._range()
        tried = await link.ask(Destinations(*link.range(), limit=200), link.fresh(_PAST))
        if past is None or isinstance(last, Trouble) or isinstance(tried, Trouble) or not link.past:
            return
        room, height = self.size.width, self._numbers.size.height
        wide = room >= _WIDE
        part = room // (3 if wide else 2)
        lately = [row for row in last if isinstance(row, MomentRow)]
        then, when = past_says.moment(lately, link.end), stretch(link.when, link.now.timestamp())
        trend = past.depth(part - 14)
        rates = says.rates((then,) if then else ())
        blocks = [past_says.counts(then, trend, past.name, part, height)]
        blocks.append(says.flow(rates, past, when, part if wide else room - part, height))
        if wide:
            blocks.append(past_says.health(past.samples, then, past.seconds, room - 2 * part, height))
        self._numbers.show(beside(*blocks))
        self._alerts.show(
            [fit(line((" what waited where, how long, and what was suspended is not kept", "dim")), room)]
        )
        self.tried.title = f"Tried, {when}"
        self.tried.fill([domains.of_flow(row) for row in tried])

    # --- actions

    def about(self) -> About:
        """The destination under the cursor."""
        row = self.upper.rows.current if self.upper.active else None
        return About(destination=row.destination) if row else About()

    def offers(self) -> Offers:
        """The destination, or what makes the change, under the cursor."""
        words: list[Choice] = []
        if self.upper.active and (age := self.upper.rows.current) is not None:
            words = [Choice("d", "domain", age.destination), Choice("h", "site", age.site)]
        elif self.changes.active and (incident := self.changes.rows.current) is not None:
            words = [Choice("h", "site", incident.site), Choice("c", "class", incident.class_)]
        there = tuple(one for one in words if one.value)
        return Offers(tuple(Choice(one.key, one.label, word(one.label, one.value)) for one in there), there)

    def perform(self, action: str) -> bool:
        """Movement in the pane that has the cursor; enter opens its row."""
        if action in ("pane.next", "pane.previous") or self._leaves(action):
            self._switch()
        elif action == "row.open":
            self._open()
        elif action.startswith("select."):
            return False
        else:
            return (self.upper if self.upper.active else self.changes).perform(action)
        return True

    def _leaves(self, action: str) -> bool:
        """Whether a step goes from the last row of the grid to the changes, or back."""
        rows = self.upper.rows
        if self.upper.active:
            return action == "row.down" and rows.cursor + 1 >= len(rows.items)
        return action == "row.up" and self.changes.rows.cursor == 0

    def _switch(self) -> None:
        if self.upper.active and not self.changes.rows.items:
            return
        self.upper.active, self.changes.active = self.changes.active, self.upper.active
        self.upper.redraw()
        self.changes.redraw()

    def _open(self) -> None:
        if self.link.past and self.upper.active:
            if (row := self.tried.rows.current) is not None and row.destination:
                self.post_message(Open(Place("domain", row.destination)))
        elif self.grid.active and (age := self.grid.rows.current) is not None:
            word = f"domain:{age.destination}" if age.destination else f"site:{age.site}"
            self.post_message(Open(Place("queue", word)))
        elif self.changes.active and (incident := self.changes.rows.current) is not None:
            words = [
                f"site:{incident.site}" if incident.site else "",
                f"class:{incident.class_}" if incident.class_ else "",
            ]
            self.run_worker(self._group(" ".join(word for word in words if word)), group="open", exclusive=True)

    async def _group(self, filter: str) -> None:
        """The mail of a change, what is finished of it too when nothing waits any more."""
        self.post_message(Open(Place("queue", await finding(self.link, filter))))

    def on_virtual_table_opened(self) -> None:
        """A second click."""
        self._open()

    def on_virtual_table_moved(self, message: VirtualTable.Moved) -> None:
        """A click in the other pane brings the cursor there."""
        if not message.table.active:
            self._switch()
