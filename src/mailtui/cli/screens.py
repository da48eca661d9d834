"""What each answer looks like to a person: one function per kind of result, from the value to lines.

Owned here: the layout of the short answers and tables. `status`, `show` and the answers about failures have modules of
their own. Pure but for the current time,
which `screen` reads once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from mailtui.control.results import BackedUp, Draining, Flushed, Pruned, Reloaded, StatusView
from mailtui.display import age, clock, plural, size
from mailtui.findings import (
    DestinationFlow,
    DestinationMoment,
    FailureRow,
    ForecastRow,
    IncidentRow,
    MomentRow,
    WhyView,
)
from mailtui.holdrules import HoldRule
from mailtui.model import State
from mailtui.views import (
    AGE_LABELS,
    Affected,
    AgeRow,
    AuditRow,
    Counts,
    DestinationRow,
    MessageView,
    Preview,
    QueuePage,
    QueueRow,
    ReasonRow,
)

from .format import Column, counted, fit, resumed_or, table
from .holdrules import hold_rule_screen, hold_rules_screen
from .message import message_screen
from .minutes import destination_screen, destinations_screen, failures_screen, forecast_screen, samples_screen
from .operations import audit_screen, operation_screen
from .reasons import incidents_screen, reasons_screen, why_screen
from .status import status_screen


def screen(result: object, cells: int | None, now: datetime | None = None) -> Iterable[str]:
    """The lines that tell `result`, at most `cells` wide where that is possible (None: as wide as it is)."""
    moment = now or datetime.now(UTC)
    match result:
        case StatusView():
            return fit(status_screen(result, moment), cells)
        case MessageView():
            return message_screen(result, moment)
        case WhyView():
            return fit(why_screen(result, moment), cells)
        case QueuePage():
            return queue_screen(result.rows, cells, moment)
        case Counts():
            return counts_screen(result)
        case Affected() | Preview() | AuditRow():
            return fit(operation_screen(result, moment), cells)
        case HoldRule():
            return hold_rule_screen(result, moment)
        case tuple():
            return list_screen(result, cells, moment)
    return short_screen(result)


def list_screen(rows: Sequence[object], cells: int | None, now: datetime) -> Iterable[str]:
    """The grids; all rows are of one kind."""
    return _GRIDS[type(rows[0])](rows, cells, now) if rows else ["nothing found"]


def queue_screen(rows: Sequence[QueueRow], cells: int | None, now: datetime) -> Iterator[str]:
    """A line per recipient."""
    if not rows:
        yield "nothing found"
        return
    columns = (
        *(Column("ID"), Column("STATE"), Column("AGE", True), Column("TRIES", True), Column("NEXT", True)),
        *(
            Column("RECIPIENT", least=12),
            Column("SENDER", least=10, optional=True),
            Column("SIZE", True),
            Column("LAST REPLY", least=12),
        ),
    )
    yield from table(columns, (_queue_cells(row, now) for row in rows), cells)


def _queue_cells(row: QueueRow, now: datetime) -> Sequence[object]:
    due = "now" if row.next_attempt and row.next_attempt <= now else clock(row.next_attempt, now)
    if not due and row.state in (State.QUEUED, State.DEFERRED):
        due = "resumed"
    reply = " ".join(part for part in (str(row.last_code or ""), row.last_enhanced, row.last_text) if part)
    told = f"{row.class_}: {reply}" if row.class_ and row.state != "delivered" else reply
    age_ = age(row.age_seconds)
    return row.id, row.state, age_, row.attempts, due, row.recipient, row.sender or "<>", size(row.size), told


def counts_screen(counts: Counts) -> Iterator[str]:
    """Recipients and messages, and the states they are in."""
    yield f"{plural(counts.recipients, 'recipient')} of {plural(counts.messages, 'message')}"
    states = {name: getattr(counts.by_state, name) for name in counts.by_state.__struct_fields__}
    yield from (f"  {name:<10} {count:>10,}" for name, count in states.items() if count)


def domains_screen(rows: Sequence[DestinationRow], cells: int | None, now: datetime) -> Iterator[str]:
    """A line per destination; the last columns count attempts of a quarter of an hour."""
    columns = (
        *(
            Column("DESTINATION", least=12),
            Column("SITE", least=10, optional=True),
            Column("WAITING", True),
            Column("HELD", True),
        ),
        *(Column("OLDEST", True), Column("OK/15m", True), Column("DEFER", True), Column("BOUNCE", True)),
        *(Column("MOSTLY"), Column("SUSPENDED", True, optional=True)),
    )
    cells_of = (
        (
            *(row.destination, row.site, row.waiting, row.held, age(row.oldest_seconds) if row.waiting else ""),
            *(
                row.delivered_15m,
                row.deferred_15m,
                row.bounced_15m,
                row.top_class,
                resumed_or(row.suspended_until, now) if row.suspended else "",
            ),
        )
        for row in rows
    )
    yield from table(columns, cells_of, cells)


def ages_screen(rows: Sequence[AgeRow], cells: int | None, now: datetime) -> Iterator[str]:
    """A line per site or destination, a column per age; empty cells are zero."""
    by_site = any(row.site for row in rows)
    columns = (
        Column("SITE" if by_site else "DESTINATION", least=12),
        *(Column("WAITING", True), *(Column(label, True) for label in AGE_LABELS)),
    )
    cells_of = (
        (
            row.site or row.destination or "(none yet)",
            row.waiting,
            *(getattr(row.ages, name) or "" for name in row.ages.__struct_fields__),
        )
        for row in rows
    )
    yield from table(columns, cells_of, cells)
    yield from counted(rows[0].as_of)


#: The grid of each kind of row.
_GRIDS: Final[Mapping[type, Callable[..., Iterable[str]]]] = {
    HoldRule: hold_rules_screen,
    AuditRow: audit_screen,
    DestinationRow: domains_screen,
    ReasonRow: reasons_screen,
    IncidentRow: incidents_screen,
    MomentRow: samples_screen,
    DestinationMoment: destination_screen,
    FailureRow: failures_screen,
    DestinationFlow: lambda rows, cells, now: destinations_screen(rows, cells),
    ForecastRow: forecast_screen,
    AgeRow: ages_screen,
}


def short_screen(result: object) -> Iterator[str]:
    """The verbs that concern the relay as a whole."""
    match result:
        case Reloaded(applied=applied, needs_restart=restart):
            yield f"applied: {', '.join(applied)}" if applied else "nothing to apply"
            if restart:
                yield f"needs a restart: {', '.join(restart)}"
        case Draining(in_flight=count):
            yield f"nothing new is taken; {plural(count, 'recipient')} being sent"
        case Flushed(answers=count):
            yield f"forgot {plural(count, 'DNS answer')}"
        case Pruned():
            history = plural(result.messages, "message")
            yield f"removed {history} of the history; dropped bodies: {result.bodies:,}; freed {size(result.freed)}"
        case BackedUp(path=path, size=octets):
            yield f"{path}: {size(octets)}, checked"
