"""The lower part of the message screen: the dialogue of an attempt, or in its place a paper: history, header, body, differences.

Owned here: which attempt or paper is shown, and what is asked for it. Which message and recipient it is about is the screen's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Final

from mailtui.console.link import Trouble
from mailtui.console.present import papers, transcript
from mailtui.console.widgets.rows import Rows
from mailtui.console.widgets.table import Look, VirtualTable
from mailtui.console.workers import alone
from mailtui.control.api import Content
from mailtui.views import AttemptView, MessageView

from .view import Say, View

_SAID: Final = Look(transcript.spoken, None, "not tried yet: no dialogue")
_ASKED: Final = Look(transcript.spoken, None, "asking …")
#: Characters of a reply that tell it from others.
_TELLS: Final = 30
_MORE: Final = "i history, m header, M body, d differences"
_PAPERS: Final[dict[str, papers.Paper]] = {
    "show.history": "history",
    "show.headers": "headers",
    "show.body": "body",
    "attempt.diff": "differences",
}


class Attempts:
    """`dialogue` and `paper`, of which one is shown; `view` is the screen they stand in."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.dialogue = VirtualTable(Rows[transcript.Spoken](lambda one: str(one.number)), _ASKED, title="Transcript")
        written = Look(papers.row, None, "asking …")
        self.paper = VirtualTable(Rows[papers.Written](lambda one: str(one.number)), written, title="History")
        self.dialogue.active = self.paper.active = self.paper.display = False
        self.dialogue.note = self.paper.note = _MORE
        self.octets: dict[papers.Paper, bytes] = {}
        self.attempts: tuple[AttemptView, ...] = ()
        self._message: MessageView | None = None
        self._shows: papers.Paper = ""  # instead of the dialogue
        self._chosen: int | None = None  # an attempt somebody went to; None: the last
        self._folds = self._wraps = True

    @property
    def shown(self) -> VirtualTable[transcript.Spoken] | VirtualTable[papers.Written]:
        """The one that is seen."""
        return self.paper if self._shows else self.dialogue

    @property
    def _room(self) -> int:
        return self.shown.size.width or self._view.size.width

    @property
    def _index(self) -> int:
        last = len(self.attempts) - 1
        return last if self._chosen is None else max(0, min(self._chosen, last))

    def forget(self) -> None:
        """Another message begins with its dialogue, and its content unread."""
        self.octets.clear()
        self._message = None
        self.show("")
        self.attempts, self._chosen = (), None
        self.dialogue.rows.clear()
        self.dialogue.look, self.dialogue.title = _ASKED, "Transcript"
        self.dialogue.redraw()

    def learn(self, message: MessageView, other: bool, now: datetime) -> None:
        """What is known of the recipient now; `other` than the one before."""
        if other:
            self._chosen = None
        self._message = message
        self.attempts = message.recipients[0].attempts if message.recipients else ()
        self.speak(now)
        if self._shows in ("history", "differences"):
            self._write()

    def perform(self, action: str) -> bool:
        """Between attempts and failures, how lines look, and papers; else movement in what is seen."""
        match action:
            case "attempt.next" | "attempt.previous":
                by = 1 if action == "attempt.next" else -1
                self._chosen = max(0, min(self._index + by, len(self.attempts) - 1))
                if self._shows == "differences":
                    self._write()
                else:
                    self.show("")
                self.speak(datetime.now(UTC))
            case "view.fold" | "view.wrap":
                self._folds ^= action == "view.fold"
                self._wraps ^= action == "view.wrap"
                self.speak(datetime.now(UTC))
                self._write()
            case "fail.next" | "fail.previous":
                self._fail(1 if action == "fail.next" else -1)
            case _ if action in _PAPERS:
                self.show("" if self._shows == _PAPERS[action] else _PAPERS[action])
            case _:
                return not action.startswith("select.") and self.shown.perform(action)
        return True

    def speak(self, now: datetime) -> None:
        """The dialogue as it is known."""
        table, index = self.dialogue, self._index
        room = max(self._room - 8 - transcript.SPOKEN, 20)
        lines = transcript.dialogue(self.attempts, index, room if self._wraps else transcript.UNBROKEN, self._folds)
        title = transcript.attempt_title(self.attempts, index, now)
        same = title == table.title and len(lines) == len(table.rows.items)
        table.title, table.look = title, _SAID
        table.rows.start(lines, 0, True)
        if not same:  # where it failed: the reply to this recipient, else the end
            own = self.attempts[index].text[:_TELLS] if self.attempts else ""
            said = [one.number for one in lines if own and own in one.text]
            table.rows.place(said[-1] if said else len(lines) - 1)
        table.redraw()

    def _fail(self, by: int) -> None:
        rows = self.dialogue.rows
        here = self.dialogue.active and not self._shows
        failing = transcript.next_failure(rows.items, rows.cursor if here else -1, by)
        if failing is None:
            self._view.post_message(Say("nothing fails in this dialogue", "dim"))
            return
        self.show("")
        rows.place(failing)
        self._view.perform("pane.below")

    # --- papers

    def show(self, paper: papers.Paper) -> None:
        """The dialogue, or a paper in its place; with a paper the cursor goes there."""
        self._shows = paper
        self.dialogue.display, self.paper.display = not paper, bool(paper)
        if not paper:
            return
        self.paper.rows.clear()
        self.paper.title = papers.title(paper, self._view.place.subject)
        self._view.perform("pane.below")
        alone(self._view, partial(self._ask_for, paper), "paper")

    async def _ask_for(self, paper: papers.Paper) -> None:
        if paper in papers.MOST and paper not in self.octets:
            name = self._view.place.subject
            octets = await self._view.link.read(Content(name, paper == "headers"), papers.MOST[paper])
            if isinstance(octets, Trouble):
                self.show("")
                self._view.post_message(Say(octets.text.partition("\n")[0], "bad"))
                return
            if name == self._view.place.subject:
                self.octets[paper] = octets
        self._write()

    def _write(self) -> None:
        paper, room = self._shows, max(self._room - 7, 20)
        if paper == "history" and self._message is not None:
            self.paper.rows.start(papers.history(self._message, datetime.now(UTC), room), 0, True)
        elif paper == "differences":
            self.paper.title = f"Attempts {self._index} and {self._index + 1}: what differs"
            self.paper.rows.start(papers.differences(self.attempts, self._index, room), 0, True)
        elif paper in self.octets:
            self.paper.rows.start(papers.content(paper, self.octets[paper], room), 0, True)
        self.paper.redraw()
