"""Carrying an operator's verb out: freeze the selection, then change it batch by batch beside the mail that flows.

Owned here: the order of those steps, the spreading of many retries, and what is told afterwards. What a verb does to a recipient
is in `verbs`. Belongs to the relay's loop.
"""

from __future__ import annotations

import random
import sqlite3
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from mailtui.errors import EX_DATAERR, MailtuiError
from mailtui.events import Changed
from mailtui.model import RECIPIENT_BITS, State, format_recipient_id
from mailtui.queue import queries, reports, verbs
from mailtui.queue.lanes import DueLane, Lanes
from mailtui.queue.reader import Reader
from mailtui.queue.selection import Selection, filter_of
from mailtui.queue.store import News, Store
from mailtui.queue.verbs import APPLIES, BOUNCE_DELAY, Change, Step, Verb
from mailtui.views import Affected

#: Recipients changed in one transaction: some ten milliseconds, so that mail hardly notices.
BATCH: Final = 500
#: The same of bounces: each message also has a DSN composed.
BOUNCE_BATCH: Final = 50
#: Retries of more recipients than this are spread: so many a second, but over no more than SPREAD seconds.
BURST: Final = 100
RATE: Final = 20.0
SPREAD: Final = 900.0
#: Ids named in the event of a change.
_NAMED: Final = 20


class Unexpected(MailtuiError):
    """The selection holds another number of recipients than was expected; nothing was done."""

    exit_code = EX_DATAERR

    def __init__(self, expected: int, found: int) -> None:
        self.expected, self.found = expected, found
        super().__init__(f"{found} recipients are selected now, not {expected}; nothing was done")


class Operator:
    """Does what operators ask. `unblock` is told the sites whose breakers a retry lifts, `publish` what was changed."""

    def __init__(
        self,
        store: Store,
        reader: Reader,
        unblock: Callable[[Sequence[str]], None],
        publish: Callable[[Changed], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._reader = reader
        self._unblock = unblock
        self._publish = publish
        self._clock = clock

    async def act(
        self,
        verb: Verb,
        selection: Selection,
        actor: str,
        reason: str = "",
        *,
        expect: int | None = None,
        dry_run: bool = False,
        now: bool = False,
    ) -> Affected:
        """Apply a verb to a selection. UnknownId, Unexpected (`expect` is not what would change): nothing was done.

        A filter and "everything" mean the states the verb applies to, and count what is being sent as skipped; what is suppressed
        is released only by its id or a filter that names the state. `now`: retries are
        not spread. `dry_run`: only say what would be done.
        """
        rows = await queries.freeze(self._reader, selection, _meant(verb, selection))
        if dry_run or expect is not None:
            forecast = await queries.forecast(self._reader, rows, verb.value, APPLIES[verb])
            if expect is not None and forecast.done != expect:
                raise Unexpected(expect, forecast.done)
            if dry_run:
                return forecast
        return await self._apply(verb, rows, actor, reason, now)

    async def _apply(self, verb: Verb, rows: array[int], actor: str, reason: str, now: bool) -> Affected:
        done = skipped = failed = messages = last = 0
        began = self._clock()
        named: list[str] = []
        for start, end in _batches(rows, BOUNCE_BATCH if verb is Verb.BOUNCE else BATCH):
            at = _turns(began, start, len(rows)) if verb is Verb.RETRY and not now and len(rows) > BURST else None
            step = await self._step(Change(verb, rows[start:end], self._clock(), actor, reason, at))
            done, skipped, failed = done + len(step.changed), skipped + step.skipped, failed + step.failed
            for row in step.changed:  # in order, so a message's recipients follow each other
                messages += row >> RECIPIENT_BITS != last
                last = row >> RECIPIENT_BITS
            named += [format_recipient_id(row) for row in step.changed[: _NAMED - len(named)]]
        if done:
            self._publish(Changed(self._clock(), verb.value, actor, done, named))
        return Affected(verb.value, len(rows), done, skipped, failed, messages)

    async def _step(self, change: Change) -> Step:
        """One batch in one transaction, with the DSNs it calls for; then the runner hears of it."""
        outcome: list[tuple[Step, tuple[str, ...]]] = []

        def job(db: sqlite3.Connection) -> News:
            step = verbs.apply(db, change)
            outcome[:] = [(step, verbs.sites_of(db, step.lanes))]
            if change.verb is Verb.BOUNCE:
                return reports.for_bounced(db, self._store, Lanes(), step.changed, change.now, BOUNCE_DELAY)
            if change.verb in (Verb.RETRY, Verb.RELEASE):
                return [], [lane for number in step.lanes if (lane := _lane(db, number)) is not None]
            return [], []

        await self._store.run_with_news(job)
        step, sites = outcome[0]
        if sites and change.verb is Verb.RETRY:
            self._unblock(sites)
        return step


def _meant(verb: Verb, selection: Selection) -> tuple[State, ...]:
    """The states a verb means where no ids are named."""
    if verb is Verb.RELEASE:
        return APPLIES[verb] if filter_of(selection).names_state else (State.HELD,)
    return (*APPLIES[verb], State.SENDING)


def _batches(rows: array[int], size: int) -> Iterator[tuple[int, int]]:
    """Where each batch begins and ends: about `size` rows, but never between two recipients of a message, which share a DSN."""
    start = 0
    while start < len(rows):
        end = min(start + size, len(rows))
        while end < len(rows) and rows[end] >> RECIPIENT_BITS == rows[end - 1] >> RECIPIENT_BITS:
            end += 1
        yield start, end
        start = end


def _turns(began: float, start: int, total: int) -> Callable[[int], float]:
    """When row i of a batch that begins at `start` has its turn."""
    pace = max(RATE, total / SPREAD)
    return lambda i: began + (start + i + random.random()) / pace


def _lane(db: sqlite3.Connection, number: int) -> DueLane | None:
    row = db.execute(
        "SELECT lane.id, destination, route, ifnull(site.name, '') FROM lane LEFT JOIN site ON site.id = lane.site WHERE lane.id = ?",
        (number,),
    ).fetchone()
    return None if row is None else DueLane(*row)
