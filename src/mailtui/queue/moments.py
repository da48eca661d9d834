"""One-minute samples of the relay as a whole: depth by state, flow, delay of deliveries; taken while it runs.

Owned here: the counts of the minute that is under way, and the row it becomes when it is over. Counts by destination are `outcomes`',
rates of this moment `rates`', hours `hours`', reading `timeline`'s.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Final, Literal

import msgspec

from mailtui.events import Accepted, AnyEvent, Attempted
from mailtui.queue.delays import Delays, encoded, place

_WRITE: Final = (
    "INSERT OR REPLACE INTO moment (minute, queued, sending, deferred, held, accepted, delivered, deferrals, bounced, refused_4xx,"
    " refused_5xx, delays) SELECT ?1, max(iif(name = 'queued', n, 0)), max(iif(name = 'sending', n, 0)),"
    " max(iif(name = 'deferred', n, 0)), max(iif(name = 'held', n, 0)), ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM counter"
)

Refusal = Literal["refused_4xx", "refused_5xx"]
REFUSALS: Final[tuple[Refusal, Refusal]] = ("refused_4xx", "refused_5xx")


class Flow(msgspec.Struct, frozen=True):
    """What happened in a minute: recipients accepted, attempts by disposition, refusals, and the delays of deliveries since 250."""

    minute: int
    accepted: int = 0
    delivered: int = 0
    deferrals: int = 0
    bounced: int = 0
    refused_4xx: int = 0
    refused_5xx: int = 0
    delays: Delays = {}


class Meter:
    """Counts events of the minute under way."""

    def __init__(self, now: float) -> None:
        self._begin(int(now // 60))

    def _begin(self, minute: int) -> None:
        self._minute = minute
        self._counts: Counter[str] = Counter()
        self._delays: Counter[int] = Counter()

    def sink(self, event: AnyEvent) -> None:
        """A journal sink."""
        if isinstance(event, Attempted):
            self._counts[event.disposition] += 1
            if event.disposition == "delivered":
                self._delays[place(event.delay)] += 1
        elif isinstance(event, Accepted):
            self._counts["accepted"] += event.recipients

    def refused(self, name: Refusal, count: int) -> None:
        """So many answers to clients, counted by the intake: events of refusals are limited, these are not."""
        self._counts[name] += count

    def over(self, now: float) -> Flow | None:
        """The minute that ended, once; None while it lasts. Minutes without anybody to ask (a stopped loop) are left out."""
        minute = int(now // 60)
        if minute == self._minute:
            return None
        n = self._counts
        flow = Flow(
            self._minute,
            n["accepted"],
            n["delivered"],
            n["deferred"],
            n["bounced"],
            n["refused_4xx"],
            n["refused_5xx"],
            self._delays,
        )
        self._begin(minute)
        return flow


def write(db: sqlite3.Connection, flow: Flow) -> None:
    """Keep a minute, with the depth of the queue now. In the writer's thread, inside its transaction."""
    counts = (flow.accepted, flow.delivered, flow.deferrals, flow.bounced, flow.refused_4xx, flow.refused_5xx)
    db.execute(_WRITE, (flow.minute, *counts, encoded(flow.delays)))
