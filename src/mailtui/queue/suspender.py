"""Suspending and resuming: what operators ask for, ends that come by themselves, and lanes on their way back.

Owned here: each change as one job of the writer with its row in the audit, what undo does about it, and the task that waits for ends
and gives lanes back. Rows are `suspension`'s and `resuming`'s. Belongs to the relay's loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import msgspec

from mailtui.errors import EX_DATAERR, MailtuiError, Unavailable
from mailtui.events import Notice
from mailtui.queue import actions, resuming, suspension
from mailtui.queue.actions import CannotUndo, Entry, Inverse
from mailtui.queue.lanes import DueLane
from mailtui.queue.standstill import Standstill
from mailtui.queue.store import News, Store
from mailtui.queue.suspension import Halt
from mailtui.queue.wording import clock, count
from mailtui.suspensions import Kind, Suspended, named

SUSPEND: Final = "suspend"
RESUME: Final = "resume"
#: Who ends a suspension whose time has come, and why.
RELAY: Final = "relay"
ENDED: Final = "its end had come"
#: Seconds between two looks at the clock while nothing happens.
TICK: Final = 1.0


class NotSuspended(MailtuiError):
    """What is to be resumed is not suspended; nothing was done."""

    exit_code = EX_DATAERR


class Unexpected(MailtuiError):
    """Another number of recipients waits for it than was expected; nothing was done."""

    exit_code = EX_DATAERR


class Manner(msgspec.Struct, frozen=True):
    """How a change is made: not at all, only told (`dry_run`); only if so many recipients wait for it (`expect`)."""

    dry_run: bool = False
    expect: int | None = None

    def check(self, db: sqlite3.Connection, kind: Kind, name: str) -> None:
        """Unexpected."""
        if self.expect is not None and (found := suspension.waiting(db, kind, name)) != self.expect:
            raise Unexpected(
                f"{count(found, 'recipient')} wait for {named(kind, name)}, not {self.expect}; nothing was done"
            )


#: Whatever waits.
AS_ASKED: Final = Manner()


class Suspender:
    """Changes what is suspended. `on_change` hears of every change what stands still from now on, before it is answered."""

    def __init__(
        self,
        store: Store,
        publish: Callable[[Notice], None],
        on_change: Callable[[Standstill], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._publish = publish
        self._on_change = on_change
        self._clock = clock
        self._fresh: tuple[Halt, ...] = ()
        self._changed = asyncio.Event()
        self._returning = False  # lanes are on their way back
        self._waiting = False  # some of them wait for a pause of their site to be ended
        self.standstill = Standstill()
        inverse = Inverse(self._restore, self._settle)
        self.inverses: Mapping[str, Inverse] = {SUSPEND: inverse, RESUME: inverse}

    # ------------------------------------------------------------------ what operators ask

    async def suspend(
        self, kind: Kind, name: str, until: float | None, actor: str, reason: str, manner: Manner = AS_ASKED
    ) -> Suspended:
        """Suspend something until then (None: until it is resumed). What is suspended already gets this end and reason. Unexpected."""
        now = self._clock()

        def job(db: sqlite3.Connection) -> Suspended:
            manner.check(db, kind, name)
            former = suspension.find(db, kind, name)
            if manner.dry_run:
                halt = Halt(kind, name, now if former is None else former.since, until, actor, reason)
                return suspension.answer(db, SUSPEND, 0, halt, former)
            entry = Entry(now, actor, SUSPEND, _selection(kind, name), reason, _args(until))
            action = actions.at_once(db, entry)
            halt = Halt(kind, name, now if former is None else former.since, until, actor, reason, action)
            self._change(db, action, former, halt)
            return suspension.answer(db, SUSPEND, action, halt, former)

        answer = await self._store.run(job)
        if manner.dry_run:
            return answer
        self._settle()
        self._say(now, f"{named(kind, name)} suspended by {actor} {_until(until, now)}: {reason}")
        return answer

    async def resume(self, kind: Kind, name: str, actor: str, reason: str = "", manner: Manner = AS_ASKED) -> Suspended:
        """End a suspension now; what it kept comes back a little at a time. NotSuspended, Unexpected."""
        return await self._end(kind, name, actor, reason, None, manner)

    async def _end(
        self, kind: Kind, name: str, actor: str, reason: str, due: float | None, manner: Manner = AS_ASKED
    ) -> Suspended:
        """End a suspension; with `due` only if its end has come by then. NotSuspended."""
        now = self._clock()

        def job(db: sqlite3.Connection) -> Suspended:
            halt = suspension.find(db, kind, name)
            if halt is None or (due is not None and (halt.until is None or halt.until > due)):
                raise NotSuspended(f"{named(kind, name)}: not suspended; `mailtui suspensions` shows what is")
            manner.check(db, kind, name)
            if manner.dry_run:
                return suspension.answer(db, RESUME, 0, halt, halt)
            action = actions.at_once(db, Entry(now, actor, RESUME, _selection(kind, name), reason))
            self._change(db, action, halt, None)
            resuming.begin(db, now)
            return suspension.answer(db, RESUME, action, halt, halt)

        answer = await self._store.run(job)
        if manner.dry_run:
            return answer
        self._settle()
        self._say(now, f"{named(kind, name)} resumed by {actor}{f': {reason}' if reason else ''}")
        return answer

    # ------------------------------------------------------------------ undo

    def _restore(self, db: sqlite3.Connection, action: int, entry: Entry) -> tuple[int, int, int]:
        """As it was before an action, if it still is as the action left it. CannotUndo when that time is over."""
        row = db.execute("SELECT before, after FROM suspension_change WHERE action = ?", (action,)).fetchone()
        if row is None:
            raise CannotUndo(f"what action {action} changed is no longer known")
        before, after = (msgspec.json.decode(text, type=Halt) if text else None for text in row)
        one = before or after
        assert one is not None
        if suspension.find(db, one.kind, one.name) != after:
            return 0, 1, 0
        if before is not None and before.until is not None and before.until <= entry.at:
            return 0, 0, 1
        if before is None:
            suspension.remove(db, one)
            resuming.begin(db, entry.at)
        else:
            suspension.put(db, before, entry.at)
        self._remember(db)
        return 1, 0, 0

    def _change(self, db: sqlite3.Connection, action: int, before: Halt | None, after: Halt | None) -> None:
        """One suspension from how it is to how it will be, and what it takes to undo that."""
        if after is not None:
            suspension.put(db, after)
        elif before is not None:
            suspension.remove(db, before)
        values = ("" if halt is None else msgspec.json.encode(halt).decode() for halt in (before, after))
        db.execute("INSERT INTO suspension_change (action, before, after) VALUES (?, ?, ?)", (action, *values))
        self._remember(db)

    def _remember(self, db: sqlite3.Connection) -> None:
        """In the writer's thread, at the end of a change: what memory is to know once it is committed."""
        self._store.gate.forget()
        self._fresh = suspension.halts(db)

    def _settle(self) -> None:
        """In the loop, after the commit: stand still, or move, as it says."""
        self.standstill = Standstill(self._fresh)
        self._on_change(self.standstill)
        self._returning = True
        self._changed.set()

    # ------------------------------------------------------------------ what happens by itself

    async def load(self) -> None:
        """At start, before mail is taken: what was suspended is."""

        def job(db: sqlite3.Connection) -> None:
            resuming.begin(db, self._clock())
            self._remember(db)

        await self._store.run(job)
        self._settle()

    async def run(self) -> None:
        """End what has come to its end and give lanes back, until cancelled."""
        while True:
            self._changed.clear()
            with suppress(Unavailable):  # disk full or locked: whoever has mail to store says it; the next tick goes on
                await self._end_due()
                while self._returning:
                    self._returning = await self._give_back()
                self._returning = self._waiting  # the end of a pause comes by itself: look again with the next tick
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience()):
                    await self._changed.wait()

    def _patience(self) -> float:
        ends = [halt.until for halt in self.standstill.halts if halt.until is not None]
        return max(0.01, min([TICK, *(end - self._clock() for end in ends)]))

    async def _end_due(self) -> None:
        now = self._clock()
        for halt in self.standstill.halts:
            if halt.until is not None and halt.until <= now:
                with suppress(NotSuspended):  # an operator was faster
                    await self._end(halt.kind, halt.name, RELAY, ENDED, now)

    async def _give_back(self) -> bool:
        """Some more recipients of lanes that come back; whether there may be others."""
        found: list[list[DueLane] | None] = []

        def job(db: sqlite3.Connection) -> News:
            back = resuming.step(db)
            self._store.gate.forget()
            found[:] = [back]
            self._waiting = back is None and resuming.waits(db)
            return (), back or ()

        await self._store.run_with_news(job)
        return found[0] is not None

    def _say(self, now: float, text: str) -> None:
        self._publish(Notice(now, "info", text))


def _selection(kind: Kind, name: str) -> str:
    return f"{kind}:{name}" if name else kind


def _args(until: float | None) -> dict[str, int | str | bool]:
    return {"until": "resumed" if until is None else round(until)}


def _until(until: float | None, now: float) -> str:
    return "until it is resumed" if until is None else f"until {clock(until, now)}"
