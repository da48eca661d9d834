"""The message screen: a message, its recipients, and below them the dialogue of an attempt (`attempts`).

Owned here: which message and recipient are shown, what is asked for them, and the neighbours. What it says is in `present.message`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from msgspec.structs import replace
from textual.app import ComposeResult

from mailtui.console.actions import Scope
from mailtui.console.link import Link, Trouble
from mailtui.console.offers import Offers, of_recipient
from mailtui.console.orders import About
from mailtui.console.place import Place
from mailtui.console.present import message as says
from mailtui.console.present import transcript
from mailtui.console.present.line import Line
from mailtui.console.present.queue import answer
from mailtui.console.widgets.canvas import Canvas
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.console.workers import alone
from mailtui.control.api import QueueList, Show, Why
from mailtui.views import QueueRow

from .attempts import Attempts
from .view import Open, Say, Shared, View

#: Recipients of one message that are listed, and seconds for which an answer about it is good enough.
_LISTED: Final = 500
_FRESH: Final = 2.0


class Message(View):
    """What enter on a recipient opens."""

    kind = "message"
    kept = True  # its history is its own

    def __init__(self, link: Link, shared: Shared) -> None:
        super().__init__(link, shared)
        self._envelope = Canvas(id="envelope")
        to = Look(says.recipient, says.recipients_heading, "asking …")
        self.recipients = VirtualTable(Rows[QueueRow](lambda row: row.id), to, title="Recipients", id="recipients")
        self.lower = Attempts(self)
        self._of = ""  # the recipient the attempts are of

    def compose(self) -> ComposeResult:
        """Envelope, recipients, dialogue or paper."""
        yield from (self._envelope, self.recipients, self.lower.dialogue, self.lower.paper)

    async def enter(self, place: Place) -> None:
        """Another message begins with its last attempt, and its content unread."""
        await super().enter(place)
        self._envelope.show([])  # nothing of the one before, also when there is no answer about this one
        self.lower.forget()
        self.recipients.rows.clear()
        self._of = ""

    async def refreshed(self) -> None:
        """The recipients, then everything about the one under the cursor."""
        message_id, _, _ = self.place.subject.partition(".")
        page = await self.link.ask(QueueList(filter=f"id:{message_id}", history=True, limit=_LISTED), _FRESH)
        if isinstance(page, Trouble):
            self._tell(page)
            return
        table = self.recipients
        new = not table.rows.items
        table.rows.start(page.rows, 0, True)
        if new:
            names = [row.id for row in page.rows]
            table.rows.place(names.index(self.place.subject) if self.place.subject in names else 0)
        table.title = f"Recipients ({len(page.rows)}{'+' if page.after else ''})"
        table.redraw()
        await self._one()

    async def _one(self) -> None:
        row = self.recipients.rows.current
        name = row.id if row else self.place.subject
        message = await self.link.ask(Show(id=name), _FRESH)
        why = await self.link.ask(Why(id=name), _FRESH)
        if isinstance(message, Trouble):
            self._tell(message)
            return
        other, self._of = name != self._of, name
        canvas, now = self._envelope, datetime.now(UTC)
        canvas.show(
            says.envelope(message, None if isinstance(why, Trouble) else why, now, self.size.width, canvas.size.height)
        )
        self.lower.learn(message, other, now)

    def _tell(self, trouble: Trouble) -> None:
        if not self.link.offline:
            self.post_message(Say(trouble.text.partition("\n")[0], "bad"))

    def note(self) -> Line:
        """State and next try."""
        return says.note(self.recipients.rows.current, datetime.now(UTC))

    # --- actions

    def scope(self) -> Scope:
        """The recipient under the cursor."""
        row = self.recipients.rows.current
        return Scope("cursor", (row.id,) if row else ())

    def about(self) -> About:
        """The recipient under the cursor."""
        row = self.recipients.rows.current
        return About(row.recipient, row.destination) if row else About()

    def offers(self) -> Offers:
        """The recipient under the cursor."""
        return of_recipient(row, answer(row)) if (row := self.recipients.rows.current) else Offers()

    def text(self) -> Sequence[str]:
        """The envelope, and the dialogues of all attempts."""
        envelope = ["".join(part.text for part in whole) for whole in self._envelope.lines]
        return [*envelope, "", *transcript.whole(self.lower.attempts, datetime.now(UTC))]

    async def listing(self) -> AsyncIterator[Sequence[QueueRow]]:
        """The recipients."""
        yield self.recipients.rows.items

    def perform(self, action: str) -> bool:
        """Movement among recipients and in the dialogue, between attempts and messages."""
        if action in ("pane.next", "pane.previous", "row.open"):
            self._switch()
        elif action == "pane.below":
            self._switch(below=True)
        elif action in ("item.next", "item.previous"):
            alone(self, partial(self._sibling, action == "item.next"), "sibling")
        elif self.recipients.active and action.startswith(("row.", "page.")):
            moved = self.recipients.perform(action)
            alone(self, self._one, "one")
            return moved
        else:
            return self.lower.perform(action)
        return True

    def _switch(self, below: bool | None = None) -> None:
        """The cursor to the pane below, to the one above, or to the other one."""
        below = self.recipients.active if below is None else below
        dialogue, paper = self.lower.dialogue, self.lower.paper
        self.recipients.active, dialogue.active, paper.active = not below, below, below
        self.recipients.redraw()
        dialogue.redraw()
        paper.redraw()

    async def _sibling(self, later: bool) -> None:
        """The next message of the queue's list, or the one before."""
        here = self.place.subject
        if ids := self.shared.ids:
            self._beside(ids, here.partition(".")[0], later)
            return
        ask = QueueList(filter=self.shared.filter, limit=1)
        request = replace(ask, after=here) if later != self.shared.newest else replace(ask, before=here)
        page = await self.link.ask(request)
        if not self.shown:
            return
        if isinstance(page, Trouble):
            self._tell(page)
        else:
            self._go_on(page.rows[0].id if page.rows else "", later)

    def _beside(self, ids: tuple[str, ...], here: str, later: bool) -> None:
        at = ids.index(here) + (1 if later else -1) if here in ids else 0
        self._go_on(ids[at] if 0 <= at < len(ids) else "", later)

    def _go_on(self, name: str, later: bool) -> None:
        if name:
            self.post_message(Open(Place("message", name)))
        else:
            self.post_message(Say("that was the last one" if later else "that was the first one", "dim"))

    def on_virtual_table_moved(self, message: VirtualTable.Moved) -> None:
        """A click in the other pane brings the cursor there; another recipient has another dialogue."""
        if not message.table.active:
            self._switch()
        if message.table is self.recipients:
            alone(self, self._one, "one")
