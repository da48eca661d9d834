"""Where lanes lead: the site of each, looked up a limited number at a time, and what becomes of those that lead nowhere.

Owned here: look-ups under way, and which lanes are put off because their DNS fails. Which lanes are at work, and the sites themselves,
are the runner's (`Floor`); how DNS and routes are asked is the courier's business, until when a lane is put off that of `breakers`.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, Protocol

from mailtui.errors import Unavailable
from mailtui.model import Claim, Disposition, Obstacle
from mailtui.queue.breakers import Breakers
from mailtui.queue.carriers import Courier, P
from mailtui.queue.crew import Turns
from mailtui.queue.lanes import DueLane, SiteRow
from mailtui.queue.recorder import Recorder, unreached, untried
from mailtui.queue.sites import LaneState, Site
from mailtui.queue.store import Store

#: Look-ups under way at once.
MAX_PLANNING: Final = 200
#: A plan is used this long before DNS is asked again (its cache answers), in seconds.
PLAN_STANDS: Final = 30.0


class Floor(Protocol):
    """What a planner needs of the runner."""

    @property
    def stopping(self) -> bool: ...

    def known(self, name: str) -> Site | None:
        """A site that is worked on or remembered, on the terms that hold now."""

    def enter(self, row: SiteRow) -> Site:
        """The same, made from what the queue file remembers if it is new."""

    async def claim_due(self, lane: DueLane) -> Claim | None:
        """The next due recipients of a lane."""

    def planned(self, state: LaneState, site: Site | None) -> None:
        """What was begun has come to an end: the lane belongs to this site, or to none and that is dealt with."""


class Planner(Generic[P]):
    """Finds the sites of lanes. Belongs to the runner."""

    def __init__(
        self,
        store: Store,
        courier: Courier[P],
        recorder: Recorder,
        breakers: Breakers,
        spawn: Callable[[Awaitable[None]], None],
        floor: Floor,
    ) -> None:
        self._store = store
        self._courier = courier
        self._recorder = recorder
        self._breakers = breakers
        self._floor = floor
        self._turns = Turns(spawn, MAX_PLANNING)
        self._parked: dict[int, float] = {}  # new mail is no reason to ask before their time

    def puts_off(self, lane: DueLane, now: float) -> bool:
        """Whether its DNS is not to be asked yet."""
        return now < self._parked.get(lane.id, 0.0)

    def now_due(self, lanes: Sequence[DueLane]) -> None:
        """The queue file says that these may be tried, whatever was remembered."""
        for lane in lanes:
            self._parked.pop(lane.id, None)

    def begin(self, state: LaneState) -> None:
        """Find the site of a lane when its turn comes; the floor hears of it."""
        self._turns.add(functools.partial(self._plan, state))

    async def _plan(self, state: LaneState) -> None:
        site = None
        try:
            site = await self.place(state)
        except Unavailable:
            pass  # the next tick finds the lane due again
        finally:
            self._floor.planned(state, site)

    async def place(self, state: LaneState) -> Site | None:
        """The site a lane belongs to now; None when there is none and that has been recorded. Unavailable."""
        lane = state.lane
        plan = await self._courier.plan(lane.destination, lane.route)
        if isinstance(plan, Obstacle):
            await self._obstructed(state, plan)
            return None
        site = self._floor.known(plan.site)
        if site is None or lane.site != plan.site:
            site = self._floor.enter(await self._store.enter_site(lane.id, plan.site))
            state.lane = DueLane(lane.id, lane.destination, lane.route, plan.site)
        state.plan, state.planned_at, state.site = plan, time.monotonic(), site
        return site

    async def _obstructed(self, state: LaneState, obstacle: Obstacle) -> None:
        """No host to dial. A lasting fact ends every recipient of the lane; a passing one defers the first and parks the rest."""
        lane, lasting = state.lane, obstacle.verdict.disposition is Disposition.BOUNCED
        if not lasting:
            self._breakers.suspect_dns(lane.destination)
        while not self._floor.stopping:
            generation, now = state.generation, time.time()
            claim = await self._floor.claim_due(lane)
            if claim is None:
                if state.generation == generation:
                    break
                continue
            delivery = untried(claim) if self._breakers.outage.active else unreached(claim, obstacle, now)
            await self._recorder.write(claim, delivery)
            if not lasting:
                self._parked[lane.id] = await self._breakers.park(lane, obstacle)
                break
