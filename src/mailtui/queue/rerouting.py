"""Sending recipients another way: out of their lanes into those of the same destinations by a route that an operator names.

Owned here: the move and the way back, with when both lanes are due. State, schedule and lifetime stay: what is due stays due. Which
routes there are is `delivery`'s to say; the mark `rerouted` keeps the rules of the configuration from moving them again. Functions run
in the writer's thread, inside its transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from mailtui.model import RECIPIENT_BITS
from mailtui.queue.lanes import Lanes, make_due, settle_due
from mailtui.queue.suspension import owed, stop_covered

_STAND: Final = (
    "SELECT r.id, r.lane, l.destination FROM json_each(?) j CROSS JOIN recipient r ON r.id = j.value"
    " JOIN lane l ON l.id = r.lane"
)
_FORMER: Final = (
    "SELECT i.recipient, r.lane, i.lane FROM json_each(?) j CROSS JOIN action_item i ON i.action = ? AND i.recipient = j.value"
    " JOIN recipient r ON r.id = i.recipient"
)
_FIRST: Final = (
    "SELECT lane, min(next_attempt) FROM json_each(?) j CROSS JOIN recipient r ON r.id = j.value"
    " WHERE state IN ('queued', 'deferred') GROUP BY lane"
)


def move(db: sqlite3.Connection, rows: Sequence[int], route: str, now: float) -> None:
    """Put recipients into the lanes of their destinations by the route of this key, where the rules leave them."""
    lanes = Lanes()
    old: set[int] = set()
    met: set[int] = set()
    for row, lane, destination in db.execute(_STAND, (json.dumps(list(rows)),)).fetchall():
        old.add(lane)
        new = lanes.id(db, destination, route)
        if new not in met:
            stop_covered(db, new, now)
            met.add(new)
        keep_lifetime(db, row, lane, new, now)
        db.execute("UPDATE recipient SET lane = ?, rerouted = 1 WHERE id = ?", (new, row))
    _settle(db, rows, old)


def bring_back(db: sqlite3.Connection, action: int, rows: Sequence[int], now: float) -> tuple[int, ...]:
    """Put recipients back where they stood before an action; those lanes."""
    old: set[int] = set()
    new: dict[int, None] = {}
    for row, lane, former in db.execute(_FORMER, (json.dumps(list(rows)), action)).fetchall():
        old.add(lane)
        if former not in new:
            stop_covered(db, former, now)
            new[former] = None
        keep_lifetime(db, row, lane, former, now)
        db.execute(
            "UPDATE recipient SET (lane, rerouted, action) = (SELECT i.lane, i.rerouted, i.before FROM action_item i"
            " WHERE i.action = ?1 AND i.recipient = ?2) WHERE id = ?2",
            (action, row),
        )
    _settle(db, rows, old)
    return tuple(new)


def keep_lifetime(db: sqlite3.Connection, row: int, old: int, new: int, now: float) -> None:
    """A recipient that waits is about to change its lane: what the suspension of the old one took is given back here, as that of
    the new one will only count from its own begin. The new lane must know whether it is suspended (`stop_covered`)."""
    lost = owed(db, old, row, now) - owed(db, new, row, now)
    if lost:
        db.execute(
            "UPDATE recipient SET expires_at = expires_at + ? WHERE id = ? AND state IN ('queued', 'deferred')",
            (lost, row),
        )


def _settle(db: sqlite3.Connection, rows: Sequence[int], old: Iterable[int]) -> None:
    """Their new lanes are due when they are, those they left when what is left there is."""
    first: Mapping[int, float] = dict(db.execute(_FIRST, (json.dumps(list(rows)),)).fetchall())
    for lane, at in first.items():
        make_due(db, lane, at)
    for lane in old:
        settle_due(db, lane)


def let_go(db: sqlite3.Connection, row: int, route: str, now: float) -> None:
    """The route an operator chose is gone from the configuration: its rules apply to this recipient again."""
    db.execute("UPDATE recipient SET rerouted = 0 WHERE id = ?", (row,))
    db.execute(
        "INSERT INTO event (at, message, recipient, kind, text) VALUES (?, ?, ?, 'route', ?)",
        (
            *(now, row >> RECIPIENT_BITS, row & (1 << RECIPIENT_BITS) - 1),
            f"{route} is gone from the configuration: its rules apply again",
        ),
    )
