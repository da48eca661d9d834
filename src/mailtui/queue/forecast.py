"""What is ahead: how many retries are due in each minute of the next hour, a spread or a storm, and when backlogs will be gone.

Owned here: that read and its arithmetic. It says what the schedule has planned, not what sites will answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import msgspec

from mailtui.findings import ForecastRow
from mailtui.queue.reader import Reader
from mailtui.views import moment

#: Minutes ahead, and minutes back that tell the present rate.
AHEAD: Final = 60
BACK: Final = 15
#: A minute is a storm with this many retries that are also this many times the mean.
STORM: Final = 100
PEAK: Final = 5.0

_DUE: Final = (
    "SELECT l.destination, CAST(max(0, max(r.next_attempt, l.not_before) - ?1) / 60 AS INTEGER) AS ahead, count(*)"
    " FROM lane l CROSS JOIN recipient r INDEXED BY recipient_due ON r.lane = l.id AND r.state IN ('queued', 'deferred')"
    " AND r.next_attempt < ?1 + 3600 WHERE l.suspended_since IS NULL AND l.not_before < ?1 + 3600 GROUP BY 1, 2"
)
_WAITING: Final = (
    "SELECT l.destination, sum(t.n) FROM tally t JOIN lane l ON l.id = t.lane"
    " WHERE t.n > 0 AND t.state IN ('queued', 'sending', 'deferred') GROUP BY 1"
)
_DELIVERED: Final = (
    "SELECT l.destination, sum(p.delivered) FROM sample p JOIN lane l ON l.id = p.lane WHERE p.minute > ?"
    " AND p.delivered > 0 GROUP BY 1"
)


class Outlook(msgspec.Struct, frozen=True):
    """One destination (or all): what waits, what it takes a minute at present, and the due retries of each minute ahead."""

    destination: str
    waiting: int
    rate: float
    minutes: tuple[int, ...]


async def forecast(reader: Reader, now: float, limit: int) -> tuple[ForecastRow, ...]:
    """A line for everything (destination ""), then the destinations with most due in the hour ahead."""
    due: dict[str, list[int]] = {}
    for destination, ahead, n in cast("list[tuple[str, int, int]]", await reader.fetch(_DUE, (now,))):
        if ahead < AHEAD:
            due.setdefault(destination, [0] * AHEAD)[ahead] += n
    waiting = _counts(await reader.fetch(_WAITING))
    rates = {name: n / BACK for name, n in _counts(await reader.fetch(_DELIVERED, (int(now // 60) - BACK,))).items()}
    total = tuple(map(sum, zip(*due.values(), strict=True))) if due else (0,) * AHEAD
    everything = Outlook("", sum(waiting.values()), sum(rates.values()), total)
    order = sorted(waiting, key=lambda name: (-sum(due.get(name, ())), -waiting[name], name))[:limit]
    each = [Outlook(name, waiting[name], rates.get(name, 0.0), tuple(due.get(name, [0] * AHEAD))) for name in order]
    return tuple(row_of(outlook, now) for outlook in (everything, *each))


def _counts(rows: Sequence[Sequence[object]]) -> dict[str, int]:
    return {str(name): cast("int", n) for name, n in rows}


def row_of(outlook: Outlook, now: float) -> ForecastRow:
    """What the numbers mean: the peak and whether it is a storm, and when the backlog is gone at the present rate."""
    minutes, total = outlook.minutes, sum(outlook.minutes)
    peak = max(range(len(minutes)), key=lambda i: minutes[i])
    later = minutes[1:]  # what is due now is the backlog at work, no storm ahead
    storm = bool(later) and max(later) >= max(STORM, PEAK * sum(later) / len(later))
    left = 0.0 if not outlook.waiting else outlook.waiting / outlook.rate * 60 if outlook.rate else None
    return ForecastRow(
        destination=outlook.destination,
        waiting=outlook.waiting,
        due=total,
        peak=minutes[peak],
        peak_at=moment(now + peak * 60) if total else None,
        storm=storm,
        per_minute=round(outlook.rate, 2),
        gone_seconds=None if left is None else round(left),
        gone_by=None if left is None else moment(now + left),
        minutes=minutes,
    )
