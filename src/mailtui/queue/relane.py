"""Filing what waits by the routes of a changed configuration.

Owned here: the pass over the waiting recipients after a start or reload with other `[[route]]` rules. It runs in small
transactions beside the mail that flows. Functions run in the writer's thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from typing import Final

from mailtui.model import RECIPIENT_BITS, Address, parse_address
from mailtui.queue import rerouting
from mailtui.queue.lanes import DueLane, Lanes, make_due
from mailtui.queue.suspension import stop_covered

BATCH: Final = 1000
_SETTING: Final = "routes"


def changed(db: sqlite3.Connection, rules: str) -> bool:
    """Whether the rules differ from those the queue was filed by; `rules` is any text that stands for them."""
    row = db.execute("SELECT value FROM setting WHERE name = ?", (_SETTING,)).fetchone()
    return row is None or row[0] != rules


def remember(db: sqlite3.Connection, rules: str) -> None:
    """Everything is filed by these rules now."""
    db.execute(
        "INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (_SETTING, rules),
    )


def refile(
    db: sqlite3.Connection,
    lanes: Lanes,
    route_of: Callable[[Address, str, int], str],
    after: int,
    routes: Collection[str] = (),
    now: float = 0.0,
) -> tuple[int | None, int]:
    """File up to BATCH waiting recipients behind row `after`; (last row looked at or None at the end, how many moved). What an
    operator sent by one of the `routes` there are stays where it is."""
    rows = db.execute(
        "SELECT r.id, m.sender, l.destination, r.attempts, l.route, r.next_attempt, r.rerouted, r.lane"
        " FROM recipient r INDEXED BY recipient_waiting"
        f" JOIN message m ON m.id = r.id >> {RECIPIENT_BITS} JOIN lane l ON l.id = r.lane"
        " WHERE r.state IN ('queued', 'sending', 'deferred', 'held') AND r.id > ? ORDER BY r.id LIMIT ?",
        (after, BATCH),
    ).fetchall()
    moved, met = 0, set[int]()
    for row, sender, destination, attempts, route, next_attempt, rerouted, old in rows:
        if rerouted and route in routes:
            continue
        wanted = route_of(parse_address(sender), destination, attempts)
        if rerouted:
            rerouting.let_go(db, row, route, now)
        if wanted != route:
            lane = lanes.id(db, destination, wanted)
            if lane not in met:
                stop_covered(db, lane, now)
                met.add(lane)
            rerouting.keep_lifetime(db, row, old, lane, now)
            db.execute("UPDATE recipient SET lane = ? WHERE id = ?", (lane, row))
            make_due(db, lane, next_attempt)
            moved += 1
    return (rows[-1][0] if len(rows) == BATCH else None), moved


def fall_back(
    db: sqlite3.Connection,
    lanes: Lanes,
    route_of: Callable[[Address, str, int], str],
    site: str,
    failures: int,
    after: int,
) -> tuple[int | None, list[DueLane]]:
    """A site failed `failures` times in a row: what waits behind it counts those as its own attempts when routes are chosen.

    Otherwise only the probe would ever collect the attempts after which a fallback route (`after_attempts`) applies. Looks at up to
    BATCH recipients behind row `after`; (last row looked at or None at the end, the lanes some went to).
    """
    rows = db.execute(
        "SELECT r.id, m.sender, l.destination, r.attempts, l.route, r.next_attempt FROM lane l"
        " JOIN recipient r INDEXED BY recipient_due ON r.lane = l.id AND r.state IN ('queued', 'deferred')"
        " AND r.rerouted = 0"
        f" JOIN message m ON m.id = r.id >> {RECIPIENT_BITS}"
        " WHERE l.site = (SELECT id FROM site WHERE name = ?) AND r.id > ? ORDER BY r.id LIMIT ?",
        (site, after, BATCH),
    ).fetchall()
    moved: dict[int, DueLane] = {}
    for row, sender, destination, attempts, route, next_attempt in rows:
        wanted = route_of(parse_address(sender), destination, max(attempts, failures))
        if wanted != route:
            lane = lanes.id(db, destination, wanted)
            db.execute("UPDATE recipient SET lane = ? WHERE id = ?", (lane, row))
            make_due(db, lane, next_attempt)
            moved[lane] = DueLane(lane, destination, wanted, "")
    return (rows[-1][0] if len(rows) == BATCH else None), list(moved.values())
