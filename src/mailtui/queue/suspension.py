"""What is suspended, in the queue file: the rows of `suspension`, which lanes they stop, and the gate every claim passes.

Owned here: those rows and `lane.suspended_since`. How lanes come back is `resuming`, what memory needs of it `standstill`, who asks
and when an end has come `suspender`. All but the reads at the end run in the writer's
thread, inside its transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final, cast

import msgspec

from mailtui.model import ID_EPOCH, RECIPIENT_BITS
from mailtui.queue.lanes import DueLane
from mailtui.queue.reader import Reader
from mailtui.suspensions import STOPS_DELIVERY, Kind, Suspended, Suspension
from mailtui.views import moment, moment_or_none

_COLUMNS: Final = "kind, name, since, until, actor, reason, action"
#: Of a lane `l`: whether some suspension `u` stops it.
STOPPED_BY: Final = (
    "(u.kind = 'delivery' OR u.kind = 'destination' AND u.name = l.destination"
    " OR u.kind = 'site' AND u.name = (SELECT name FROM site WHERE id = l.site))"
)
COVERED: Final = f"EXISTS (SELECT 1 FROM suspension u WHERE {STOPPED_BY})"
#: Of a stopped lane `l`: when the last of its suspensions ends; the last moment there is when only an operator ends it.
END: Final = f"ifnull((SELECT max(ifnull(u.until, 253402300799.0)) FROM suspension u WHERE {STOPPED_BY}), 0)"
#: Lanes `l` of one suspension, by its kind; each finds them by an index.
_LANES: Final = {
    "destination": "l.destination = ?1",
    "site": "l.site = (SELECT id FROM site WHERE name = ?1)",
    "delivery": "?1 = ''",
}

_WAITING: Final = (
    "SELECT ifnull(sum(t.n), 0) FROM lane l CROSS JOIN tally t ON t.lane = l.id WHERE {}"
    " AND t.state IN ('queued', 'sending', 'deferred', 'held')"
)


class Halt(msgspec.Struct, frozen=True):
    """A suspension as it is kept: times are POSIX seconds, `until` None when only an operator ends it."""

    kind: Kind
    name: str
    since: float
    until: float | None
    actor: str
    reason: str
    action: int = 0


class Gate:
    """Whether a lane may be claimed from, asked in the transaction of the claim: no claim follows the commit of a suspension, and
    none comes before a lane was given back whole. Costs nothing while nothing is suspended. `forget` after a rollback, and whenever
    a job of this room changed what it depends on."""

    def __init__(self) -> None:
        self._open: bool | None = None

    def forget(self) -> None:
        """Trust nothing that was remembered."""
        self._open = None

    def shut(self, db: sqlite3.Connection, lane: int, now: float) -> bool:
        """Whether this lane is suspended. One that is and does not know yet (it is new) learns it here, so that it is no longer due."""
        if self._open is None:
            self._open = not _anything(db)
        if self._open:
            return False
        since, covered = db.execute(
            f"SELECT l.suspended_since, {COVERED} FROM lane l WHERE l.id = ?", (lane,)
        ).fetchone()
        if since is None and covered:
            db.execute("UPDATE lane SET suspended_since = ? WHERE id = ?", (now, lane))
        return since is not None or bool(covered)


def stop_covered(db: sqlite3.Connection, lane: int, now: float) -> None:
    """A lane that is suspended and does not know yet stands still from now on, as the gate would have it."""
    db.execute(
        f"UPDATE lane AS l SET suspended_since = ? WHERE id = ? AND suspended_since IS NULL AND {COVERED}", (now, lane)
    )


def _anything(db: sqlite3.Connection) -> bool:
    kinds = ", ".join(f"'{kind}'" for kind in STOPS_DELIVERY)
    row = db.execute(
        f"SELECT EXISTS (SELECT 1 FROM suspension WHERE kind IN ({kinds})) OR EXISTS"
        " (SELECT 1 FROM lane INDEXED BY lane_suspended WHERE suspended_since IS NOT NULL)"
    ).fetchone()
    return bool(row[0])


def halts(db: sqlite3.Connection) -> tuple[Halt, ...]:
    """Everything that is suspended, in the order it was."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM suspension ORDER BY since, id").fetchall()
    return tuple(map(_halt, rows))


def find(db: sqlite3.Connection, kind: str, name: str) -> Halt | None:
    """The suspension of one thing; None when it is not suspended."""
    row = db.execute(f"SELECT {_COLUMNS} FROM suspension WHERE kind = ? AND name = ?", (kind, name)).fetchone()
    return None if row is None else _halt(row)


def _halt(row: tuple[object, ...]) -> Halt:
    return msgspec.convert(dict(zip(Halt.__struct_fields__, row, strict=True)), Halt)


def put(db: sqlite3.Connection, halt: Halt, stopped: float | None = None) -> None:
    """Suspend something, in place of how it was suspended before; its lanes stop, counted from `stopped` if it was resumed since."""
    db.execute(
        f"INSERT INTO suspension ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET"
        " since = excluded.since, until = excluded.until, actor = excluded.actor, reason = excluded.reason, action = excluded.action",
        msgspec.structs.astuple(halt),
    )
    _stop_lanes(db, halt, halt.since if stopped is None else stopped)


