"""What failed and what was delivered in a window and in the day before it: the material of `incidents`.

Owned here: reading the counts by minute. What differs from the usual is `incidents`' to say.
"""

from __future__ import annotations

import math
from typing import Final, cast

import msgspec

from mailtui.queue.hours import OPEN
from mailtui.queue.reader import Reader

#: Minutes before the window that say what is usual, and those of the hour in which they begin.
BASELINE: Final = 1440
_LANES: Final = " JOIN lane l ON l.id = t.lane LEFT JOIN site s ON s.id = l.site"
_SITE: Final = "ifnull(s.name, l.destination)"

#: The first hour that is read by minute again: not summed yet, or not all of it usual (?3).
_EDGE: Final = f"max(?2, min({OPEN}, ?3))"
_SUMS: Final = (
    "SELECT 0 AS site, lane, fingerprint, sum(iif(minute > ?1, deferred + bounced, 0)) AS now,"
    " sum(iif(minute > ?1, 0, deferred + bounced)) AS base, min(minute) AS first, max(minute) AS last FROM failure"
)
#: Summed by lane before names are looked at, and whole hours by site already: a day of a large queue has a million rows.
_GROUPS: Final = (
    f"SELECT {_SITE}, f.text, f.class, f.sentence, f.sample, sum(t.now), sum(t.base),"
    " count(DISTINCT iif(t.now > 0, l.destination, NULL)), min(t.first) * 60.0, max(t.last) * 60.0"
    f" FROM ({_SUMS} WHERE minute >= {_EDGE} * 60 AND minute <= ?4 GROUP BY lane, fingerprint"
    " UNION ALL SELECT site, lane, fingerprint, 0, sum(n), min(first), max(last) FROM usual"
    f" WHERE hour >= ?2 AND hour < {_EDGE} GROUP BY 1, 2, 3) t LEFT JOIN lane l ON l.id = t.lane"
    " LEFT JOIN site s ON s.id = iif(t.site > 0, t.site, l.site) JOIN fingerprint f ON f.id = t.fingerprint"
    " WHERE s.id IS NOT NULL OR l.id IS NOT NULL GROUP BY s.id, iif(s.id IS NULL, l.destination, ''), t.fingerprint"
)
_FLOW: Final = f"SELECT {_SITE}, sum(t.delivered) FROM sample t{_LANES} WHERE t.minute > ? AND t.minute <= ? AND t.delivered > 0 GROUP BY 1"
_TRIED: Final = (
    "SELECT (SELECT count(DISTINCT l.destination) FROM (SELECT DISTINCT lane FROM sample WHERE minute > ?1 AND minute <= ?2) t"
    " JOIN lane l ON l.id = t.lane), (SELECT count(DISTINCT l.destination) FROM failure t JOIN lane l ON l.id = t.lane"
    " WHERE t.minute > ?1 AND t.minute <= ?2 AND t.fingerprint IN (SELECT id FROM fingerprint WHERE class = 'dns'))"
)


class Group(msgspec.Struct, frozen=True):
    """Failures of one site with the same kind of reply: attempts in the window (`now`) and in the baseline, destinations in the
    window, first and last minute. A destination without a site stands in its place."""

    site: str
    fingerprint: str
    class_: str
    sentence: str
    sample: str
    now: int
    base: int
    destinations: int
    first: float
    last: float


class Past(msgspec.Struct, frozen=True):
    """The window and its baseline, minutes; `span` is how much of the baseline this relay has seen. `delivered` is by site in the
    window, `tried` the destinations in it and `dns` those of them whose DNS failed."""

    groups: tuple[Group, ...]
    delivered: dict[str, int]
    tried: int
    dns: int
    window: int
    span: int


async def past(reader: Reader, now: float, window: float) -> Past:
    """Read the `window` seconds up to `now` (whole minutes) and the day before them; what came later is left out."""
    minutes, last = math.ceil(window / 60), int(now // 60)
    after = last - minutes
    first_hour = (after - BASELINE) // 60
    groups = await reader.fetch(_GROUPS, (after, first_hour, (after + 1) // 60, last))
    flow = await reader.fetch(_FLOW, (after, last))
    tried, dns = cast("tuple[int, int]", (await reader.fetch(_TRIED, (after, last)))[0])
    first = (await reader.fetch("SELECT min(minute) FROM sample WHERE minute >= ?", (first_hour * 60,)))[0][0]
    span = 0 if first is None else max(0, after + 1 - cast("int", first))
    return Past(
        tuple(Group(*cast("tuple[str, str, str, str, str, int, int, int, float, float]", row)) for row in groups),
        {str(site): cast("int", n) for site, n in flow if n},
        tried,
        dns,
        minutes,
        span,
    )
