"""The console as lines: what there is at first, and then what changed, in words that can be read out.

Owned here: those lines, from two looks at the relay; pure. A line says a thing once, with no columns and no colours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mailtui.control.results import StatusView
from mailtui.display import age, clock, plural
from mailtui.findings import IncidentRow
from mailtui.suspensions import Suspension, named
from mailtui.text import safe_text

_STATES: Final = ("queued", "sending", "deferred", "held")
_TOTALS: Final = ("accepted", "delivered", "bounced", "suppressed", "purged")
#: Cells of the text of an incident.
_TEXT: Final = 160


@dataclass(frozen=True)
class Seen:
    """One look: the relay, or why there is no answer; what is out of the ordinary; what is suspended. None: not known this time."""

    status: StatusView | None = None
    offline: str = ""
    incidents: Sequence[IncidentRow] | None = None
    suspended: Sequence[Suspension] | None = None


def lines(before: Seen | None, seen: Seen, now: datetime) -> list[str]:
    """What to say after a look, given the one before: nothing when nothing changed."""
    if seen.status is None:
        said = [] if before and before.offline == seen.offline else [f"offline: {seen.offline or 'no answer yet'}"]
    elif before is None or before.status is None:
        said = [_whole(seen.status, now), *_news(Seen(incidents=(), suspended=()), seen, now)]
    else:
        counts = _changes(before.status, seen.status)
        said = [*([counts] if counts else []), *_news(before, seen, now)]
    return [safe_text(f"{clock(now, now)} {text}") for text in said]


def after(before: Seen | None, seen: Seen) -> Seen:
    """What the next look is compared with: what was not known this time is as it was."""
    if before is None or seen.status is None:
        return seen
    incidents = before.incidents if seen.incidents is None else seen.incidents
    suspended = before.suspended if seen.suspended is None else seen.suspended
    return Seen(seen.status, seen.offline, incidents, suspended)


def _whole(status: StatusView, now: datetime) -> str:
    queue = status.queue
    waiting = sum(getattr(queue, name) for name in _STATES)
    states = ", ".join(f"{getattr(queue, name):,} {name}" for name in _STATES)
    oldest = f", the oldest for {age(status.oldest_seconds)}" if waiting else ""
    where = f"{status.hostname} {status.environment}".strip()
    ready = "" if status.ready else ", not ready"
    up = age((now - status.started).total_seconds())
    return (
        f"{where}, up {up}{ready}: {plural(waiting, 'recipient')} wait{'s' if waiting == 1 else ''}{oldest}: {states}"
    )


def _changes(before: StatusView, now: StatusView) -> str:
    parts = []
    if before.started != now.started:
        return "the relay was started anew; " + ", ".join(f"{getattr(now.queue, name):,} {name}" for name in _STATES)
    for name in _TOTALS:
        if (more := getattr(now.totals, name) - getattr(before.totals, name)) > 0:
            parts.append(f"{more:,} {name}")
    for name in _STATES:
        old, new = getattr(before.queue, name), getattr(now.queue, name)
        if old != new:
            parts.append(f"{name} {new:,} ({new - old:+,})")
    if before.ready != now.ready:
        parts.append("ready" if now.ready else "not ready")
    return ", ".join(parts)


def _news(before: Seen, now: Seen, at: datetime) -> Iterator[str]:
    """What came and what went, of what is told once."""
    for word, one, other in (("", before, now), (" over", now, before)):
        old = one.status.trouble if one.status else ()
        for text in other.status.trouble if other.status else ():
            if text not in old:
                yield f"alert{word}: {text}"
    if now.incidents is not None:
        known = {_key(row): row for row in before.incidents or ()}
        there = {_key(row): row for row in now.incidents}
        yield from (incident(row) for key, row in there.items() if key not in known)
        yield from (f"no longer: {incident(row)}" for key, row in known.items() if key not in there)
    if now.suspended is not None:
        yield from _suspensions(before.suspended or (), now.suspended, at)


def _suspensions(before: Sequence[Suspension], now: Sequence[Suspension], at: datetime) -> Iterator[str]:
    known, there = {one.action: one for one in before}, {one.action: one for one in now}
    for one in (there[action] for action in there if action not in known):
        end = f"until {clock(one.until, at)}" if one.until else "until resumed"
        yield f"suspended: {named(one.kind, one.name)} {end}"
    for one in (known[action] for action in known if action not in there):
        yield f"resumed: {named(one.kind, one.name)}"


def _key(row: IncidentRow) -> tuple[str, ...]:
    return (row.change, row.site, row.class_, row.fingerprint)


def incident(row: IncidentRow) -> str:
    """`NEW at mx.example: over quota: 38,114 times, 0 is usual`."""
    text = " ".join((row.sentence or row.sample or row.fingerprint).split())
    where = f"{row.change} at {row.site or 'this relay'}"
    if row.change == "RECOVERED":
        return f"{where}: {row.delivered:,} delivered"
    count = "" if row.change == "OURS" else f": {row.count:,} times, {row.usual:,.0f} usual"
    return f"{where}: {text[:_TEXT]}{count}"
