"""The rows of restraints: begun and continued with their audit, ended, lifted and brought back by operators; and the lifetime that a
pause did not use up.

Owned here: the table `restraint`. Functions run in the writer's thread, inside its transaction. When a restraint begins and ends is
decided by `throttle`.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from mailtui.config import Rate
from mailtui.model import format_recipient_id
from mailtui.queue import actions
from mailtui.queue.actions import Entry
from mailtui.queue.shape import Restraint
from mailtui.queue.suspension import COVERED

#: The verbs of the audit: a rule slows a site down or pauses it; an operator lifts that.
THROTTLE: Final = "throttle"
LIFT: Final = "lift"
RELAY: Final = "relay"
#: Recipients, and lanes, whose lifetime is put right in one transaction.
BATCH: Final = 500
LANES: Final = 100

_STANDING: Final = (
    "SELECT site, rule, since, until, count, cause, class, host, connections, rate_count, rate_seconds, paused, recipient, id, action"
    " FROM restraint WHERE ended_at IS NULL ORDER BY id"
)
_SAVE: Final = (
    "INSERT INTO restraint (site, rule, since, until, count, cause, class, host, connections, rate_count, rate_seconds, paused,"
    " recipient, credit_from) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (site, rule) WHERE ended_at IS NULL DO UPDATE SET until = excluded.until, count = excluded.count,"
    " cause = excluded.cause, class = excluded.class, host = excluded.host, connections = excluded.connections,"
    " rate_count = excluded.rate_count, rate_seconds = excluded.rate_seconds, paused = excluded.paused, recipient = excluded.recipient"
    " RETURNING id, action"
)
_LANES: Final = (  # and from when on a suspension gives the time back: `resuming` has the other half of this rule
    f"SELECT l.id, iif(b.lane IS NULL OR b.began >= ?1, l.suspended_since, iif({COVERED}, b.began, NULL)) FROM lane l"
    " JOIN site ON site.id = l.site LEFT JOIN resuming b ON b.lane = l.id WHERE site.name = ?2 AND l.id >= ?3 ORDER BY l.id LIMIT ?4"
)
_PAGE: Final = (
    "SELECT r.next_attempt, r.id, r.expires_at, m.received_at, m.sender FROM recipient r INDEXED BY recipient_due"
    " JOIN message m ON m.id = r.id >> 20 WHERE r.lane = ?1 AND r.state IN ('queued', 'deferred')"
    " AND r.next_attempt >= ?2 AND (r.next_attempt > ?2 OR r.id > ?3) ORDER BY r.next_attempt, r.id LIMIT ?4"
)


def standing(db: sqlite3.Connection) -> list[Restraint]:
    """Everything that stands, the oldest first."""
    return [_restraint(row) for row in db.execute(_STANDING)]


def _restraint(row: tuple[object, ...]) -> Restraint:
    site, rule, since, until, count, cause, class_, host, connections, n, seconds, paused, *rest = row
    rate = Rate(n, seconds) if isinstance(n, int) and n and isinstance(seconds, int) else None
    return Restraint(site, rule, since, until, count, cause, class_, host, connections, rate, bool(paused), *rest)  # type: ignore[arg-type]


def save(db: sqlite3.Connection, found: Restraint, now: float) -> tuple[int, int]:
    """Write one that begins, with its row in the audit, or what has become of one that stands. Its row, and that of the audit."""
    rate = found.rate or Rate(0, 0)
    number, action = db.execute(
        _SAVE,
        (
            *(found.site, found.rule, found.since, found.until, found.count, found.cause, found.class_, found.host),
            *(found.connections, rate.count, rate.seconds, found.paused, found.recipient, found.since),
        ),
    ).fetchone()
    if not action:
        args: dict[str, int | str | bool] = {"rule": found.rule, "does": found.does, "until": int(found.until)}
        if found.recipient:
            args["recipient"] = format_recipient_id(found.recipient)
        entry = Entry(now, RELAY, THROTTLE, f"site:{found.site}", f"{found.count} × {found.cause}", args)
        action = actions.at_once(db, entry)
        db.execute("UPDATE restraint SET action = ? WHERE id = ?", (action, number))
    return number, action


def end(db: sqlite3.Connection, site: str, rule: str, now: float) -> bool:
    """Its time is over; whether it is (it may have been continued meanwhile)."""
    done = db.execute(
        "UPDATE restraint SET ended_at = ? WHERE site = ? AND rule = ? AND ended_at IS NULL AND until <= ?",
        (now, site, rule, now),
    )
    return done.rowcount > 0


def drop_old(db: sqlite3.Connection, before: float, limit: int) -> int:
    """Let go of up to `limit` that ended before then; how many."""
    old = "SELECT id FROM restraint WHERE ended_at < ? LIMIT ?"
    return db.execute(f"DELETE FROM restraint WHERE id IN ({old})", (before, limit)).rowcount


# ---------------------------------------------------------------------- operators


def lift(db: sqlite3.Connection, site: str, entry: Entry) -> tuple[int, list[Restraint]]:
    """End everything that stands at a site now: the action (0 when there was nothing) and what it was."""
    found = [one for one in standing(db) if one.site == site and one.until > entry.at]
    if not found:
        return 0, []
    action = actions.at_once(db, entry, len(found))
    db.executemany(
        "UPDATE restraint SET former_until = until, until = ?, lifted_by = ? WHERE id = ?",
        [(entry.at, action, one.id) for one in found],
    )
    return action, found


def restore_throttle(db: sqlite3.Connection, action: int, entry: Entry) -> tuple[int, int, int]:
    """Undo what a rule did: the restraint of that action ends now. (1, 0, 0), or (0, 1, 0) when it is over already."""
    done = db.execute(
        "UPDATE restraint SET former_until = until, until = ? WHERE action = ? AND ended_at IS NULL AND until > ?",
        (entry.at, action, entry.at),
    ).rowcount
    return done, 1 - done, 0


def restore_lift(db: sqlite3.Connection, action: int, entry: Entry) -> tuple[int, int, int]:
    """Undo a lift: what it ended stands again until its former time; over for good is what would have ended since, or what stands
    again by itself."""
    rows = db.execute("SELECT id FROM restraint WHERE lifted_by = ?", (action,)).fetchall()
    done = sum(
        db.execute(
            "UPDATE OR IGNORE restraint SET until = former_until, ended_at = NULL, lifted_by = 0, credit_from = ?1, credit_lane = 0,"
            " credit_next = 0, credit_row = 0 WHERE id = ?2 AND former_until > ?1",
            (entry.at, row[0]),
        ).rowcount
        for row in rows
    )
    return done, len(rows) - done, 0


# ---------------------------------------------------------------------- what a pause did not use up


def credit(db: sqlite3.Connection, site: str, rule: str, lifetimes: tuple[float, float]) -> bool:
    """Give what waits at a site the time back that a pause took, a batch of it; whether there is more to do.

    `lifetimes` are those of mail with a sender and of bounces, in seconds: all pauses together give a recipient at most one lifetime
    more, so that a site which is paused for ever does not keep mail for ever. A pause that ends while another stands hands its time
    to that. Nothing is tried at the site meanwhile, which is what keeps the place where a batch ended true.
    """
    row = db.execute(
        "SELECT id, credit_from, until, credit_lane, credit_next, credit_row FROM restraint"
        " WHERE site = ? AND rule = ? AND ended_at IS NULL AND paused = 1",
        (site, rule),
    ).fetchone()
    if row is None:
        return False
    number, began, until, lane, after, last = row
    if not lane and _handed_over(db, site, number, began, until):
        return False
    left = BATCH
    lanes = db.execute(_LANES, (until, site, lane, LANES)).fetchall()
    for found, suspended in lanes:
        if found != lane:
            after, last = 0.0, 0
        end = until if suspended is None else min(until, suspended)  # from there on the suspension gives it back
        rows = db.execute(_PAGE, (found, after, last, left)).fetchall()
        db.executemany(
            "UPDATE recipient SET expires_at = ? WHERE id = ?",
            [(_credited(one, began, end, lifetimes), one[1]) for one in rows],
        )
        if len(rows) == left:
            return _go_on(db, number, found, rows[-1][0], rows[-1][1])
        left -= len(rows)
    return len(lanes) == LANES and _go_on(db, number, lanes[-1][0] + 1, 0.0, 0)


def _credited(
    row: tuple[float, int, float, float, str], began: float, until: float, lifetimes: tuple[float, float]
) -> float:
    """When the lifetime of a recipient ends, the pause not counted."""
    _, _, expires_at, received_at, sender = row
    most = received_at + 2 * lifetimes[0 if sender else 1]
    return max(expires_at, min(most, expires_at + max(0.0, until - max(began, received_at))))


def _handed_over(db: sqlite3.Connection, site: str, number: int, began: float, until: float) -> bool:
    other = db.execute(
        "UPDATE restraint SET credit_from = min(credit_from, ?) WHERE id = (SELECT id FROM restraint WHERE site = ? AND id <> ?"
        " AND ended_at IS NULL AND paused = 1 AND until > ? LIMIT 1)",
        (began, site, number, until),
    )
    return other.rowcount > 0


def _go_on(db: sqlite3.Connection, number: int, lane: int, next_attempt: float, row: int) -> bool:
    db.execute(
        "UPDATE restraint SET credit_lane = ?, credit_next = ?, credit_row = ? WHERE id = ?",
        (lane, next_attempt, row, number),
    )
    return True
