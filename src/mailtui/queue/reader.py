"""Read-only connections to the queue file beside the writer, and the one way a statement is run on them.

Owned here: opening, the time limit, and interrupting. Every statement is short or limited, and its rows are fetched at once, so
that no snapshot stays open and checkpoints can go on. What is asked stands in `queries`, `groups` and `message_view`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import aiosqlite

from mailtui.errors import EX_TEMPFAIL, MailtuiError
from mailtui.model import TranscriptLine

#: Seconds after which a statement is interrupted.
LIMIT: Final = 5.0
#: Connections: a slow search must not keep `status` waiting.
CONNECTIONS: Final = 3

Row = tuple[object, ...]
Unpack = Callable[[bytes], tuple[TranscriptLine, ...]]


class QueryTimeout(MailtuiError):
    """A search took too long and was interrupted."""

    exit_code = EX_TEMPFAIL


class Reader:
    """Some read-only connections. `unpack` opens a stored transcript (ValueError when it is damaged)."""

    def __init__(self, unpack: Unpack, limit: float = LIMIT) -> None:
        self.unpack = unpack
        self._limit = limit
        self._all: list[aiosqlite.Connection] = []
        self._free: asyncio.Queue[aiosqlite.Connection] = asyncio.Queue()

    @classmethod
    async def open(cls, path: Path, unpack: Unpack, limit: float = LIMIT) -> Reader:
        """Connect to an existing queue file."""
        reader = cls(unpack, limit)
        try:
            for _ in range(CONNECTIONS):
                reader._all.append(await _connect(path))
        except BaseException:
            await reader.close()
            raise
        for connection in reader._all:
            reader._free.put_nowait(connection)
        return reader

    async def close(self) -> None:
        """Interrupt what runs and disconnect."""
        while self._all:
            connection = self._all.pop()
            await connection.interrupt()
            await connection.close()

    async def fetch(self, sql: str, params: Sequence[object] = (), limit: float | None = None) -> list[Row]:
        """All rows of one statement. QueryTimeout after `limit` seconds (default: the reader's)."""
        connection = await self._free.get()
        work = asyncio.ensure_future(connection.execute_fetchall(sql, params))
        try:
            await asyncio.wait({work}, timeout=limit or self._limit)
            late = not work.done()
        finally:  # also when the asker went away
            if not work.done():
                await connection.interrupt()
            work.add_done_callback(lambda done: self._give_back(connection, done))
        try:
            return [tuple(row) for row in await work]
        except sqlite3.OperationalError as error:
            if late:
                raise QueryTimeout(f"the search took longer than {limit or self._limit:g} s; narrow it down") from error
            raise

    def _give_back(self, connection: aiosqlite.Connection, work: asyncio.Future[Iterable[sqlite3.Row]]) -> None:
        self._free.put_nowait(connection)
        if not work.cancelled():
            work.exception()  # seen: the asker may be gone


async def _connect(path: Path) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    for pragma in ("query_only = 1", "busy_timeout = 2000", "cache_size = -8000", "temp_store = 2", "mmap_size = 0"):
        await connection.execute_fetchall(f"PRAGMA {pragma}")
    return connection
