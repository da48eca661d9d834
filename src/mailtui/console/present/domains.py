"""The destinations: one row each, with what waits, how it goes and what state it is in; pure.

Owned here: what a row says and which columns there is room for; the state of a destination in one word, and folding its past into a trend.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from mailtui.display import age
from mailtui.findings import DestinationFlow, DestinationMoment
from mailtui.views import DestinationRow

from .line import Line, Part, Tone, line, middle, pad, spark
from .trend import folded
from .values import short

WIDE: Final = 110
#: Cells of a trend.
TREND: Final = 12
_STATE: Final = 10


def state(row: DestinationRow, now: datetime) -> tuple[str, Tone]:
    """`susp 41m`, `fails` (tried lately, and nothing was taken), `partly`, `ok`, `waits` (not tried lately), `idle`."""
    if row.suspended:
        return (f"susp {_left(row.suspended_until, now)}" if row.suspended_until else "susp"), "held"
    failed = row.deferred_15m + row.bounced_15m
    if failed:
        return ("partly", "warn") if row.delivered_15m else ("fails", "bad")
    if row.delivered_15m:
        return "ok", "ok"
    if row.waiting:
        return ("held", "held") if row.held >= row.waiting else ("waits", "")
    return "idle", "dim"


def _left(until: datetime, now: datetime) -> str:
    """Minutes below an hour, whole hours above."""
    seconds = int((until - now).total_seconds())
    unit = 60 if 60 <= seconds < 3600 else 3600 if seconds >= 3600 else 1
    return age(seconds // unit * unit)


@dataclass(frozen=True)
class Tries:
    """Of which range the tries are, and whether it is known what waits; not so of the past."""

    name: str = "15m"
    waits: bool = True
    trend: str = "1h"


@dataclass(frozen=True)
class Sort:
    """An order of the rows: by a column, the most (or latest in the alphabet) first unless `least`."""

    column: str = "waiting"
    least: bool = False

    def next(self, waits: bool = True) -> Sort:
        """By the next column, the most first; names from A on."""
        names = [name for name in SORTS if waits or name not in _WAITS]
        column = names[(names.index(self.column) + 1) % len(names)] if self.column in names else names[0]
        return Sort(column, column == "destination")

    def rows(self, rows: Sequence[DestinationRow], waits: bool = True) -> list[DestinationRow]:
        """The rows in this order; those that are equal stay as they came, and all do when what they are sorted by is not known."""
        if not waits and self.column in _WAITS:
            return list(rows)
        return sorted(rows, key=SORTS[self.column], reverse=not self.least)

    def words(self, waits: bool = True) -> str:
        """`most waiting first`."""
        if not waits and self.column in _WAITS:
            return "most tried first"
        if self.column == "destination":
            return "by name" if self.least else "by name, Z first"
        if self.column == "oldest":
            return "youngest first" if self.least else "oldest first"
        return f"{'fewest' if self.least else 'most'} {self.column} first"


_WAITS: Final = ("waiting", "held", "oldest")
#: What rows can be sorted by.
SORTS: Final[dict[str, Callable[[DestinationRow], int | str]]] = {
    "waiting": lambda row: row.waiting,
    "held": lambda row: row.held,
    "oldest": lambda row: row.oldest_seconds,
    "ok": lambda row: row.delivered_15m,
    "defer": lambda row: row.deferred_15m,
    "bounce": lambda row: row.bounced_15m,
    "failed": lambda row: row.deferred_15m + row.bounced_15m,
    "destination": lambda row: row.destination,
}


#: The ordinary.
NOW: Final = Tries()


def of_flow(flow: DestinationFlow, known: DestinationRow | None = None) -> DestinationRow:
    """A destination with what was tried there in a range, as a row; what waits is `known` or nothing."""
    row = known or DestinationRow(flow.destination, flow.site, 0, 0, 0, 0, 0, 0, flow.class_)
    return replace(
        row,
        delivered_15m=flow.delivered,
        deferred_15m=flow.deferrals,
        bounced_15m=flow.bounced,
        top_class=row.top_class or flow.class_,
    )


def over(rows: Sequence[DestinationRow], flows: Sequence[DestinationFlow]) -> list[DestinationRow]:
    """The destinations with the tries of another range than a quarter of an hour; those with nothing waiting last."""
    tried = {flow.destination: flow for flow in flows}
    none = DestinationFlow("", "", 0, 0, 0, "")
    first = [of_flow(tried.pop(row.destination, none), row) for row in rows]
    return first + [of_flow(flow) for flow in tried.values()]


def heading(room: int, tries: Tries = NOW) -> Line:
    """The titles of the columns; the range of the tries is said once."""
    name, numbers = _columns(room)
    titles = ("waiting", "held", "oldest", f"ok/{tries.name}" if room >= WIDE else "ok", "defer", "bounce")
    tail = f"  failed {tries.trend}" if room >= WIDE and tries.trend else ""
    left = pad("destination", name) + pad("state", _STATE)
    told = "".join(pad(title, cells, True) for title, cells in zip(titles, numbers, strict=True))
    return line((f"{left}{told}  {pad('mostly', _class(room))}{tail}", "dim"))


def row(one: DestinationRow, trend: Sequence[float], room: int, now: datetime, tries: Tries = NOW) -> Line:
    """One destination."""
    name, numbers = _columns(room)
    word, tone = state(one, now)
    counts: tuple[tuple[int, Tone], ...] = (
        (one.delivered_15m, "ok"),
        (one.deferred_15m, "warn"),
        (one.bounced_15m, "bad"),
    )
    parts: list[Part] = [
        pad(middle(one.destination or "(others)", name - 1), name),
        (pad(word, _STATE), tone),
        *(_waits(one, numbers) if tries.waits else [(pad("?", cells, True), "dim") for cells in numbers[:3]]),
        *(
            (pad(_number(n, cells), cells, True), tone if n else "dim")
            for (n, tone), cells in zip(counts, numbers[3:], strict=True)
        ),
        ("  " + pad(one.top_class, _class(room)), "dim"),
    ]
    if room >= WIDE:
        parts.append(("  " + spark(trend, TREND), "warn" if any(trend) else "dim"))
    return line(*parts)


def _waits(one: DestinationRow, numbers: Sequence[int]) -> list[Part]:
    return [
        (pad(_number(one.waiting, numbers[0]), numbers[0], True), "strong" if one.waiting else "dim"),
        (pad(_number(one.held, numbers[1]), numbers[1], True), "held" if one.held else "dim"),
        pad(age(one.oldest_seconds) if one.waiting else "-", numbers[2], True),
    ]


def _columns(room: int) -> tuple[int, tuple[int, ...]]:
    """Cells of the name, and of the numbers."""
    numbers = (10, 8, 8, 8, 8, 8) if room >= WIDE else (7, 5, 7, 5, 6, 7)
    tail = 2 + _class(room) + (2 + TREND if room >= WIDE else 0)
    return max(room - _STATE - sum(numbers) - tail, 12), numbers


def _class(room: int) -> int:
    return 16 if room >= WIDE else 12


def _number(count: int, room: int) -> str:
    whole = f"{count:,}"
    return whole if len(whole) < room else short(count)


def trend(moments: Sequence[DestinationMoment], end: datetime, seconds: int = 3600) -> tuple[float, ...]:
    """Failed attempts of a range in twelve sums, the latest last."""
    return tuple(folded([(moment.at, moment.deferrals + moment.bounced) for moment in moments], end, seconds, TREND))


def note(
    position: int | None,
    rows: Sequence[DestinationRow],
    more: bool,
    when: str = "tries of 15 min",
    sort: str = "most waiting first",
) -> Line:
    """For the breadcrumb: where the cursor is, of when the tries are, the order, and how many are suspended."""
    suspended = sum(one.suspended for one in rows)
    parts: list[Part] = [(f"{suspended} suspended   ", "held")] if suspended else []
    where = f"row {position:,} of {len(rows):,}" if position else f"{len(rows):,} rows"
    parts.append((f"{where}{' and more' if more else ''}   {when}   {sort}", "dim"))
    return line(*parts)
