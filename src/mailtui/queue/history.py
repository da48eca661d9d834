"""What failed and what was delivered in a window and in the day before it: the material of `incidents`.

Owned here: reading the counts by minute. What differs from the usual is `incidents`' to say.
"""

from __future__ import annotations

import math
from typing import Final, cast

import msgspec

from mailtui.queue.reader import Reader

#: Minutes before the window that say what is usual.
BASELINE: Final = 1440
_LANES: Final = " JOIN lane l ON l.id = t.lane LEFT JOIN site s ON s.id = l.site"
_SITE: Final = "ifnull(s.name, l.destination)"

#: Summed by lane before names are looked at: a day of a large queue has a million rows.
_GROUPS: Final = (
    f"SELECT {_SITE}, f.text, f.class, f.sentence, f.sample, sum(t.now), sum(t.base),"
    " count(DISTINCT iif(t.now > 0, l.destination, NULL)), min(t.first) * 60.0, max(t.last) * 60.0"
    " FROM (SELECT lane, fingerprint, sum(iif(minute > ?1, deferred + bounced, 0)) AS now,"
    " sum(iif(minute > ?1, 0, deferred + bounced)) AS base, min(minute) AS first, max(minute) AS last"
    f" FROM failure WHERE minute > ?2 AND minute <= ?3 GROUP BY lane, fingerprint) t{_LANES} JOIN fingerprint f ON f.id = t.fingerprint"
    " GROUP BY 1, t.fingerprint"
)
_FLOW: Final = f"SELECT {_SITE}, sum(t.delivered) FROM sample t{_LANES} WHERE t.minute > ? AND t.minute <= ? GROUP BY 1"
_TRIED: Final = (
    "SELECT count(DISTINCT l.destination), count(DISTINCT iif(EXISTS (SELECT 1 FROM failure x JOIN fingerprint f ON f.id = x.fingerprint"
    " WHERE x.minute = t.minute AND x.lane = t.lane AND f.class = 'dns'), l.destination, NULL))"
    " FROM sample t JOIN lane l ON l.id = t.lane WHERE t.minute > ? AND t.minute <= ?"
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
    after, before = last - minutes, last - minutes - BASELINE
    groups = await reader.fetch(_GROUPS, (after, before, last))
    flow = await reader.fetch(_FLOW, (after, last))
    tried, dns = cast("tuple[int, int]", (await reader.fetch(_TRIED, (after, last)))[0])
    first = (await reader.fetch("SELECT min(minute) FROM sample WHERE minute > ?", (before,)))[0][0]
    span = 0 if first is None else max(0, after + 1 - cast("int", first))
    return Past(
        tuple(Group(*cast("tuple[str, str, str, str, str, int, int, int, float, float]", row)) for row in groups),
        {str(site): cast("int", n) for site, n in flow if n},
        tried,
        dns,
        minutes,
        span,
    )
