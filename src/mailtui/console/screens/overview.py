"""The overview screen: boxes of numbers, the grid of ages, what changed; the cursor walks the grid and the changes.

Owned here: what is asked how often, and where a row leads. What it all says is in `present.overview`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from textual.app import ComposeResult

from mailtui.console.link import Link, Trouble
from mailtui.console.offers import Choice, Offers, word
from mailtui.console.orders import About
from mailtui.console.place import Place
from mailtui.console.present import overview as says
from mailtui.console.present.line import beside, fit
from mailtui.console.widgets.canvas import Canvas
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.control.api import Forecast, Incidents, QueueAges, Status
from mailtui.control.api_history import Samples
from mailtui.control.api_suspend import Suspensions
from mailtui.findings import IncidentRow, MomentRow
from mailtui.views import AgeRow

from .view import Open, Shared, View

_ASKED: Final = "asking …"
#: Seconds for which an answer about ages, changes and the past is good enough.
_AGES, _CHANGES, _PAST = 2.0, 5.0, 5.0


class Overview(View):
    """Tab 1."""

    kind = "overview"

    def __init__(self, link: Link, shared: Shared) -> None:
        super().__init__(link, shared)
        self._numbers, self._alerts = Canvas(id="numbers"), Canvas(id="alerts")
        ages = Look(says.ages_row, says.ages_heading, "nothing waits: the queue is empty", _ASKED, first=True)
        self.grid = VirtualTable(
            Rows[AgeRow](lambda row: row.destination or row.site), ages, title="Waiting by age", id="grid"
        )
        self.grid.note = "enter opens the destination's queue"
        self.changes = VirtualTable(
            Rows[IncidentRow](lambda row: f"{row.change} {row.site} {row.class_} {row.fingerprint}"),
            Look(says.change_row, None, "nothing out of the ordinary", _ASKED, first=True),
            title=says.change_title(None),
            id="changes",
        )
        self.changes.active = False

    def compose(self) -> ComposeResult:
        """Numbers above, the grid, what changed, alerts."""
        yield from (self._numbers, self.grid, self.changes, self._alerts)

    async def refreshed(self) -> None:
        """Numbers first: they are what the first look is for."""
        status = await self.link.ask(Status(), 0.5)
        samples = await self.link.ask(Samples(), _PAST)
        forecast = await self.link.ask(Forecast(limit=1), _PAST)
        ages = await self.link.ask(QueueAges(by="destination", limit=200), _AGES)
        suspended = await self.link.ask(Suspensions(), _PAST)
        past = () if isinstance(samples, Trouble) else tuple(row for row in samples if isinstance(row, MomentRow))
        ahead = None if isinstance(forecast, Trouble) or not forecast else forecast[0]
        if not isinstance(status, Trouble):
            now, room = datetime.now(UTC), self.size.width
            numbers = self._numbers
            height = numbers.size.height
            if room >= 120:
                third = room // 3
                blocks = [
                    says.counts(status, past, ahead, third, height),
                    says.flow(status, past, third, height),
                    says.health(status, ahead, now, room - 2 * third, height),
                ]
            else:
                half = room // 2
                blocks = [says.counts(status, past, ahead, half, height), says.flow(status, past, room - half, height)]
            numbers.show(beside(*blocks))
            lines = says.alerts(status, () if isinstance(suspended, Trouble) else suspended, now)
            self._alerts.show([fit(lines, room)])
        if not isinstance(ages, Trouble):
            self.grid.fill(ages)
        incidents = await self.link.ask(Incidents(limit=50), _CHANGES)
        if not isinstance(incidents, Trouble):
            self.changes.title = says.change_title(incidents)
            self.changes.fill(says.worst_first(incidents))

    # --- actions

    def about(self) -> About:
        """The destination under the cursor."""
        row = self.grid.rows.current if self.grid.active else None
        return About(destination=row.destination) if row else About()

    def offers(self) -> Offers:
        """The destination, or what makes the change, under the cursor."""
        words: list[Choice] = []
        if self.grid.active and (age := self.grid.rows.current) is not None:
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
        elif action == "filter.edit":
            self.post_message(Open(Place("queue")))
            self.app.call_after_refresh(self.app.run_action, "perform('filter.edit')")
        elif action.startswith("select."):
            return False
        else:
            return (self.grid if self.grid.active else self.changes).perform(action)
        return True

    def _leaves(self, action: str) -> bool:
        """Whether a step goes from the last row of the grid to the changes, or back."""
        rows = self.grid.rows
        if self.grid.active:
            return action == "row.down" and rows.cursor + 1 >= len(rows.items)
        return action == "row.up" and self.changes.rows.cursor == 0

    def _switch(self) -> None:
        if self.grid.active and not self.changes.rows.items:
            return
        self.grid.active, self.changes.active = self.changes.active, self.grid.active
        self.grid.redraw()
        self.changes.redraw()

    def _open(self) -> None:
        if self.grid.active and (age := self.grid.rows.current) is not None:
            word = f"domain:{age.destination}" if age.destination else f"site:{age.site}"
            self.post_message(Open(Place("queue", word)))
        elif self.changes.active and (incident := self.changes.rows.current) is not None:
            words = [
                f"site:{incident.site}" if incident.site else "",
                f"class:{incident.class_}" if incident.class_ else "",
            ]
            self.post_message(Open(Place("queue", " ".join(word for word in words if word))))

    def on_virtual_table_opened(self) -> None:
        """A second click."""
        self._open()

    def on_virtual_table_moved(self, message: VirtualTable.Moved) -> None:
        """A click in the other pane brings the cursor there."""
        if not message.table.active:
            self._switch()
