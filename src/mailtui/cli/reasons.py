"""How failures look to a person: the groups of `queue reasons`, what `incidents` finds, and the answer of `why`.

Owned here: the layout of those three. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from msgspec import UNSET

from mailtui.display import age, clock
from mailtui.findings import IncidentRow, WhyView
from mailtui.text import safe_text
from mailtui.views import ReasonRow

from .format import Column, cell, counted, fit, table

#: What the numbers of `incidents` count: a recipient that was tried three times counts three times.
COUNTS: Final = (
    "NOW counts attempts that failed, not recipients; USUAL is their average in such a time; OK is what was delivered."
)


def reasons_screen(rows: Sequence[ReasonRow], cells: int | None, now: datetime) -> Iterator[str]:
    """A line per kind of failure, the commonest first."""
    title, _ = _whose(rows[0])
    columns = (
        *(
            Column("COUNT", True),
            Column("BEHIND", True, optional=True),
            Column("GROUP", True, optional=True),
            Column(title, least=12, optional=True),
            Column("CLASS"),
            Column("WHAT IT MEANS", least=16),
        ),
        *(
            Column("OLDEST", True),
            Column("NEXT", True, optional=True),
            Column("EXAMPLE"),
            Column("REPLY", least=16, optional=True),
        ),
    )
    cells_of = (
        (
            *(row.count, row.behind or "", row.group, _whose(row)[1], row.class_, row.sentence),
            *(age(row.oldest_seconds), clock(row.next_attempt, now), row.sample_id, row.fingerprint),
        )
        for row in rows
    )
    yield from table(columns, cells_of, cells)
    yield from counted(rows[0].as_of)


def _whose(row: ReasonRow) -> tuple[str, str]:
    """What makes a line beside the reply: the title of its column and the value."""
    if row.site is not UNSET:
        return "SITE", row.site or _largest(row)
    if row.destination is not UNSET:
        return "DESTINATION", row.destination
    if row.sender is not UNSET:
        return "SENDER", row.sender or "<>"
    return ("USER", row.user or "(nobody)") if row.user is not UNSET else ("MOSTLY", _largest(row))


def _largest(row: ReasonRow) -> str:
    return row.top_destinations[0].destination if row.top_destinations else ""


def incidents_screen(rows: Sequence[IncidentRow], cells: int | None, now: datetime) -> Iterator[str]:
    """Our own trouble as sentences, then a line per group that differs from the usual."""
    yield from (f"OURS: {safe_text(row.sentence)}" for row in rows if row.change == "OURS")
    others = [row for row in rows if row.change != "OURS"]
    if not others:
        return
    columns = (
        *(Column("CHANGE"), Column("NOW", True), Column("USUAL", True), Column("SITE", least=12), Column("CLASS")),
        *(Column("SINCE", True), Column("OK", True), Column("REPLY", least=10)),
    )
    cells_of = (
        (
            row.change,
            row.count,
            f"{row.usual:.1f}",
            row.site,
            row.class_,
            clock(row.first_seen, now),
            row.delivered,
            row.sample,
        )
        for row in others
    )
    yield from table(columns, cells_of, cells)
    yield from fit([COUNTS], cells)


def why_screen(view: WhyView, now: datetime) -> Iterator[str]:
    """The answer, what it rests on, and the other recipients of the message."""
    yield safe_text(view.answer)
    yield f"{view.id}  {view.state}  <{cell(view.recipient)}>"
    yield from (f"  {cause.kind:<11} {safe_text(cause.text)}" for cause in view.causes)
    for other in view.others:
        due = clock(other.next_attempt, now)
        yield f"{other.id}  {other.state}  <{cell(other.recipient)}>{f'  next {due}' if due else ''}"
