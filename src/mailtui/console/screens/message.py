"""The message screen: a message, its recipients, and the dialogue of an attempt; on request its history, header and body.

Owned here: which recipient, attempt and paper are shown, and what is asked for them. What it says is in `present.message`,
`present.transcript` and `present.papers`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace
from textual.app import ComposeResult

from mailtui.console.actions import Scope
from mailtui.console.link import Link, Trouble
from mailtui.console.offers import Offers, of_recipient
from mailtui.console.orders import About
from mailtui.console.place import Place
from mailtui.console.present import message as says
from mailtui.console.present import papers, transcript
from mailtui.console.present.line import Line
from mailtui.console.present.queue import answer
from mailtui.console.widgets.canvas import Canvas
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.control.api import Content, QueueList, Show, Why
from mailtui.views import AttemptView, MessageView, QueueRow

from .view import Open, Say, Shared, View

#: Recipients of one message that are listed, and seconds for which an answer about it is good enough.
_LISTED: Final = 500
_FRESH: Final = 2.0
_MORE: Final = "i history, m header, M body"
_PAPERS: Final[dict[str, papers.Paper]] = {"show.history": "history", "show.headers": "headers", "show.body": "body"}


class Message(View):
    """What enter on a recipient opens."""

    kind = "message"
    kept = True  # its history is its own

    def __init__(self, link: Link, shared: Shared) -> None:
        super().__init__(link, shared)
        self._envelope = Canvas(id="envelope")
        to = Look(says.recipient, says.recipients_heading, "asking …")
        self.recipients = VirtualTable(Rows[QueueRow](lambda row: row.id), to, title="Recipients", id="recipients")
        said = Look(transcript.spoken, None, "not tried yet: no dialogue")
        self.dialogue = VirtualTable(Rows[transcript.Spoken](lambda one: str(one.number)), said, title="Transcript")
        written = Look(papers.row, None, "asking …")
        self.paper = VirtualTable(Rows[papers.Written](lambda one: str(one.number)), written, title="History")
        self.dialogue.active = self.paper.active = self.paper.display = False
        self.dialogue.note = self.paper.note = _MORE
        self._shows: papers.Paper = ""  # instead of the dialogue
        self._octets: dict[papers.Paper, bytes] = {}
        self._message: MessageView | None = None
        self._folds = True
        self._attempts: tuple[AttemptView, ...] = ()
        self._chosen: int | None = None  # an attempt somebody went to; None: the last
        self._of = ""  # the recipient the attempts are of

    def compose(self) -> ComposeResult:
        """Envelope, recipients, dialogue or paper."""
        yield from (self._envelope, self.recipients, self.dialogue, self.paper)

    async def enter(self, place: Place) -> None:
        """Another message begins with its last attempt, and its content unread."""
        await super().enter(place)
        self._octets.clear()
        self._message = None
        self._show("")
        self.recipients.rows.clear()
        self._chosen, self._of = None, ""

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
        if name != self._of:
            self._of, self._chosen = name, None
        self._message = message
        self._attempts = message.recipients[0].attempts if message.recipients else ()
        canvas, now = self._envelope, datetime.now(UTC)
        canvas.show(
            says.envelope(message, None if isinstance(why, Trouble) else why, now, self.size.width, canvas.size.height)
        )
        self._speak(now)
        if self._shows == "history":
            self._write()

    def _speak(self, now: datetime) -> None:
        table, index = self.dialogue, self._index
        room = max(self.size.width - 8 - transcript.SPOKEN, 20)
        lines = transcript.dialogue(self._attempts, index, room, self._folds)
        title = transcript.attempt_title(self._attempts, index, now)
        same = title == table.title and len(lines) == len(table.rows.items)
        table.title = title
        table.rows.start(lines, 0, True)
        if not same:  # the end is where it failed
            table.rows.place(len(lines) - 1)
        table.redraw()

    @property
    def _index(self) -> int:
        last = len(self._attempts) - 1
        return last if self._chosen is None else max(0, min(self._chosen, last))

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
        return [*envelope, "", *transcript.whole(self._attempts, datetime.now(UTC))]

    async def listing(self) -> AsyncIterator[Sequence[QueueRow]]:
        """The recipients."""
        yield self.recipients.rows.items

    def perform(self, action: str) -> bool:
        """Movement among recipients and in the dialogue, between attempts and messages."""
        if action in ("pane.next", "pane.previous", "row.open"):
            self._switch()
        elif action in ("attempt.next", "attempt.previous"):
            self._chosen = max(0, min(self._index + (1 if action == "attempt.next" else -1), len(self._attempts) - 1))
            self._show("")
            self._speak(datetime.now(UTC))
        elif action in _PAPERS:
            self._show("" if self._shows == _PAPERS[action] else _PAPERS[action])
        elif action == "view.fold":
            self._folds = not self._folds
            self._speak(datetime.now(UTC))
        elif action == "fail.next":
            self._fail()
        elif action in ("item.next", "item.previous"):
            self.run_worker(self._sibling(action == "item.next"), group="sibling", exclusive=True)
        elif action == "filter.edit":
            return False
        elif self.recipients.active and action.startswith(("row.", "page.")):
            moved = self.recipients.perform(action)
            self.run_worker(self._one(), group="one", exclusive=True)
            return moved
        else:
            lower = self.paper if self._shows else self.dialogue
            return not action.startswith("select.") and lower.perform(action)
        return True

    def _switch(self, below: bool | None = None) -> None:
        """The cursor to the pane below, to the one above, or to the other one."""
        below = self.recipients.active if below is None else below
        self.recipients.active, self.dialogue.active, self.paper.active = not below, below, below
        for table in (self.recipients, self.dialogue, self.paper):
            table.redraw()

    def _fail(self) -> None:
        rows = self.dialogue.rows
        failing = transcript.next_failure(rows.items, rows.cursor if self.dialogue.active and not self._shows else -1)
        if failing is None:
            self.post_message(Say("nothing fails in this dialogue", "dim"))
            return
        self._show("")
        rows.place(failing)
        self._switch(below=True)

    # --- papers

    def _show(self, paper: papers.Paper) -> None:
        """The dialogue, or a paper in its place; with a paper the cursor goes there."""
        self._shows = paper
        self.dialogue.display, self.paper.display = not paper, bool(paper)
        if not paper:
            return
        self.paper.rows.clear()
        self.paper.title = papers.title(paper, self.place.subject)
        self._switch(below=True)
        self.run_worker(self._ask_for(paper), group="paper", exclusive=True)

    async def _ask_for(self, paper: papers.Paper) -> None:
        if paper != "history" and paper not in self._octets:
            name = self.place.subject
            octets = await self.link.read(Content(name, paper == "headers"), papers.MOST[paper])
            if isinstance(octets, Trouble):
                self._show("")
                self.post_message(Say(octets.text.partition("\n")[0], "bad"))
                return
            if name == self.place.subject:
                self._octets[paper] = octets
        self._write()

    def _write(self) -> None:
        paper, room = self._shows, max(self.size.width - 7, 20)
        if paper == "history" and self._message is not None:
            self.paper.rows.start(papers.history(self._message, datetime.now(UTC), room), 0, True)
        elif paper in self._octets:
            self.paper.rows.start(papers.content(paper, self._octets[paper], room), 0, True)
        self.paper.redraw()

    async def _sibling(self, later: bool) -> None:
        """The next message of the queue's list, or the one before."""
        here = self.place.subject
        if ids := self.shared.ids:
            self._beside(ids, here.partition(".")[0], later)
            return
        ask = QueueList(filter=self.shared.filter, limit=1)
        request = replace(ask, after=here) if later != self.shared.newest else replace(ask, before=here)
        page = await self.link.ask(request)
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
            self.run_worker(self._one(), group="one", exclusive=True)
