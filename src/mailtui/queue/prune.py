"""Letting go of what is past its time: bodies of finished messages, the trash, history, samples, free pages.

Owned here: what may go when, each step small so that mail flows between them; `pruner` calls them. Life-long counters
are never touched. What waits is never touched either: a body goes only when its last recipient is finished and nobody
may want it back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from mailtui.model import CONTENT_BITS, RECIPIENT_BITS
from mailtui.queue import actions, hold_rules, lanes, restraints
from mailtui.queue.database import open_reader
from mailtui.queue.verbs import BOUNCE_DELAY

#: One transaction: messages, finished messages looked at, octets of bodies, rows of other tables, pages given back to the file system.
MESSAGES: Final = 100
LOOKS: Final = 2000
OCTETS: Final = 16 * 1024 * 1024
ROWS: Final = 1000
PAGES: Final = 256
#: Free pages kept for what arrives next, and the share of the file that may be free.
RESERVE: Final = 2048
FREE_SHARE: Final = 10
#: How long samples are kept, in seconds: of minutes, and of hours.
SAMPLES: Final = 48 * 3600.0
HOURS: Final = 90 * 86400.0
#: A finish this fresh, in seconds, may still be followed by the commit of an earlier one.
SETTLED: Final = 5.0


class Keep(msgspec.Struct, frozen=True):
    """How long things are kept, seconds; `history_size` octets of the file beside the bodies of what waits."""

    history: float
    history_size: int
    trash: float


class Swept(msgspec.Struct, frozen=True):
    """What was let go of: history messages, bodies, octets given back to the disk, and other rows. `more`: there may be more
    of this kind."""

    messages: int = 0
    bodies: int = 0
    freed: int = 0
    rows: int = 0
    more: bool = False

    def __bool__(self) -> bool:
        return bool(self.messages or self.bodies or self.freed or self.rows or self.more)

    def __add__(self, other: Swept) -> Swept:
        return Swept(
            self.messages + other.messages, self.bodies + other.bodies, self.freed + other.freed, self.rows + other.rows
        )


#: Where the look for bodies has come to: time of finishing and number of the last message that was looked at.
Place = tuple[float, int]

#: Samples and their keys; the first column says when, in steps of so many seconds, and how long they are kept.
_AGING: Final = (
    ("sample", "minute, lane", 60, SAMPLES),
    ("failure", "minute, lane, fingerprint", 60, SAMPLES),
    ("moment", "minute", 60, SAMPLES),
    ("usual", "hour, site, lane, fingerprint", 3600, SAMPLES),
    ("sample_hour", "hour, lane", 3600, HOURS),
    ("failure_hour", "hour, lane, fingerprint", 3600, HOURS),
    ("moment_hour", "hour", 3600, HOURS),
)
_LEFT: Final = "FROM message m INDEXED BY message_leftover WHERE m.finished_at IS NOT NULL AND m.body = 1"
_AGED: Final = f"SELECT m.id, m.size {_LEFT} AND m.finished_at < ? ORDER BY m.finished_at LIMIT ?"
_YOUNG: Final = (
    "SELECT m.id, m.size, m.finished_at,"
    f" EXISTS (SELECT 1 FROM recipient r WHERE r.id BETWEEN m.id << {RECIPIENT_BITS} AND (m.id + 1 << {RECIPIENT_BITS}) - 1"
    " AND (r.state IN ('purged', 'suppressed') AND r.changed_at >= ?5"
    " OR r.state = 'bounced' AND r.former_state IS NOT NULL AND r.changed_at >= ?6))"
    f" {_LEFT} AND (m.finished_at, m.id) > (?1, ?2) AND m.finished_at <= ?3 ORDER BY m.finished_at, m.id LIMIT ?4"
)


# ---------------------------------------------------------------------- one step each, in the writer's thread


def drop_bodies(db: sqlite3.Connection, keep: Keep, now: float, place: Place) -> tuple[Swept, Place]:
    """Bodies of finished messages, except where a purged or suppressed recipient may still be restored from the trash, or a
    bounce of an operator be taken back. Those are looked at once and then, from `place` on, passed over until their time."""
    aged = db.execute(_AGED, (now - keep.trash, MESSAGES)).fetchall()
    if aged:
        return Swept(bodies=_drop(db, aged), more=True), place
    place = max(place, (now - keep.trash, 0))
    young = db.execute(_YOUNG, (*place, now - SETTLED, LOOKS, now - keep.trash, now - BOUNCE_DELAY)).fetchall()
    last, octets = place, 0
    going: list[tuple[int, int]] = []
    for message, size, finished_at, wanted in young:
        if len(going) == MESSAGES or octets > OCTETS:
            break
        last = (finished_at, message)
        if not wanted:
            going.append((message, size))
            octets += size
    return Swept(bodies=_drop(db, going), more=last != place), last


def _drop(db: sqlite3.Connection, messages: Iterable[tuple[int, int]]) -> int:
    bodies = 0
    for message, _ in messages:
        db.execute(
            "DELETE FROM content WHERE id BETWEEN ? AND ?", (message << CONTENT_BITS, (message + 1 << CONTENT_BITS) - 1)
        )
        db.execute("UPDATE message SET body = 0 WHERE id = ?", (message,))
        bodies += 1
    return bodies


def drop_history(db: sqlite3.Connection, before: float) -> Swept:
    """Messages finished before a time, oldest first, with all that is known of them; a body in the trash keeps its message."""
    rows = db.execute(
        "SELECT id FROM message INDEXED BY message_finished WHERE finished_at IS NOT NULL AND finished_at < ? AND body = 0"
        " ORDER BY finished_at LIMIT ?",
        (before, MESSAGES),
    ).fetchall()
    for (message,) in rows:
        span = (message << RECIPIENT_BITS, (message + 1 << RECIPIENT_BITS) - 1)
        # A dialogue belongs to one message; how a connection began may belong to several and goes by age.
        db.execute(
            "DELETE FROM transcript WHERE id IN (SELECT dialogue FROM attempt WHERE recipient BETWEEN ? AND ? AND dialogue > 0)",
            span,
        )
        db.execute("DELETE FROM attempt WHERE recipient BETWEEN ? AND ?", span)
        db.execute("DELETE FROM recipient WHERE id BETWEEN ? AND ?", span)
        db.execute("DELETE FROM event WHERE message = ?", (message,))
        db.execute("DELETE FROM message WHERE id = ?", (message,))
    return Swept(messages=len(rows))


def drop_old_rows(db: sqlite3.Connection, keep: Keep, now: float) -> Swept:
    """Samples, transcripts, events of no message, actions and hold rules that are too old, and what has ended of the suppression
    list. Ids of transcripts, events and actions rise with time, so the first rows tell."""
    gone = 0
    for table, key, seconds, kept in _AGING:
        old = f"SELECT {key} FROM {table} WHERE {key.partition(',')[0]} < ? LIMIT ?"
        gone += db.execute(
            f"DELETE FROM {table} WHERE ({key}) IN ({old})", (int((now - kept) // seconds), ROWS)
        ).rowcount
    gone += db.execute(
        "DELETE FROM suppression WHERE id IN (SELECT id FROM suppression WHERE expires <= ? LIMIT ?)", (now, ROWS)
    ).rowcount
    for first in (
        "SELECT id, at FROM transcript ORDER BY id LIMIT ?",
        "SELECT id, at FROM event WHERE message = 0 ORDER BY id LIMIT ?",
    ):
        table = first.split()[4]
        rows = [(row,) for row, at in db.execute(first, (ROWS,)) if at < now - keep.history]
        gone += db.executemany(f"DELETE FROM {table} WHERE id = ?", rows).rowcount if rows else 0
    gone += restraints.drop_old(db, now - keep.history, ROWS)
    gone += actions.drop_old(db, now - keep.history, ROWS)
    gone += hold_rules.drop_old(db, now - keep.history, ROWS)
    return Swept(rows=gone)


def drop_unused(db: sqlite3.Connection, keep: Keep, now: float) -> Swept:
    """Counts of nothing, failure groups that no recipient is in and no hour tells of any more, and sites that no destination leads to
    any more. Looks at these tables whole. Lanes stay: see docs/known-issues.md."""
    gone = sum(db.execute(f"DELETE FROM {table} WHERE n = 0").rowcount for table in ("tally", "age"))
    gone += db.execute(
        "DELETE FROM fingerprint WHERE last_seen < ? AND id NOT IN (SELECT fingerprint FROM tally)"
        " AND NOT EXISTS (SELECT 1 FROM failure_hour h WHERE h.fingerprint = fingerprint.id)",
        (now - keep.history,),
    ).rowcount
    gone += lanes.drop_sites(db, now - keep.history, ROWS)
    return Swept(rows=gone)


def give_back(db: sqlite3.Connection) -> Swept:
    """Free pages beyond the reserve, to the file system."""
    size, pages, free = _pages(db)
    surplus = free - max(RESERVE, pages // FREE_SHARE)
    if surplus <= 0:
        return Swept()
    db.execute(f"PRAGMA incremental_vacuum({min(PAGES, surplus)})").fetchall()
    return Swept(freed=(pages - _pages(db)[1]) * size)


def _pages(db: sqlite3.Connection) -> tuple[int, int, int]:
    """Page size in octets, pages of the file, free ones among them."""
    size, pages, free = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
    )
    return size, pages, free


def used(db: sqlite3.Connection) -> int:
    """Octets of the file that hold something."""
    size, pages, free = _pages(db)
    return size * (pages - free)


def waiting_octets(path: Path) -> int:
    """Octets of the bodies of what waits: they are not history, whatever `history_size` says. Reads every waiting message."""
    db = open_reader(path)
    try:
        found: int = db.execute(
            "SELECT ifnull(sum(m.size), 0) FROM (SELECT DISTINCT id >> ? AS n FROM recipient"
            " WHERE state IN ('queued', 'sending', 'deferred', 'held')) w JOIN message m ON m.id = w.n",
            (RECIPIENT_BITS,),
        ).fetchone()[0]
        return found
    finally:
        db.close()
