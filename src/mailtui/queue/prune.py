"""Letting go of what is past its time: bodies of finished messages, the trash, history, samples, free pages.

Owned here: what may go when, in small transactions so that mail flows between them. Life-long counters are never touched. What
waits is never touched either: a body goes only when its last recipient is finished and nobody may want it back.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from mailtui.model import CONTENT_BITS, RECIPIENT_BITS
from mailtui.queue.database import open_reader
from mailtui.queue.verbs import BOUNCE_DELAY

T = TypeVar("T")

#: One transaction: messages, octets of bodies, rows of other tables, pages given back to the file system.
MESSAGES: Final = 100
OCTETS: Final = 16 * 1024 * 1024
ROWS: Final = 1000
PAGES: Final = 256
#: Free pages kept for what arrives next, and the share of the file that may be free.
RESERVE: Final = 2048
FREE_SHARE: Final = 10
#: How long samples are kept, and how often the slow looks are taken, in seconds.
SAMPLES: Final = 48 * 3600.0
SLOW: Final = 3600.0
MEASURE: Final = 60.0


class Keep(msgspec.Struct, frozen=True):
    """How long things are kept, seconds; `history_size` octets of the file beside the bodies of what waits."""

    history: float
    history_size: int
    trash: float


class Swept(msgspec.Struct, frozen=True):
    """What was let go of: history messages, bodies, octets given back to the disk, and other rows."""

    messages: int = 0
    bodies: int = 0
    freed: int = 0
    rows: int = 0

    def __bool__(self) -> bool:
        return bool(self.messages or self.bodies or self.freed or self.rows)

    def __add__(self, other: Swept) -> Swept:
        return Swept(
            self.messages + other.messages, self.bodies + other.bodies, self.freed + other.freed, self.rows + other.rows
        )


# ---------------------------------------------------------------------- one step each, in the writer's thread


def drop_bodies(db: sqlite3.Connection, keep: Keep, now: float) -> Swept:
    """Bodies of finished messages, except where a purged or suppressed recipient may still be restored from the trash, or a
    bounce of an operator be taken back."""
    rows = db.execute(
        "SELECT m.id, m.size FROM message m INDEXED BY message_leftover WHERE m.finished_at IS NOT NULL AND m.body = 1"
        " AND (m.finished_at < ?1 OR NOT EXISTS (SELECT 1 FROM recipient r WHERE r.id BETWEEN m.id << ?5 AND (m.id + 1 << ?5) - 1"
        " AND (r.state IN ('purged', 'suppressed') AND r.changed_at >= ?1"
        " OR r.state = 'bounced' AND r.former_state IS NOT NULL AND r.changed_at >= ?2)))"
        " AND m.finished_at <= ?4 ORDER BY m.finished_at LIMIT ?3",
        (now - keep.trash, now - BOUNCE_DELAY, MESSAGES, now, RECIPIENT_BITS),
    ).fetchall()
    octets = bodies = 0
    for message, size in rows:
        db.execute(
            "DELETE FROM content WHERE id BETWEEN ? AND ?", (message << CONTENT_BITS, (message + 1 << CONTENT_BITS) - 1)
        )
        db.execute("UPDATE message SET body = 0 WHERE id = ?", (message,))
        octets, bodies = octets + size, bodies + 1
        if octets > OCTETS:
            break
    return Swept(bodies=bodies)


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
    """Samples, transcripts and events of no message that are too old. Their ids rise with time, so the first rows tell."""
    gone = db.execute(
        "DELETE FROM sample WHERE (minute, lane) IN (SELECT minute, lane FROM sample WHERE minute < ? LIMIT ?)",
        (int((now - SAMPLES) // 60), ROWS),
    ).rowcount
    for first in (
        "SELECT id, at FROM transcript ORDER BY id LIMIT ?",
        "SELECT id, at FROM event WHERE message = 0 ORDER BY id LIMIT ?",
    ):
        table = first.split()[4]
        old = [(row,) for row, at in db.execute(first, (ROWS,)) if at < now - keep.history]
        gone += db.executemany(f"DELETE FROM {table} WHERE id = ?", old).rowcount if old else 0
    return Swept(rows=gone)


def drop_unused(db: sqlite3.Connection, keep: Keep, now: float) -> Swept:
    """Tally rows of nothing, and failure groups that no recipient is in any more. Looks at both tables whole: once an hour."""
    gone = db.execute("DELETE FROM tally WHERE n = 0").rowcount
    gone += db.execute(
        "DELETE FROM fingerprint WHERE last_seen < ? AND id NOT IN (SELECT fingerprint FROM tally)",
        (now - keep.history,),
    ).rowcount
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


# ---------------------------------------------------------------------- the order of steps


class Store(Protocol):
    """The part of the store that pruning needs."""

    @property
    def path(self) -> Path: ...
    def run(self, job: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]: ...


class Pruner:
    """Calls the steps in turn. `forget` is called in the writer's thread before failure groups go: nothing that remembers their
    numbers may use them afterwards."""

    def __init__(self, store: Store, keep: Keep, forget: Callable[[], None]) -> None:
        self._store = store
        self._forget = forget
        self._slow_at = 0.0
        self._measured_at = 0.0
        self._waiting = 0
        self.keep = keep

    async def step(self, now: float, pressed: bool = False) -> Swept:
        """One small transaction; false when there was nothing to do. `pressed`: the disk is short, all history may go."""
        crowded = pressed or await self._too_big(now)
        slow = now - self._slow_at >= SLOW
        if slow:
            self._slow_at = now
        keep = self.keep

        def job(db: sqlite3.Connection) -> Swept:
            if slow:
                self._forget()
                drop_unused(db, keep, now)
            return (
                drop_bodies(db, keep, now)
                or drop_history(db, now if crowded else now - keep.history)
                or drop_old_rows(db, keep, now)
                or give_back(db)
            )

        return await self._store.run(job)

    async def sweep(self, now: float) -> Swept:
        """Everything that is past its time now."""
        total = Swept()
        while swept := await self.step(now):
            total += swept
        return total

    async def _too_big(self, now: float) -> bool:
        """Whether the file holds more than `history_size` beside the bodies of what waits; those are counted once a minute."""
        size = await self._store.run(used)
        if size <= self.keep.history_size:
            return False
        if now - self._measured_at >= MEASURE:
            self._measured_at = now
            self._waiting = await asyncio.to_thread(waiting_octets, self._store.path)
        return size - self._waiting > self.keep.history_size


class Offline:
    """A store of one connection, for pruning while no relay runs; use it under the relay's lock."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self._db = db

    def run(self, job: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Do the job at once, in a transaction."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            result = job(self._db)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        future.set_result(result)
        return future
