"""How long deliveries took, as counts in places of equal ratio: small, and unlike percentiles they can be added up over any range.

Owned here: the places and what percentiles they give, each true to 5 %. Pure; whose delays they are and how long they are kept is
`moments`' and `hours`' business.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

#: Places in which a delay doubles, the delay of the first in seconds, and the last place (twelve days and everything beyond).
STEPS: Final = 8
LEAST: Final = 0.001
LAST: Final = 240

#: Deliveries by place.
Delays = Mapping[int, int]

_read: Final = msgspec.json.Decoder(dict[int, int]).decode


def place(delay: float) -> int:
    """Where a delay (seconds) is counted: place n ends at LEAST * 2 ** (n / STEPS)."""
    return min(math.ceil(math.log2(delay / LEAST) * STEPS), LAST) if delay > LEAST else 0


def added(parts: Iterable[Delays]) -> Delays:
    """The counts of several ranges together."""
    total: Counter[int] = Counter()
    for part in parts:
        total.update(part)
    return total


def percentile(delays: Delays, share: float) -> float | None:
    """Seconds that `share` of the deliveries did not exceed, to 5 %; None of nothing."""
    left = math.ceil(sum(delays.values()) * share)
    for number in sorted(delays):
        left -= delays[number]
        if left <= 0:
            return _middle(number)
    return None


def _middle(number: int) -> float:
    """The geometric middle of a place, with as many digits as it is worth."""
    seconds = LEAST * 2 ** ((number - 0.5) / STEPS) if number else LEAST
    return float(f"{seconds:.3g}")


def encoded(delays: Delays) -> str:
    """As the queue file keeps it."""
    return msgspec.json.encode(delays).decode()


def decoded(text: str) -> Delays:
    """What `encoded` wrote."""
    return _read(text)
