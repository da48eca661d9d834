"""Kept connections: idle sessions by site and route, handed out again, closed when they grow old.

Owned here: which session may serve whom and for how long. How many may be open at once is the runner's decision: it never asks
for more than its slots.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from mailtui.delivery.session import Session

Key = tuple[object, ...]

#: Seconds an unused connection is kept; Postfix keeps 2, KumoMTA 60.
IDLE: Final = 30.0


class Pool:
    """Idle sessions. Belongs to one loop; `sweep` about once a second, `close` at the end."""

    def __init__(self, per_connection: int, quit_patience: float) -> None:
        self.per_connection = per_connection
        self.quit_patience = quit_patience
        self._idle: dict[Key, list[Session]] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"{sum(map(len, self._idle.values()))} idle connections to {len(self._idle)} sites"

    def take(self, key: Key, host: str = "") -> Session | None:
        """The session used last (its window is open and its server awake), to `host` only if one is named."""
        idle = self._idle.get(key, [])
        for index in range(len(idle) - 1, -1, -1):
            session = idle[index]
            if not session.alive:
                del idle[index]
            elif not host or session.host == host:
                del idle[index]
                if not idle:
                    del self._idle[key]
                return session
        if not idle:
            self._idle.pop(key, None)
        return None

    def give(self, key: Key, session: Session, most: int = 0) -> None:
        """Take a session back; one that is worn (by `most` messages, 0: as many as `per_connection`) or broken is let go."""
        if not session.alive:
            session.abort()
        elif session.messages >= (most or self.per_connection):
            self.part(session)
        else:
            session.idle_since = time.monotonic()
            self._idle.setdefault(key, []).append(session)

    def part(self, session: Session) -> None:
        """Say QUIT without keeping anybody waiting."""
        task = asyncio.get_running_loop().create_task(session.quit(self.quit_patience))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def empty(self, site: object) -> None:
        """Let go of what is idle at a site, by any route: keys end with the site."""
        for key in [key for key in self._idle if key[-1] == site]:
            for session in self._idle.pop(key):
                self.part(session)

    def sweep(self, now: float) -> None:
        """Let go of what has been idle too long (`now` monotonic seconds)."""
        for key in list(self._idle):
            old = [session for session in self._idle[key] if now - session.idle_since >= IDLE or not session.alive]
            kept = [session for session in self._idle[key] if session not in old]
            for session in old:
                self.part(session)
            if kept:
                self._idle[key] = kept
            else:
                del self._idle[key]

    async def close(self) -> None:
        """QUIT everywhere."""
        for idle in self._idle.values():
            for session in idle:
                self.part(session)
        self._idle.clear()
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=self.quit_patience + 1)
