"""The destinations: one row each, with what waits, how it goes and what state it is in; pure.

Owned here: what a row says and which columns there is room for; the state of a destination in one word, and folding its past into a trend.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from mailtui.display import age
from mailtui.findings import DestinationMoment
from mailtui.views import DestinationRow

from .line import Line, Part, Tone, line, middle, pad, spark
from .values import short

WIDE: Final = 110
#: Cells of a trend, each of so many minutes.
TREND: Final = 12
_FOLD: Final = 5
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


def heading(room: int) -> Line:
    """The titles of the columns; those of a quarter of an hour say so once."""
    name, numbers = _columns(room)
    titles = ("waiting", "held", "oldest", "ok/15m" if room >= WIDE else "ok", "defer", "bounce")
    tail = "  failed 1h" if room >= WIDE else ""
    left = pad("destination", name) + pad("state", _STATE)
    told = "".join(pad(title, cells, True) for title, cells in zip(titles, numbers, strict=True))
    return line((f"{left}{told}  {pad('mostly', _class(room))}{tail}", "dim"))


def row(one: DestinationRow, trend: Sequence[int], room: int, now: datetime) -> Line:
    """One destination."""
    name, numbers = _columns(room)
    word, tone = state(one, now)
    counts: tuple[tuple[int, Tone], ...] = (
        (one.delivered_15m, "ok"),
        (one.deferred_15m, "warn"),
        (one.bounced_15m, "bad"),
    )
    parts: list[Part] = [
        pad(middle(one.destination, name - 1), name),
        (pad(word, _STATE), tone),
        (pad(_number(one.waiting, numbers[0]), numbers[0], True), "strong" if one.waiting else "dim"),
        (pad(_number(one.held, numbers[1]), numbers[1], True), "held" if one.held else "dim"),
        pad(age(one.oldest_seconds) if one.waiting else "-", numbers[2], True),
        *(
            (pad(_number(n, cells), cells, True), tone if n else "dim")
            for (n, tone), cells in zip(counts, numbers[3:], strict=True)
        ),
        ("  " + pad(one.top_class, _class(room)), "dim"),
    ]
    if room >= WIDE:
        parts.append(("  " + spark(trend, TREND), "warn" if any(trend) else "dim"))
    return line(*parts)


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


def trend(moments: Sequence[DestinationMoment], now: datetime) -> tuple[int, ...]:
    """Failed attempts of the last hour in sums of five minutes, the latest last."""
    return folded([(moment.at, moment.deferrals + moment.bounced) for moment in moments], now)


def folded(
    values: Sequence[tuple[datetime, int]], now: datetime, cells: int = TREND, minutes: int = _FOLD
) -> tuple[int, ...]:
    """Sums of `minutes` each, for the last `cells` of them; where nothing was, there is a zero."""
    sums = [0] * cells
    for at, value in values:
        index = cells - 1 - int((now - at).total_seconds() // 60) // minutes
        if 0 <= index < cells:
            sums[index] += value
    return tuple(sums)


def note(position: int | None, rows: Sequence[DestinationRow], more: bool) -> Line:
    """For the breadcrumb: where the cursor is, and how many are suspended."""
    suspended = sum(one.suspended for one in rows)
    parts: list[Part] = [(f"{suspended} suspended   ", "held")] if suspended else []
    where = f"row {position:,} of {len(rows):,}" if position else f"{len(rows):,} rows"
    parts.append((f"{where}{' and more' if more else ''}   tries of 15 min   most waiting first", "dim"))
    return line(*parts)
