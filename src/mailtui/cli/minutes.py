"""How minutes look to a person: the samples and failures of the past and the forecast of the hour ahead.

Owned here: the layout of those. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from mailtui.display import age, clock
from mailtui.findings import DestinationFlow, DestinationMoment, FailureRow, ForecastRow, MomentRow

from .format import Column, table

_BARS: Final = " ▁▂▃▄▅▆▇█"
#: Minutes of the forecast in one bar.
_STEP: Final = 3


def samples_screen(rows: Sequence[MomentRow], cells: int | None, now: datetime) -> Iterator[str]:
    """A line per minute or hour."""
    columns = (
        *(Column("AT", True), Column("QUEUED", True), Column("SENDING", True), Column("DEFERRED", True)),
        *(
            Column("HELD", True),
            Column("IN", True),
            Column("4XX", True, optional=True),
            Column("5XX", True, optional=True),
        ),
        *(Column("OK", True), Column("DEFER", True), Column("BOUNCE", True)),
        *(Column("P50", True, optional=True), Column("P95", True, optional=True)),
    )
    cells_of = (
        (
            *(clock(row.at, now), row.queued, row.sending, row.deferred, row.held),
            *(row.accepted, row.refused_4xx, row.refused_5xx, row.delivered, row.deferrals, row.bounced),
            *(_seconds(row.p50), _seconds(row.p95)),
        )
        for row in rows
    )
    yield from table(columns, cells_of, cells)


def destination_screen(rows: Sequence[DestinationMoment], cells: int | None, now: datetime) -> Iterator[str]:
    """A line per minute or hour of one destination."""
    columns = (
        *(Column("AT", True), Column("OK", True), Column("DEFER", True), Column("BOUNCE", True)),
        *(Column("MOSTLY"), Column("WHY", least=16)),
    )
    cells_of = (
        (clock(row.at, now), row.delivered, row.deferrals, row.bounced, row.class_, row.sentence) for row in rows
    )
    yield from table(columns, cells_of, cells)


def failures_screen(rows: Sequence[FailureRow], cells: int | None, now: datetime) -> Iterator[str]:
    """A line per destination and kind of reply."""
    columns = (
        *(Column("DESTINATION", least=12), Column("COUNT", True), Column("BOUNCED", True), Column("FIRST", True)),
        *(Column("LAST", True), Column("CLASS"), Column("WHY", least=16), Column("SAMPLE", least=12, optional=True)),
    )
    cells_of = (
        (
            *(
                row.destination or "(others)",
                row.count,
                row.bounced,
                clock(row.first_seen, now),
                clock(row.last_seen, now),
            ),
            *(row.class_, row.sentence, row.sample),
        )
        for row in rows
    )
    yield from table(columns, cells_of, cells)


def destinations_screen(rows: Sequence[DestinationFlow], cells: int | None) -> Iterator[str]:
    """A line per destination."""
    columns = (
        *(Column("DESTINATION", least=12), Column("OK", True), Column("DEFER", True), Column("BOUNCE", True)),
        *(Column("MOSTLY"), Column("SITE", least=12, optional=True)),
    )
    cells_of = (
        (row.destination or "(others)", row.delivered, row.deferrals, row.bounced, row.class_, row.site) for row in rows
    )
    yield from table(columns, cells_of, cells)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}s"


def forecast_screen(rows: Sequence[ForecastRow], cells: int | None, now: datetime) -> Iterator[str]:
    """A line per destination; the bars are the hour ahead, each line on its own scale from zero to its peak."""
    columns = (
        *(Column("DESTINATION", least=12), Column("WAITING", True), Column("DUE/1h", True), Column("PEAK", True)),
        *(Column("AT", True), Column("", optional=True), Column("OK/min", True), Column("GONE IN", True)),
        Column("THE HOUR AHEAD", optional=True),
    )
    cells_of = (
        (
            *(row.destination or "(all)", row.waiting, row.due, row.peak, clock(row.peak_at, now)),
            *("storm" if row.storm else "", f"{row.per_minute:.1f}"),
            *("never" if row.gone_seconds is None else age(row.gone_seconds), bars(row.minutes)),
        )
        for row in rows
    )
    yield from table(columns, cells_of, cells)


def bars(minutes: Sequence[int]) -> str:
    """Eighths of a block with a zero base, one for every three minutes."""
    sums = [sum(minutes[i : i + _STEP]) for i in range(0, len(minutes), _STEP)]
    top = max(sums, default=0)
    return "".join(_BARS[-(-n * 8 // top)] if top else _BARS[0] for n in sums)
