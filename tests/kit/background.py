"""An event loop in a thread of its own: the lab's servers for tests and benchmarks that are plain, blocking code.

Owned here: the thread and what runs in it. A test that awaits enters the lab's servers itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Background:
    """`with Background() as loop: server = loop.enter(DnsServer())`; leaving leaves the servers, last first."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._thread = threading.Thread(target=self._loop.run_forever, name="background loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.run(self._stack.aclose())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        """What the coroutine returns, run in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def enter(self, server: AbstractAsyncContextManager[T]) -> T:
        """Enter an asynchronous context in the loop; it is left at the end."""
        return self.run(self._stack.enter_async_context(server))
