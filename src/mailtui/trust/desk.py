"""The thread that signs, so that the loop does not wait for RSA, and answers in groups.

Owned here: handing work over and back. An executor would cost a wake-up of the loop a signature; here all that is finished by the
time the loop looks is resolved at once, as in the queue's writer.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Final

Work = Callable[[], bytes]
_Item = tuple[Work, "asyncio.Future[bytes]"]

#: Signatures resolved with one wake-up; beyond that the first would wait too long for the last.
GROUP: Final = 8


class Desk:
    """One thread for as long as the loop lives; `close` lets it end after what it is at."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="dkim", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> asyncio.Future[bytes]:
        """Have `work` done in the thread; the future has its result or what it raised."""
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._work.put((work, future))
        return future

    def close(self) -> None:
        """Take no more work. Does not wait: what is under way may be reading from a loop that is busy closing."""
        self._work.put(None)

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            done = [_done(item)]
            while len(done) < GROUP and not self._work.empty():
                item = self._work.get()
                if item is None:
                    break
                done.append(_done(item))
            try:
                self._loop.call_soon_threadsafe(_settle, done)
            except RuntimeError:
                return  # the loop is gone: nobody waits any more
            if item is None:
                return


def _done(item: _Item) -> tuple[asyncio.Future[bytes], bytes, BaseException | None]:
    work, future = item
    try:
        return future, work(), None
    except Exception as error:
        return future, b"", error


def _settle(done: list[tuple[asyncio.Future[bytes], bytes, BaseException | None]]) -> None:
    for future, header, error in done:
        if future.done():
            continue  # its waiter was cancelled
        if error is None:
            future.set_result(header)
        else:
            future.set_exception(error)
