"""What operators ask of shaping: which terms hold for a site and why, and lifting what rules did.

Owned here: those answers, from the runner and the settings, and how both kinds of change are taken back. The rows are
`queue.restraints`'. Part of `service`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from mailtui.errors import EX_DATAERR, ControlError
from mailtui.events import Notice
from mailtui.model import format_recipient_id
from mailtui.queue import restraints
from mailtui.queue.actions import Entry, Inverse
from mailtui.queue.live import Live
from mailtui.queue.shape import Restraint
from mailtui.queue.wording import clock
from mailtui.shapes import Lifted, RestraintRow, SiteShape
from mailtui.views import moment

if TYPE_CHECKING:
    from mailtui.relay import Relay

#: Sites named in one line of trouble.
_NAMED: Final = 3


class ShapingDesk:
    """Answers for one relay."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def sites(self, name: str, restrained: bool, limit: int) -> tuple[SiteShape, ...]:
        """The sites at work or restrained, what rules restrain first, then the busiest; those with `name` in theirs."""
        runner, now = self._relay.runner, time.time()
        held = runner.throttle.sites()
        names = [site for site in ({*held} if restrained else {*held, *runner.sites()}) if name in site]
        shapes = [self._shape(site, runner.live(site), now) for site in names]
        shapes.sort(key=lambda shape: (not shape.restraints, not shape.rate, -shape.in_use, shape.site))
        return tuple(shapes[:limit])

    def _shape(self, name: str, live: Live, now: float) -> SiteShape:
        limits, site = self._relay.courier.limits(name), live.site
        paused = max((one.until for one in live.restraints if one.paused), default=0.0)
        most = min([limits.max_connections, *(one.connections for one in live.restraints if one.connections)])
        rates = [one.rate for one in live.restraints if one.rate]
        rate = (site.rate if site else None) or (rates[0] if rates else limits.rate)
        return SiteShape(
            site=name,
            in_use=site.in_use if site else 0,
            limit=0 if paused else site.limit if site else 0,
            max_connections=most,
            per_connection=limits.per_connection,
            rate=str(rate or ""),
            next_token=moment(site.token_at) if site and site.token_at > now else None,
            paused_until=moment(paused) if paused else None,
            proven=bool(site and site.proven),
            sources=limits.sources,
            restraints=tuple(map(_row, live.restraints)),
        )

    async def lift(self, site: str, reason: str, actor: str) -> Lifted:
        """End everything that rules put on a site, at once. ControlError `not-restrained`: nothing was done."""
        now, throttle = time.time(), self._relay.runner.throttle
        entry = Entry(now, actor, restraints.LIFT, f"site:{site}", reason)

        def job(db: sqlite3.Connection) -> tuple[int, list[Restraint]]:
            return restraints.lift(db, site, entry)

        action, found = await self._relay.store.run(job)
        if not found:
            hint = "`mailtui shaping` lists the sites"
            raise ControlError("not-restrained", f"no rule restrains {site[:100]} now", hint, EX_DATAERR)
        throttle.renew()
        rules = tuple(one.rule for one in found)
        text = f"{site}: {actor} lifted what was put on it by {', '.join(rules)} (action {action})"
        self._relay.journal.publish(Notice(now, "info", text))
        return Lifted(action, restraints.LIFT, len(found), len(found), 0, 0, site, rules)

    def trouble(self) -> list[str]:
        """What a person should know without asking: sites at which nothing is tried, because a rule said so."""
        throttle, now = self._relay.runner.throttle, time.time()
        paused = [one for site in throttle.sites() for one in throttle.of(site) if one.paused]
        if not paused:
            return []
        named = ", ".join(f"{one.site} until {clock(one.until, now)}" for one in paused[:_NAMED])
        more = f" and {len(paused) - _NAMED} more" if len(paused) > _NAMED else ""
        return [f"rules paused {named}{more}: see `mailtui shaping`"]


def inverses(relay: Relay) -> Mapping[str, Inverse]:
    """How `undo` takes back what rules did, and what operators lifted."""
    after = relay.runner.throttle.renew
    return {
        restraints.THROTTLE: Inverse(restraints.restore_throttle, after),
        restraints.LIFT: Inverse(restraints.restore_lift, after),
    }


def _row(one: Restraint) -> RestraintRow:
    return RestraintRow(
        rule=one.rule,
        does=one.does,
        since=moment(one.since),
        until=moment(one.until),
        count=one.count,
        class_=one.class_,
        cause=one.cause,
        host=one.host,
        id=format_recipient_id(one.recipient) if one.recipient else "",
        action=one.action,
    )
