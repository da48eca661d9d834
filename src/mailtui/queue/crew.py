"""Tasks with an owner: what the runner starts beside its own loop, watched so that none dies silently, and waited for at the end.

Owned here: that set, and work that takes turns. What the tasks do is the runner's business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from mailtui.events import AnyEvent, Notice


class Crew:
    """Runs work nobody waits for. A failure is told by `publish`."""

    def __init__(self, publish: Callable[[AnyEvent], None]) -> None:
        self._publish = publish
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"{len(self._tasks)} tasks at work"

    def spawn(self, work: Awaitable[None]) -> None:
        """Run it from now on."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A slot must never die silently: what it claimed would stand as sending until the next start."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._publish(Notice(time.time(), "error", f"a delivery slot failed: {type(error).__name__}: {error}"))

    async def finish(self, patience: Callable[[], float]) -> None:
        """Wait until all have ended, but no longer than `patience()` seconds, asked again and again; then cancel the rest."""
        began = time.monotonic()
        while self._tasks:
            left = patience() - (time.monotonic() - began)
            if left <= 0:
                break
            await asyncio.wait(self._tasks, timeout=min(1.0, max(left, 0.05)))
        if late := set(self._tasks):
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=5)


class Turns:
    """Work of which no more than `most` is under way at once; what came last has its turn first."""

    def __init__(self, spawn: Callable[[Awaitable[None]], None], most: int) -> None:
        self._spawn = spawn
        self._most = most
        self._under_way = 0
        self._waiting: list[Callable[[], Awaitable[None]]] = []

    def __repr__(self) -> str:
        return f"{self._under_way} under way, {len(self._waiting)} wait"

    def add(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run it when its turn comes."""
        self._waiting.append(work)
        self._next()

    def _next(self) -> None:
        while self._waiting and self._under_way < self._most:
            self._under_way += 1
            self._spawn(self._one(self._waiting.pop()))

    async def _one(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        finally:
            self._under_way -= 1
            self._next()
