"""Plans: selections frozen by a preview, so that exactly what was looked at is what will be changed.

Owned here: the frozen sets, their batches, how long and how many are kept. In memory only: a plan is for now, a restart ends it.
"""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Iterator
from typing import Final

import msgspec

from mailtui.errors import EX_DATAERR, MailtuiError
from mailtui.model import RECIPIENT_BITS
from mailtui.queue.verbs import Verb

#: Seconds a plan stands.
STANDS: Final = 900.0
#: Most plans, and most recipients in all of them (8 octets each).
MOST: Final = 64
MOST_ROWS: Final = 2_000_000


class StalePlan(MailtuiError):
    """A plan that cannot be applied (any more); nothing was done."""

    exit_code = EX_DATAERR


class Frozen(msgspec.Struct, frozen=True):
    """What a selection stood for at a moment: recipient rows in order, the selection as it was understood, for which verb."""

    verb: Verb
    filter: str
    rows: array[int]


def batches(rows: array[int], size: int) -> Iterator[tuple[int, int]]:
    """Where each batch of a frozen set begins and ends: about `size` rows, but never between two recipients of a message, which are
    counted and told of as one. Of nothing there is one empty batch."""
    if not rows:
        yield 0, 0
    start = 0
    while start < len(rows):
        end = min(start + size, len(rows))
        while end < len(rows) and rows[end] >> RECIPIENT_BITS == rows[end - 1] >> RECIPIENT_BITS:
            end += 1
        yield start, end
        start = end


class Plans:
    """Plans by their ids, the oldest first. The moments passed in are POSIX seconds."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Frozen]] = {}

    def keep(self, frozen: Frozen, now: float) -> str:
        """The id of a new plan; "" when it is too large to be kept. Older ones make room."""
        if len(frozen.rows) > MOST_ROWS:
            return ""
        self._forget_old(now)
        while len(self._kept) >= MOST or self._size() + len(frozen.rows) > MOST_ROWS:
            del self._kept[next(iter(self._kept))]
        id_ = f"p-{secrets.token_hex(4)}"
        self._kept[id_] = (now, frozen)
        return id_

    def get(self, id_: str, verb: Verb, now: float) -> Frozen:
        """What was planned. StalePlan when it is too old or was made for another verb."""
        self._forget_old(now)
        if id_ not in self._kept:
            minutes = int(STANDS // 60)
            raise StalePlan(
                f"there is no plan {id_[:40]} (any more): it stands for {minutes} minutes and is applied once"
            )
        frozen = self._kept[id_][1]
        if frozen.verb is not verb:
            raise StalePlan(f"plan {id_} is one to {frozen.verb.value}, not to {verb.value}")
        return frozen

    def drop(self, id_: str) -> None:
        """It is being applied."""
        self._kept.pop(id_, None)

    def _forget_old(self, now: float) -> None:
        self._kept = {id_: kept for id_, kept in self._kept.items() if now - kept[0] < STANDS}

    def _size(self) -> int:
        return sum(len(frozen.rows) for _, frozen in self._kept.values())
