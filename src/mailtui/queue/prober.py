"""One try of one recipient whose lane is suspended: how an operator finds out whether a site works again before all of it comes back.

Owned here: that try, over the only connection to its site. What comes of it is an attempt like any other. Belongs to the runner.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic

from mailtui.model import Claim, Obstacle
from mailtui.queue.carriers import Courier, P
from mailtui.queue.lanes import SiteRow
from mailtui.queue.recorder import Recorder, unreached
from mailtui.queue.sites import LaneState, Site
from mailtui.queue.store import Store


class Prober(Generic[P]):
    """Tries single recipients. `carry` delivers a claim and submits what came of it, `site_of` finds or makes the state of a site,
    `delay` says how long the recipient waits should this process die with it."""

    def __init__(
        self,
        store: Store,
        courier: Courier[P],
        recorder: Recorder,
        carry: Callable[[Site, LaneState, Claim], Awaitable[asyncio.Future[None] | None]],
        site_of: Callable[[SiteRow], Site],
        delay: Callable[[int], float],
    ) -> None:
        self._store = store
        self._courier = courier
        self._recorder = recorder
        self._carry = carry
        self._site_of = site_of
        self._delay = delay

    async def probe(self, state: LaneState, row: int) -> None:
        """Try it now, unless something is under way to its site already: then it stays as it is."""
        plan = await self._courier.plan(state.lane.destination, state.lane.route)
        if isinstance(plan, Obstacle):
            if (claim := await self._claim(state, row)) is not None:
                await self._recorder.write(claim, unreached(claim, plan, time.time()))
            return
        site = self._site_of(await self._store.enter_site(state.lane.id, plan.site))
        if site.in_use:
            return
        state.plan, state.site = plan, site
        site.in_use += 1
        try:
            if (claim := await self._claim(state, row)) is not None:
                await self._finish(site, state, claim)
        finally:
            site.in_use -= 1

    async def _claim(self, state: LaneState, row: int) -> Claim | None:
        return await self._store.claims.claim(state.lane, time.time(), 1, self._delay, only=row)

    async def _finish(self, site: Site, state: LaneState, claim: Claim) -> None:
        if (pending := await self._carry(site, state, claim)) is not None:
            await pending
