"""What operators ask of the past: moments understood, and whether minutes or hours answer.

Owned here: that choice, and the errors of saying a moment wrong. The rows are `queue.timeline`'s. Part of `service`.
"""

from __future__ import annotations

import time
from typing import Final

from mailtui.control.api_history import Failures, Samples
from mailtui.errors import ControlError
from mailtui.findings import DestinationMoment, FailureRow, MomentRow
from mailtui.queue import timeline
from mailtui.queue.prune import SAMPLES
from mailtui.queue.reader import Reader
from mailtui.queue.timeline import Range
from mailtui.times import TimeError, past

#: A range longer than this many seconds is shown by hour, unless minutes are asked for.
LONG: Final = 86_400.0


class HistoryDesk:
    """Answers from one reader."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def samples(self, request: Samples) -> tuple[MomentRow, ...] | tuple[DestinationMoment, ...]:
        """Of the relay, or of a destination. ControlError for what is no moment, and for minutes that are no longer kept."""
        wanted = range_of(request.since, request.until, request.by, time.time())
        if request.destination:
            return await timeline.destination(self._reader, request.destination.lower(), wanted, request.limit)
        return await timeline.samples(self._reader, wanted, request.limit)

    async def failures(self, request: Failures) -> tuple[FailureRow, ...]:
        """By minute where they are still kept, else in whole hours. ControlError for what is no moment."""
        now = time.time()
        wanted = range_of(request.since, request.until, "auto", now)
        if wanted.since > now - SAMPLES:
            wanted = Range(wanted.since, wanted.until, "minute")
        return await timeline.failures(self._reader, request.destination.lower(), wanted, request.limit)


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


def moment_of(text: str, now: float) -> float:
    """POSIX seconds of `2h` (ago), a time of day, a day or both. ControlError."""
    try:
        return past(text, now)
    except TimeError as error:
        raise ControlError("bad-moment", error.reason, f"{error.hint}, or how long ago: 2h") from None
