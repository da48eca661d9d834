"""Answers that are dear to make and asked for again and again: given to several askers, and again for a moment.

Owned here: how long an answer may be given again, and that it is made once however many ask. Consoles ask for the same grids every
second, and of a deep queue some take longer than a person should wait. What is answered quickly is never kept, so small queues always
tell the truth of the moment. What is asked, and that an answer says how old it is, is the callers' business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, cast

T = TypeVar("T")

#: Seconds: an answer that took less is made anew for everybody.
QUICK: Final = 0.1
#: For so many times the seconds it took an answer is as good as new: making it takes a tenth of a processor at most.
TIMES: Final = 10.0
#: Seconds after which an answer is renewed although it is given once more, and after which it is not given any more.
STALE: Final = 5.0
OLDEST: Final = 10.0
#: Answers kept at once.
MOST: Final = 32


@dataclass(frozen=True)
class _Answer:
    """`at`: when making it began (monotonic), `cost`: the seconds it took."""

    value: object
    at: float
    cost: float


@dataclass
class _Making:
    """An answer being made: for `askers`, or (`renewal`) for those to come."""

    task: asyncio.Task[object]
    renewal: bool
    askers: int = 0


@dataclass(frozen=True)
class Given(Generic[T]):
    """An answer and how many seconds ago it was true: 0 when it was made for this asker."""

    value: T
    age: float


class Kept:
    """The answers of one relay, by what was asked."""

    def __init__(self, quick: float = QUICK, clock: Callable[[], float] = time.monotonic) -> None:
        self._quick = quick
        self._clock = clock
        self._answers: dict[Hashable, _Answer] = {}
        self._makings: dict[Hashable, _Making] = {}

    async def ask(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> Given[T]:
        """What `make` returns, or has returned to an earlier asker of the same. When the last asker goes away, making it ends."""
        kept, now = self._answers.get(key), self._clock()
        age = now - kept.at if kept else OLDEST
        if kept is None or age >= OLDEST:
            return Given(cast("T", await self._joined(key, make)), 0.0)
        if age >= min(kept.cost * TIMES, STALE) and key not in self._makings:
            self._begin(key, make, renewal=True)
        return Given(cast("T", kept.value), age)

    def forget(self) -> None:
        """Something was changed on purpose: who asks from now on sees it. What is being made is finished for those who wait."""
        self._answers.clear()
        self._makings.clear()

    async def _joined(self, key: Hashable, make: Callable[[], Awaitable[object]]) -> object:
        making = self._makings.get(key) or self._begin(key, make, renewal=False)
        making.askers += 1
        try:
            return await asyncio.shield(making.task)
        finally:
            making.askers -= 1
            if not making.askers and not making.renewal and not making.task.done():
                self._end(key, making)
                making.task.cancel()

    def _begin(self, key: Hashable, make: Callable[[], Awaitable[object]], renewal: bool) -> _Making:
        began = self._clock()

        async def made() -> object:
            return await make()

        def done(task: asyncio.Task[object]) -> None:
            current = self._end(key, making)
            # Seen in any case: those who asked may be gone. What began before a change is not kept.
            if not task.cancelled() and task.exception() is None and current:
                self._keep(key, _Answer(task.result(), began, self._clock() - began))

        making = self._makings[key] = _Making(asyncio.create_task(made()), renewal)
        making.task.add_done_callback(done)
        return making

    def _end(self, key: Hashable, making: _Making) -> bool:
        """Whether it was the one that counts."""
        if self._makings.get(key) is not making:
            return False
        del self._makings[key]
        return True

    def _keep(self, key: Hashable, answer: _Answer) -> None:
        self._answers.pop(key, None)
        if answer.cost < self._quick:
            return
        self._answers[key] = answer
        if len(self._answers) > MOST:
            del self._answers[min(self._answers, key=lambda key: self._answers[key].at)]
