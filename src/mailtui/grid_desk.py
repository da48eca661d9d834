"""The relay's answers about the queue in numbers: `queue count`, `queue reasons` and `queue ages`.

Owned here: that what is asked without a filter, as consoles do every second, may be answered as it was a moment ago when counting takes
long, and that such an answer says so. With a filter everybody is answered from the queue of the moment. Part of `service`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from mailtui.control import api
from mailtui.control.request import Request
from mailtui.errors import ControlError
from mailtui.queue import filter, groups, queries, reasons
from mailtui.queue.kept import QUICK, Kept
from mailtui.queue.reader import Reader
from mailtui.times import TimeError, duration
from mailtui.views import AgeRow, Counts, ReasonRow, moment

T = TypeVar("T")
Row = TypeVar("Row", AgeRow, ReasonRow)


class GridDesk:
    """Answers from one reader, for all who ask. What takes `quick` seconds to answer may be kept."""

    def __init__(self, reader: Reader, quick: float = QUICK) -> None:
        self._reader = reader
        self._kept = Kept(quick)

    def changed(self) -> None:
        """An operator has changed something: nobody is told any more how it was before."""
        self._kept.forget()

    async def count(self, request: api.QueueCount) -> Counts:
        """Recipients and messages."""
        found = filter.parse(request.filter, now=time.time())
        counts, as_of = await self._asked(request, found, lambda: queries.count(self._reader, found, request.history))
        return msgspec.structs.replace(counts, as_of=as_of) if as_of else counts

    async def reasons(self, request: api.QueueReasons) -> tuple[ReasonRow, ...]:
        """Kinds of failure. ControlError for what is no window of time."""
        now = time.time()
        found = filter.parse(request.filter, now=now)
        window = window_seconds(request.window) if request.window else None
        rows, as_of = await self._asked(
            request, found, lambda: reasons.reasons(self._reader, found, now, request.by, request.limit, window)
        )
        return _dated(rows, as_of)

    async def ages(self, request: api.QueueAges) -> tuple[AgeRow, ...]:
        """How long it has waited."""
        now = time.time()
        found = filter.parse(request.filter, now=now)
        rows, as_of = await self._asked(
            request, found, lambda: groups.ages(self._reader, found, now, request.by, request.limit)
        )
        return _dated(rows, as_of)

    async def _asked(
        self, request: Request[T], found: filter.Filter, make: Callable[[], Awaitable[T]]
    ) -> tuple[T, datetime | None]:
        """The answer, and from when it is unless it was made now. Requests are values: those that ask the same are equal."""
        if not found.everything:
            return await make(), None
        given = await self._kept.ask(request, make)
        return given.value, moment(time.time() - given.age) if given.age else None


def _dated(rows: Sequence[Row], as_of: datetime | None) -> tuple[Row, ...]:
    return tuple(msgspec.structs.replace(row, as_of=as_of) for row in rows) if as_of else tuple(rows)


def window_seconds(text: str) -> float:
    """Seconds of a window as an operator writes it, a minute at least and a day at most. ControlError when it is none."""
    try:
        seconds = duration(text)
    except TimeError:
        seconds = 0.0
    if not 60 <= seconds <= 86_400:
        raise ControlError("bad-window", f'a window of time is written like 15m or 2h, from 1m to 1d, not "{text}"')
    return seconds
