"""What the runner knows of a site while it works on it: slots, slow start, the breaker and its probe. Pure: `now` is passed in.

Owned here: how many deliveries a site may carry at once and when a broken one is probed. A slot is one delivery under way, which
is also at most one connection. Nothing here is persistent; the queue keeps `failures` and `broken_until`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from mailtui.config import Limits
from mailtui.queue.bucket import Bucket
from mailtui.queue.lanes import DueLane, SiteRow
from mailtui.queue.live import SiteLive
from mailtui.queue.shape import Restraint, Terms, terms

#: Slots before anything is known of a site, and after its first success (design 2.1: "starts at 5").
UNPROVEN: Final = 2
START: Final = 5
#: Consecutive failures that break a busy site; an idle one breaks at once (Postfix: a pseudo-cohort).
COHORT: Final = 3
#: Lanes of one site at hand.
LANES: Final = 500
#: How long a limit learnt from "too many connections" stands, in seconds.
CEILING_STANDS: Final = 600.0


class LaneState:
    """A lane that may have something due: `generation` grows with every wake, so that none is missed between claims."""

    __slots__ = ("generation", "lane", "plan", "planned_at", "site")

    def __init__(self, lane: DueLane) -> None:
        self.lane = lane
        self.generation = 0
        self.plan: object | None = None
        self.planned_at = 0.0
        self.site: Site | None = None


class Site:
    """The working state of one site."""

    def __init__(self, row: SiteRow, ceiling: int) -> None:
        self.name = row.name
        self.failures = row.failures
        self.broken_until = row.broken_until
        self.reason = row.reason
        self.last_probe = row.last_probe
        self.waiting: OrderedDict[int, LaneState] = OrderedDict()
        self.in_use = 0
        self.claiming = 0
        self.proven = False
        self.configured = ceiling
        self.limit = float(min(UNPROVEN, ceiling))
        self._learnt = 0
        self._learnt_until = 0.0
        self._streak = 0
        self.used_at = 0.0
        self.limits: Limits | None = None
        self.paused = False
        self.bucket: Bucket | None = None

    def __repr__(self) -> str:
        state = "broken" if self.failures else "proven" if self.proven else "unproven"
        return f"{self.name}: {state}, {self.in_use} of {self.limit:.0f} slots, {len(self.waiting)} lanes"

    def shape(self, limits: Limits, standing: Sequence[Restraint], now: float) -> None:
        """Other terms from now on, at once; what the old rate left over is left to the new one."""
        found, bucket = terms(limits, standing), self.bucket
        self.limits = limits
        self.configured = found.connections
        self.limit = min(self.limit, float(found.connections))
        self.paused = any(one.paused for one in standing)
        if found.rate is None:
            self.bucket = None
        elif bucket is None or bucket.rate != found.rate:
            self.bucket = Bucket(found.rate, now, None if bucket is None else bucket.tokens(now))

    @property
    def terms(self) -> Terms:
        """What it carries at most now."""
        return Terms(max(1, int(self.limit)), self.bucket.rate if self.bucket else None)

    def live(self, now: float) -> SiteLive:
        """What it carries now."""
        return SiteLive(
            self.name,
            self.in_use,
            int(self.limit),
            self.configured,
            self.proven,
            self.failures,
            self.broken_until,
            self.reason,
            len(self.waiting),
            self.bucket.rate if self.bucket else None,
            self.bucket.next_at(now) if self.bucket else 0.0,
        )

    def may_start(self, now: float) -> bool:
        """Whether another delivery may begin: one only while broken, and that not before its time. A token must be there."""
        return self._has_slot(now) and (self.bucket is None or self.bucket.ready(now))

    def _has_slot(self, now: float) -> bool:
        if self.paused:
            return False
        if self.failures:
            return self.in_use == 0 and now >= self.broken_until
        return self.in_use < int(self.limit)

    def token_wait(self, now: float) -> float:
        """Seconds until the next token, when that is all that is missing for a delivery; else 0."""
        return self.bucket.next_at(now) - now if self.bucket and self.waiting and self._has_slot(now) else 0.0

    def may_go_on(self, now: float) -> bool:
        """Whether a slot that delivered something may take more."""
        return not (self.failures or self.paused or self.in_use > int(self.limit)) and self.spend(now)

    def spend(self, now: float) -> bool:
        """Take the token of a delivery that begins; whether there was one."""
        return self.bucket is None or self.bucket.take(now)

    def save(self) -> None:
        """There was nothing to deliver after all."""
        if self.bucket is not None:
            self.bucket.give_back()

    @property
    def full(self) -> bool:
        """Whether enough lanes of it are at hand; others wait in the database so that no site crowds out the rest."""
        return len(self.waiting) >= LANES

    def takes(self, now: float) -> bool:
        """Whether another lane is worth keeping at hand: not while it is broken, then its lanes come due with the probe, nor
        while it is paused, then they are passed over."""
        return not self.full and not self.paused and now >= self.broken_until

    @property
    def probing(self) -> bool:
        """Whether what is claimed now is the probe of a broken site."""
        return self.failures > 0

    def next_lane(self) -> LaneState | None:
        """The lane whose turn it is; turns go round."""
        if not self.waiting:
            return None
        number, state = self.waiting.popitem(last=False)
        self.waiting[number] = state
        return state

    def succeed(self, now: float) -> bool:
        """A complete reply to MAIL, RCPT or the dot: the site lives. Whether it was broken until now."""
        mended = self.failures > 0
        self.failures = self._streak = 0
        self.broken_until = 0.0
        self.used_at = now
        if mended:
            self.limit = float(min(UNPROVEN, self.configured))
            self.proven = True
        elif not self.proven:
            self.proven = True
            self.limit = float(min(START, self.configured))
        self.limit = min(self.limit + 1, self._ceiling(now))
        return mended

    def restart(self) -> None:
        """Whatever it could carry before: after a suspension it begins with little."""
        self.limit = float(min(UNPROVEN, self.configured))
        self._streak = 0

    def crowded(self, now: float) -> None:
        """The host counts our connections and has enough of them: stay below that for a while."""
        self._learnt = max(1, self.in_use - 1)
        self._learnt_until = now + CEILING_STANDS
        self.limit = float(min(self.limit, self._learnt))

    def fail(self, now: float) -> bool:
        """A failure of the site itself. Whether it breaks (or its probe failed): the caller says until when."""
        if self.failures and now < self.broken_until:
            return False  # one of several under way when it broke: known already
        self._streak += 1
        self.limit = max(1.0, self.limit // 2)
        under_way = max(1, self.in_use - self.claiming)  # a slot that still looks for work proves nothing
        if self.failures or self._streak >= min(under_way, COHORT):
            self.failures += 1
            return True
        return False

    def close_until(self, until: float, probe: int, reason: str) -> None:
        """Break it: one message, another than `probe`, tries again at `until`."""
        self.failures = max(self.failures, 1)
        self.broken_until, self.last_probe, self.reason = until, probe, reason

    def _ceiling(self, now: float) -> float:
        return float(min(self.configured, self._learnt) if now < self._learnt_until else self.configured)


class Outage:
    """ "Is it us?": when several sites fail before EHLO and none succeeds for two minutes, our network or resolver is the cause.

    Then schedules stand still and one delivery a minute probes (design 2.3).
    """

    SITES: Final = 3
    SILENCE: Final = 120.0
    PROBE: Final = 60.0

    def __init__(self) -> None:
        self.active = False
        self.since = 0.0
        self._failed: dict[str, float] = {}
        self._probed = 0.0

    def failed(self, site: str, now: float) -> bool:
        """A site failed at dns, connect or greeting. Whether this makes it an outage of ours."""
        if len(self._failed) < 1000:
            self._failed.setdefault(site, now)
        long_enough = now - min(self._failed.values(), default=now) >= self.SILENCE
        if not self.active and len(self._failed) >= self.SITES and long_enough:
            self.active = True
            self.since = self._probed = now
            return True
        return False

    def succeeded(self) -> bool:
        """Some site answered. Whether that ends an outage."""
        was, self.active = self.active, False
        self._failed.clear()
        return was

    def may_probe(self, now: float) -> bool:
        """During an outage: whether the one delivery of this minute may begin; asking takes it."""
        if now - self._probed < self.PROBE:
            return False
        self._probed = now
        return True
