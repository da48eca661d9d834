"""What the relay answers to requests that are not about rows of the queue, as values; each is exactly its JSON.

Owned here: the shapes of `status` and of the verbs that concern the relay as a whole. What the queue shows is in `views`. Moments
are UTC, durations seconds, sizes octets, rates per minute.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from mailtui.views import Depth, Totals


class Rate(msgspec.Struct, frozen=True, rename={"minute": "1m", "quarter": "15m"}):
    """How often something happened, per minute, over the last minute and the last fifteen."""

    minute: float = 0.0
    quarter: float = 0.0


class Rates(msgspec.Struct, frozen=True):
    """Recipients per minute; the two `refused` count answers to clients."""

    accepted: Rate = Rate()
    refused_4xx: Rate = Rate()
    refused_5xx: Rate = Rate()
    delivered: Rate = Rate()
    deferred: Rate = Rate()
    bounced: Rate = Rate()


class Disk(msgspec.Struct, frozen=True):
    """The file system of the data directory, and what of it the queue takes (its file, its write-ahead log)."""

    free: int
    total: int
    queue: int
    wal: int


class StatusView(msgspec.Struct, frozen=True):
    """How the relay is. `ready`: it takes and delivers mail (False while it starts or drains); `oldest_seconds` is 0 when the
    queue is empty; `trouble` says in one line each what needs a person, `notes` what is worth knowing."""

    ready: bool
    pid: int
    version: str
    started: datetime
    hostname: str
    environment: str
    listeners: tuple[str, ...]
    queue: Depth
    totals: Totals
    oldest_seconds: int
    rates: Rates
    disk: Disk
    trouble: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Reloaded(msgspec.Struct, frozen=True):
    """Keys of the configuration that changed: taken over now, and those that wait for a restart."""

    applied: tuple[str, ...]
    needs_restart: tuple[str, ...]


class Draining(msgspec.Struct, frozen=True):
    """Nothing new is taken any more; `in_flight` recipients are still being sent."""

    in_flight: int


class Flushed(msgspec.Struct, frozen=True):
    """How many remembered DNS answers were forgotten."""

    answers: int


class Pruned(msgspec.Struct, frozen=True):
    """What was past its time: finished messages, bodies of the trash, octets given back to the disk."""

    messages: int
    bodies: int
    freed: int


class BackedUp(msgspec.Struct, frozen=True):
    """A checked copy of the queue file."""

    path: str
    size: int
