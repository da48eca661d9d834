"""One destination: state, flow and limits above; what it answers and who sends to it below, each a list with a cursor.

Owned here: what is asked for a destination, its neighbours, and where a row leads. What it says is in `present.domain`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

from textual.app import ComposeResult

from mailtui.console.actions import Scope
from mailtui.console.link import Link, Trouble
from mailtui.console.offers import Choice, Offers, of_destination, texts, values
from mailtui.console.orders import About
from mailtui.console.paging import finding
from mailtui.console.place import Place
from mailtui.console.present import domain as says
from mailtui.console.present.domains import of_flow
from mailtui.console.present.groups import word
from mailtui.console.present.line import Line, beside
from mailtui.console.when import stretch
from mailtui.console.widgets.canvas import Canvas
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.console.workers import alone
from mailtui.control.api import Incidents, QueueCount, QueueDomains, QueueReasons
from mailtui.control.api_history import Destinations, Failures, Samples
from mailtui.control.api_shaping import ShapingList
from mailtui.control.api_suspend import Suspensions
from mailtui.control.request import Request
from mailtui.findings import DestinationFlow, DestinationMoment
from mailtui.views import DestinationRow

from .view import Open, Say, Shared, View

R = TypeVar("R")

#: Seconds for which answers are good enough: what moves, what was, and what must be counted row by row.
_NOW, _PAST, _COUNTED = 1.0, 5.0, 15.0
#: Neighbours, and rows of a list.
_NEIGHBOURS, _LISTED = 500, 100
_MOVES: Final = ("row.", "page.")
_NOBODY: Final = "nobody's mail waits after a failure"


class Left(Exception):
    """The operator went elsewhere while an answer was waited for, or there is none."""


class Domain(View):
    """What enter on a destination opens."""

    kind = "domain"
    kept = True

    def __init__(self, link: Link, shared: Shared) -> None:
        super().__init__(link, shared)
        self._now = datetime.now(UTC)
        self._facts = says.Facts("")
        self._when = link.when
        self._names: tuple[str, ...] = ()  # the neighbours, as they stood when one began to go through them
        self._step = ""  # the one that was gone to
        self._boxes = Canvas(id="facts")
        answers = Look[says.Response](
            lambda one, room: says.response(one, room, self._now),
            lambda room: says.responses_heading(room, self._facts.span),
            "asking …",
        )
        self.responses = VirtualTable(
            Rows[says.Response](lambda one: one.key), answers, title="Responses", id="responses"
        )
        self.senders = VirtualTable(
            Rows[says.Sender](lambda one: one.address),
            Look(says.sender, None, _NOBODY),
            title="Top senders of what fails",
            id="senders",
        )
        self.senders.active = False

    def compose(self) -> ComposeResult:
        """Facts, responses, senders."""
        yield from (self._boxes, self.responses, self.senders)

    async def enter(self, place: Place) -> None:
        """Another destination begins with nothing known."""
        if place.subject not in (self._step, self._facts.name):
            self._names = ()
        if place.subject != self._facts.name:
            self._forget(place.subject)
        await super().enter(place)
        self._tell()

    def _forget(self, name: str) -> None:
        """Nothing is known of this destination in the range that is looked at."""
        link, self._when = self.link, self.link.when
        when = stretch(link.when, link.now.timestamp())
        self._facts = says.Facts(name, seconds=link.when.seconds(), span=link.when.name(), when=when, past=link.past)
        for table in (self.responses, self.senders):
            table.rows.clear()
            table.redraw()

    # --- asking

    async def refreshed(self) -> None:
        """What is cheap and moves first, what must be counted last; each is shown as it comes."""
        name = self.place.subject
        if self._when != self.link.when:
            self._forget(name)
        self._facts = replace(self._facts, end=self.link.end)
        try:
            if self.link.past:
                await self._then(name)
            else:
                await self._standing(name)
                await self._answers(name)
        except Left:
            return

    async def _ask(self, name: str, request: Request[R], within: float) -> R:
        """An answer about the destination that is shown. Left."""
        answer = await self.link.ask(request, within)
        if self.place.subject != name or self._when != self.link.when:
            raise Left
        if isinstance(answer, Trouble):
            if not self.link.offline:
                self.post_message(Say(answer.text.partition("\n")[0], "bad"))
            raise Left
        self._now = self.link.end
        return answer

    async def _then(self, name: str) -> None:
        """What was tried in a range of the past, and what failed; more is not kept."""
        link, fresh = self.link, self.link.fresh(_PAST)
        flows = await self._ask(name, Destinations(*link.range(), destination=name, limit=1), fresh)
        flow = flows[0] if flows else DestinationFlow(name, "", 0, 0, 0, "")
        self._learn(replace(self._facts, row=of_flow(flow)))
        moments = await self._ask(name, Samples(*link.range(), destination=name), fresh)
        self._learn(replace(self._facts, moments=tuple(one for one in moments if isinstance(one, DestinationMoment))))
        failed = await self._ask(name, Failures(*link.range(), name, _LISTED), fresh)
        window, at = link.compared()
        unusual = await link.ask(Incidents(window, at, limit=_LISTED), fresh)
        incidents = () if isinstance(unusual, Trouble) else unusual
        self.responses.fill(says.responses(self._facts, failed, (), incidents))
        self._meaning()
        self.senders.look = replace(self.senders.look, empty="whose mail it was is not kept")
        self.senders.fill(())

    async def _standing(self, name: str) -> None:
        """Counts, suspensions, the hour, and the limits of the site."""
        mine = word("domain", name)
        row = next((row for row in await self._neighbours(name) if row.destination == name), None)
        if row is None:  # it is not among those with the most
            rows = await self._ask(name, QueueDomains(filter=mine, limit=1), _PAST)
            row = rows[0] if rows else DestinationRow(name, "", 0, 0, 0, 0, 0, 0, "")
        self._learn(replace(self._facts, row=row))
        counts = await self._ask(name, QueueCount(filter=mine), 2 * _NOW)
        self._learn(replace(self._facts, counts=counts))
        fresh = self.link.fresh(_PAST)
        moments = await self._ask(name, Samples(*self.link.range(), destination=name), fresh)
        past = tuple(one for one in moments if isinstance(one, DestinationMoment))
        self._learn(replace(self._facts, moments=past))
        suspensions = await self._ask(name, Suspensions(), _PAST)
        self._learn(replace(self._facts, suspensions=suspensions))
        if row.site:
            shapes = await self._ask(name, ShapingList(site=row.site), _PAST)
            shape = next((shape for shape in shapes if shape.site == row.site), None)
            self._learn(replace(self._facts, shape=shape))

    async def _answers(self, name: str) -> None:
        """What failed, what waits for it, what of that is new, and whose mail it is."""
        mine = word("domain", name)
        fresh = self.link.fresh(_PAST)
        failed = await self._ask(name, Failures(*self.link.range(), name, _LISTED), fresh)
        waiting = await self._ask(name, QueueReasons(filter=mine, by="destination", limit=_LISTED), _PAST)
        incidents = await self._ask(name, Incidents(*self.link.compared(), limit=_LISTED), fresh)
        self.responses.fill(says.responses(self._facts, failed, waiting, incidents))
        self._meaning()
        senders = await self._ask(name, QueueReasons(filter=mine, by="sender", limit=_LISTED), _COUNTED)
        self.senders.look = replace(self.senders.look, empty=_NOBODY)
        self.senders.fill(says.senders(senders))

    def _learn(self, facts: says.Facts) -> None:
        self._facts = facts
        self._tell()

    # --- showing

    def _tell(self) -> None:
        room, height = self._boxes.size
        if room and height:
            self._boxes.show(beside(*says.boxes(self._facts, self._now, room, height)))

    def on_resize(self) -> None:
        """Another width has other boxes."""
        self.call_after_refresh(self._tell)

    def _meaning(self) -> None:
        """What the reply under the cursor means stands under the list."""
        self.responses.note = says.meaning(self.responses.rows.current)
        self.responses.redraw()

    def note(self) -> Line:
        """How one goes on."""
        return says.note(self._facts)

    # --- actions

    def scope(self) -> Scope:
        """The mail of the row under the cursor; the first row is all of the destination's."""
        return Scope("filter", filter=self._filter())

    def about(self) -> About:
        """The destination that is shown."""
        return About(destination=self.place.subject)

    def offers(self) -> Offers:
        """The destination, and the sender or kind of failure under the cursor."""
        mine = of_destination(self.place.subject, self._facts.row.site if self._facts.row else "")
        answer, sender = self.responses.rows.current, self.senders.rows.current
        if self.senders.active and sender is not None:
            words, told = values(("f", "from", sender.address or "<>")), texts(("a", "sender", sender.address))
        else:
            words = ()
            told = texts(("r", "reply", answer.sample)) if answer is not None else ()
        whole = Choice("m", "these messages", self._filter())
        return Offers((*mine.words, *words, whole), (*mine.texts, *told, whole))

    def _filter(self) -> str:
        name, answer, sender = self.place.subject, self.responses.rows.current, self.senders.rows.current
        if self.senders.active and sender is not None:
            return says.sent_by(name, sender)
        return says.found_by(name, answer) if answer is not None else word("domain", name)

    def perform(self, action: str) -> bool:
        """Movement in the list that has the cursor, its messages, and the destinations beside this one."""
        if action == "row.open":
            self.run_worker(self._open(), group="open", exclusive=True)
        elif action in ("pane.next", "pane.previous"):
            self._switch()
        elif action in ("item.next", "item.previous"):
            alone(self, partial(self._sibling, 1 if action == "item.next" else -1), "sibling")
        else:
            return action.startswith(_MOVES) and (self.senders if self.senders.active else self.responses).perform(
                action
            )
        return True

    async def _open(self) -> None:
        """Its messages; those of a reply that are finished too when none waits any more."""
        filter = self._filter()
        found = filter if filter == word("domain", self.place.subject) else await finding(self.link, filter)
        self.post_message(Open(Place("queue", found)))

    def _switch(self) -> None:
        self.responses.active, self.senders.active = self.senders.active, self.responses.active
        self.responses.redraw()
        self.senders.redraw()

    async def _neighbours(self, name: str) -> tuple[DestinationRow, ...]:
        return await self._ask(name, QueueDomains(limit=_NEIGHBOURS), _NOW)

    async def _sibling(self, by: int) -> None:
        """The next destination of the list as it stood when one began to go through it."""
        name = self.place.subject
        try:
            self._names = self._names or tuple(row.destination for row in await self._neighbours(name))
        except Left:
            return
        at = self._names.index(name) + by if name in self._names else 0
        if 0 <= at < len(self._names):
            self._step = self._names[at]
            self.post_message(Open(Place("domain", self._step)))
        else:
            self.post_message(Say("that was the last one" if by > 0 else "that was the first one", "dim"))

    def on_virtual_table_opened(self) -> None:
        """A second click."""
        self.perform("row.open")

    def on_virtual_table_moved(self, message: VirtualTable.Moved) -> None:
        """A click in the other list brings the cursor there; another reply means something else."""
        if not message.table.active:
            self._switch()
        self._meaning()
