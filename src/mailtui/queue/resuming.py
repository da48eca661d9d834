"""Giving lanes back after a suspension: the lifetime it took, and a turn for each of what became due meanwhile.

Owned here: the rows of `resuming`. A lane that nothing stops any more is worked off in transactions of some hundred recipients, each
with the place it got to, so that an end of the process in between neither loses nor repeats anything; until the last of them is
done nothing is claimed from it. Functions run in the writer's thread, inside its transaction.

Lifetime moves by the time from the begin of the suspension (or from its own arrival) to its end. What is planned for later is walked
in the order of its next attempt; what is due by the end leaves that order when it gets its turn, so it needs no cursor.

Where a rule paused the site meanwhile, the time that both took is given back once: by the pause (`restraints`) if that ended later than
the suspension, else here. So that both know which of them it is, a lane waits until a pause that is over has been ended.
"""

from __future__ import annotations

import math
import random
import sqlite3
from collections.abc import Callable
from typing import Final

import msgspec

from mailtui.queue.lanes import DueLane, settle_due
from mailtui.queue.suspension import COVERED, arrived

#: Recipients given back in one transaction, and lanes looked at.
BATCH: Final = 500
LANES: Final = 200
#: More than this many due recipients come back spread: so many a second, but over no more than SPREAD seconds.
BURST: Final = 100
RATE: Final = 20.0
SPREAD: Final = 900.0

_WAITS: Final = (
    "FROM recipient INDEXED BY recipient_due WHERE lane = ? AND state IN ('queued', 'deferred') AND next_attempt"
)
#: A moment of its own behind the end of the suspension, for what need not wait: it is then known to have had its turn.
_AT_ONCE: Final = 0.001


class _Lane(msgspec.Struct):
    """A lane on its way back: its row, since when it was suspended, until when, and how far its recipients are."""

    id: int
    since: float
    began: float
    spread: float
    due: int
    done: int
    upto: float
    upto_row: int


def begin(db: sqlite3.Connection, now: float) -> None:
    """Lanes that are stopped although nothing suspends them any more begin to come back."""
    lanes = [
        row[0]
        for row in db.execute(
            "SELECT l.id FROM lane l INDEXED BY lane_suspended WHERE l.suspended_since IS NOT NULL"
            f" AND l.id NOT IN (SELECT lane FROM resuming) AND NOT {COVERED}"
        )
    ]
    due = {lane: db.execute(f"SELECT count(*) {_WAITS} <= ?", (lane, now)).fetchone()[0] for lane in lanes}
    total: int = sum(due.values())
    spread = total / max(RATE, total / SPREAD) if total > BURST else 0.0
    db.executemany(
        "INSERT INTO resuming (lane, began, spread, due, upto) VALUES (?, ?, ?, ?, ?)",
        [(lane, now, spread, due[lane], now) for lane in lanes],
    )


#: Of a lane `l` on its way back `r`: whether a pause of its site is over and not yet ended. Nothing is tried there until it is.
_PAUSE_OVER: Final = (
    "EXISTS (SELECT 1 FROM restraint x WHERE x.paused = 1 AND x.ended_at IS NULL AND x.until <= r.began"
    " AND x.site = (SELECT name FROM site WHERE id = l.site))"
)


def waits(db: sqlite3.Connection) -> bool:
    """Whether lanes are on their way back."""
    return db.execute("SELECT 1 FROM resuming LIMIT 1").fetchone() is not None


def step(db: sqlite3.Connection, chance: Callable[[], float] = random.random) -> list[DueLane] | None:
    """The next BATCH recipients; the lanes that are back by it, None when none was left that can be given back now."""
    rows = db.execute(
        "SELECT r.lane, l.suspended_since, began, spread, due, done, upto, upto_row FROM resuming r JOIN lane l ON l.id = r.lane"
        f" WHERE l.suspended_since IS NOT NULL AND NOT {_PAUSE_OVER} ORDER BY r.lane LIMIT ?",
        (LANES,),
    ).fetchall()
    if not rows:
        return None
    room, back = BATCH, []
    for row in rows:
        lane = _Lane(*row)
        room -= _planned(db, lane, room)
        room -= _due(db, lane, room, chance)
        if room <= 0:
            _remember(db, lane)
            break
        back += _finish(db, lane)
    return back