def remove(db: sqlite3.Connection, halt: Halt) -> None:
    """End a suspension. Its lanes stay stopped until `resuming` has given them back, those that came after its begin included."""
    _stop_lanes(db, halt, halt.since)
    db.execute("DELETE FROM suspension WHERE kind = ? AND name = ?", (halt.kind, halt.name))


def _stop_lanes(db: sqlite3.Connection, halt: Halt, since: float) -> None:
    if (which := _LANES.get(halt.kind)) is not None:
        db.execute(
            f"UPDATE lane AS l SET suspended_since = ?2 WHERE {which} AND suspended_since IS NULL",
            (halt.name, since),
        )


def suspended_since(db: sqlite3.Connection, lane: int) -> float | None:
    """Since when nothing is claimed from a lane; None when it is not suspended."""
    found: tuple[float | None] = db.execute("SELECT suspended_since FROM lane WHERE id = ?", (lane,)).fetchone()
    return found[0]


def suspended_for(since: float | None, row: int, now: float) -> float:
    """Seconds that a recipient has been kept by its lane, which is suspended `since`."""
    return 0.0 if since is None else max(0.0, now - max(since, arrived(row)))


def owed(db: sqlite3.Connection, lane: int, row: int, now: float) -> float:
    """Seconds that a recipient which waits in this lane from now on will be given for the time until now when its suspension ends
    (`resuming` counts from its begin or the recipient's arrival): who gives them before must take them off. Of a lane that is
    on its way back nobody knows whether this one is still met: better too much than too little."""
    found = db.execute(
        "SELECT suspended_since FROM lane WHERE id = ? AND suspended_since IS NOT NULL AND id NOT IN (SELECT lane FROM resuming)",
        (lane,),
    ).fetchone()
    return 0.0 if found is None else max(0.0, now - max(found[0], arrived(row)))


def arrived(row: int) -> float:
    """When a recipient was taken in (POSIX seconds), by its row: message ids count milliseconds."""
    return ID_EPOCH + (row >> RECIPIENT_BITS) / 1000


def waiting(db: sqlite3.Connection, kind: str, name: str) -> int:
    """Recipients that wait for something, by the tally; 0 of what stops intake."""
    if (which := _LANES.get(kind)) is None:
        return 0
    return int(db.execute(_WAITING.format(which), (name,)).fetchone()[0])


def known(db: sqlite3.Connection, kind: str, name: str) -> bool:
    """Whether such a destination or site was ever met; of anything else nobody can say."""
    if kind not in ("destination", "site"):
        return True
    row = db.execute(f"SELECT EXISTS (SELECT 1 FROM lane l WHERE {_LANES[kind]})", (name,)).fetchone()
    return bool(row[0])


async def seen(reader: Reader, halts: Iterable[Halt]) -> tuple[Suspension, ...]:
    """Suspensions as operators see them, with what waits for each."""
    found = []
    for halt in halts:
        which = _LANES.get(halt.kind)
        rows = await reader.fetch(_WAITING.format(which), (halt.name,)) if which else ((0,),)
        found.append(shown(halt, cast("int", rows[0][0])))
    return tuple(found)


async def changed_by(reader: Reader, action: int) -> tuple[tuple[DueLane, int, bool], ...]:
    """The recipients an action changed, as rows, each with its lane and whether that is stopped."""
    rows = await reader.fetch(
        "SELECT l.id, l.destination, l.route, ifnull(s.name, ''), i.recipient, l.suspended_since IS NOT NULL FROM action_item i"
        " JOIN recipient r ON r.id = i.recipient JOIN lane l ON l.id = r.lane LEFT JOIN site s ON s.id = l.site WHERE i.action = ?",
        (action,),
    )
    known = cast("Sequence[tuple[int, str, str, str, int, int]]", rows)
    return tuple(
        (DueLane(lane, domain, route, site), row, bool(stop)) for lane, domain, route, site, row, stop in known
    )


def shown(halt: Halt, waits: int) -> Suspension:
    """A suspension as operators see it."""
    until = moment_or_none(halt.until)
    return Suspension(halt.kind, halt.name, moment(halt.since), until, halt.actor, halt.reason, halt.action, waits)


def answer(db: sqlite3.Connection, verb: str, action: int, halt: Halt, former: Halt | None) -> Suspended:
    """What an operator is told of a suspension that was just made, changed or ended; action 0: that would be."""
    waits = waiting(db, halt.kind, halt.name)
    return Suspended(
        action=action,
        verb=verb,
        matched=1,
        done=1 if action else 0,
        skipped=0,
        failed=0,
        kind=halt.kind,
        name=halt.name,
        until=moment_or_none(halt.until),
        waiting=waits,
        known=known(db, halt.kind, halt.name),
        former=None if former is None else shown(former, waits),
        dry_run=not action,
    )
