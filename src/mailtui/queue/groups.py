"""The queue in groups: by destination and by age. Why it waits is in `reasons`.

Owned here: those reads. Counts of destinations come from the tally and the samples, which are kept with every change, so that no
view has to count the queue; what a filter narrows, and ages, are counted, within the reader's time limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, cast

from mailtui.model import ID_EPOCH, RECIPIENT_BITS
from mailtui.queue.conditions import Where
from mailtui.queue.filter import Filter
from mailtui.queue.queries import FROM, WAITS, age_of, scope
from mailtui.queue.reader import Reader, Row
from mailtui.views import AGE_BOUNDS, AgeRow, Ages, DestinationRow

By = Literal["site", "destination"]

#: Minutes that "lately" means in the rows of destinations.
RECENT: Final = 15

_KEY: Final[dict[By, str]] = {"site": "ifnull(s.name, l.destination)", "destination": "l.destination"}


async def domains(reader: Reader, filter: Filter, now: float, limit: int = 100) -> tuple[DestinationRow, ...]:
    """Destinations with waiting recipients or recent attempts, most waiting first."""
    standing = await (_tallied(reader) if filter.everything else _counted(reader, scope(filter)))
    recent = await _recent(reader, now)
    names = standing.keys() if not filter.everything else standing.keys() | recent.keys()
    order = sorted(names, key=lambda name: (-standing.get(name, _NOTHING)[0], -sum(recent.get(name, _NONE)), name))[
        :limit
    ]
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


async def _tallied(reader: Reader) -> dict[str, _Standing]:
    return _sum_up(
        await reader.fetch(
            "SELECT l.destination, t.state, ifnull(f.class, ''), sum(t.n) FROM tally t JOIN lane l ON l.id = t.lane"
            " LEFT JOIN fingerprint f ON f.id = t.fingerprint"
            " WHERE t.n > 0 AND t.state IN ('queued', 'sending', 'deferred', 'held') GROUP BY 1, 2, 3"
        )
    )


async def _counted(reader: Reader, where: Where) -> dict[str, _Standing]:
    sql = f"SELECT l.destination, r.state, r.class, count(*){FROM}{where.sql} AND {WAITS} GROUP BY 1, 2, 3"
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


async def _recent(reader: Reader, now: float) -> dict[str, tuple[int, int, int]]:
    rows = await reader.fetch(
        "SELECT l.destination, sum(p.delivered), sum(p.deferred), sum(p.bounced) FROM sample p JOIN lane l ON l.id = p.lane"
        " WHERE p.minute > ? GROUP BY 1",
        (int(now // 60) - RECENT,),
    )
    return {str(name): cast("tuple[int, int, int]", tuple(counts)) for name, *counts in rows}


async def _sites(reader: Reader, names: Sequence[str]) -> dict[str, str]:
    """Which site a destination belongs to; the last one entered where routes disagree."""
    rows = await reader.fetch(
        f"SELECT l.destination, s.name FROM lane l JOIN site s ON s.id = l.site WHERE l.destination IN ({_marks(names)}) ORDER BY l.id",
        names,
    )
    return {str(name): str(site) for name, site in rows}


async def _oldest(reader: Reader, names: Sequence[str]) -> dict[str, int]:
    """The longest waiting recipient of each destination: one look-up a lane."""
    rows = await reader.fetch(
        f"SELECT l.destination, (SELECT min(r.id) FROM recipient r WHERE r.lane = l.id AND {WAITS}) AS first FROM lane l"
        f" WHERE l.destination IN ({_marks(names)}) AND first IS NOT NULL ORDER BY first DESC",
        names,
    )
    return {str(name): cast("int", row) for name, row in rows}


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


async def ages(reader: Reader, filter: Filter, now: float, by: By = "site", limit: int = 100) -> tuple[AgeRow, ...]:
    """How long recipients have waited, by site or destination, most waiting first."""
    where = scope(filter)
    # The younger, the higher the id: each bound is the first id of its bucket.
    bounds = [max(0, int((now - ID_EPOCH - age) * 1000)) << RECIPIENT_BITS for age in AGE_BOUNDS]
    buckets = [
        f"sum(r.id >= {high})" if i == 0 else f"sum(r.id >= {high} AND r.id < {bounds[i - 1]})"
        for i, high in enumerate(bounds)
    ]
    rows = await reader.fetch(
        f"SELECT {_KEY[by]}, max(ifnull(s.name, '')), min(l.destination), count(*), {', '.join(buckets)}, sum(r.id < {bounds[-1]})"
        f"{FROM}{where.sql} AND {WAITS} GROUP BY 1 ORDER BY 4 DESC, 1 LIMIT ?",
        (*where.params, limit),
    )
    return tuple(_age_row(row, by) for row in rows)


def _age_row(row: Row, by: By) -> AgeRow:
    _, site, destination, waiting, *counts = cast("tuple[str, str, str, int, int]", row)
    named = by == "destination" or not site
    return AgeRow("" if by == "destination" else site, destination if named else "", waiting, Ages(*counts))
