"""Saving what can be read of a damaged queue file into a new one (`mailtui check-queue --recover NEW`).

Owned here: reading around damage, table by table, and making the counts of the new file true. Nothing incomplete is ever sent:
waiting recipients whose body is not whole are held, with the reason. The old file is only read.
"""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, cast

import msgspec

from mailtui.errors import QueueError
from mailtui.model import CONTENT_BITS, ID_EPOCH, RECIPIENT_BITS
from mailtui.queue import aging
from mailtui.queue.database import open_reader, open_writer

#: Tables with the integer key they are read by. The tally and the counts by age follow from the recipients.
_TABLES: Final = (
    ("site", "id"),
    ("lane", "id"),
    ("fingerprint", "id"),
    ("message", "id"),
    ("content", "id"),
    ("recipient", "id"),
    ("attempt", "recipient"),
    ("transcript", "id"),
    ("event", "id"),
    ("action", "id"),
    ("action_item", "action"),
    ("action_dsn", "action"),
    ("action_entry", "action"),
    ("sample", "minute"),
    ("failure", "minute"),
    ("moment", "minute"),
    ("sample_hour", "hour"),
    ("failure_hour", "hour"),
    ("usual", "hour"),
    ("moment_hour", "hour"),
    ("suppression", "id"),
    ("suspension", "id"),
    ("suspension_change", "action"),
    ("resuming", "lane"),
    ("hold_rule", "id"),
    ("restraint", "id"),
)
_WAITS: Final = "state IN ('queued', 'sending', 'deferred', 'held')"
_HIGHEST: Final = (1 << 63) - 1
#: Looks into what cannot be read of a table, in ever smaller parts.
_PROBES: Final = 2000

Read = Callable[[str, int, int], Iterator[tuple[object, ...]]]


class Recovered(msgspec.Struct, frozen=True):
    """What was saved: rows by table, tables that could not be read to their end, recipients held because their body is not whole,
    recipients lost because their message is gone."""

    rows: dict[str, int]
    damaged: tuple[str, ...]
    held: int
    lost: int


def recover(path: Path, new: Path) -> Recovered:
    """Save a queue file into the new file `new`. QueueError when `new` exists or nothing at all can be read.

    SQLite finds rows from the first page of their table: where that one is damaged the table is lost, and `damaged` names it.
    """
    if new.exists():
        raise QueueError(f"{new}: exists already; name a new file")
    try:
        old = open_reader(path)
        old.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.DatabaseError as error:
        raise QueueError(f"{path}: nothing can be read: {error}") from error
    old.text_factory = lambda data: data.decode("utf-8", "replace")
    db = open_writer(new)
    try:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute("BEGIN")
        saved = [_save(old, db, table, key) for table, key in _TABLES]
        lost, held = _mend(old, db, time.time())
        db.execute("COMMIT")
    finally:
        db.close()
        old.close()
    rows = {table: n for (table, _), (n, _) in zip(_TABLES, saved, strict=True)}
    damaged = tuple(table for (table, _), (_, whole) in zip(_TABLES, saved, strict=True) if not whole)
    return Recovered(rows, damaged, held, lost)


# ---------------------------------------------------------------------- reading around damage


def _save(old: sqlite3.Connection, db: sqlite3.Connection, table: str, key: str) -> tuple[int, bool]:
    """Copy what can be read of a table; how many rows, and whether that was all."""
    known = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}  # an older file may lack some
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[1] in known]
    if not columns:
        return 0, True
    places = ", ".join("?" * len(columns))
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({places})"
    damage: list[str] = []

    def read(order: str, low: int, high: int) -> Iterator[tuple[object, ...]]:
        found = old.execute(
            f"SELECT {', '.join(columns)} FROM {table} WHERE {key} BETWEEN ? AND ? ORDER BY {key} {order}", (low, high)
        )
        yield from found

    n = 0
    for row in _readable(read, columns.index(key), damage):
        try:
            n += db.execute(insert, row).rowcount
        except sqlite3.IntegrityError as error:  # a row that breaks the rules of the schema is damage too
            damage.append(str(error))
    return n, not damage


def _readable(read: Read, key: int, damage: list[str]) -> Iterator[tuple[object, ...]]:
    """The rows of a table: upwards to the damage, downwards to it, and then the same in the halves of what lies between."""
    gaps = deque([(0, _HIGHEST)])
    for _ in range(_PROBES):
        if not gaps:
            return
        low, high = gaps.popleft()
        up, down = low - 1, high + 1
        try:
            for row in read("ASC", low, high):
                yield row
                up = cast("int", row[key])
            continue
        except sqlite3.DatabaseError as error:
            damage.append(str(error))
        try:
            for row in read("DESC", up + 1, high):
                yield row
                down = cast("int", row[key])
            continue
        except sqlite3.DatabaseError as error:
            damage.append(str(error))
        middle = (up + down) // 2
        gaps += [(first, last) for first, last in ((up + 1, middle), (middle + 1, down - 1)) if first <= last]


