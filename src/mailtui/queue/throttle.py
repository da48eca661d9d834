"""The rules at work: failures counted by site, restraints begun, kept, and ended when their time is over.

Owned here: that memory and when it is written; a rule is matched against failures only, so that mail that flows costs nothing. What a
rule means is `shape`, the rows are `restraints`, who keeps to it `sites` and `runner`. Belongs to the relay's loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec.structs import replace

from mailtui.config import ShapingRule
from mailtui.errors import MailtuiError
from mailtui.events import AnyEvent, Notice
from mailtui.model import Attempt, Delivery, Disposition
from mailtui.queue import restraints, shape
from mailtui.queue.shape import Restraint, Terms
from mailtui.queue.sites import Site
from mailtui.queue.store import Store

#: Pairs of site and rule whose failures are counted at once; beyond that counting starts again.
COUNTED: Final = 10_000


class Throttle:
    """Counts, and holds what stands. `changed(site)` is called when other terms hold for a site from now on."""

    def __init__(
        self,
        store: Store,
        publish: Callable[[AnyEvent], None],
        spawn: Callable[[Awaitable[None]], None],
        changed: Callable[[str], None],
    ) -> None:
        self._store = store
        self._publish = publish
        self._spawn = spawn
        self._changed = changed
        self._standing: dict[str, dict[str, Restraint]] = {}
        self._times: dict[tuple[str, str], deque[float]] = {}
        self._fired: dict[tuple[str, str], float] = {}
        self._ending: set[tuple[str, str]] = set()

    def __repr__(self) -> str:
        return f"{len(self._standing)} sites restrained, {len(self._times)} counted"

    # ------------------------------------------------------------------ what stands

    def of(self, site: str) -> tuple[Restraint, ...]:
        """What stands at a site."""
        return tuple(self._standing.get(site, {}).values())

    def sites(self) -> list[str]:
        """Where something stands."""
        return list(self._standing)

    def paused(self) -> list[str]:
        """Sites where nothing is tried now; a pause lasts until its end is committed."""
        return [site for site, found in self._standing.items() if any(one.paused for one in found.values())]

    async def restore(self) -> None:
        """What the queue file says stands, instead of what was remembered; but what is not committed yet is kept."""
        rows = await self._store.run(restraints.standing)
        before, self._standing = self._standing, {}
        for found in before.values():
            for one in found.values():
                if not one.id:
                    self._standing.setdefault(one.site, {})[one.rule] = one
        for one in rows:
            self._standing.setdefault(one.site, {})[one.rule] = one
        for site in {*before, *self._standing}:
            self._changed(site)

    def renew(self) -> None:
        """An operator changed the rows."""
        self._spawn(self._renew())

    async def _renew(self) -> None:
        await self.restore()
        self.expire(time.time())

    # ------------------------------------------------------------------ counting

    def watch(self, site: Site, delivery: Delivery, now: float) -> None:
        """Count the failures of a delivery, one for each rule, and fire the rules that have had enough."""
        if site.limits is None or not site.limits.rules:
            return
        failed = [one for one in delivery.attempts if one.verdict.disposition is not Disposition.DELIVERED]
        if not failed:
            return
        for rule in site.limits.rules:
            attempt = next((one for one in failed if shape.speaks_for(rule, one)), None)
            if attempt is not None and (count := self._enough((site.name, rule.name), rule, now)):
                self._fire(site.name, rule, site.terms, attempt, count, now)

    def _enough(self, key: tuple[str, str], rule: ShapingRule, now: float) -> int:
        """How many failures speak for a rule, 0 while they are too few. What comes in hot on the heels of its firing was under way."""
        if now - self._fired.get(key, 0.0) < min(rule.window, rule.for_):
            return 0
        if len(self._times) >= COUNTED:
            self._times.clear()
        times = self._times.setdefault(key, deque())
        times.append(now)
        while times[0] <= now - rule.window or len(times) > rule.threshold:
            times.popleft()
        if len(times) < rule.threshold:
            return 0
        del self._times[key]
        if len(self._fired) >= COUNTED:
            self._fired.clear()
        self._fired[key] = now
        return rule.threshold

    def _fire(self, site: str, rule: ShapingRule, carried: Terms, attempt: Attempt, count: int, now: float) -> None:
        before = self._standing.get(site, {}).get(rule.name)
        found = shape.restrain(rule, site, carried, attempt, count, now, before)
        self._standing.setdefault(site, {})[rule.name] = found
        self._changed(site)
        self._spawn(self._keep(found, now))

    async def _keep(self, found: Restraint, now: float) -> None:
        """Write it; in force it is already, whatever becomes of the disk."""
        try:
            number, action = await self._store.run(lambda db: restraints.save(db, found, now))
        except MailtuiError as error:
            self._publish(Notice(now, "error", f"{found.site}: {found.told(now)}; not recorded: {error}"))
            return
        standing = self._standing.get(found.site, {})
        if found.rule in standing:
            standing[found.rule] = replace(standing[found.rule], id=number, action=action)
        self._publish(Notice(now, "warning", f"{found.site}: {found.told(now)} (action {action})"))

    # ------------------------------------------------------------------ the end

    def expire(self, now: float) -> None:
        """Begin to end what is over; about once a second."""
        for found in self._standing.values():
            for one in found.values():
                key = (one.site, one.rule)
                if one.until <= now and key not in self._ending:
                    self._ending.add(key)
                    self._spawn(self._end(one))

    async def _end(self, one: Restraint) -> None:
        """End it: first what waited through a pause gets its time back, and only then is anything tried."""
        queue = self._store.config.queue
        lifetimes = (queue.lifetime, queue.bounce_lifetime)
        try:
            more = one.paused
            while more:
                more = await self._store.run(lambda db: restraints.credit(db, one.site, one.rule, lifetimes))
            now = time.time()
            over = await self._store.run(lambda db: restraints.end(db, one.site, one.rule, now))
            if not over:  # continued, or changed by an operator meanwhile
                await self.restore()
                return
        except MailtuiError:
            return  # said by whoever met it first; the next tick tries again
        finally:
            self._ending.discard((one.site, one.rule))
        self._forget(one, now)

    def _forget(self, one: Restraint, now: float) -> None:
        """It is no more, unless it was continued meanwhile."""
        standing = self._standing.get(one.site, {})
        if one.rule not in standing or standing[one.rule].until > now:
            return
        del standing[one.rule]
        if not standing:
            self._standing.pop(one.site, None)
        self._fired.pop((one.site, one.rule), None)
        self._changed(one.site)
        self._publish(Notice(now, "info", f"{one.site}: no longer {one.does} by the rule {one.rule}"))


class Alarm:
    """Wakes a site when its next token is there. One at a time for each key; `fill` is called at about that time."""

    def __init__(self, fill: Callable[[str], None]) -> None:
        self._fill = fill
        self._set: set[str] = set()

    def __repr__(self) -> str:
        return f"{len(self._set)} sites wait for a token"

    def at(self, site: str, wait: float) -> None:
        """In `wait` seconds, unless it rings for that site anyway."""
        if site not in self._set:
            self._set.add(site)
            asyncio.get_running_loop().call_later(max(wait, 0.001), self._ring, site)

    def _ring(self, site: str) -> None:
        self._set.discard(site)
        self._fill(site)
