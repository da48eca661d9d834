"""Bounds that several sessions share: token buckets by key and the memory budget of content on its way to the queue.

Owned here: arithmetic over numbers and a `now` that is passed in. What a limit means for a client (which reply, which
close) is decided where the limit is asked.
"""

from __future__ import annotations

from collections import OrderedDict


class Buckets:
    """Token buckets by key, at most `keys` of them: the one not used for longest is forgotten first.

    Each starts full with `burst` tokens and regains `rate` tokens a second.
    """

    def __init__(self, rate: float, burst: float, keys: int = 10_000) -> None:
        self.rate = rate
        self.burst = burst
        self._keys = keys
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def level(self, key: str, now: float) -> float:
        """Tokens `key` has at `now`; below zero when it was overdrawn."""
        entry = self._levels.get(key)
        if entry is None:
            return self.burst
        tokens, stamp = entry
        return min(self.burst, tokens + max(0.0, now - stamp) * self.rate)

    def take(self, key: str, now: float) -> bool:
        """Take one token; False, and nothing taken, when less than one is left."""
        level = self.level(key, now)
        if level < 1.0:
            return False
        self._set(key, level - 1.0, now)
        return True

    def overdraw(self, key: str, now: float, floor: float) -> float:
        """Take one token even from an empty bucket, down to `floor`; the tokens left."""
        level = max(floor, self.level(key, now) - 1.0)
        self._set(key, level, now)
        return level

    def give_back(self, key: str, now: float) -> None:
        """Return one token."""
        if key in self._levels:
            self._set(key, min(self.burst, self.level(key, now) + 1.0), now)

    def _set(self, key: str, level: float, now: float) -> None:
        self._levels[key] = (level, now)
        self._levels.move_to_end(key)
        if len(self._levels) > self._keys:
            self._levels.popitem(last=False)


class Budget:
    """Octets that all sessions together may hold in memory."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    @property
    def spent(self) -> bool:
        """Whether nothing more may be taken in."""
        return self.used >= self.limit
