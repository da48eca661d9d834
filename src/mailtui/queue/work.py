"""Tasks with an owner: work that nobody waits for, held until it ends, so that it neither vanishes nor fails in silence.

Owned here: the set of them, what is said when one fails, and their end. What they do is their spawner's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from mailtui.events import Notice


class Work:
    """Some tasks. `name` is what one of them is called when it failed."""

    def __init__(self, name: str, publish: Callable[[Notice], None]) -> None:
        self._name = name
        self._publish = publish
        self.tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Awaitable[None]) -> None:
        """Have it done."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A slot must never die silently: what it claimed would stand as sending until the next start."""
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._publish(Notice(time.time(), "error", f"{self._name} failed: {type(error).__name__}: {error}"))

    async def drain(self, seconds: Callable[[], float], least: float) -> None:
        """Let them finish for as long as `seconds` says (asked again and again, `least` at first); then break off the rest."""
        began = time.monotonic()
        while self.tasks:
            passed = time.monotonic() - began
            if passed >= seconds():
                break
            await asyncio.wait(self.tasks, timeout=min(1.0, max(least - passed, 0.05)))
        if late := set(self.tasks):
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=5)
