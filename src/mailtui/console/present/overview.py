"""The overview: is mail flowing, what is stuck and since when, what changed, what comes next.

Owned here: the boxes and rows of that screen, from the relay's answers; pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mailtui.control.results import Rate, Rates, StatusView
from mailtui.display import age, clock, cut, rate, size, width
from mailtui.findings import ForecastRow, IncidentRow, MomentRow
from mailtui.views import AGE_LABELS, AgeRow, Ages, ReasonRow

from .line import Line, Part, Tone, box, cells, line, middle, pad, spark
from .trend import cells_for, folded, waiting
from .values import short

_CHANGES: Final[dict[str, Tone]] = {"NEW": "bad", "UP": "warn", "GONE": "dim", "RECOVERED": "ok", "OURS": "bad"}
#: What has not changed and still fails.
STILL: Final = "SAME"
#: The order of changes: what is over comes last.
_TURN: Final = ("OURS", "NEW", "UP", "GONE", "RECOVERED")
#: Classes that are met every day: they speak of one address, or the next try passes.
_EVERYDAY: Final = frozenset(
    ("greylisted", "no-such-user", "mailbox-full", "mailbox-disabled", "moved", "no-such-domain", "null-mx")
)
_AGES: Final = Ages.__struct_fields__


@dataclass(frozen=True)
class Range:
    """The samples of a range of time: its end, its length in seconds and in words."""

    samples: Sequence[MomentRow]
    end: datetime
    seconds: int = 3600
    name: str = "1h"

    def depth(self, cells: int) -> str:
        """How much waited, at most, as a sparkline."""
        values = [(row.at, float(waiting(row))) for row in self.samples]
        return spark(self._folded(values, cells, True), cells)

    def flow(self, values: Sequence[int], cells: int) -> str:
        """What happened, as a sparkline; a value for each sample."""
        dated = [(row.at, float(value)) for row, value in zip(self.samples, values, strict=True)]
        return spark(self._folded(dated, cells, False), cells)

    def _folded(self, values: Sequence[tuple[datetime, float]], cells: int, highest: bool) -> list[float]:
        step = 60 if self.seconds <= 86_400 else 3600
        return folded(values, self.end, self.seconds, cells_for(self.seconds, cells, step), highest)


def counts(status: StatusView, past: Range, ahead: ForecastRow | None, room: int, height: int) -> list[Line]:
    """The queue by state, its oldest recipient, its depth over the range, what comes due."""
    queue = status.queue
    total = queue.queued + queue.sending + queue.deferred + queue.held
    depth = [waiting(row) for row in past.samples] if past.seconds <= 86_400 else []
    change = f"  {depth[-1] - depth[-6]:+,}/5m" if len(depth) > 5 else ""
    half = (room - 4) // 2
    trend = room - 4 - 10
    body = [
        line(*_count("queued", queue.queued, "", half), *_count("sending", queue.sending, "accent", half)),
        line(*_count("deferred", queue.deferred, "warn", half), *_count("held", queue.held, "held", half)),
        line(*_fact("oldest", age(status.oldest_seconds) if total else "-", half), *_due(ahead, half)),
        line((pad(f"depth {past.name}", 10), "dim"), past.depth(trend)),
    ]
    if ahead is not None and height >= 7:
        body.append(line(("next 1h   ", "dim"), spark(_folded(ahead.minutes, trend), trend)))
    return box(f"Queue {total:,}{change}", body, room, height)


def _count(name: str, count: int, tone: Tone, room: int) -> list[Part]:
    return [(pad(name, 9), "dim"), (pad(f"{count:,}", room - 11, True), tone if count else "dim"), "  "]


def _fact(name: str, value: str, room: int) -> list[Part]:
    return [(pad(name, 9), "dim"), pad(value, room - 11, True), "  "]


def _due(ahead: ForecastRow | None, room: int) -> list[Part]:
    if ahead is None:
        return []
    return [(pad("due 1h", 9), "dim"), (pad(f"{ahead.due:,}", room - 11, True), "warn" if ahead.storm else ""), "  "]


def _folded(values: Sequence[int], room: int) -> list[int]:
    """Values in at most `room` sums of neighbours."""
    width = -(-len(values) // max(room, 1)) or 1
    return [sum(values[index : index + width]) for index in range(0, len(values), width)]


def flow(rates: Rates, past: Range, when: str, room: int, height: int) -> list[Line]:
    """Recipients a minute in and out over the range, and how long delivery takes."""
    samples, trend = past.samples, max(room - 4 - 16, 8)
    rows: tuple[tuple[str, float, Tone, list[int]], ...] = (
        ("in", rates.accepted.minute, "", [row.accepted for row in samples]),
        ("out", rates.delivered.minute, "ok", [row.delivered for row in samples]),
        ("defer", rates.deferred.minute, "warn", [row.deferrals for row in samples]),
        ("bounce", rates.bounced.minute, "bad", [row.bounced for row in samples]),
    )
    body = [
        line(
            *((pad(name, 7), "dim"), pad(rate(now), 7, True), "  "),
            (past.flow(values, trend), tone if any(values) else "dim"),
        )
        for name, now, tone, values in rows
    ]
    delays = [row for row in samples if row.p50 is not None]
    if delays and height >= 7:
        p50, p95 = delays[-1].p50 or 0.0, delays[-1].p95 or 0.0
        body.append(line(("delivery ", "dim"), f"p50 {_took(p50)}  p95 {_took(p95)}"))
    return box(f"{'Flow, recipients/min' if when.startswith('last') else 'Flow/min'}, {when}", body, room, height)


def health(status: StatusView, ahead: ForecastRow | None, now: datetime, room: int, height: int) -> list[Line]:
    """The relay itself, its disk, and when the backlog will be gone."""
    disk = status.disk
    used = 100 * (disk.total - disk.free) // max(disk.total, 1)
    refused = status.rates.refused_4xx.minute + status.rates.refused_5xx.minute
    body = [
        line(("relay   ", "dim"), f"pid {status.pid}  up {age((now - status.started).total_seconds())}"),
        line(("disk    ", "dim"), (f"{used}% used of {size(disk.total)}", "bad" if used > 95 else "")),
        line(("queue   ", "dim"), f"{size(disk.queue)}  wal {size(disk.wal)}"),
        line(("intake  ", "dim"), f"{len(status.listeners)} listeners  refused {rate(refused)}/min"),
        line(("backlog ", "dim"), _gone(ahead, now)),
    ]
    tone: Tone = "title" if status.ready else "bad"
    return box("Health" if status.ready else "Health: NOT READY", body, room, height, tone=tone)


def _took(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def _gone(ahead: ForecastRow | None, now: datetime) -> str:
    if ahead is None or not ahead.waiting:
        return "none"
    return f"gone by {clock(ahead.gone_by, now)}" if ahead.gone_by else "not shrinking"


# --- the grid


def ages_heading(room: int) -> Line:
    """The upper bounds of the ages."""
    name, column = _grid(room)
    return line(
        (pad("destination", name) + pad("total", 9, True), "dim"),
        *((pad(label, column, True), "dim") for label in AGE_LABELS),
    )


def ages_row(row: AgeRow, room: int) -> Line:
    """A destination and how long its mail has waited; what is old is toned."""
    name, column = _grid(room)
    parts: list[Part] = [
        pad(middle(row.destination or row.site, name - 1), name),
        (pad(f"{row.waiting:,}", 9, True), "strong"),
    ]
    for index, field in enumerate(_AGES):
        count = int(getattr(row.ages, field))
        tone: Tone = "dim" if not count else "bad" if index >= 5 else "warn" if index >= 3 else ""
        parts.append((pad(f"{count:,}" if column > 8 else short(count), column, True), tone))
    return line(*parts)


def _grid(room: int) -> tuple[int, int]:
    """Cells of the name, and of one bucket."""
    column = 9 if room >= 110 else 5
    return max(room - 9 - column * len(AGE_LABELS), 12), column


# --- what changed


def change_row(row: IncidentRow, room: int) -> Line:
    """`NEW gmail.com  421 4.7.28 rate limit  0 -> 38,114`."""
    name = 30 if room >= 110 else 17
    numbers = f"{row.usual:,.0f} → {row.count:,}" if row.change != "OURS" else ""
    if row.change == STILL:
        numbers = f"{row.count:,} wait"
    tail = 16 if room >= 110 else 13
    word = "OK" if row.change == "RECOVERED" else row.change
    text = row.sentence or row.sample or row.fingerprint
    if row.change == "RECOVERED":
        text = f"recovered, {row.delivered:,} delivered"
    return line(
        (pad(word, 5), _CHANGES.get(row.change, "")),
        pad(middle(row.site or "this relay", name - 1), name),
        pad(text, room - 5 - name - tail),
        pad(numbers, tail, True),
    )


def as_before(rows: Sequence[ReasonRow]) -> list[IncidentRow]:
    """What still fails where nothing has changed, the commonest first."""
    return [
        IncidentRow(
            *(STILL, row.site or "", row.class_, row.count + row.behind, 0.0, 0, row.destinations, row.fingerprint),
            *(row.sentence, "", row.first_seen, row.last_seen),
        )
        for row in sorted(rows, key=lambda row: -row.count - row.behind)
    ]


def worst_first(rows: Sequence[IncidentRow]) -> list[IncidentRow]:
    """What is about us, then what stops all mail of a site, then what goes wrong with single recipients or passes by itself."""
    return sorted(
        rows, key=lambda row: (_TURN.index(row.change) if row.change in _TURN else 0, row.class_ in _EVERYDAY)
    )


def change_title(rows: Sequence[IncidentRow] | None, when: str = "last 15m") -> str:
    """What the box is called."""
    return f"What changed, {when}" + (f" ({len(rows)})" if rows else "")


def rates(samples: Sequence[MomentRow]) -> Rates:
    """What happened a minute at the end of the samples."""
    if not samples:
        return Rates()
    last = samples[-1]
    each = (last.accepted, last.refused_4xx, last.refused_5xx, last.delivered, last.deferrals, last.bounced)
    return Rates(*(Rate(n / max(last.minutes, 1), n / max(last.minutes, 1)) for n in each))


# --- alerts


def alerts(status: StatusView, room: int) -> Line:
    """What needs a person, then what is worth knowing, on one line; what has no room is counted."""
    told: list[tuple[str, Tone, str]] = [("!", "bad", text) for text in status.trouble]
    told += [("·", "held", text) for text in status.notes]
    parts: list[Part] = []
    for index, (mark, tone, text) in enumerate(told):
        rest = f"  +{len(told) - index - 1} more" if index + 1 < len(told) else ""
        used = cells(line(*parts))
        if parts and used + 3 + width(text) + len(rest) > room:
            return line(*parts, (f"  +{len(told) - index} more", tone))
        parts += [(f" {mark} ", tone), cut(text, room - used - 3 - len(rest))]
    return line(*parts)
