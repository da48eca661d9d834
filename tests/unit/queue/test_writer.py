"""The writer on real files: groups, isolation of what fails, a full disk, a locked file, and the end."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailtui.errors import QueueIOError, Unavailable
from mailtui.queue.database import FILE, open_writer
from mailtui.queue.writer import GROUP, Writer

Job = Callable[[sqlite3.Connection], object]


class Desk:
    """A writer with what it was told to tell: statements run, fatal errors, rollbacks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        connection = open_writer(path)
        connection.execute("CREATE TABLE note (n INTEGER PRIMARY KEY)")
        self.statements: list[str] = []
        connection.set_trace_callback(self.statements.append)
        connection.execute("PRAGMA busy_timeout = 50")
        self.connection = connection
        self.fatal: list[QueueIOError] = []
        self.rollbacks: list[str] = []
        self.writer = Writer(connection, asyncio.get_running_loop(), self.fatal.append, self._rolled_back)

    def _rolled_back(self) -> None:
        self.rollbacks.append(threading.current_thread().name)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While the body runs the writer has a job under way, so that what is submitted waits together."""
        begun, go_on = threading.Event(), threading.Event()

        def job(db: sqlite3.Connection) -> None:
            begun.set()
            go_on.wait(10)

        done = self.writer.submit(job)
        begun.wait(10)
        self.statements.clear()
        try:
            yield
        finally:
            go_on.set()
            done.add_done_callback(lambda future: future.cancelled() or future.exception())

    def count(self, statement: str) -> int:
        """How often SQLite was asked to do this since the writer was last busy."""
        return sum(text.startswith(statement) for text in self.statements)

    def notes(self) -> list[int]:
        """What is committed, as another connection sees it."""
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as db:
            return [n for (n,) in db.execute("SELECT n FROM note ORDER BY n")]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path / FILE)
    yield desk
    await desk.writer.close()


def write(n: int, then: Exception | None = None) -> Callable[[sqlite3.Connection], int]:
    """A job that writes a note, and raises after it."""

    def job(db: sqlite3.Connection) -> int:
        db.execute("INSERT INTO note VALUES (?)", (n,))
        if then is not None:
            raise then
        return n

    return job


def io_error() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    return error


async def test_a_result_comes_after_its_commit(desk: Desk) -> None:
    assert await desk.writer.submit(write(7)) == 7
    assert desk.notes() == [7]


async def test_what_waits_is_committed_together(desk: Desk) -> None:
    with desk.busy():
        waiting = [desk.writer.submit(write(n)) for n in range(50)]

    assert await asyncio.gather(*waiting) == list(range(50))
    assert desk.count("COMMIT") == 2, "that of the job under way and one for the 50"
    assert desk.notes() == list(range(50))


async def test_a_group_has_a_limit(desk: Desk) -> None:
    with desk.busy():
        waiting = [desk.writer.submit(write(n)) for n in range(2 * GROUP + 1)]
        assert desk.writer.waiting == 2 * GROUP + 1

    await asyncio.gather(*waiting)
    assert desk.count("COMMIT") == 1 + 3
    assert (desk.writer.commits, desk.writer.jobs) == (1 + 3, 1 + 2 * GROUP + 1)


async def test_one_that_fails_takes_no_other_with_it(desk: Desk) -> None:
    with desk.busy():
        waiting = [desk.writer.submit(write(n, ValueError("no") if n == 3 else None)) for n in range(6)]

    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [int, int, int, ValueError, int, int]
    assert desk.notes() == [0, 1, 2, 4, 5]
    assert set(desk.rollbacks) == {"queue-writer"}


async def test_what_sqlite_refuses_is_unavailable_and_leaves_nothing(desk: Desk) -> None:
    def job(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO note VALUES (1)")
        db.execute("INSERT INTO note VALUES (1)")

    with pytest.raises(Unavailable, match="cannot take this: UNIQUE"):
        await desk.writer.submit(job)
    assert desk.notes() == []


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12))
@settings(max_examples=30, deadline=None)
def test_the_file_has_exactly_what_the_waiters_were_told(fates: list[tuple[bool, bool]]) -> None:
    """For any mixture of jobs that fail and jobs whose waiters have gone."""

    async def run() -> None:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.execute("CREATE TABLE note (n INTEGER PRIMARY KEY)")
        writer = Writer(connection, asyncio.get_running_loop(), lambda error: None, lambda: None)
        futures = [writer.submit(write(n, KeyError() if fails else None)) for n, (fails, _) in enumerate(fates)]
        for future, (_, gone) in zip(futures, fates, strict=True):
            if gone:
                future.cancel()
        found = await writer.submit(lambda db: [n for (n,) in db.execute("SELECT n FROM note ORDER BY n")])
        results = await asyncio.gather(*futures, return_exceptions=True)
        await writer.close()

        assert found == [n for n, (fails, _) in enumerate(fates) if not fails]
        for n, ((fails, gone), result) in enumerate(zip(fates, results, strict=True)):
            expected = asyncio.CancelledError if gone else KeyError if fails else int
            assert isinstance(result, expected), n

    asyncio.run(run())


async def test_a_waiter_that_leaves_does_not_stop_its_job(desk: Desk) -> None:
    with desk.busy():
        gone = desk.writer.submit(write(1))
        stays = desk.writer.submit(write(2))
        gone.cancel()

    await stays
    assert desk.notes() == [1, 2]


async def test_a_locked_file_fails_the_whole_group_at_once(desk: Desk) -> None:
    """Once the busy time-out for all of them, not once for each."""
    with closing(sqlite3.connect(desk.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(*(desk.writer.submit(write(n)) for n in range(20)), return_exceptions=True)
        other.execute("ROLLBACK")

    assert {str(result) for result in results} == {"the queue file is locked by another program"}
    assert all(isinstance(result, Unavailable) for result in results)
    assert desk.count("BEGIN IMMEDIATE") <= 2, "the first may have been a group of its own"
    assert await desk.writer.submit(write(200)) == 200, "and it goes on afterwards"
    assert not desk.fatal


async def test_a_full_disk_fails_what_does_not_fit_and_is_over_when_there_is_room(desk: Desk) -> None:
    def limit(pages: int) -> Job:
        return lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchone()

    def big(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO content VALUES (1, zeroblob(1000000))")

    await desk.writer.submit(limit(1))  # SQLite takes this as "no more than there are"
    with desk.busy():
        waiting = [desk.writer.submit(job) for job in (write(1), big, write(2))]

    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(result) for result in results] == ["1", "the disk is full", "2"]
    assert isinstance(results[1], Unavailable)

    with pytest.raises(Unavailable):
        await desk.writer.submit(big)
    assert desk.writer.full
    await desk.writer.submit(limit(1_000_000))
    await desk.writer.submit(big)
    assert not desk.writer.full
    assert desk.notes() == [1, 2]


async def test_an_io_error_is_the_end(desk: Desk) -> None:
    """After a failed fsync Linux has dropped the pages: nothing may be confirmed any more."""
    with desk.busy():
        waiting = [desk.writer.submit(job) for job in (write(1), write(2, io_error()), write(3))]
    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert all(isinstance(result, QueueIOError) for result in results)
    with pytest.raises(QueueIOError):
        await desk.writer.submit(write(4))
    assert len(desk.fatal) == 1
    assert desk.notes() == []


async def test_an_io_error_among_jobs_tried_one_by_one_is_the_end_too(desk: Desk) -> None:
    with desk.busy():
        waiting = [desk.writer.submit(job) for job in (write(1, ValueError()), write(2, io_error()), write(3))]
    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(result) for result in results] == [ValueError, QueueIOError, QueueIOError]
    assert desk.notes() == []


async def test_a_group_waiting_when_the_disk_dies_is_not_run(desk: Desk) -> None:
    ran = []

    def last(db: sqlite3.Connection) -> None:
        ran.append(True)

    with desk.busy():
        waiting = [desk.writer.submit(write(n, io_error() if n == 0 else None)) for n in range(GROUP)]
        waiting.append(desk.writer.submit(last))  # type: ignore[arg-type]
    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert {type(result) for result in results} == {QueueIOError}
    assert not ran


async def test_close_finishes_what_was_submitted(desk: Desk) -> None:
    with desk.busy():
        waiting = [desk.writer.submit(write(n)) for n in range(300)]
        closing_ = asyncio.ensure_future(desk.writer.close())
        await asyncio.sleep(0)  # it has begun

    await closing_
    assert all(future.done() for future in waiting)
    assert not os.path.exists(f"{desk.path}-wal"), "checkpointed"  # noqa: ASYNC240
    assert desk.notes() == list(range(300))


async def test_nothing_is_taken_after_close(desk: Desk) -> None:
    await desk.writer.close()
    await desk.writer.close()

    with pytest.raises(Unavailable, match="closed"):
        await desk.writer.submit(write(1))


# ---------------------------------------------------------------------- items served together


def together(db: sqlite3.Connection, items: list[int]) -> list[int]:
    """Notes all items in one go, a negative one not at all; each is answered with how many it came with."""
    if any(n < 0 for n in items):
        raise ValueError("negative")
    for n in items:
        db.execute("INSERT INTO note VALUES (?)", (n,))
    return [len(items)] * len(items)


async def test_items_that_wait_are_served_together_behind_the_jobs_of_their_group(desk: Desk) -> None:
    with desk.busy():
        items = [desk.writer.submit_item(together, n) for n in (1, 2)]
        job = desk.writer.submit(lambda db: [n for (n,) in db.execute("SELECT n FROM note")])
        items.append(desk.writer.submit_item(together, 3))
    assert [await item for item in items] == [3, 3, 3]
    assert await job == []
    assert desk.notes() == [1, 2, 3]
    assert desk.count("COMMIT") == 2, "the one that was under way, and theirs"


async def test_an_item_that_fails_takes_no_other_with_it(desk: Desk) -> None:
    with desk.busy():
        good, bad, other = (desk.writer.submit_item(together, n) for n in (1, -1, 2))
        job = desk.writer.submit(write(9))
    assert (await good, await other) == (1, 1), "each was tried alone"
    with pytest.raises(ValueError, match="negative"):
        await bad
    await job
    assert desk.notes() == [1, 2, 9]


async def test_a_joint_job_that_loses_an_answer_fails_loudly(desk: Desk) -> None:
    with desk.busy():
        items = [desk.writer.submit_item(lambda db, items: [], n) for n in (1,)]
    with pytest.raises(ValueError, match="zip"):
        await items[0]
