"""The stream of events of the live screen: from where it goes on, what is said about it, when it is tried again.

Owned here: that. Who looks, and what is shown of it, is the screen's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

from mailtui.control.api import Entry, Log, Status

from .link import Link, Trouble
from .present import live as says
from .present.line import Tone

#: Events of the past that are asked for at the beginning, and after an interruption; seconds until it is tried again.
_PAST, _BEHIND, _AGAIN = 200, 2000, 1.0
#: Seconds for which an answer is good enough, and what goes by itself.
_FRESH: Final = 0.5
_PASSING: Final = frozenset({"ended", "Unavailable", "RelayNotRunning"})


class Stream:
    """Events by `link`: each is told to `heard` as a line, and the event behind it, None for a remark of our own."""

    def __init__(self, link: Link, heard: Callable[[says.Moment, Entry | None], None]) -> None:
        self._link, self._heard = link, heard
        self._number = self._seq = 0
        self._relay: object = None  # which run of the relay the numbers are of
        self._since = 0.0
        self.trouble = ""

    @property
    def silent(self) -> float:
        """Seconds since it was lost."""
        return time.monotonic() - self._since

    def remark(self, text: str, tone: Tone = "warn") -> says.Moment:
        """A line of our own."""
        return says.remark(text, self._next(), time.time(), tone)

    def again(self) -> None:
        """Another stream begins with its past."""
        self._seq = 0

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def listen(self, filter: str, accepted: Callable[[], None]) -> str:
        """Follow the stream, again and again, until the filter is refused: how. `accepted` is called before each time."""
        while True:
            trouble = await self._follow(filter, accepted)
            if trouble.code not in _PASSING and not self._link.offline:
                return trouble.text
            if not self.trouble:
                self._since = time.monotonic()
                self._heard(self.remark(f"lost: {trouble.text}; trying again", "bad"), None)
            self.trouble = trouble.text
            await asyncio.sleep(_AGAIN)

    async def _follow(self, filter: str, accepted: Callable[[], None]) -> Trouble:
        """What happens, until it ends: why it did."""
        status = await self._link.ask(Status(), _FRESH)
        if isinstance(status, Trouble):
            return status
        if self._relay not in (None, status.started):  # numbers of another run mean nothing
            self._seq = 0
            self._heard(self.remark("the relay was started anew"), None)
        self._relay = status.started
        if self.trouble:
            self.trouble = ""
            self._heard(self.remark("connected again", "ok"), None)
        accepted()
        async with aclosing(self._link.follow(Log(self._seq, _BEHIND if self._seq else _PAST, True, filter))) as stream:
            async for heard in stream:
                if isinstance(heard, Trouble):
                    return heard
                self._seq = max(self._seq, heard.seq)
                self._heard(says.told(heard, self._next()), heard)
        return Trouble("ended", "the relay ended the stream")
