"""The suppress screen: who gets no mail, what stands still, and which new mail is held; the pane with the cursor has the room.

Owned here: what is asked for, and which row a change is about. What rows say is in `present.suppress`, what can be changed in `orders`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from textual.app import ComposeResult

from mailtui.console.link import Link, Trouble
from mailtui.console.offers import Choice, Offers, of_destination, of_entry, texts, values
from mailtui.console.orders import About
from mailtui.console.present import suppress as says
from mailtui.console.present.detail import WIDTH
from mailtui.console.present.line import Line, line
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.console.workers import alone
from mailtui.control.api_holdrules import HoldRuleList
from mailtui.control.api_suppress import SuppressList
from mailtui.control.api_suspend import Suspensions
from mailtui.holdrules import HoldRule
from mailtui.suppressions import Suppression, SuppressionPage
from mailtui.suspensions import Suspension

from .detail import Detail
from .view import Say, Shared, View

PAGE: Final = 500
#: Seconds for which an answer about the panes without the cursor is good enough.
_ASIDE: Final = 3.0
_ASKED: Final = "asking …"
_NAMES: Final = ("list", "suspensions", "rules")
_TITLES: Final = ("Suppression list", "Suspensions", "Hold rules")
_NOTES: Final = ("a adds, D removes, enter shows it", "a suspends, D or P resumes", "a adds, D removes")


class Suppress(View):
    """Tab 6."""

    kind = "suppress"

    def __init__(self, link: Link, shared: Shared) -> None:
        super().__init__(link, shared)
        self._now = datetime.now(UTC)
        self.entries = VirtualTable(
            Rows[Suppression](lambda row: row.entry),
            Look(lambda row, room: says.entry(row, room, self._now), says.entry_heading, "the list is empty", _ASKED),
            title=_TITLES[0],
        )
        self.suspensions = VirtualTable(
            Rows[Suspension](lambda row: f"{row.kind} {row.name}"),
            Look(
                lambda row, room: says.suspension(row, room, self._now),
                says.suspension_heading,
                "nothing is suspended",
                _ASKED,
            ),
            title=_TITLES[1],
        )
        self.rules = VirtualTable(
            Rows[HoldRule](lambda row: str(row.rule)),
            Look(
                lambda row, room: says.rule(row, room, self._now), says.rule_heading, "no rule holds new mail", _ASKED
            ),
            title=_TITLES[2],
        )
        self._panes: tuple[VirtualTable[Any], ...] = (self.entries, self.suspensions, self.rules)
        self._activate(0)

    def compose(self) -> ComposeResult:
        """Three lists."""
        yield from self._panes

    # --- asking

    async def refreshed(self) -> None:
        """The visible entries, and the two short lists."""
        suspended = await self.link.ask(Suspensions(), 0 if self.suspensions.active else _ASIDE)
        rules = await self.link.ask(HoldRuleList(), 0 if self.rules.active else _ASIDE)
        self._now = datetime.now(UTC)
        if not isinstance(suspended, Trouble):
            self.suspensions.title = f"{_TITLES[1]} ({len(suspended)})"
            self.suspensions.fill(suspended)
        if not isinstance(rules, Trouble):
            self.rules.title = f"{_TITLES[2]} ({len(rules)})"
            self.rules.fill(rules)
        await self._entries()

    async def _entries(self) -> None:
        """The entries from above the visible ones to below them."""
        rows = self.entries.rows
        low = max(rows.top - 5, 0)
        after = rows.items[low - 1].entry if low else ""
        page = await self._page(SuppressList(limit=rows.height + 15 if rows.items else PAGE, after=after))
        if page is None or (low and (low > len(rows.items) or rows.items[low - 1].entry != after)):
            return
        if rows.items:
            rows.merge(low, page.rows, page.after is None, self.entries.holds)
        else:
            rows.start(page.rows, 0, page.after is None)
        self._shown()

    async def _more(self) -> None:
        rows = self.entries.rows
        edge = rows.items[-1].entry
        page = await self._page(SuppressList(limit=PAGE, after=edge))
        if page is not None and rows.items and rows.items[-1].entry == edge:
            rows.items += page.rows  # all are kept: there is no way to ask for those in front of a page
            rows.ends = page.after is None
            self._shown()

    async def _page(self, request: SuppressList) -> SuppressionPage | None:
        page = await self.link.ask(request)
        if not isinstance(page, Trouble):
            return page
        if not self.link.offline:
            self.post_message(Say(page.text.partition("\n")[0], "bad"))
        return None

    def _shown(self) -> None:
        rows = self.entries.rows
        self.entries.title = f"{_TITLES[0]} ({len(rows.items):,}{'' if rows.ends else '+'})"
        self.entries.arrived()

    # --- actions

    @property
    def _at(self) -> int:
        return next(index for index, pane in enumerate(self._panes) if pane.active)

    def _activate(self, at: int) -> None:
        for index, pane in enumerate(self._panes):
            pane.active = index == at
            pane.note = _NOTES[index] if pane.active else ""
            pane.set_class(pane.active, "-active")
            if self.is_mounted:
                pane.redraw()

    def note(self) -> Line:
        """Where the cursor is."""
        rows = self._panes[self._at].rows
        gone = f"{len(rows.gone)} left, order held   " if rows.gone else ""
        return line((gone, "accent"), (f"row {rows.position or 0:,} of {len(rows.items):,}", "dim"))

    def about(self) -> About:
        """The row under the cursor, in its pane."""
        return About(pane=_NAMES[self._at], row=self._panes[self._at].rows.current)

    def offers(self) -> Offers:
        """The row under the cursor, in its pane."""
        match self._panes[self._at].rows.current:
            case Suppression() as one:
                return of_entry(one.entry, one.evidence)
            case Suspension(kind="destination", name=name):
                return of_destination(name)
            case Suspension(kind="site", name=name):
                return of_destination("", name)
            case Suspension(kind=kind, name=name):
                field = {"sender": "from", "user": "user"}.get(kind, "")
                return Offers(values(("n", field, name)) if field else (), texts(("n", "name", name)))
            case HoldRule() as rule:
                words = (*values(("n", "rule", str(rule.rule))), Choice("f", "its filter", rule.filter))
                return Offers(words, texts(("n", "number", str(rule.rule)), ("f", "filter", rule.filter)))
        return Offers()

    def perform(self, action: str) -> bool:
        """Movement in the pane that has the cursor; enter shows a row in full."""
        if action in ("pane.next", "pane.previous"):
            self._activate((self._at + (1 if action == "pane.next" else -1)) % len(self._panes))
        elif action == "row.open":
            self._open()
        elif action.startswith("select."):
            return False
        else:
            return self._panes[self._at].perform(action)
        return True

    def _open(self) -> None:
        row = self._panes[self._at].rows.current
        if row is not None:
            self.app.push_screen(Detail(says.detail(row, datetime.now(UTC)), WIDTH))

    def on_virtual_table_opened(self) -> None:
        """A second click."""
        self._open()

    def on_virtual_table_moved(self, message: VirtualTable.Moved) -> None:
        """A click in another pane brings the cursor there."""
        if not message.table.active:
            self._activate(self._panes.index(message.table))

    def on_virtual_table_wanted(self, message: VirtualTable.Wanted) -> None:
        """The list of entries goes on."""
        alone(self, self._more, "page")
