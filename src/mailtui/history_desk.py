"""What operators ask of the past: moments understood, and whether minutes or hours answer.

Owned here: that choice, and the errors of saying a moment wrong. The rows are `queue.timeline`'s. Part of `service`.
"""

from __future__ import annotations

import time
from typing import Final

from mailtui.control.api import Incidents
from mailtui.control.api_history import Destinations, Failures, Samples
from mailtui.errors import ControlError
from mailtui.findings import DestinationFlow, DestinationMoment, FailureRow, IncidentRow, MomentRow
from mailtui.grid_desk import window_seconds
from mailtui.queue import history, incidents, timeline
from mailtui.queue.kept import QUICK, Kept
from mailtui.queue.prune import SAMPLES
from mailtui.queue.reader import Reader
from mailtui.queue.timeline import Range
from mailtui.times import TimeError, past

#: A range longer than this many seconds is shown by hour, unless minutes are asked for.
LONG: Final = 86_400.0


class HistoryDesk:
    """Answers from one reader. What takes `quick` seconds to answer may be kept."""

    def __init__(self, reader: Reader, quick: float = QUICK) -> None:
        self._reader = reader
        self._kept = Kept(quick)

    async def samples(self, request: Samples) -> tuple[MomentRow, ...] | tuple[DestinationMoment, ...]:
        """Of the relay, or of a destination. ControlError for what is no moment, and for minutes that are no longer kept."""
        wanted = range_of(request.since, request.until, request.by, time.time())
        if request.destination:
            return await timeline.destination(self._reader, request.destination.lower(), wanted, request.limit)
        return await timeline.samples(self._reader, wanted, request.limit)

    async def failures(self, request: Failures) -> tuple[FailureRow, ...]:
        """By minute where they are still kept, else in whole hours. ControlError for what is no moment."""
        wanted = finest(request.since, request.until, time.time())
        return await timeline.failures(self._reader, request.destination.lower(), wanted, request.limit)

    async def destinations(self, request: Destinations) -> tuple[DestinationFlow, ...]:
        """By minute where they are still kept, else in whole hours. ControlError for what is no moment."""
        wanted = finest(request.since, request.until, time.time())
        return await timeline.destinations(self._reader, request.destination.lower(), wanted, request.limit)

    async def incidents(self, request: Incidents, outage_since: float) -> tuple[IncidentRow, ...]:
        """Now (of a deep history as it was up to some seconds ago), or as it was at a past moment; whether nothing could be reached
        then is not kept. ControlError for what is no moment and for one whose minutes are no longer kept."""
        now, window = time.time(), window_seconds(request.window)
        at = min(moment_of(request.at, now), now) if request.at else now
        if at - window < now - SAMPLES:
            raise ControlError(
                "not-kept", "what failed is kept by minute for 48 hours, and compared no longer than that"
            )
        last = at - 1 if request.at else at  # what is to come of the minute that begins then is not the past yet
        given = await self._kept.ask(request, lambda: history.past(self._reader, last, window))
        return incidents.compare(given.value, 0.0 if request.at else outage_since, at)[: request.limit]


def range_of(begin: str, end: str, by: str, now: float) -> Range:
    """The range that is asked for, in the steps it can be answered in. ControlError."""
    first, last = moment_of(begin, now), moment_of(end, now) if end else now
    if last < first:
        raise ControlError("bad-moment", f'the range ends ("{end}") before it begins ("{begin}")')
    kept = now - SAMPLES
    if by == "minute" and last < kept:
        raise ControlError("not-kept", "minutes are kept for 48 hours", "ask for hours: --by hour")
    if by == "minute" or (by == "auto" and first > kept and last - first <= LONG):
        return Range(first, last, "minute")
    return Range(first, last, "hour")


def finest(begin: str, end: str, now: float) -> Range:
    """The range that is asked for, by minute however long it is while its minutes are kept. ControlError."""
    wanted = range_of(begin, end, "auto", now)
    return Range(wanted.since, wanted.until, "minute") if wanted.since > now - SAMPLES else wanted


def moment_of(text: str, now: float) -> float:
    """POSIX seconds of `2h` (ago), a time of day, a day or both. ControlError."""
    try:
        return past(text, now)
    except TimeError as error:
        raise ControlError("bad-moment", error.reason, f"{error.hint}, or how long ago: 2h") from None
