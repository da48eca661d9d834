"""A door that keeps mail in memory: `intake.door.Door` implemented as its contract says, with levers for tests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from mailtui.errors import Unavailable
from mailtui.intake.door import CHUNK
from mailtui.model import Incoming


@dataclass
class MemoryDoor:
    """Commits happen in order, one turn of the loop later, or not before `release` while `held`.

    `failure` is raised by the commits that come, and those of a message of which a chunk met one fail; `reason` is the
    pressure; `most` the octets of the largest chunk seen.
    """

    accepted: list[tuple[Incoming, bytes]] = field(default_factory=list)
    arriving: dict[int, list[bytes]] = field(default_factory=dict)
    abandoned: list[int] = field(default_factory=list)
    failure: Exception | None = None
    reason: str = ""
    held: bool = False
    most: int = 0
    _number: int = 1000
    _lost: set[int] = field(default_factory=set)
    _waiting: list[tuple[asyncio.Future[None], int, Incoming | None, bytes]] = field(default_factory=list)

    def new_number(self) -> int:
        self._number += 1
        return self._number

    def append(self, number: int, sequence: int, chunk: bytes) -> asyncio.Future[None]:
        chunks = self.arriving.setdefault(number, [])
        assert sequence == len(chunks), "chunks come in order"
        assert 0 < len(chunk) <= CHUNK
        self.most = max(self.most, len(chunk))
        chunks.append(chunk)
        return self._later(number, None, b"")

    def accept(self, message: Incoming, sequence: int, rest: bytes) -> asyncio.Future[None]:
        chunks = self.arriving.get(message.number, [])
        assert sequence == len(chunks), "the rest comes behind the chunks"
        assert len(rest) <= CHUNK
        content = b"".join([*chunks, rest])
        assert len(content) == message.size
        return self._later(message.number, message, content)

    def abandon(self, number: int) -> None:
        del self.arriving[number]
        self.abandoned.append(number)

    def pressure(self) -> str:
        return self.reason

    def release(self) -> None:
        """Let the commits that wait happen, and those that come."""
        self.held = False
        waiting, self._waiting = self._waiting, []
        for commit in waiting:
            self._commit(*commit)

    @property
    def waiting(self) -> int:
        """Commits that were asked for and have not happened."""
        return len(self._waiting)

    def _later(self, number: int, message: Incoming | None, content: bytes) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        if self.held:
            self._waiting.append((future, number, message, content))
        else:
            loop.call_soon(self._commit, future, number, message, content)
        return future

    def _commit(self, future: asyncio.Future[None], number: int, message: Incoming | None, content: bytes) -> None:
        if self.failure is not None:
            self._lost.add(number)
            future.set_exception(self.failure)
            return
        if number in self._lost:
            future.set_exception(Unavailable("an earlier part of the message could not be stored"))
            return
        if message is not None:
            self.arriving.pop(message.number, None)
            self.accepted.append((message, content))
        future.set_result(None)
