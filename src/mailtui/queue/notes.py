"""What `status` mentions although nobody need act on it: hold rules in force, sites that do not answer, destinations whose DNS fails.

Owned here: those sentences, and how old they may be: a deep queue has many destinations, and status is asked often. What needs a
person is `service`'s trouble.
"""

from __future__ import annotations

import time
from typing import Final, cast

from mailtui.queue import hold_rules
from mailtui.queue.reader import Reader
from mailtui.queue.wording import clock, said
from mailtui.queue.wording import count as counted
from mailtui.views import moment

#: The rows are looked at again after so many seconds, or so many times as long as that took.
STANDS: Final = 2.0
SHARE: Final = 50

_BROKEN: Final = "SELECT count(*), min(name), min(broken_until) FROM site WHERE broken_until > ?"
_UNKNOWN: Final = "SELECT count(DISTINCT destination), min(destination), min(not_before) FROM lane WHERE failures > 0 AND not_before > ?"


class Notes:
    """Answers from one reader."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._told: tuple[str, ...] = ()
        self._next = 0.0

    async def told(self) -> tuple[str, ...]:
        """A sentence each."""
        began = time.monotonic()
        if began >= self._next:
            self._told = await self._look(time.time())
            done = time.monotonic()
            self._next = done + max(STANDS, SHARE * (done - began))
        return self._told

    async def _look(self, now: float) -> tuple[str, ...]:
        return (*await self._rules(now), *await self._broken(now), *await self._unknown(now))

    async def _rules(self, now: float) -> tuple[str, ...]:
        rules = await hold_rules.rules(self._reader, now)
        if len(rules) == 1:
            (rule,) = rules
            until = f"until {clock(rule.ends.timestamp(), now)}" if rule.ends else "until it is removed"
            return (f"hold rule {rule.rule} holds new mail of {said(rule.filter)} {until}",)
        return (f"{len(rules)} hold rules hold new mail: see `mailtui holdrule list`",) if rules else ()

    async def _broken(self, now: float) -> tuple[str, ...]:
        count, name, at = await self._first(_BROKEN, now)
        if not count:
            return ()
        what = f"site {name} does" if count == 1 else f"{counted(count, 'site')} do"
        return (f"{what} not answer, the next try is at {moment(at):%H:%M:%S} UTC: see `mailtui queue reasons`",)

    async def _unknown(self, now: float) -> tuple[str, ...]:
        count, name, at = await self._first(_UNKNOWN, now)
        if not count:
            return ()
        what = f"DNS fails for {name}" if count == 1 else f"DNS fails for {counted(count, 'destination')}"
        return (f"{what}, the next try is at {moment(at):%H:%M:%S} UTC: see `mailtui queue reasons`",)

    async def _first(self, sql: str, now: float) -> tuple[int, str, float]:
        count, name, at = cast(
            "tuple[int, str | None, float | None]", tuple((await self._reader.fetch(sql, (now,)))[0])
        )
        return count, name or "", at or 0.0
