"""What operators would do, did and undid, as screens: the preview of a verb, its result, the audit.

Owned here: pure layout of those values. When a verb asks before it acts is decided in `actions`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from mailtui.display import clock, plural, size
from mailtui.views import Affected, AuditRow, Preview, Share

from .format import Column, cell, table

#: Names of one breakdown on the screen; --json has more.
_NAMES: Final = 5


def operation_screen(result: Affected | Preview | AuditRow, now: datetime) -> Iterator[str]:
    """One of them."""
    match result:
        case Affected():
            return affected_screen(result)
        case Preview():
            return preview_screen(result)
        case AuditRow():
            return audit_screen([result], None, now)


def affected_screen(result: Affected) -> Iterator[str]:
    """What a verb did, why it left others alone, and how to take it back."""
    if not result.matched:
        yield f"{result.verb}: nothing is selected"
        return
    things = "recipient" if result.messages or not result.done else "change"  # a change of the suppression list, say
    yield f"{result.verb}: {plural(result.done, things)}" + (
        f" of {plural(result.messages, 'message')}" if things == "recipient" else " taken back"
    )
    yield from (f"left alone: {share.count:,}, {cell(share.name)}" for share in result.reasons)
    if result.done and result.verb != "undo":
        yield f"to take it back: mailtui undo {result.action}"


def preview_screen(preview: Preview) -> Iterator[str]:
    """What a verb would do, broken down."""
    what = f"{plural(preview.done, 'recipient')} of {plural(preview.messages, 'message')}, {size(preview.bytes)}"
    yield f"{preview.verb} would change {what}"
    yield f"  {'selection':<11}  {cell(preview.filter)}"
    if preview.to:
        yield f"  {'to':<11}  {cell(preview.to)}"
    for title, shares in (
        *(("site", preview.by_site), ("destination", preview.by_destination), ("sender", preview.by_sender)),
        *(("state", preview.by_state), ("class", preview.by_class), ("waited", _waited(preview.by_age))),
    ):
        if shares:
            yield f"  {title:<11}  {_shares(shares)}"
    if preview.skipped:
        yield f"left alone: {plural(preview.skipped, 'recipient')} being sent at this moment"
    if preview.failed:
        yield f"left alone: {plural(preview.failed, 'recipient')} in a state that {preview.verb} does not apply to"
    yield from (f"note: {sentence}" for sentence in preview.irreversible)
    if preview.plan and preview.done:
        to = f" --to {shlex.quote(preview.to)}" if preview.to else ""
        yield f"to do exactly this: mailtui {preview.verb} --plan {preview.plan}{to}"


def _waited(shares: Sequence[Share]) -> Sequence[Share]:
    """`5m` as `up to 5m`, the last, `2d+`, as `over 2d`."""
    return [
        Share(f"over {share.name[:-1]}" if share.name.endswith("+") else f"up to {share.name}", share.count)
        for share in shares
    ]


def _shares(shares: Sequence[Share]) -> str:
    shown = ", ".join(f"{cell(share.name) or '(none)'} {share.count:,}" for share in shares[:_NAMES])
    rest = sum(share.count for share in shares[_NAMES:])
    return f"{shown}, others {rest:,}" if rest else shown


def audit_screen(rows: Sequence[AuditRow], cells: int | None, now: datetime) -> Iterator[str]:
    """A line per change."""
    columns = (
        *(Column("ACTION", True), Column("AT"), Column("WHO", least=4), Column("VERB"), Column("RESULT", least=12)),
        *(Column("SELECTION", least=12), Column("REASON", least=8, optional=True)),
    )
    yield from table(columns, (_audit_cells(row, now) for row in rows), cells)


def _audit_cells(row: AuditRow, now: datetime) -> Sequence[object]:
    selection = f"action {row.undoes}" if row.undoes is not None else row.filter
    return row.action, clock(row.at, now), row.actor, row.verb, _result(row), selection, row.reason


def _result(row: AuditRow) -> str:
    """Where an action stands."""
    over = row.done + row.skipped + row.failed
    if row.state == "open":
        return f"applying {over:,} of {row.matched:,}"
    told = f"{row.done:,} of {row.matched:,}" + (f", stopped at {over:,}" if row.state == "stopped" else "")
    return f"{told}, undone by {row.undone_by}" if row.undone else told
