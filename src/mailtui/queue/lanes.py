"""Lanes and sites: under which numbers a destination by a route, and the hosts behind it, are known; and when they are due.

Owned here: the rows of `lane` and `site`, their back-off, and the cache of lane numbers. Functions run in the writer's thread,
inside its transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

#: Lane numbers remembered; a lane is ~100 bytes.
REMEMBERED: Final = 20_000


class DueLane(msgspec.Struct, frozen=True):
    """A lane that deserves a look: its row, destination, route key and, when it was seen before, the site's name."""

    id: int
    destination: str
    route: str
    site: str


class SiteRow(msgspec.Struct, frozen=True):
    """What the queue remembers of a site: consecutive failures, broken until when (POSIX seconds), why, the last probe's message."""

    name: str
    failures: int = 0
    broken_until: float = 0.0
    reason: str = ""
    last_probe: int = 0


class Lanes:
    """Finds or makes lane rows; `forget` after a rollback, which may have undone a row that was made."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str], int] = {}

    def forget(self) -> None:
        """Trust nothing that was remembered."""
        self._ids.clear()

    def id(self, db: sqlite3.Connection, destination: str, route: str) -> int:
        """The row of a destination by a route, made if it is new."""
        key = (destination, route)
        found = self._ids.get(key)
        if found is None:
            db.execute("INSERT INTO lane (destination, route) VALUES (?, ?) ON CONFLICT DO NOTHING", key)
            found = db.execute("SELECT id FROM lane WHERE destination = ? AND route = ?", key).fetchone()[0]
            if len(self._ids) >= REMEMBERED:
                self._ids.clear()
            self._ids[key] = found
        return found


def make_due(db: sqlite3.Connection, lane: int, at: float) -> None:
    """Something in this lane wants an attempt at `at`; a lane that may not be tried before later keeps that."""
    db.execute(
        "UPDATE lane SET due_at = max(not_before, ?1) WHERE id = ?2 AND (due_at IS NULL OR due_at > max(not_before, ?1))",
        (at, lane),
    )


def settle_due(db: sqlite3.Connection, lane: int) -> None:
    """Set a lane's due time to what truly waits in it."""
    db.execute(
        "UPDATE lane SET due_at = (SELECT max(lane.not_before, min(next_attempt)) FROM recipient"
        " WHERE lane = ?1 AND state IN ('queued', 'deferred')) WHERE id = ?1 AND due_at IS NOT NULL",
        (lane,),
    )


def due(db: sqlite3.Connection, now: float, limit: int, without: Sequence[str] = ()) -> list[DueLane]:
    """Lanes that deserve a look now, longest due first; none that is suspended, none of the sites `without`, which have enough at hand."""
    rows = db.execute(
        "SELECT lane.id, destination, route, ifnull(site.name, '') FROM lane INDEXED BY lane_due LEFT JOIN site ON site.id = lane.site"
        " WHERE suspended_since IS NULL AND due_at <= ?"
        " AND ifnull(site.name, '') NOT IN (SELECT value FROM json_each(?)) ORDER BY due_at LIMIT ?",
        (now, json.dumps(list(without)), limit),
    )
    return [DueLane(*row) for row in rows]


def enter_site(db: sqlite3.Connection, lane: int, name: str) -> SiteRow:
    """File a lane under the site its destination resolved to; what is remembered of that site."""
    db.execute("INSERT INTO site (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
    number, *rest = db.execute(
        "SELECT id, failures, broken_until, reason, last_probe FROM site WHERE name = ?", (name,)
    ).fetchone()
    row = SiteRow(name, *rest)
    db.execute(
        "UPDATE lane SET site = ?1, failures = 0, reason = '', not_before = ?3, due_at = max(due_at, ?3), gone_since = NULL WHERE id = ?2"
        " AND (site IS NOT ?1 OR failures > 0 OR not_before <> ?3)",
        (number, lane, row.broken_until),
    )
    return row


def failures_of(db: sqlite3.Connection, lane: int) -> int:
    """DNS failures in a row of a lane."""
    count: int = db.execute("SELECT failures FROM lane WHERE id = ?", (lane,)).fetchone()[0]
    return count


def park_lane(db: sqlite3.Connection, lane: int, until: float, reason: str) -> int:
    """DNS of a destination fails: nothing in its lane before `until`. The failures in a row so far."""
    db.execute(
        "UPDATE lane SET failures = failures + 1, not_before = ?1, reason = ?2, due_at = (SELECT max(ifnull(min(next_attempt), 0), ?1)"
        " FROM recipient WHERE lane = ?3 AND state IN ('queued', 'deferred')) WHERE id = ?3",
        (until, reason, lane),
    )
    count: int = db.execute("SELECT failures FROM lane WHERE id = ?", (lane,)).fetchone()[0]
    return count


def break_site(
    db: sqlite3.Connection, name: str, failures: int, until: float, reason: str, now: float, probe: int
) -> None:
    """The site does not work: all its lanes wait until `until`, when one recipient will probe it."""
    db.execute(
        "UPDATE site SET failures = ?, broken_until = ?, reason = ?, last_failure = ?, last_probe = ? WHERE name = ?",
        (failures, until, reason, now, probe, name),
    )
    db.execute(
        "UPDATE lane SET not_before = ?1, due_at = max(due_at, ?1) WHERE site = (SELECT id FROM site WHERE name = ?2)"
        " AND (not_before < ?1 OR due_at < ?1)",
        (until, name),
    )


def mend_site(db: sqlite3.Connection, name: str, now: float) -> None:
    """The site answered: its lanes may go on at once."""
    db.execute(
        "UPDATE site SET failures = 0, broken_until = 0, reason = '', last_success = ? WHERE name = ?", (now, name)
    )
    db.execute(
        "UPDATE lane SET not_before = 0, due_at = iif(due_at IS NULL, NULL, ?1)"
        " WHERE site = (SELECT id FROM site WHERE name = ?2) AND not_before > 0 AND failures = 0",
        (now, name),
    )


def drop_sites(db: sqlite3.Connection, before: float, limit: int) -> int:
    """Let go of up to `limit` sites that no lane is filed under any more and that were last met before a time; how many. Memory knows
    sites by name, and whoever files a lane under one makes its row again. Looks at all sites."""
    return db.execute(
        "DELETE FROM site WHERE id IN (SELECT id FROM site WHERE max(ifnull(last_success, 0), ifnull(last_failure, 0), broken_until) < ?"
        " AND NOT EXISTS (SELECT 1 FROM lane WHERE lane.site = site.id) LIMIT ?)",
        (before, limit),
    ).rowcount


def waiting(db: sqlite3.Connection) -> int:
    """Recipients in the queue, by the counters."""
    count: int = db.execute(
        "SELECT sum(n) FROM counter WHERE name IN ('queued', 'sending', 'deferred', 'held')"
    ).fetchone()[0]
    return count
