"""One-minute samples of the relay as a whole: depth by state, flow, delay of deliveries; taken while it runs, read for any range.

Owned here: the counts of the minute that is under way, writing its row when it is over, and reading rows again. Counts by destination
are `outcomes`', rates of this moment `rates`'.
"""

from __future__ import annotations

import random
import sqlite3
from array import array
from collections.abc import Sequence
from typing import Final, cast

import msgspec

from mailtui.events import Accepted, AnyEvent, Attempted
from mailtui.findings import MomentRow
from mailtui.queue.reader import Reader
from mailtui.views import moment

#: Delays of deliveries remembered in a minute; of more, a fair sample.
DELAYS: Final = 20_000

_WRITE: Final = (
    "INSERT OR REPLACE INTO moment (minute, queued, sending, deferred, held, accepted, delivered, deferrals, bounced, p50, p95)"
    " SELECT ?1, max(iif(name = 'queued', n, 0)), max(iif(name = 'sending', n, 0)), max(iif(name = 'deferred', n, 0)),"
    " max(iif(name = 'held', n, 0)), ?2, ?3, ?4, ?5, ?6, ?7 FROM counter"
)
_READ: Final = (
    "SELECT minute * 60.0, queued, sending, deferred, held, accepted, delivered, deferrals, bounced, p50, p95 FROM moment"
    " WHERE minute >= ? AND minute < ? ORDER BY minute LIMIT ?"
)


class Flow(msgspec.Struct, frozen=True):
    """What happened in a minute: recipients accepted, attempts by disposition, and the delay of deliveries in seconds since 250."""

    minute: int
    accepted: int = 0
    delivered: int = 0
    deferrals: int = 0
    bounced: int = 0
    p50: float | None = None
    p95: float | None = None


class Meter:
    """Counts events of the minute under way."""

    def __init__(self, now: float) -> None:
        self._begin(int(now // 60))

    def _begin(self, minute: int) -> None:
        self._minute = minute
        self._accepted = 0
        self._attempts = {"delivered": 0, "deferred": 0, "bounced": 0}
        self._delays = array("f")

    def sink(self, event: AnyEvent) -> None:
        """A journal sink."""
        if isinstance(event, Attempted):
            if event.disposition in self._attempts:
                self._attempts[event.disposition] += 1
            if event.disposition == "delivered":
                self._remember(event.delay)
        elif isinstance(event, Accepted):
            self._accepted += event.recipients

    def _remember(self, delay: float) -> None:
        if len(self._delays) < DELAYS:
            self._delays.append(delay)
        elif (place := random.randrange(self._attempts["delivered"])) < DELAYS:
            self._delays[place] = delay

    def over(self, now: float) -> Flow | None:
        """The minute that ended, once; None while it lasts. Minutes without anybody to ask (a stopped loop) are left out."""
        minute = int(now // 60)
        if minute == self._minute:
            return None
        delays, n = sorted(self._delays), self._attempts
        flow = Flow(
            self._minute,
            self._accepted,
            n["delivered"],
            n["deferred"],
            n["bounced"],
            percentile(delays, 0.5),
            percentile(delays, 0.95),
        )
        self._begin(minute)
        return flow


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value that `share` of an ordered sequence do not exceed; None of nothing."""
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 3) if ordered else None


def write(db: sqlite3.Connection, flow: Flow) -> None:
    """Keep a minute, with the depth of the queue now. In the writer's thread, inside its transaction."""
    db.execute(
        _WRITE,
        (flow.minute, flow.accepted, flow.delivered, flow.deferrals, flow.bounced, flow.p50, flow.p95),
    )


async def samples(reader: Reader, since: float, until: float, limit: int) -> tuple[MomentRow, ...]:
    """The minutes of a range (POSIX seconds) in order, at most `limit`."""
    rows = await reader.fetch(_READ, (int(since // 60), int(-(-until // 60)), limit))
    return tuple(
        MomentRow(moment(cast("float", at)), *cast("tuple[int, int, int, int, int, int, int, int]", tuple(rest)))
        for at, *rest in rows
    )
