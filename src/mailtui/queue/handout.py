"""Handing out claims: what slots ask for is served together, in one transaction, past suspensions and the suppression list.

Owned here: who may be claimed from at all, and what is told of those who were stopped instead. The statements are `claims`', when a
slot asks is the runner's business. Belongs to the relay's loop.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
from collections.abc import Callable, Collection, Sequence

from msgspec.structs import replace

from mailtui.events import Notice
from mailtui.model import Claim, encode_id
from mailtui.queue import claims, lanes
from mailtui.queue.claims import Ask
from mailtui.queue.lanes import DueLane
from mailtui.queue.suppressing import Told
from mailtui.queue.suppression import Suppressions
from mailtui.queue.suspension import Gate
from mailtui.queue.writer import Writer

#: Of waiting recipients (row, address) stops those that are listed, at this time: their rows, and the news of it.
Stop = Callable[[sqlite3.Connection, Sequence[tuple[int, str]], float], tuple[Collection[int], Told]]


class Handout:
    """Claims for slots. `owner` stands in what is claimed; `tell` hears what became of the stopped, and lanes to look at again."""

    def __init__(
        self,
        writer: Writer,
        gate: Gate,
        suppressions: Suppressions,
        owner: str,
        stop: Stop,
        tell: Callable[[Told], None],
        publish: Callable[[Notice], None],
    ) -> None:
        self._writer = writer
        self._gate = gate
        self._suppressions = suppressions
        self._owner = owner
        self._stop = stop
        self._tell = tell
        self._publish = publish

    def submit(
        self,
        lane: DueLane,
        now: float,
        limit: int,
        delay: Callable[[int], float],
        probe_not: int | None = None,
        only: int = 0,
    ) -> asyncio.Future[Claim | None]:
        """See `claims.Ask`; None when nothing is due, and then the lane's due time is made exact, or when it is suspended (but for
        the recipient that is `only` wanted). May fail with Damaged."""
        screen = _Screen(self._stop, now)
        ask = Ask((lane.id, lane.destination, lane.route), now, limit, delay, probe_not, only=only)
        claimed = self._writer.submit_item(self._serve, (ask, screen))
        claimed.add_done_callback(lambda done: self._screened(done, screen.stopped, lane))
        return claimed

    async def claim(
        self,
        lane: DueLane,
        now: float,
        limit: int,
        delay: Callable[[int], float],
        probe_not: int | None = None,
        only: int = 0,
    ) -> Claim | None:
        """The same, and what is damaged is held."""
        while True:
            try:
                return await self.submit(lane, now, limit, delay, probe_not, only)
            except claims.Damaged as damaged:
                job = functools.partial(claims.put_aside, damaged=damaged, now=now)
                if await self._writer.submit(job):
                    self._publish(Notice(now, "error", f"held: {damaged}", encode_id(damaged.message)))

    def _serve(self, db: sqlite3.Connection, wanted: list[tuple[Ask, _Screen]]) -> list[Claim | None]:
        """A claim for each ask, None for those that get none. In the writer's thread."""
        for _, screen in wanted:
            screen.stopped.clear()  # this may be run a second time
        listed = not self._suppressions.empty(db)
        places = [n for n, (ask, _) in enumerate(wanted) if ask.only or not self._gate.shut(db, ask.lane[0], ask.now)]
        asks = [replace(wanted[n][0], screen=wanted[n][1]) if listed else wanted[n][0] for n in places]
        found: list[Claim | None] = [None] * len(wanted)
        for n, claim in zip(places, claims.claim(db, asks, self._owner), strict=True):
            found[n] = claim
        for lane in {wanted[n][0].lane[0] for n in places if found[n] is None}:
            lanes.settle_due(db, lane)
        return found

    def _screened(self, done: asyncio.Future[Claim | None], stopped: list[Told], lane: DueLane) -> None:
        """Tell of the recipients a claim found on the suppression list; behind them there may be others that are not."""
        if stopped and not done.cancelled() and done.exception() is None:
            for news in stopped:
                self._tell(news)
            self._tell(([], [lane]))


class _Screen:
    """Stops the listed among the recipients a claim would take; what there is to tell of them is in `stopped`."""

    def __init__(self, stop: Stop, now: float) -> None:
        self._stop = stop
        self._now = now
        self.stopped: list[Told] = []

    def __call__(self, db: sqlite3.Connection, recipients: list[tuple[int, str]]) -> Collection[int]:
        rows, news = self._stop(db, recipients, self._now)
        if rows:
            self.stopped.append(news)
        return rows
