"""The runner: finds what is due, claims it fairly, hands it to the courier and has the outcome written.

Owned here: the slots. A slot is one task that works on one site: claim, deliver, record, and again, taking turns between the
site's lanes. Memory holds the lanes at work, never the queue. To which site a lane belongs is `planner`, how many at once `sites`, how
to deliver the courier's business, what an outcome means `breakers` (for the site) and `recorder` (for the recipients). The loop:
wake, plan, claim, deliver, record.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Generic, cast

from mailtui.config import Config
from mailtui.errors import MailtuiError, Unavailable
from mailtui.events import AnyEvent
from mailtui.model import Attempt, Claim
from mailtui.queue.attempts import Attempts
from mailtui.queue.breakers import Breakers
from mailtui.queue.carriers import Courier, P, Sign
from mailtui.queue.claims import Damaged
from mailtui.queue.crew import Crew
from mailtui.queue.lanes import DueLane, SiteRow
from mailtui.queue.live import Live
from mailtui.queue.planner import PLAN_STANDS, Planner
from mailtui.queue.prober import Prober
from mailtui.queue.recorder import Recorder
from mailtui.queue.schedule import Backoff
from mailtui.queue.sites import LaneState, Outage, Site
from mailtui.queue.standstill import Standstill, let_go
from mailtui.queue.store import Store
from mailtui.queue.throttle import Alarm, Throttle

#: Lanes at work at once; what is due beyond that stays in the database until its turn.
MAX_LANES: Final = 5000
#: Sites remembered while idle.
MAX_SITES: Final = 5000
TICK: Final = 1.0


class Runner(Generic[P]):
    """Works the queue. Belongs to the relay's loop."""

    def __init__(
        self,
        config: Config,
        store: Store,
        courier: Courier[P],
        sign: Sign,
        fingerprint: Callable[[Attempt], str],
        publish: Callable[[AnyEvent], None],
    ) -> None:
        """`sign` prepares a claim that has no signature yet; `fingerprint` names the failure group of an attempt."""
        self._store = store
        self._courier = courier
        self._publish = publish
        self._crew = Crew(publish)
        self._spawn = self._crew.spawn
        self._recorder = Recorder(config, store, fingerprint, publish)
        self._breakers = Breakers(config, store, publish, self._spawn, self.poke)
        self.throttle = Throttle(store, publish, self._spawn, self._reshape)
        self._alarm = Alarm(self._token)
        self._lanes: dict[int, LaneState] = {}
        self._sites: dict[str, Site] = {}
        self._planner = Planner(store, courier, self._recorder, self._breakers, self._spawn, self)
        self._slots = 0
        self._unproven = 0
        self._attempts = Attempts(courier, sign, publish)
        self._standstill = Standstill()
        self._prober = Prober(store, courier, self._recorder, self._carry, self.enter, self._claim_delay)
        self._poked = asyncio.Event()
        self.paused = False
        self._stopping = False
        self.configure(config)

    def __repr__(self) -> str:
        return f"{self._slots} slots at work, {len(self._lanes)} lanes, {self._attempts!r}"

    def configure(self, config: Config) -> None:
        """Use these settings from now on."""
        self._config = config
        self._backoff = Backoff(config.retry.schedule, config.retry.jitter)
        self._recorder.configure(config)
        self._breakers.configure(config)
        for name in self._sites:
            self._reshape(name)

    @property
    def outage(self) -> Outage:
        """Whether it is us that nothing reaches."""
        return self._breakers.outage

    def live(self, site: str) -> Live:
        """What stands in the way now of what waits for `site`, beside what the queue file says."""
        found, since = self._sites.get(site), self.outage.since if self.outage.active else 0.0
        slots, most = (self._slots, self._unproven), self._config.delivery.concurrency
        known = found.live(time.time()) if found else None
        return Live(self.paused, self._stopping, since, *slots, most, known, self.throttle.of(site))

    def sites(self) -> list[str]:
        """The sites that are worked on or remembered."""
        return list(self._sites)

    # ------------------------------------------------------------------ what is due

    async def run(self) -> None:
        """Look for due lanes until `drain`. Ends only by that or by cancellation."""
        while not self._stopping:
            self._poked.clear()
            if not self._still and len(self._lanes) < MAX_LANES:
                try:
                    full = [site.name for site in self._sites.values() if site.full] + self.throttle.paused()
                    due = await self._store.due(time.time(), MAX_LANES, full)
                    self._planner.now_due(due)
                    self.wake(due)
                except Unavailable:
                    pass  # said by whoever met it first; the next tick tries again
            self.throttle.expire(time.time())
            self._resume()
            try:
                async with asyncio.timeout(TICK):
                    await self._poked.wait()
            except TimeoutError:
                pass

    def poke(self) -> None:
        """Look for due lanes now."""
        self._poked.set()

    def wake(self, due: Sequence[DueLane]) -> None:
        """Something is due in these lanes."""
        if self._stopping or self._still:
            return
        for lane in due:
            if self._standstill.keeps(lane):
                continue
            state = self._lanes.get(lane.id)
            if state is None:
                if self._planner.puts_off(lane, time.time()):
                    continue
                if len(self._lanes) >= MAX_LANES:
                    return
                state = self._lanes[lane.id] = LaneState(lane)
                self._planner.begin(state)
                continue
            state.generation += 1
            if state.site is not None:
                state.site.waiting.setdefault(lane.id, state)
                self._fill(state.site, once=True)

    def _resume(self) -> None:
        """Sites that may go on: a slot came free elsewhere, a breaker's time is over, an outage ended."""
        for site in list(self._sites.values()):
            if site.waiting:
                self._fill(site, once=True)
            elif site.in_use == 0 and len(self._sites) > MAX_SITES:
                del self._sites[site.name]

    def forget_plans(self) -> None:
        """Ask DNS and routes again before the next claim of every lane."""
        for state in self._lanes.values():
            state.planned_at = 0.0

    def unblock(self, names: Sequence[str]) -> None:
        """An operator wants these sites tried now: their breakers are lifted."""
        for name in names:
            if (site := self._sites.get(name)) is not None:
                site.failures = 0
                site.broken_until = 0.0

    # ------------------------------------------------------------------ what is suspended

    @property
    def _still(self) -> bool:
        """Whether nothing at all is to be begun."""
        return self.paused or self._standstill.delivery

    def stand_still(self, now: Standstill) -> None:
        """From now on this is what does not move. What is under way is finished; a site that may go on begins slowly."""
        let_go(self._standstill, now, self._sites, self._lanes)
        self._standstill = now

    def probe(self, lane: DueLane, row: int) -> None:
        """Try this one due recipient although its lane is suspended, if nothing else is under way to its site."""
        if not (self._stopping or self.paused):
            self._spawn(self._prober.probe(LaneState(lane), row))

    # ------------------------------------------------------------------ for the planner

    @property
    def stopping(self) -> bool:
        """Whether nothing more is claimed."""
        return self._stopping

    def known(self, name: str) -> Site | None:
        """A site that is worked on or remembered, on the terms that hold now."""
        site = self._sites.get(name)
        if site is not None and site.limits != self._courier.limits(name):
            self._reshape(name)
        return site

    def enter(self, row: SiteRow) -> Site:
        """The same, made from what the queue file remembers if it is new."""
        site = self._sites.setdefault(row.name, Site(row, self._config.delivery.per_site))
        self.known(row.name)
        return site

    async def claim_due(self, lane: DueLane) -> Claim | None:
        """The next due recipients of a lane; what is damaged is held."""
        limit = self._config.delivery.max_recipients
        return await self._store.claims.claim(lane, time.time(), limit, self._claim_delay)

    def planned(self, state: LaneState, site: Site | None) -> None:
        """The lane waits for a slot of its site; or it is let go of, and found again when it is due."""
        if site is None or not site.takes(time.time()) or self._standstill.stops(state.lane, site.name):
            self._lanes.pop(state.lane.id, None)
        elif state.lane.id in self._lanes:
            site.waiting[state.lane.id] = state
            self._fill(site, once=True)

    # ------------------------------------------------------------------ slots

    def _fill(self, site: Site, once: bool = False) -> None:
        """Start slots for a site: one if somebody already claims there, because that claim will see what is new."""
        now = time.time()
        while site.waiting and not self._stopping and not self._still and site.may_start(now) and self._room(site):
            if site.claiming and once:
                return
            if self._attempts.alone or (self.outage.active and not self.outage.may_probe(now)):
                return
            site.in_use += 1
            site.claiming += 1
            self._slots += 1
            self._unproven += not site.proven
            site.spend(now)
            self._spawn(self._slot(site, site.proven))
            if once:
                return
        if wait := site.token_wait(now):
            self._alarm.at(site.name, wait)

    def _token(self, name: str) -> None:
        """The rate of a site allows another message."""
        if (site := self._sites.get(name)) is not None:
            self._fill(site, once=True)

    def _reshape(self, name: str) -> None:
        """Other terms may hold for a site: settings, a rule that fired, one that ended."""
        if (site := self._sites.get(name)) is None:
            return
        standing = self.throttle.of(name)
        site.shape(self._courier.limits(name), standing, time.time())
        if standing:
            self._courier.part(name)
        if site.paused:
            self._drop(site)
        self.poke()

    def _room(self, site: Site) -> bool:
        """Half of all slots is kept for sites that are known to answer, so that dead ones cannot take them all."""
        total = self._config.delivery.concurrency
        return self._slots < total and (site.proven or self._unproven < max(1, total // 2))

    async def _slot(self, site: Site, proven: bool) -> None:
        """Work on a site until nothing is due there or it may not be worked on."""
        pending: asyncio.Future[None] | None = None
        try:
            while True:
                try:
                    claim, state = await self._claim(site)
                finally:
                    site.claiming -= 1
                if pending is not None:
                    await pending
                    pending = None
                if claim is None or state is None:
                    site.save()
                    return
                self._fill(site, once=True)
                pending = await self._carry(site, state, claim)
                still = self._stopping or self._still or self.outage.active
                if pending is None or still or not site.may_go_on(time.time()):
                    return
                site.claiming += 1
        finally:
            site.in_use -= 1
            self._slots -= 1
            self._unproven -= not proven
            if pending is not None:
                await pending
            self._fill(site, once=True)

    async def _claim(self, site: Site) -> tuple[Claim | None, LaneState | None]:
        """The next due recipients of the lane whose turn it is."""
        while (state := site.next_lane()) is not None and not self._stopping:
            if time.monotonic() - state.planned_at > PLAN_STANDS:
                try:
                    moved = await self._planner.place(state)
                except Unavailable:
                    return None, None
                if moved is not site:
                    site.waiting.pop(state.lane.id, None)
                    if moved is None:
                        self._lanes.pop(state.lane.id, None)
                    else:
                        moved.waiting[state.lane.id] = state
                        self._fill(moved, once=True)
                    continue
            generation = state.generation
            probe = site.last_probe if site.probing else None
            try:
                claim = await self._take(state.lane, probe)
            except Unavailable:  # the next tick finds the lane due again; at once would only spin
                site.waiting.pop(state.lane.id, None)
                self._lanes.pop(state.lane.id, None)
                return None, None
            if claim is not None:
                return claim, state
            if state.generation == generation:
                site.waiting.pop(state.lane.id, None)
                self._lanes.pop(state.lane.id, None)
        return None, None

    async def _take(self, lane: DueLane, probe: int | None) -> Claim | None:
        """A claim; one that is made while the drain ends this slot goes back at once."""
        limit = self._config.delivery.max_recipients
        made = self._store.claims.submit(lane, time.time(), limit, self._claim_delay, probe)
        try:
            return await asyncio.shield(made)
        except Damaged:
            return await self._store.claims.claim(lane, time.time(), limit, self._claim_delay, probe)
        except asyncio.CancelledError:
            with suppress(MailtuiError):
                if (claim := await made) is not None:
                    await self._recorder.give_back_once(claim)
            raise

    def _drop(self, site: Site) -> None:
        for number in site.waiting:
            self._lanes.pop(number, None)
        site.waiting.clear()

    def _claim_delay(self, attempts: int) -> float:
        """How long a claimed recipient waits should this process die with it."""
        return self._backoff.delay(attempts, 0.5)

    async def _carry(self, site: Site, state: LaneState, claim: Claim) -> asyncio.Future[None] | None:
        """Deliver a claim and submit its outcome; the future is the commit. None when it had to be given back."""
        if self._attempts.alone:
            await self._recorder.give_back(claim)
            return None
        try:
            delivery, signature, note = await self._attempts.make(cast(P, state.plan), claim)
        except asyncio.CancelledError:
            with suppress(MailtuiError):  # a queue that takes nothing more: the next start takes the claim back
                await asyncio.shield(self._recorder.give_back_once(claim))
            raise
        finally:
            if claim.solo:
                self.poke()
        if delivery is None:
            return asyncio.ensure_future(self._recorder.hold(claim, note))
        if not self.outage.active:
            self.throttle.watch(site, delivery, time.time())
        delivery = self._breakers.judge(site, claim, delivery)
        if site.failures:  # its lanes come due again with the probe
            self._drop(site)
        return self._recorder.begin(claim, delivery, signature, note)

    # ------------------------------------------------------------------ life

    async def drain(self, patience: float, after_dot: float) -> None:
        """Claim nothing new; let deliveries finish for `patience` seconds, those that wait for the reply to the dot for
        `after_dot`, then give the rest back to the queue."""
        self._stopping = True
        self.poke()
        await self._crew.finish(lambda: after_dot if self._courier.awaiting_verdicts else patience)
