"""What differs from the usual, our own trouble first, and the row under the cursor in full.

Owned here: what is asked, and where a row leads. What it says is in `present.incident`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from textual.app import ComposeResult

from mailtui.console.actions import Scope
from mailtui.console.link import Link, Trouble
from mailtui.console.offers import Offers, of_failure
from mailtui.console.paging import finding
from mailtui.console.place import Place
from mailtui.console.present import incident as says
from mailtui.console.present.groups import incident as found_by
from mailtui.console.present.line import Line
from mailtui.console.present.overview import worst_first
from mailtui.console.when import stretch
from mailtui.console.widgets.canvas import Canvas
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.control.api import Incidents
from mailtui.findings import IncidentRow

from .view import Open, Say, Shared, View

#: Groups that are listed, and seconds for which they are good enough.
_LISTED: Final = 500
_FRESH: Final = 2.0
#: Seconds that are compared until a range is chosen.
_LATELY: Final = 900


class Incident(View):
    """Tab 4."""

    kind = "incident"
    kept = True

    def __init__(self, link: Link, shared: Shared) -> None:
        super().__init__(link, shared)
        self._now = datetime.now(UTC)
        self._asked = False
        look: Look[IncidentRow] = Look(lambda row, room: says.row(row, room, self._now), says.heading, "asking …")
        rows = Rows[IncidentRow](lambda row: f"{row.change} {row.site} {row.class_} {row.fingerprint}")
        self.table = VirtualTable(rows, look)
        self._below = Canvas(id="incident-detail")

    def compose(self) -> ComposeResult:
        """The groups, and one in full."""
        yield from (self.table, self._below)

    async def refreshed(self) -> None:
        """All groups."""
        link, when = self.link, self.link.when
        rows = await link.ask(Incidents(*link.compared(), limit=_LISTED), link.fresh(_FRESH, _LATELY))
        if when != link.when:
            return
        if isinstance(rows, Trouble):
            if rows.code == "not-kept":
                self.table.look = replace(self.table.look, empty=rows.text)
                self.table.fill(())
                self._detail()
            elif not link.offline:
                self.post_message(Say(rows.text.partition("\n")[0], "bad"))
            return
        self._now, self._asked = link.end, True
        self.table.look = replace(self.table.look, empty=f"nothing out of the ordinary, {self._window}")
        self.table.fill(worst_first(rows))
        self._detail()

    def _detail(self) -> None:
        canvas = self._below
        room, height = canvas.size
        canvas.show(says.detail(self.table.rows.current, self._now, room, height, self.link.when.compared // 60))

    @property
    def _window(self) -> str:
        """What is compared, in words."""
        when = replace(self.link.when, span=self.link.when.compared)
        return stretch(when, self.link.now.timestamp())

    def on_resize(self) -> None:
        """Another width breaks other lines."""
        self.call_after_refresh(self._detail)

    def note(self) -> Line:
        """How many of each kind."""
        return says.note(self.table.rows.items, self._asked, self._window, self.link.past)

    # --- actions

    def scope(self) -> Scope:
        """The mail of the group under the cursor."""
        row = self.table.rows.current
        filter = found_by(row) if row else ""
        return Scope("filter", filter=filter) if filter else Scope("cursor")

    def offers(self) -> Offers:
        """The kind of failure under the cursor."""
        if (row := self.table.rows.current) is None:
            return Offers()
        return of_failure(row.site, row.class_, "", row.sample or row.sentence, found_by(row))

    def perform(self, action: str) -> bool:
        """Movement, and opening the messages of a group."""
        if action == "row.open":
            self._open()
            return True
        return not action.startswith("select.") and self.table.perform(action)

    def _open(self) -> None:
        if (row := self.table.rows.current) is None:
            return
        if filter := found_by(row):
            self.run_worker(self._find(filter), group="open", exclusive=True)
        else:
            self.post_message(Say("this is about no mail in particular", "dim"))

    async def _find(self, filter: str) -> None:
        """The mail of a group; what is finished of it too when nothing waits any more."""
        self.post_message(Open(Place("queue", await finding(self.link, filter))))

    def on_virtual_table_opened(self) -> None:
        """A second click."""
        self._open()

    def on_virtual_table_moved(self) -> None:
        """Another row is under the cursor."""
        self._detail()
