"""When what is past its time goes: the steps of `prune` in turn, one small transaction each, while mail flows or offline.

Owned here: their order, what has been looked at already, and when the file has grown too big. What may go is `prune`'s to say.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeVar

from mailtui.errors import Unavailable
from mailtui.queue import aging, hours
from mailtui.queue.prune import (
    Keep,
    Place,
    Swept,
    drop_bodies,
    drop_history,
    drop_old_rows,
    drop_unused,
    give_back,
    used,
    waiting_octets,
)

T = TypeVar("T")

#: How often everything is looked at again, and how often the bodies of what waits are counted and an hour may be over, in seconds.
SLOW: Final = 3600.0
MEASURE: Final = 60.0


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
        self._place: Place = (0.0, 0)
        self._measured_at = 0.0
        self._hours_at = 0.0
        self._aged_at = 0.0
        self._waiting = 0
        self.keep = keep

    async def step(self, now: float, pressed: bool = False) -> Swept:
        """One small transaction; false when there was nothing to do. `pressed`: the disk is short, all history may go."""
        if await self._sum_up(now) or await self._count_ages(now):
            return Swept(more=True)
        before = now if pressed or await self._too_big(now) else now - self.keep.history
        slow = now - self._slow_at >= SLOW
        keep, place = self.keep, (0.0, 0) if slow else self._place

        def job(db: sqlite3.Connection) -> tuple[Swept, Place]:
            if slow:
                self._forget()
                drop_unused(db, keep, now)
            swept, last = drop_bodies(db, keep, now, place)
            return swept or drop_history(db, before) or drop_old_rows(db, keep, now) or give_back(db), last

        swept, self._place = await self._store.run(job)
        if slow:
            self._slow_at = now
        return swept

    async def sweep(self, now: float) -> Swept:
        """Everything that is past its time now."""
        total = Swept()
        while swept := await self.step(now):
            total += swept
        return total

    async def _sum_up(self, now: float) -> bool:
        """Sum up one hour that is over, before its minutes may go; whether there was one."""
        if now - self._hours_at < MEASURE:
            return False
        hour = await self._store.run(lambda db: hours.next_hour(db, now))
        if hour is None:
            self._hours_at = now
            return False
        try:
            found = await asyncio.to_thread(hours.gather, self._store.path, hour)
        except sqlite3.Error as error:
            self._hours_at = now  # the rest of pruning does not wait for it
            raise Unavailable(f"an hour of history cannot be read: {error}") from error
        await self._store.run(lambda db: hours.write(db, found))
        return True

    async def _count_ages(self, now: float) -> bool:
        """Count some of what has come to rest; whether there is more."""
        if now - self._aged_at < MEASURE:
            return False
        more = await self._store.run(lambda db: aging.advance(db, now))
        if not more:
            self._aged_at = now
        return more

    async def _too_big(self, now: float) -> bool:
        """Whether the file holds more than `history_size` beside the bodies of what waits; those are counted once a minute."""
        size = await self._store.run(used)
        if size <= self.keep.history_size:
            return False
        if now - self._measured_at >= MEASURE:
            self._measured_at = now
            try:
                self._waiting = await asyncio.to_thread(waiting_octets, self._store.path)
            except sqlite3.Error as error:
                raise Unavailable(f"the queue file cannot be measured: {error}") from error
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
