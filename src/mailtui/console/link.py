"""The one way from the console to a relay: questions with typed answers, how old they are, and when to ask again.

Owned here: the control client, the limit of questions a second, the rhythm, freezing, and the state of the connection in one word. Queries
are the truth; events only say that what is shown may be stale. Widgets are not known here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar, cast

from mailtui.control.api import Content, Entry, Gap, Log, Status
from mailtui.control.client import Client
from mailtui.control.request import Request
from mailtui.control.results import StatusView
from mailtui.errors import ControlError, MailtuiError, RelayNotRunning, Unavailable
from mailtui.events import Accepted

from .when import USUAL, When

R = TypeVar("R")

#: Questions a second in the long run, and at once.
RATE: Final = 4.0
BURST: Final = 8.0
#: Seconds between two refreshes: while something happens, and when nothing does or nobody looks.
BUSY, QUIET = 1.0, 5.0
#: Seconds without an answer after which the data is called stale.
STALE_AFTER: Final = 4.0
_AGAIN: Final = 1.0
#: Answers that are kept: ordinarily, and in a frozen picture, to which those belong that were at most so many seconds old.
_REMEMBERED: Final = 64
_PICTURE: Final = 1024
_FITS: Final = 10.0
#: Seconds after which what is read into a picture in which nothing came is told from it.
_SOON: Final = 1.0


class State(StrEnum):
    """How what is shown relates to the relay."""

    LIVE = "LIVE"
    STALE = "STALE"
    FROZEN = "FROZEN"
    PAST = "AT"
    OFFLINE = "OFFLINE"


@dataclass(frozen=True)
class Trouble:
    """An answer that is an error: a word for programs, a text of one or several lines, what would be right."""

    code: str
    text: str
    hint: str = ""


class Link:
    """A connection to the relay at `socket`. `run` keeps it until cancelled; `ask` works meanwhile and before."""

    def __init__(self, socket: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = Client(socket)
        self._clock = clock
        self._open = asyncio.Event()
        self._tokens, self._filled = BURST, clock()
        self._answers: dict[Request[object], tuple[float, object]] = {}
        self._answered = self._refreshed = float("-inf")
        self._dirty = True
        self._hurried = False
        self.when = When()
        self.frozen_at: float | None = None
        self.came, self.missed = 0, False  # recipients taken in since the picture stands, and whether there may be more
        self._stood = 0.0
        self.read_at: float | None = None  # when something was asked that the frozen picture had no answer to
        self.watched = True
        self.slow = False
        self.offline = ""
        self.status: StatusView | None = None

    async def run(self) -> None:
        """Follow the relay's events, for ever: what happens makes what is shown stale."""
        async with self._client:
            self._open.set()
            while True:
                try:
                    async for entry in self._client.events(Log(limit=0, follow=True)):
                        self.heard(entry)
                except MailtuiError as error:
                    self._failed(error)
                self.missed = self.frozen
                await asyncio.sleep(_AGAIN)

    def heard(self, entry: Entry) -> None:
        """Something happened: what is shown may be stale, or there is more than the frozen picture shows."""
        self._dirty = True
        if isinstance(entry.event, Accepted):
            self.came += entry.event.recipients
        elif isinstance(entry.event, Gap):
            self.missed = True

    # --- asking

    async def ask(self, request: Request[R], within: float = 0.0) -> R | Trouble:
        """The relay's answer, or one to the same question that is at most `within` seconds old."""
        known = self._answers.get(cast("Request[object]", request))
        if known and (self.frozen or self._clock() - known[0] < within):
            self._read(known[0])
            return cast("R", known[1])
        await self._open.wait()
        if not request.changes:
            await self._turn()
        try:
            answer = await self._client.call(request)
        except MailtuiError as error:
            return self._failed(error)
        self._arrived(request, answer)
        return answer

    def known(self, kind: type[Request[R]]) -> R | None:
        """The latest answer to a question of this kind, however old; None when there was none."""
        found = (answer for request, (_, answer) in reversed(self._answers.items()) if isinstance(request, kind))
        return cast("R | None", next(found, None))

    async def follow(self, log: Log) -> AsyncGenerator[Entry | Trouble, None]:
        """Events as they come; the last that is told is why there are no more."""
        await self._open.wait()
        try:
            async for entry in self._client.events(log):
                yield entry
        except MailtuiError as error:
            yield self._failed(error)
        else:
            yield Trouble("ended", "the relay ended the stream")

    async def read(self, request: Content, most: int) -> bytes | Trouble:
        """The beginning of a message as it is sent: at most `most` octets, and one more when there are more."""
        await self._open.wait()
        await self._turn()
        octets = bytearray()
        try:
            async with aclosing(self._client.content(request)) as pieces:
                async for piece in pieces:
                    octets += piece
                    if len(octets) > most:
                        break
        except MailtuiError as error:
            return self._failed(error)
        self._answered, self.offline = self._clock(), ""
        return bytes(octets[: most + 1])

    def _arrived(self, request: Request[R], answer: R) -> None:
        self._answered, self.offline = self._clock(), ""
        if isinstance(answer, StatusView):
            self.status = answer
        if request.changes:
            self._answers.clear()
            self._dirty = True
            return
        self._answers.pop(cast("Request[object]", request), None)
        self._answers[cast("Request[object]", request)] = (self._answered, answer)
        self._read(self._answered)
        if len(self._answers) > (_PICTURE if self.frozen else _REMEMBERED):
            del self._answers[next(iter(self._answers))]

    def _read(self, answered: float) -> None:
        """Remember that part of a frozen picture is of later, where that may make a difference."""
        late = answered - self._stood
        if self.frozen_at is not None and late > (0.0 if self.came or self.missed else _SOON):
            self.read_at = self.frozen_at + late

    def _failed(self, error: MailtuiError) -> Trouble:
        refused = isinstance(error, ControlError) and error.code in ("forbidden", "version")
        if isinstance(error, RelayNotRunning):
            self.offline = "no relay answers"
        elif refused or (isinstance(error, Unavailable) and self.status is None):
            self.offline = str(error)
        code = error.code if isinstance(error, ControlError) else type(error).__name__
        return Trouble(code, str(error), getattr(error, "hint", ""))

    async def _turn(self) -> None:
        """Wait until there may be another question."""
        while True:
            now = self._clock()
            self._tokens = min(BURST, self._tokens + (now - self._filled) * RATE)
            self._filled = now
            if self._tokens >= 1:
                self._tokens -= 1
                return
            await asyncio.sleep((1 - self._tokens) / RATE)

    # --- the rhythm

    def due(self) -> bool:
        """Whether what is shown should be asked for again now; saying so begins the next interval."""
        if self.frozen and not self._hurried:
            return False
        busy = self._dirty and self.watched and not self.slow and self.when.at is None
        interval = BUSY if busy else QUIET
        if self.offline:
            interval = BUSY
        if self._clock() - self._refreshed < interval:
            return False
        self._refreshed, self._dirty, self._hurried = self._clock(), False, False
        return True

    def hurry(self) -> None:
        """Let the next look be now, also at a frozen picture: another part of it is wanted."""
        self._refreshed, self._hurried = float("-inf"), True

    async def beat(self) -> None:
        """The question that is asked in every interval."""
        await self.ask(Status())

    # --- its state

    @property
    def frozen(self) -> bool:
        """Whether what is shown stands still."""
        return self.frozen_at is not None

    def freeze(self) -> None:
        """Stop the picture, or let it go on. What was asked long before is no part of it."""
        self.came, self.missed, self.read_at = 0, False, None
        if self.frozen:
            self.frozen_at = None
            self._answers.clear()
            self.hurry()
            return
        self.frozen_at, self._stood, self._hurried = time.time(), self._clock(), False
        old = self._stood - _FITS
        self._answers = {question: known for question, known in self._answers.items() if known[0] >= old}

    # --- the time that is looked at

    @property
    def now(self) -> datetime:
        """The present, or when the picture was frozen."""
        return datetime.now(UTC) if self.frozen_at is None else datetime.fromtimestamp(self.frozen_at, UTC)

    @property
    def end(self) -> datetime:
        """The end of what is looked at: a moment of the past, or now."""
        return self.now if self.when.at is None else datetime.fromtimestamp(self.when.at, UTC)

    @property
    def past(self) -> bool:
        """Whether what is looked at is the past."""
        return self.when.at is not None

    def range(self, usual: int = USUAL) -> tuple[str, str]:
        """From when until when, for a question; open where it goes on with the present."""
        if self.past or self.frozen:
            return self.when.bounds(self.now.timestamp(), usual)
        return f"{self.when.seconds(usual)}s", ""

    def moment(self) -> tuple[str, str]:
        """The last minutes of what is looked at, for a question about how it stood then."""
        return When(300, self.when.at).bounds(self.now.timestamp())

    def compared(self) -> tuple[str, str]:
        """The window that is compared with the day before it, and when it ends ("": now), for a question."""
        window = f"{self.when.compared}s"
        return window, self.when.bounds(self.now.timestamp())[1] if self.past else ""

    def fresh(self, least: float, usual: int = USUAL) -> float:
        """Seconds for which an answer about the range is good enough: a long one changes slowly, the past not at all."""
        return max(least, 60.0 if self.past else self.when.seconds(usual) / 720)

    @property
    def age(self) -> float:
        """Seconds since the last answer."""
        return self._clock() - self._answered

    @property
    def state(self) -> State:
        """The word in the title bar."""
        if self.frozen:
            return State.FROZEN
        if self.offline:
            return State.OFFLINE
        if self.past:
            return State.PAST
        late = STALE_AFTER if self.watched else STALE_AFTER + QUIET
        return State.STALE if self.age > max(late, QUIET + 2.0) else State.LIVE