def _planned(db: sqlite3.Connection, lane: _Lane, room: int) -> int:
    """What is planned for later keeps its time; how many were looked at."""
    rows = db.execute(
        f"SELECT id, next_attempt, action {_WAITS} > ? AND (next_attempt, id) > (?, ?) ORDER BY next_attempt, id LIMIT ?",
        (lane.id, lane.began, lane.upto, lane.upto_row, room),
    ).fetchall()
    if rows:
        lane.upto_row, lane.upto = rows[-1][:2]
        _lengthen(db, lane, [(row, at, action) for row, at, action in rows])
    if len(rows) < room:
        lane.upto = math.inf  # over: what is due gets its turn from now on, and must not be met here again
    return len(rows)


def _due(db: sqlite3.Connection, lane: _Lane, room: int, chance: Callable[[], float]) -> int:
    """What is due gets its turn, the longest due first; how many did."""
    if room <= 0:
        return 0
    rows = db.execute(
        f"SELECT id, action {_WAITS} <= ? ORDER BY next_attempt, id LIMIT ?", (lane.id, lane.began, room)
    ).fetchall()
    turns = []
    for i, (row, action) in enumerate(rows, lane.done):
        place = min((i + chance()) / max(lane.due, 1), 1.0)
        turns.append((row, lane.began + max(lane.spread * place, _AT_ONCE), action))
    lane.done += len(rows)
    _lengthen(db, lane, turns)
    return len(rows)


def _lengthen(db: sqlite3.Connection, lane: _Lane, turns: list[tuple[int, float, int]]) -> None:
    """Next attempts, and the lifetime that the suspension took; also where an undo would bring the old one back."""
    pause = _pause(db, lane)
    taken = [(_taken(lane, max(lane.since, arrived(row)), pause), at, row, action) for row, at, action in turns]
    db.executemany(
        "UPDATE recipient SET expires_at = expires_at + ?, next_attempt = ? WHERE id = ?", [item[:3] for item in taken]
    )
    db.executemany(
        "UPDATE action_item SET expires_at = expires_at + ? WHERE action = ? AND recipient = ?",
        [(longer, action, row) for longer, _, row, action in taken if action],
    )


def _taken(lane: _Lane, since: float, pause: tuple[float, float]) -> float:
    """Seconds of lifetime that the suspension took, but for those that the end of a pause of its site gives back (`restraints`)."""
    paused = min(lane.began, pause[1]) - max(since, pause[0])
    return max(0.0, lane.began - since - max(0.0, paused))


def _pause(db: sqlite3.Connection, lane: _Lane) -> tuple[float, float]:
    """From when to when rules have paused the site of a lane beyond the end of its suspension; an empty span for never. One that has
    been ended since gave that time back as well."""
    found: tuple[float | None, float | None] = db.execute(
        "SELECT min(credit_from), max(until) FROM restraint WHERE paused = 1 AND until > ?1 AND (ended_at IS NULL OR ended_at > ?1)"
        " AND site = (SELECT s.name FROM lane l JOIN site s ON s.id = l.site WHERE l.id = ?2)",
        (lane.began, lane.id),
    ).fetchone()
    return found[0] or 0.0, found[1] or 0.0


def _remember(db: sqlite3.Connection, lane: _Lane) -> None:
    db.execute(
        "UPDATE resuming SET done = ?, upto = ?, upto_row = ? WHERE lane = ?",
        (lane.done, lane.upto, lane.upto_row, lane.id),
    )


def _finish(db: sqlite3.Connection, lane: _Lane) -> list[DueLane]:
    """The lane is back, unless it was suspended again meanwhile: then from the end of the last time on."""
    db.execute("DELETE FROM resuming WHERE lane = ?", (lane.id,))
    db.execute(
        f"UPDATE lane AS l SET suspended_since = iif({COVERED}, ?1, NULL), resumed_at = ?1, back_by = ?2 WHERE id = ?3",
        (lane.began, lane.began + max(lane.spread, _AT_ONCE), lane.id),
    )
    settle_due(db, lane.id)
    row = db.execute(
        "SELECT l.id, destination, route, ifnull(s.name, '') FROM lane l LEFT JOIN site s ON s.id = l.site"
        " WHERE l.id = ? AND suspended_since IS NULL AND due_at IS NOT NULL",
        (lane.id,),
    ).fetchone()
    return [] if row is None else [DueLane(*row)]
