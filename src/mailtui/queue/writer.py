"""The one writer: a thread with the only read-write connection, and group commit.

Owned here: taking whole-transaction jobs from the loop, running what waits as one transaction, one fsync, and resolving all
futures with one wake-up of the loop. A job is a plain function of the connection; it may be run a second time when another job
of its group failed, so it must not have effects outside the database. No statement about mail lives here.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar, cast

from mailtui.errors import QueueIOError, Unavailable

T = TypeVar("T")
Item = TypeVar("Item")
Job = Callable[[sqlite3.Connection], object]
#: A job that serves many items of its kind together, and answers each.
JointJob = Callable[[sqlite3.Connection, list[Any]], Sequence[object]]

#: Jobs in one commit. More only adds latency for the first: a group of 128 already costs less than its fsync.
GROUP: Final = 128
#: Under load a commit first waits for company this many seconds, less what the last fsync took: one that serves more jobs writes each
#: hot page and pays for its fsync once, and a slow disk gathers by itself. Measured: docs/performance.md.
GATHER: Final = 0.0022

_FATAL: Final = (sqlite3.SQLITE_IOERR,)  # fsync and I/O: after EIO Linux drops the dirty pages, a retry would lie
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_FULL: Final = (sqlite3.SQLITE_FULL,)
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class _Entry(NamedTuple):
    """Something submitted: a job alone, or an item for a joint job."""

    future: asyncio.Future[object]
    alone: Job | None
    joint: JointJob | None = None
    item: object = None


class Writer:
    """Runs jobs in order, in groups. `commits` and `jobs` count since start; `latency` is the last group's seconds."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        loop: asyncio.AbstractEventLoop,
        fatal: Callable[[QueueIOError], None],
        rolled_back: Callable[[], None],
    ) -> None:
        """`fatal` is called in the loop when the disk can no longer be trusted; nothing is committed after that. `rolled_back` is
        called in the writer's thread after a rollback: what a job remembered of rows it made is no longer true."""
        self._connection = connection
        self._loop = loop
        self._fatal = fatal
        self._rolled_back = rolled_back
        self._jobs: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._dead: QueueIOError | None = None
        self._closed = False
        self.commits = 0
        self.jobs = 0
        self.latency = 0.0
        self._fsync = 0.0  # of the last commit, seconds
        self.full = False  # the last group met a full disk
        self.damage = ""  # what SQLite said of a page it could not make sense of
        self._thread = threading.Thread(target=self._run, name="queue-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Queue a job; the future resolves with its result after the commit. Call from the loop.

        Cancelling the future does not stop the job. It fails with `Unavailable` (disk full, locked, closed) or with what the
        job raised; in both cases nothing of the job is in the database.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._put(_Entry(cast("asyncio.Future[object]", future), job))
        return future

    def submit_item(
        self, job: Callable[[sqlite3.Connection, list[Item]], Sequence[T]], item: Item
    ) -> asyncio.Future[T]:
        """Queue an item for a job that serves all items which wait for it together, behind the other jobs of their group; the future
        resolves with this item's part of what it returns. When it fails with several, it is tried with each alone."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._put(_Entry(cast("asyncio.Future[object]", future), None, job, item))
        return future

    def _put(self, entry: _Entry) -> None:
        if self._dead is not None or self._closed:
            entry.future.set_exception(self._dead or Unavailable("the queue is closed"))
        else:
            self._jobs.put(entry)

    @property
    def waiting(self) -> int:
        """Jobs not yet begun."""
        return self._jobs.qsize()

    async def close(self) -> None:
        """Finish what was submitted, checkpoint, close the connection."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, 60)

    def _run(self) -> None:
        last, size = False, 0
        while not last:
            first = self._jobs.get()
            if size > 1:  # there is load
                time.sleep(max(0.0, GATHER - self._fsync))
            group: list[_Entry] = []
            while first is not None:
                group.append(first)
                if len(group) >= GROUP or self._jobs.empty():
                    break
                first = self._jobs.get()
            last, size = first is None, len(group)
            if group:
                self._commit(group)
        try:
            self._connection.execute("PRAGMA optimize")
            self._connection.close()
        except sqlite3.Error:
            pass  # every job was answered already; recovery at the next start does the rest

    def _commit(self, group: list[_Entry]) -> None:
        began = time.monotonic()
        if self._dead is not None:
            self._resolve([(future, None, self._dead) for future, *_ in group])
            return
        results = self._attempt(group)
        self.latency = time.monotonic() - began
        self.commits += 1
        self.jobs += len(group)
        self._resolve(results)

    def _attempt(self, group: list[_Entry]) -> list[tuple[asyncio.Future[object], object, BaseException | None]]:
        """One transaction for the group; when any job fails, each gets a transaction of its own so that only it suffers."""
        if self._dead is not None:  # met while the jobs of a failed group were tried one by one
            return [(future, None, self._dead) for future, *_ in group]
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            values = _results(connection, group)
            began = time.monotonic()
            connection.execute("COMMIT")
            self._fsync = time.monotonic() - began
        except Exception as error:
            self._rollback()
            mapped = self._map(error)
            if len(group) == 1 or isinstance(mapped, QueueIOError) or _locked(error):
                return [(future, None, mapped) for future, *_ in group]
            return [result for item in group for result in self._attempt([item])]
        self.full = False
        return [(future, value, None) for (future, *_), value in zip(group, values, strict=True)]

    def _rollback(self) -> None:
        self._rolled_back()
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                self._map(error)

    def _map(self, error: Exception) -> Exception:
        """What the waiter is told. An I/O error also ends the writer and reports upwards."""
        if not isinstance(error, sqlite3.Error):
            return error
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _FATAL:
            self._dead = QueueIOError(f"the disk under the queue failed: {error}")
            self._loop.call_soon_threadsafe(self._fatal, self._dead)
            return self._dead
        if code in _FULL:
            self.full = True
            return Unavailable("the disk is full")
        if code in _BUSY:
            return Unavailable("the queue file is locked by another program")
        if code in _DAMAGED:
            self.damage = str(error)
        return Unavailable(f"the queue file cannot take this: {error}")

    def _resolve(self, results: list[tuple[asyncio.Future[object], object, BaseException | None]]) -> None:
        try:
            self._loop.call_soon_threadsafe(_settle, results)
        except RuntimeError:
            pass  # the loop is gone: nobody waits any more


def _results(connection: sqlite3.Connection, group: list[_Entry]) -> list[object]:
    """What each entry of a group came to: first the jobs alone in their order, then the joint ones."""
    results: list[object] = [None] * len(group)
    joint: dict[JointJob, list[int]] = {}
    for place, (_, alone, together, _) in enumerate(group):
        if alone is not None:
            results[place] = alone(connection)
        elif together is not None:
            joint.setdefault(together, []).append(place)
    for together, places in joint.items():
        found = together(connection, [group[place].item for place in places])
        for place, result in zip(places, found, strict=True):
            results[place] = result
    return results


def _locked(error: Exception) -> bool:
    """Whether another program holds the file: trying each job of the group would wait the busy time-out for each."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY


def _settle(results: list[tuple[asyncio.Future[object], object, BaseException | None]]) -> None:
    """One wake-up of the loop for a whole group: a thread hop costs more than a commit (117 us against 0.23 ms / group)."""
    for future, value, error in results:
        if future.done():
            continue  # its waiter was cancelled; the commit stands all the same (F1)
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
