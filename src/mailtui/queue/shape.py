"""What rules do to a site, as values: a restraint, what it comes to together with the settings, and which failures speak for it.

Owned here: those judgements, pure. Counting failures and keeping restraints is `throttle`, their rows are `restraints`, keeping to
the result is `sites`. Times are POSIX seconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from mailtui.config import Limits, Rate, ShapingRule
from mailtui.model import Attempt, Disposition
from mailtui.queue.wording import clock, said

#: Characters of a reply that are looked at, and kept as the cause.
LOOKED_AT: Final = 500
#: Outcomes without a reply that a rule may count, and only if it names them: they were met at the site, not made up here.
_MET_THERE: Final = frozenset(("connection", "timeout", "tls", "unknown-outcome"))
#: No rule makes a site slower than this, however often it fires: something must be tried, or nothing is ever learnt.
_SLOWEST: Final = Rate(1, 3600)


class Restraint(msgspec.Struct, frozen=True):
    """What a rule put on a site: at most `connections` (0: says nothing), at most `rate`, nothing at all if `paused`; from `since`
    `until` then. `count` replies spoke for it, `cause` is the one that decided, of class `class_`, by `host`. `id` and `action`
    (its row in the audit) are 0 until it is committed."""

    site: str
    rule: str
    since: float
    until: float
    count: int
    cause: str
    class_: str = ""
    host: str = ""
    connections: int = 0
    rate: Rate | None = None
    paused: bool = False
    recipient: int = 0
    id: int = 0
    action: int = 0

    @property
    def does(self) -> str:
        """In words."""
        if self.paused:
            return "paused"
        parts = [f"at most {self.rate}"] if self.rate else []
        if self.connections:
            parts.append(f"at most {self.connections} connection{'' if self.connections == 1 else 's'}")
        return ", ".join(parts)

    def told(self, now: float) -> str:
        """In a sentence's part, with its cause."""
        replies = f"{self.count} replies such as" if self.count > 1 else "the reply"
        since, until = clock(self.since, now), clock(self.until, now)
        return f"{self.does} by the rule {self.rule} from {since} until {until}, after {replies}: {said(self.cause)}"


class Terms(msgspec.Struct, frozen=True):
    """What a site may carry now: connections at once, messages in a time, nothing before `paused_until`."""

    connections: int
    rate: Rate | None = None
    paused_until: float = 0.0


def terms(limits: Limits, restraints: Iterable[Restraint]) -> Terms:
    """The settings and everything that stands, the strictest of each."""
    standing = list(restraints)
    return Terms(
        min([limits.max_connections, *(found.connections for found in standing if found.connections)]),
        slowest([limits.rate, *(found.rate for found in standing)]),
        max((found.until for found in standing if found.paused), default=0.0),
    )


def slowest(rates: Iterable[Rate | None]) -> Rate | None:
    """The slowest of some rates; None when there is none."""
    return min((rate for rate in rates if rate is not None), key=lambda rate: rate.count / rate.seconds, default=None)


def slower(rate: Rate, factor: float) -> Rate:
    """A rate times a factor below 1, never under one an hour (or under what it was, if that is less)."""
    count = rate.count * factor
    found = Rate(int(count), rate.seconds) if count >= 1 else Rate(1, math.ceil(rate.seconds / count))
    return (
        found if found.count / found.seconds >= _SLOWEST.count / _SLOWEST.seconds else slowest([rate, _SLOWEST]) or rate
    )


def speaks_for(rule: ShapingRule, attempt: Attempt) -> bool:
    """Whether an attempt is one of the failures a rule counts: one that a remote server answered; without a reply only if the rule
    names that class."""
    verdict, reply = attempt.verdict, attempt.reply
    if verdict.disposition is Disposition.DELIVERED or (rule.class_ and verdict.class_ != rule.class_):
        return False
    if not reply.code:
        return bool(rule.class_) and not rule.pattern and verdict.class_ in _MET_THERE
    return not rule.pattern or _compiled(rule.pattern).search(str(reply)[:LOOKED_AT]) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def restrain(
    rule: ShapingRule,
    site: str,
    carried: Terms,
    attempt: Attempt,
    count: int,
    now: float,
    before: Restraint | None = None,
) -> Restraint:
    """What a rule that fires puts on a site which carries as much as `carried` now. `before`: it stands already, and is continued."""
    connections: Sequence[int] = [
        *([rule.max_connections] if rule.max_connections else []),
        *([max(1, int(carried.connections * rule.slower))] if rule.slower < 1 else []),
        *([before.connections] if before is not None and before.connections else []),
    ]
    eased = slower(carried.rate, rule.slower) if carried.rate is not None and rule.slower < 1 else None
    return Restraint(
        site=site,
        rule=rule.name,
        since=now if before is None else before.since,
        until=max(now + rule.for_, 0.0 if before is None else before.until),
        count=count + (0 if before is None else before.count),
        cause=str(attempt.reply)[:LOOKED_AT],
        class_=attempt.verdict.class_,
        host=attempt.host,
        connections=min(connections, default=0),
        rate=slowest([rule.rate, eased, None if before is None else before.rate]),
        paused=rule.pause,
        recipient=attempt.recipient,
        id=0 if before is None else before.id,
        action=0 if before is None else before.action,
    )
