"""Reading the audit: what was done by whom, the latest first.

Owned here: that read. The rows are written by `actions`, with the changes they tell of.
"""

from __future__ import annotations

from typing import cast

import msgspec

from mailtui.queue.reader import Reader, Row
from mailtui.views import AuditRow, moment


async def audit(reader: Reader, limit: int = 100, before: int = 0) -> tuple[AuditRow, ...]:
    """The last `limit` actions, of those before the action `before` when that is given."""
    rows = await reader.fetch(
        "SELECT id, at, actor, verb, filter, reason, matched, done, skipped, failed, messages, state, args, undoes, undone_by, undone_at"
        " FROM action WHERE ?1 = 0 OR id < ?1 ORDER BY id DESC LIMIT ?2",
        (before, limit),
    )
    return tuple(map(_row, rows))


def _row(row: Row) -> AuditRow:
    action, at, actor, verb, filter, reason, matched, done, skipped, failed, messages, state, args, *undo = cast(
        "tuple[int, float, str, str, str, str, int, int, int, int, int, str, str, int | None, int | None, float | None]",
        row,
    )
    undoes, undone_by, undone_at = cast("tuple[int | None, int | None, float | None]", tuple(undo))
    return AuditRow(
        action=action,
        at=moment(at),
        actor=actor,
        verb=verb,
        filter=filter,
        reason=reason,
        matched=matched,
        done=done,
        skipped=skipped,
        failed=failed,
        messages=messages,
        state=state,
        undone=undone_by is not None,
        args=msgspec.json.decode(args, type=dict[str, int | str | bool]),
        undoes=undoes,
        undone_by=undone_by,
        undone_at=None if undone_at is None else moment(undone_at),
    )
