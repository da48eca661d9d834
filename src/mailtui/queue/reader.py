"""Read-only connections to the queue file beside the writer, and the one way a statement is run on them.

Owned here: opening and the time limit. Every statement is short or limited, and its rows are fetched at once, so
that no snapshot stays open and checkpoints can go on. What is asked stands in `queries`, `groups` and `message_view`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import aiosqlite

from mailtui.errors import EX_TEMPFAIL, MailtuiError
from mailtui.model import TranscriptLine

#: Seconds after which a statement is ended.
LIMIT: Final = 5.0
#: Steps of SQLite between two looks at the time (some tenths of a millisecond).
STEPS: Final = 10_000
#: Connections: a slow search must not keep `status` waiting.
CONNECTIONS: Final = 3

Row = tuple[object, ...]
Unpack = Callable[[bytes], tuple[TranscriptLine, ...]]


class QueryTimeout(MailtuiError):
    """A search took too long and was ended."""

    exit_code = EX_TEMPFAIL


class _Line:
    """A connection, and when the statement on it must end (monotonic seconds). SQLite asks every few thousand steps: that also
    ends a statement that had not begun when its asker went away, which an interrupt would miss."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self.connection = connection
        self.deadline = 0.0

    def late(self) -> bool:
        """Called in the connection's thread."""
        return time.monotonic() > self.deadline


class Reader:
    """Some read-only connections. `unpack` opens a stored transcript (ValueError when it is damaged)."""

    def __init__(self, unpack: Unpack, limit: float = LIMIT) -> None:
        self.unpack = unpack
        self._limit = limit
        self._all: list[_Line] = []
        self._free: asyncio.Queue[_Line] = asyncio.Queue()

    @classmethod
    async def open(cls, path: Path, unpack: Unpack, limit: float = LIMIT) -> Reader:
        """Connect to an existing queue file."""
        reader = cls(unpack, limit)
        try:
            for _ in range(CONNECTIONS):
                reader._all.append(_Line(await _connect(path)))
                await reader._all[-1].connection.set_progress_handler(reader._all[-1].late, STEPS)
        except BaseException:
            await reader.close()
            raise
        for line in reader._all:
            reader._free.put_nowait(line)
        return reader

    async def close(self) -> None:
        """End what runs and disconnect."""
        for line in self._all:
            line.deadline = 0.0
        while self._all:
            await self._all.pop().connection.close()

    async def fetch(self, sql: str, params: Sequence[object] = (), limit: float | None = None) -> list[Row]:
        """All rows of one statement. QueryTimeout after `limit` seconds (default: the reader's). Cancelled, it ends the statement."""
        line = await self._free.get()
        line.deadline = time.monotonic() + (limit or self._limit)
        work = asyncio.ensure_future(line.connection.execute_fetchall(sql, params))
        work.add_done_callback(lambda done: self._give_back(line, done))
        try:
            return [tuple(row) for row in await asyncio.shield(work)]
        except asyncio.CancelledError:
            if not work.done():  # else the connection may already be somebody else's
                line.deadline = 0.0
            raise
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise QueryTimeout(f"the search took longer than {limit or self._limit:g} s; narrow it down") from error
            raise

    def _give_back(self, line: _Line, work: asyncio.Future[Iterable[sqlite3.Row]]) -> None:
        self._free.put_nowait(line)
        if not work.cancelled():
            work.exception()  # seen: the asker may be gone


async def _connect(path: Path) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    for pragma in ("query_only = 1", "busy_timeout = 2000", "cache_size = -8000", "temp_store = 2", "mmap_size = 0"):
        await connection.execute_fetchall(f"PRAGMA {pragma}")
    return connection
