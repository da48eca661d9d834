"""A subscriber's way through the journal: what happened already, then what happens, and never silently less.

Owned here: replay, following, and the gap line. HTTP is the server's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

from mailtui.events import AnyEvent, Journal

from .api import Entry, Gap, Log

#: Seconds of silence after which a sign of life is sent; it also finds out that the subscriber has gone.
HEARTBEAT: Final = 15.0
_BATCH: Final = 500

Heard = Callable[[AnyEvent], bool]


def replay(
    items: Sequence[tuple[int, AnyEvent]], seq: int, log: Log, now: float, heard: Heard | None = None
) -> list[Entry]:
    """The last `limit` of the journal's `items` behind `after_seq`, a gap before them when they do not join up with it.

    `seq` is the journal's newest number: when that is below `after_seq`, another relay counted so far; all is told again. Events
    that are not `heard` are not missed.
    """
    restarted = log.after_seq > seq
    after = 0 if restarted else log.after_seq
    known = [(number, event) for number, event in items if number > after]
    wanted = [Entry(number, event) for number, event in known if heard is None or heard(event)]
    wanted = wanted[max(len(wanted) - log.limit, 0) :]
    first = wanted[0].seq if wanted and heard is None else known[0][0] if known and heard is not None else seq + 1
    missed = first - after - 1
    if restarted or (after and missed):
        return [Entry(after + missed, Gap(now, missed)), *wanted]
    return wanted


def joined(last: int, items: Sequence[tuple[int, AnyEvent]], now: float) -> list[Entry]:
    """New `items` behind number `last`, a gap wherever numbers are missing."""
    entries: list[Entry] = []
    for number, event in items:
        if number > last + 1:
            entries.append(Entry(number - 1, Gap(now, number - 1 - last)))
        entries.append(Entry(number, event))
        last = number
    return entries


async def entries(
    journal: Journal, log: Log, now: float, heard: Heard | None = None
) -> AsyncGenerator[list[Entry], None]:
    """Batches of events: first the replay, then (with `follow`) without end what is published; empty after a silence."""
    # Subscribed before the replay is read, with no await between: nothing is lost and nothing comes twice.
    queue = journal.subscribe() if log.follow else None
    last = journal.seq
    try:
        past = replay(journal.since(0), journal.seq, log, now, heard)
        for start in range(0, len(past), _BATCH):
            yield past[start : start + _BATCH]
        while queue is not None:
            items = await _next(queue)
            told = joined(last, items, items[0][1].at if items else 0.0)
            yield [entry for entry in told if heard is None or isinstance(entry.event, Gap) or heard(entry.event)]
            last = items[-1][0] if items else last
    finally:
        if queue is not None:
            journal.unsubscribe(queue)


async def _next(queue: asyncio.Queue[tuple[int, AnyEvent]]) -> list[tuple[int, AnyEvent]]:
    """What waits in the queue, at least one unless the silence lasts."""
    try:
        async with asyncio.timeout(HEARTBEAT):
            items = [await queue.get()]
    except TimeoutError:
        return []
    while not queue.empty() and len(items) < _BATCH:
        items.append(queue.get_nowait())
    return items
