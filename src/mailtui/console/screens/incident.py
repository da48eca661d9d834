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
from mailtui.console.place import Place
from mailtui.console.present import incident as says
from mailtui.console.present.groups import incident as found_by
from mailtui.console.present.line import Line
from mailtui.console.widgets.canvas import Canvas
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.control.api import Incidents
from mailtui.findings import IncidentRow

from .view import Open, Say, Shared, View

#: Groups that are listed, and seconds for which they are good enough.
_LISTED, _FRESH = 500, 2.0
_CALM: Final = "nothing out of the ordinary in the last 15 minutes"


class Incident(View):
    """Tab 4."""

    kind = "incident"

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
        rows = await self.link.ask(Incidents(limit=_LISTED), _FRESH)
        if isinstance(rows, Trouble):
            if not self.link.offline:
                self.post_message(Say(rows.text.partition("\n")[0], "bad"))
            return
        self._now, self._asked = datetime.now(UTC), True
        self.table.look = replace(self.table.look, empty=_CALM)
        self.table.fill(rows)
        self._detail()

    def _detail(self) -> None:
        canvas = self._below
        canvas.show(says.detail(self.table.rows.current, self._now, canvas.size.width, canvas.size.height))

    def on_resize(self) -> None:
        """Another width breaks other lines."""
        self.call_after_refresh(self._detail)

    def note(self) -> Line:
        """How many of each kind."""
        return says.note(self.table.rows.items, self._asked)

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
            self.post_message(Open(Place("queue", filter)))
        else:
            self.post_message(Say("this is about no mail in particular", "dim"))

    def on_virtual_table_opened(self) -> None:
        """A second click."""
        self._open()

    def on_virtual_table_moved(self) -> None:
        """Another row is under the cursor."""
        self._detail()
