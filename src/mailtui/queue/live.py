"""What the runner knows and the queue file does not, as values: what is under way now, and what stands still.

Owned here: those shapes. They are made by `runner` and `sites`, read by `why` and `incidents`; a snapshot changes nothing.
"""

from __future__ import annotations

import msgspec

from mailtui.config import Rate
from mailtui.queue.shape import Restraint
from mailtui.queue.suspension import Halt


class SiteLive(msgspec.Struct, frozen=True):
    """A site the runner works on: deliveries under way, how many it may carry now and by configuration, its breaker, lanes at
    hand, its rate. `broken_until` is POSIX seconds, like `token_at`: when the rate allows the next message."""

    name: str
    in_use: int
    limit: int
    configured: int
    proven: bool
    failures: int
    broken_until: float
    reason: str
    lanes: int
    rate: Rate | None = None
    token_at: float = 0.0


class Live(msgspec.Struct, frozen=True):
    """The runner now. `outage_since` is 0 unless nothing can be reached; `unproven` are the slots at work on sites that have not
    answered yet, at most half of `concurrency`; `site` is None when nothing was due there for a while; `restraints` is what rules
    put on it; `halts` are the suspensions that stop the recipient in question."""

    paused: bool = False
    stopping: bool = False
    outage_since: float = 0.0
    slots: int = 0
    unproven: int = 0
    concurrency: int = 1
    site: SiteLive | None = None
    restraints: tuple[Restraint, ...] = ()
    halts: tuple[Halt, ...] = ()
