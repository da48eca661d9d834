"""A rate as a bucket of tokens: one token a message, filled evenly. Pure: `now` is passed in, in seconds of any clock.

Owned here: that arithmetic. A rate is spread over its time, because a provider that allows 100 a minute does not want them in the
minute's first second: no more than a second's worth, and always one, may go at once.
"""

from __future__ import annotations

from typing import Final

from mailtui.config import Rate

#: What the sum of many small fillings may lack of a whole token.
_ROUNDING: Final = 1e-6
#: Seconds that a clock's reading, a float of POSIX seconds, may be off.
_RESOLUTION: Final = 1e-6


class Bucket:
    """Tokens at a rate. In any time of `t` seconds no more than `t * count / seconds + max(1, count / seconds)` are taken."""

    __slots__ = ("_at", "_capacity", "_per_second", "_tokens", "rate")

    def __init__(self, rate: Rate, now: float, tokens: float | None = None) -> None:
        """Full, or with `tokens` (what another bucket had left)."""
        self.rate = rate
        self._per_second = rate.count / rate.seconds
        self._capacity = max(1.0, self._per_second)
        self._tokens = self._capacity if tokens is None else min(tokens, self._capacity)
        self._at = now

    def __repr__(self) -> str:
        return f"{self.rate}: {self._tokens:.2f} tokens"

    def tokens(self, now: float) -> float:
        """What is in it. A clock that was set back fills nothing, and is believed from then on."""
        self._tokens = min(self._capacity, self._tokens + max(0.0, now - self._at) * self._per_second)
        self._at = now
        return self._tokens

    def ready(self, now: float) -> bool:
        """Whether a token can be taken."""
        return self.tokens(now) >= 1 - _ROUNDING

    def take(self, now: float) -> bool:
        """Take a token if there is one."""
        if not self.ready(now):
            return False
        self._tokens -= 1
        return True

    def give_back(self) -> None:
        """The token taken last was not used."""
        self._tokens = min(self._capacity, self._tokens + 1)

    def next_at(self, now: float) -> float:
        """When the next token is there: `now` if it is."""
        missing = 1 - self.tokens(now)
        return now if missing <= _ROUNDING else now + missing / self._per_second + _RESOLUTION