# ---------------------------------------------------------------------- making the new file true


def _mend(old: sqlite3.Connection, db: sqlite3.Connection, now: float) -> tuple[int, int]:
    """Recipients lost (their message is gone) and held (their body is not whole); then lanes, counts and counters are set right."""
    lost: int = db.execute(
        f"DELETE FROM recipient WHERE id >> {RECIPIENT_BITS} NOT IN (SELECT id FROM message)"
    ).rowcount
    db.execute("DELETE FROM message WHERE phase = 'receiving'")
    db.execute(f"DELETE FROM content WHERE id >> {CONTENT_BITS} NOT IN (SELECT id FROM message WHERE body = 1)")
    held = _hold_unwhole(db, now)
    _relane(db)
    _recount(db, now)
    _restore_counters(old, db)
    # Ids are never used twice, not even those of what was lost.
    top = max(int((now - ID_EPOCH) * 1000), db.execute("SELECT ifnull(max(id), 0) FROM message").fetchone()[0])
    db.execute("DELETE FROM sqlite_sequence WHERE name = 'message'")
    db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('message', ?)", (top,))
    return lost, held


def _hold_unwhole(db: sqlite3.Connection, now: float) -> int:
    sizes = f"SELECT id >> {CONTENT_BITS} AS message, sum(length(chunk)) AS octets FROM content GROUP BY 1"
    reason = "the body was damaged and is not whole: it cannot be sent"
    rows = db.execute(
        f"WITH size AS ({sizes}) SELECT r.id, r.id >> {RECIPIENT_BITS}, r.id & {(1 << RECIPIENT_BITS) - 1} FROM recipient r"
        f" JOIN message m ON m.id = r.id >> {RECIPIENT_BITS} LEFT JOIN size ON size.message = m.id"
        f" WHERE r.{_WAITS} AND ifnull(octets, 0) <> m.size"
    ).fetchall()
    for row, message, n in rows:
        db.execute(
            "UPDATE recipient SET state = 'held', text = ?, former_state = 'queued', former_next = next_attempt, changed_at = ?"
            " WHERE id = ?",
            (reason, now, row),
        )
        db.execute(
            "INSERT INTO event (at, message, recipient, kind, text) VALUES (?, ?, ?, 'held', ?)",
            (now, message, n, reason),
        )
    return len(rows)


def _relane(db: sqlite3.Connection) -> None:
    """Recipients whose lane is gone get one by their domain; no route has this key, so the next start files them anew."""
    lanes = db.execute(
        "SELECT lane, min(address) FROM recipient WHERE lane NOT IN (SELECT id FROM lane) GROUP BY lane"
    ).fetchall()
    for lane, address in lanes:
        db.execute(
            "INSERT INTO lane (id, destination, route) VALUES (?, ?, ?)",
            (lane, address.rpartition("@")[2], f"lost {lane}"),
        )
    db.execute("UPDATE lane SET site = NULL WHERE site NOT IN (SELECT id FROM site)")
    db.execute(
        "UPDATE lane SET due_at = (SELECT max(lane.not_before, min(next_attempt)) FROM recipient"
        " WHERE lane = lane.id AND state IN ('queued', 'deferred'))"
    )
    db.execute("DELETE FROM setting WHERE name = 'routes'")


def _recount(db: sqlite3.Connection, now: float) -> None:
    db.execute(
        f"UPDATE message SET unfinished = (SELECT count(*) FROM recipient r WHERE r.id BETWEEN message.id << {RECIPIENT_BITS}"
        f" AND (message.id + 1 << {RECIPIENT_BITS}) - 1 AND r.{_WAITS})"
    )
    db.execute("UPDATE message SET finished_at = iif(unfinished > 0, NULL, ifnull(finished_at, ?))", (now,))
    db.execute(f"UPDATE message SET body = id IN (SELECT id >> {CONTENT_BITS} FROM content) OR unfinished > 0")
    db.execute("DELETE FROM tally")
    db.execute(
        "INSERT INTO tally (lane, state, fingerprint, n) SELECT lane, state, fingerprint, count(*) FROM recipient GROUP BY 1, 2, 3"
    )
    aging.recount(db)


def _restore_counters(old: sqlite3.Connection, db: sqlite3.Connection) -> None:
    """Life-long totals from the old file, never below the rows; what waits from the rows; accepted so that the ledger holds."""
    try:
        before: dict[str, int] = dict(old.execute("SELECT name, n FROM counter"))
    except sqlite3.DatabaseError:
        before = {}
    rows: dict[str, int] = dict(db.execute("SELECT state, count(*) FROM recipient GROUP BY state"))
    now = {state: rows.get(state, 0) for state in ("queued", "sending", "deferred", "held")}
    now |= {
        state: max(before.get(state, 0), rows.get(state, 0))
        for state in ("delivered", "bounced", "suppressed", "purged")
    }
    now["accepted"] = sum(now.values())
    db.executemany("UPDATE counter SET n = ? WHERE name = ?", [(n, name) for name, n in now.items()])
