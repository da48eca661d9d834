"""Rates of the last minutes, from events, in a ring of five-second buckets.

Owned here: what `status` shows per minute over 1 and 15 minutes. In memory only: a restart begins anew, totals live in the queue.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from mailtui.events import Accepted, AnyEvent, Attempted

BUCKET: Final = 5.0
KEPT: Final = 181  # fifteen minutes and the bucket that is being filled
NAMES: Final = ("accepted", "refused_4xx", "refused_5xx", "delivered", "deferred", "bounced")


class Rates:
    """Counts what happens; `per_minute` reads it. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._ring: deque[tuple[int, dict[str, int]]] = deque(maxlen=KEPT)

    def add(self, name: str, count: int = 1) -> None:
        """Something happened `count` times now."""
        slot = int(self._clock() // BUCKET)
        if not self._ring or self._ring[-1][0] != slot:
            self._ring.append((slot, dict.fromkeys(NAMES, 0)))
        self._ring[-1][1][name] += count

    def sink(self, event: AnyEvent) -> None:
        """A journal sink: accepted in recipients, attempts by disposition. Refusals come from the intake's exact counters."""
        if isinstance(event, Attempted):
            self.add(event.disposition)
        elif isinstance(event, Accepted):
            self.add("accepted", event.recipients)

    def per_minute(self, minutes: int) -> dict[str, float]:
        """Each name per minute over the last `minutes`, or over the time since start when that is shorter."""
        now = self._clock()
        span = max(min(minutes * 60.0, now - self._began), 1.0)
        first = int((now - span) // BUCKET)
        sums = dict.fromkeys(NAMES, 0)
        for slot, counts in self._ring:
            if slot >= first:
                for name, count in counts.items():
                    sums[name] += count
        return {name: round(total * 60 / span, 2) for name, total in sums.items()}
