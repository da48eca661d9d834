"""When to try again and when to give up: pure functions of an attempt, the settings and the time.

Owned here: the retry steps with jitter, wait hints, back-off of sites and destinations, expiry, and what state an attempt leads
to. There are no other numbers than `retry.schedule` (design 2.3). Times are POSIX seconds, durations seconds.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import msgspec

from mailtui.model import Attempt, ClaimedRecipient, Disposition, State, Verdict

#: Bounds of a wait hint taken from a reply ("try again in 300 seconds").
HINT_FLOOR: Final = 30.0


class Move(msgspec.Struct, frozen=True):
    """What an attempt does to its recipient: the new state and, when it waits on, the next attempt."""

    attempt: Attempt
    state: State
    next_attempt: float
    expired: bool = False


class Backoff(msgspec.Struct, frozen=True):
    """The retry steps of the configuration: seconds per step (the last repeats) and the jitter as a fraction."""

    steps: tuple[float, ...]
    jitter: float

    def delay(self, failures: int, chance: float) -> float:
        """Seconds to wait after `failures` (>= 1) failures; `chance` in [0, 1) places it within +- jitter."""
        step = self.steps[min(max(failures, 1), len(self.steps)) - 1]
        return step * (1 + self.jitter * (2 * chance - 1))

    def hinted(self, wait: float, chance: float) -> float:
        """A wait hint, clamped between 30 s (or the first step if shorter) and the last step, plus a little jitter upwards."""
        floor = min(HINT_FLOOR, self.steps[0])
        return min(max(wait, floor), self.steps[-1]) * (1 + self.jitter * chance / 4)


def decide(
    recipient: ClaimedRecipient, attempt: Attempt, backoff: Backoff, chance: Callable[[], float] = random.random
) -> Move:
    """Where an attempt leads. A deferral past the lifetime is the last one: it becomes a bounce of class `expired`."""
    disposition = attempt.verdict.disposition
    if disposition is Disposition.DELIVERED:
        return Move(attempt, State.DELIVERED, attempt.ended)
    if disposition is Disposition.BOUNCED:
        return Move(attempt, State.BOUNCED, attempt.ended)
    if attempt.ended >= recipient.expires_at:
        return Move(attempt, State.BOUNCED, attempt.ended, expired=True)
    wait = attempt.verdict.wait
    delay = backoff.hinted(wait, chance()) if wait is not None else backoff.delay(recipient.attempts, chance())
    return Move(attempt, State.DEFERRED, attempt.ended + delay)


def site_failed(verdict: Verdict) -> bool:
    """Whether the attempt failed because of the next hop and not because of this recipient."""
    return verdict.scope == "site" and verdict.disposition is Disposition.DEFERRED
