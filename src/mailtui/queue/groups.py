"""The queue in groups: by destination and by age. Why it waits is in `reasons`.

Owned here: those reads. Counts of destinations come from the tally and the samples, and ages from their counters, which are kept with
every change, so that no view has to count the queue; what a filter narrows is counted, within the reader's time limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Literal, cast

import msgspec

from mailtui.model import ID_EPOCH, RECIPIENT_BITS
from mailtui.queue.access import WAITS, way
from mailtui.queue.aging import QUARTER
from mailtui.queue.filter import Filter
from mailtui.queue.queries import age_of, scope
from mailtui.queue.reader import Reader, Row
from mailtui.views import AGE_BOUNDS, AgeRow, Ages, DestinationRow

By = Literal["site", "destination"]

#: Minutes that "lately" means in the rows of destinations.
RECENT: Final = 15

_KEY: Final[dict[By, str]] = {"site": "ifnull(s.name, l.destination)", "destination": "l.destination"}


async def domains(reader: Reader, filter: Filter, now: float, limit: int = 100) -> tuple[DestinationRow, ...]:
    """Destinations with waiting recipients or recent attempts, most waiting first."""
    if filter.everything:
        order = await _most(reader, now, limit)
        standing, recent = await _tallied(reader, order), await _recent(reader, now, order)
    else:
        standing = await _counted(reader, filter)
        recent = await _recent(reader, now, list(standing))
        order = sorted(
            standing, key=lambda name: (-standing.get(name, _NOTHING)[0], -sum(recent.get(name, _NONE)), name)
        )[:limit]
    sites, oldest = await _sites(reader, order), await _oldest(reader, [name for name in order if name in standing])
    return tuple(
        DestinationRow(
            destination=name,
            site=sites.get(name, ""),
            waiting=standing.get(name, _NOTHING)[0],
            held=standing.get(name, _NOTHING)[1],
            oldest_seconds=age_of(oldest[name], now) if name in oldest else 0,
            delivered_15m=recent.get(name, _NONE)[0],
            deferred_15m=recent.get(name, _NONE)[1],
            bounced_15m=recent.get(name, _NONE)[2],
            top_class=standing.get(name, _NOTHING)[2],
        )
        for name in order
    )


_Standing = tuple[int, int, str]  # waiting, held, commonest class of failure
_NOTHING: Final[_Standing] = (0, 0, "")
_NONE: Final = (0, 0, 0)


async def _most(reader: Reader, now: float, limit: int) -> list[str]:
    """The destinations to show of all there are. They are counted by lane first: a name is looked at once, not with every row."""
    rows = await reader.fetch(
        "SELECT l.destination FROM (SELECT lane, sum(n) AS n, 0 AS tried FROM tally"
        " WHERE n > 0 AND state IN ('queued', 'sending', 'deferred', 'held') GROUP BY lane"
        " UNION ALL SELECT lane, 0, sum(delivered + deferred + bounced) FROM sample WHERE minute > ? GROUP BY lane) x"
        " JOIN lane l ON l.id = x.lane GROUP BY 1 ORDER BY sum(x.n) DESC, sum(x.tried) DESC, 1 LIMIT ?",
        (int(now // 60) - RECENT, limit),
    )
    return [str(row[0]) for row in rows]


async def _tallied(reader: Reader, names: Sequence[str]) -> dict[str, _Standing]:
    return _sum_up(
        await reader.fetch(
            "SELECT l.destination, t.state, ifnull(f.class, ''), sum(t.n) FROM lane l CROSS JOIN tally t ON t.lane = l.id"
            " LEFT JOIN fingerprint f ON f.id = t.fingerprint WHERE l.destination IN (SELECT value FROM json_each(?))"
            " AND t.n > 0 AND t.state IN ('queued', 'sending', 'deferred', 'held') GROUP BY 1, 2, 3",
            (_json(names),),
        )
    )


async def _counted(reader: Reader, filter: Filter) -> dict[str, _Standing]:
    where = scope(filter)
    tables = await way(reader, filter)
    sql = f"SELECT l.destination, r.state, r.class, count(*){tables}{where.sql} AND {WAITS} GROUP BY 1, 2, 3"
    return _sum_up(await reader.fetch(sql, where.params))


def _sum_up(rows: Sequence[Row]) -> dict[str, _Standing]:
    """Rows of (destination, state, class, n) as one line a destination."""
    waiting: dict[str, int] = {}
    held: dict[str, int] = {}
    classes: dict[str, dict[str, int]] = {}
    for destination, state, class_, n in cast("Sequence[tuple[str, str, str, int]]", rows):
        waiting[destination] = waiting.get(destination, 0) + n
        held[destination] = held.get(destination, 0) + (n if state == "held" else 0)
        if class_:
            of = classes.setdefault(destination, {})
            of[class_] = of.get(class_, 0) + n
    top = {name: max(sorted(of), key=of.__getitem__) for name, of in classes.items()}
    return {name: (n, held[name], top.get(name, "")) for name, n in waiting.items()}


async def _recent(reader: Reader, now: float, names: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    rows = await reader.fetch(
        "SELECT l.destination, sum(p.delivered), sum(p.deferred), sum(p.bounced) FROM sample p JOIN lane l ON l.id = p.lane"
        " WHERE p.minute > ? AND p.lane IN (SELECT id FROM lane WHERE destination IN (SELECT value FROM json_each(?))) GROUP BY 1",
        (int(now // 60) - RECENT, _json(names)),
    )
    return {str(name): cast("tuple[int, int, int]", tuple(counts)) for name, *counts in rows}


async def _sites(reader: Reader, names: Sequence[str]) -> dict[str, str]:
    """Which site a destination belongs to; the last one entered where routes disagree."""
    rows = await reader.fetch(
        "SELECT l.destination, s.name FROM lane l JOIN site s ON s.id = l.site"
        " WHERE l.destination IN (SELECT value FROM json_each(?)) ORDER BY l.id",
        (_json(names),),
    )
    return {str(name): str(site) for name, site in rows}


async def _oldest(reader: Reader, names: Sequence[str]) -> dict[str, int]:
    """The longest waiting recipient of each destination: one look-up for each kind of failure in a lane."""
    rows = await reader.fetch(
        "SELECT l.destination, min((SELECT r.id FROM recipient r INDEXED BY recipient_group"
        f" WHERE r.lane = t.lane AND r.fingerprint = t.fingerprint AND {WAITS} ORDER BY r.id LIMIT 1)) AS first"
        " FROM lane l CROSS JOIN tally t ON t.lane = l.id AND t.n > 0 AND t.state IN ('queued', 'sending', 'deferred', 'held')"
        " WHERE l.destination IN (SELECT value FROM json_each(?)) GROUP BY 1",
        (_json(names),),
    )
    return {str(name): cast("int", row) for name, row in rows if row is not None}


def _json(values: Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()


async def ages(reader: Reader, filter: Filter, now: float, by: By = "site", limit: int = 100) -> tuple[AgeRow, ...]:
    """How long recipients have waited, by site or destination, most waiting first."""
    # The younger, the higher the id: each bound is the first id of its bucket.
    bounds = [max(0, int((now - ID_EPOCH - age) * 1000)) << RECIPIENT_BITS for age in AGE_BOUNDS]
    # FILTER takes half as long as sum(r.id >= bound)
    upto_bounds = (f"count(*) FILTER (WHERE r.id >= {bound}) AS upto{i}" for i, bound in enumerate(bounds))
    counts = ", ".join(["count(*) AS n", *upto_bounds])
    params: tuple[str | int | float, ...] = ()
    if filter.everything:
        part = _counted_by_age(bounds, counts)
    else:
        where = scope(filter)
        part = f"SELECT r.lane, {counts}{await way(reader, filter)}{where.sql} AND {WAITS} GROUP BY 1"
        params = where.params
    upto = ["0", *(f"sum(upto{i})" for i in range(len(bounds))), "sum(n)"]
    sums = ", ".join(f"{older} - {younger}" for younger, older in pairwise(upto))
    rows = await reader.fetch(
        f"SELECT {_KEY[by]}, max(ifnull(s.name, '')), min(l.destination), sum(n), {sums} FROM ({part}) part"
        " JOIN lane l ON l.id = part.lane LEFT JOIN site s ON s.id = l.site GROUP BY 1 ORDER BY 4 DESC, 1 LIMIT ?",
        (*params, limit),
    )
    return tuple(_age_row(row, by) for row in rows)


def _counted_by_age(bounds: Sequence[int], counts: str) -> str:
    """Whole quarters of an hour from their counters; the rest of the one a bound is in, and what is not counted yet, one by one."""
    zeros = ["0"] * len(bounds)
    quarters = [(bound >> RECIPIENT_BITS) // QUARTER for bound in bounds]
    whole = (f"sum(n) FILTER (WHERE quarter > {quarter}) AS upto{i}" for i, quarter in enumerate(quarters))
    parts = [f"SELECT lane, sum(n) AS n, {', '.join(whole)} FROM age GROUP BY lane"]
    rows = f" FROM recipient r INDEXED BY recipient_waiting WHERE {WAITS} AND r.id"
    for i, (bound, quarter) in enumerate(zip(bounds, quarters, strict=True)):
        end = (quarter + 1) * QUARTER << RECIPIENT_BITS
        here = ", ".join([*zeros[:i], "count(*)", *zeros[i + 1 :]])
        parts.append(
            f"SELECT r.lane, 0, {here}{rows} BETWEEN {bound} AND min({end - 1}, (SELECT aged FROM waiting)) GROUP BY 1"
        )
    parts.append(f"SELECT r.lane, {counts}{rows} > (SELECT aged FROM waiting) GROUP BY 1")
    return " UNION ALL ".join(parts)


def _age_row(row: Row, by: By) -> AgeRow:
    _, site, destination, waiting, *counts = cast("tuple[str, str, str, int, int]", row)
    named = by == "destination" or not site
    return AgeRow("" if by == "destination" else site, destination if named else "", waiting, Ages(*counts))
