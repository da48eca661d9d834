"""Reading the audit: what was done by whom, the latest first.

Owned here: that read. The rows are written by `actions`, with the changes they tell of.
"""

from __future__ import annotations

from typing import Final, cast

import msgspec

from mailtui.queue.reader import Reader, Row
from mailtui.views import AuditRow, moment, moment_or_none

#: Behind every moment.
EVER: Final = 1e12


class Wanted(msgspec.Struct, frozen=True):
    """Which actions: at most `limit`, of those before the action `before` (0: all), whose actor contains `actor`, of this verb (or
    group: "suppress" is every "suppress.…"), from `since` to `until` (POSIX seconds). "" is any."""

    limit: int = 100
    before: int = 0
    actor: str = ""
    verb: str = ""
    since: float = 0.0
    until: float = EVER


#: The latest.
ANY: Final = Wanted()


async def audit(reader: Reader, wanted: Wanted = ANY, trash: float = 0.0) -> tuple[AuditRow, ...]:
    """The last actions that are wanted. `trash` is how long a purge can be taken back, in seconds."""
    rows = await reader.fetch(
        "SELECT id, at, actor, verb, filter, reason, matched, done, skipped, failed, messages, state, args, undoes, undone_by, undone_at"
        " FROM action WHERE (?1 = 0 OR id < ?1) AND (?2 = '' OR instr(lower(actor), lower(?2)))"
        " AND (?3 = '' OR verb = ?3 OR substr(verb, 1, length(?3) + 1) = ?3 || '.') AND at >= ?4 AND at <= ?5 ORDER BY id DESC LIMIT ?6",
        (wanted.before, wanted.actor, wanted.verb, wanted.since, wanted.until, wanted.limit),
    )
    return tuple(_row(row, trash) for row in rows)


def _row(row: Row, trash: float) -> AuditRow:
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
        undone_at=moment_or_none(undone_at),
        trash_until=moment(at + trash) if verb == "purge" and trash and undone_by is None else None,
    )
