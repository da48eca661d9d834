"""What an outcome means for the site: success opens it wider, its own failures close it, and many at once mean that it is us.

Owned here: opening and closing breakers in memory and in the queue, parking destinations whose DNS fails, and the outage of ours.
What a site may carry is `sites`, what becomes of the recipients `recorder`.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Final

from mailtui.config import Config
from mailtui.events import AnyEvent, Notice, SiteChanged
from mailtui.model import Attempt, Claim, Delivery, Obstacle, Stage
from mailtui.queue import lanes
from mailtui.queue.lanes import DueLane
from mailtui.queue.recorder import untried
from mailtui.queue.schedule import Backoff, site_failed
from mailtui.queue.sites import Outage, Site
from mailtui.queue.store import Store

_EARLY: Final = (Stage.DNS, Stage.CONNECT, Stage.GREETING)


class Breakers:
    """Judges outcomes. `spawn` runs work that nobody waits for, `alive` is called when something may go on."""

    def __init__(
        self,
        config: Config,
        store: Store,
        publish: Callable[[AnyEvent], None],
        spawn: Callable[[Awaitable[None]], None],
        alive: Callable[[], None],
    ) -> None:
        self._store = store
        self._publish = publish
        self._spawn = spawn
        self._alive = alive
        self.outage = Outage()
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Use these settings from now on."""
        self._backoff = Backoff(config.retry.schedule, config.retry.jitter)

    def judge(self, site: Site, claim: Claim, delivery: Delivery) -> Delivery:
        """What an outcome means for the site. Recipients that only met our own crowding or outage were not tried."""
        now = time.time()
        if delivery.proved:
            self._lives(site, now)
        failed = [attempt for attempt in delivery.attempts if site_failed(attempt.verdict)]
        if delivery.proved or not failed:
            return delivery
        first = failed[0]
        if first.verdict.class_ == "too-many-connections" and site.in_use > 1:
            site.crowded(now)
            return untried(claim, delivery)
        if first.stage in _EARLY:
            self._suspect(site.name, now)
        if self.outage.active:
            self._break(site, claim, first, now, Outage.PROBE)
            return untried(claim, delivery)
        if site.fail(now):
            self._break(site, claim, first, now, self._backoff.delay(site.failures, random.random()))
        return delivery

    def _lives(self, site: Site, now: float) -> None:
        if self.outage.succeeded():
            self._publish(Notice(now, "info", "mail flows again: it was our network or resolver"))
            self._alive()
        if site.succeed(now):
            self._note(self._store.run(lambda db: lanes.mend_site(db, site.name, now)))
            self._publish(SiteChanged(now, site.name, "alive", ""))
            self._alive()

    def _break(self, site: Site, claim: Claim, attempt: Attempt, now: float, wait: float) -> None:
        """Open the breaker: the site's lanes wait; those past their lifetime have had their last attempt by this probe."""
        site.close_until(now + wait, claim.message, str(attempt.reply)[:300])
        failures, until, reason = site.failures, site.broken_until, site.reason
        self._note(
            self._store.run(lambda db: lanes.break_site(db, site.name, failures, until, reason, now, claim.message))
        )
        if not self.outage.active:
            self._spawn(self._store.expire_site(site.name, now))
            self._spawn(self._store.fall_back(site.name, failures))
        self._publish(SiteChanged(now, site.name, "broken", reason, until))

    def suspect_dns(self, destination: str) -> None:
        """A look-up failed for the time being."""
        self._suspect(f"dns {destination}", time.time())

    def _suspect(self, name: str, now: float) -> None:
        if self.outage.failed(name, now):
            text = "nothing can be reached: several sites fail and none answers, so it is our network or resolver; trying once a minute"
            self._publish(Notice(now, "error", text))

    async def park(self, lane: DueLane, obstacle: Obstacle) -> float:
        """Nothing of this destination before the next step; until when. Those past their lifetime have had their last attempt."""
        now, backoff, reason = time.time(), self._backoff, str(obstacle.reply)[:300]
        stands, chance = self.outage.active, random.random()

        def job(db: sqlite3.Connection) -> float:
            failures = lanes.failures_of(db, lane.id)
            until = now + (Outage.PROBE if stands else backoff.delay(failures + 1, chance))
            lanes.park_lane(db, lane.id, until, reason)
            return until

        until = await self._store.run(job)
        self._publish(SiteChanged(now, lane.destination, "broken", reason, until))
        if not stands:
            await self._store.expire([lane.id], now)
        return until

    def _note(self, future: asyncio.Future[None]) -> None:
        """Nobody waits for this job; say it when it fails."""
        future.add_done_callback(self._missed)

    def _missed(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            self._publish(Notice(time.time(), "error", f"not recorded: {error}"))
