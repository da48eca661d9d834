"""What fails now that usually does not, what has ended, and whether the cause is ours: a window against the day before it.

Owned here: the comparison, pure. The counts come from `history`; whether everything is unreachable, from the runner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mailtui.findings import IncidentRow
from mailtui.queue.history import Group, Past
from mailtui.queue.wording import ago, count
from mailtui.views import moment

#: A group is UP at so many times its usual rate, and at least so many attempts; as many must have been for it to be missed.
RATIO: Final = 3.0
LEAST: Final = 10
#: Windows a relay must have run to know what is usual in one; what few of them had is never multiplied.
ENOUGH: Final = 4
#: Destinations whose DNS fails, at least half of all that were tried, that point at our resolver.
DNS_MANY: Final = 5
#: Sites that cannot be connected to, while nothing is delivered anywhere, that point at our network.
SITES_MANY: Final = 3
#: Sites that must agree before what they say of us is believed.
AGREE: Final = 2

_ORDER: Final = ("OURS", "NEW", "UP", "GONE", "RECOVERED")
#: What classes mean that speak of us and not of a recipient.
_ABOUT_US: Final = {
    "ip-reputation": "The address we send from is listed or has a bad name",
    "domain-reputation": "Our domain has a bad name",
    "rdns": "The name of the address we send from is missing or wrong (PTR, HELO)",
    "auth-spf": "Our SPF record does not cover the address we send from",
    "auth-dkim": "Our DKIM signatures are refused",
    "auth-dmarc": "Our mail fails DMARC",
}


def compare(past: Past, outage_since: float, now: float) -> tuple[IncidentRow, ...]:
    """What differs: our own trouble first, then NEW, UP, GONE and RECOVERED, the largest first. `outage_since` is 0 without one."""
    changed = [row for group in past.groups if (row := _change(group, past)) is not None]
    changed.sort(key=lambda row: (_ORDER.index(row.change), -max(row.count, row.usual), row.site, row.fingerprint))
    return (*_ours(past, outage_since, now), *changed)


def _change(group: Group, past: Past) -> IncidentRow | None:
    """What happened to a group; None when nothing did."""
    usual = group.base * past.window / max(past.span, ENOUGH * past.window)
    delivered = past.delivered.get(group.site, 0)
    if group.now and not group.base:
        return _row("NEW", group, usual, delivered)
    if group.now >= max(LEAST, RATIO * usual):
        return _row("UP", group, usual, delivered)
    if not group.now and group.base >= LEAST:
        return _row("RECOVERED" if delivered else "GONE", group, usual, delivered)
    return None


def _row(change: str, group: Group, usual: float, delivered: int) -> IncidentRow:
    return IncidentRow(
        change=change,
        site=group.site,
        class_=group.class_,
        count=group.now,
        usual=round(usual, 1),
        delivered=delivered,
        destinations=group.destinations,
        fingerprint=group.fingerprint,
        sentence=group.sentence,
        sample=group.sample,
        first_seen=moment(group.first),
        last_seen=moment(group.last),
    )


# ---------------------------------------------------------------------- is it us?


def _ours(past: Past, outage_since: float, now: float) -> Iterator[IncidentRow]:
    current = [group for group in past.groups if group.now]
    if outage_since:
        text = f"Nothing can be reached since {ago(outage_since, now)}: our network or resolver fails."
        yield _our("outage", text, [])
    if past.dns >= DNS_MANY and past.dns * 2 >= past.tried:
        text = f"DNS fails for {past.dns} of {count(past.tried, 'destination')} tried: look at our resolver."
        yield _our("dns", text, _of(current, "dns"))
    silent = _of(current, "connection", "timeout")
    if not outage_since and not past.delivered and _sites(silent) >= SITES_MANY:
        text = (
            f"No connection to {_sites(silent)} sites and nothing delivered anywhere: look at our network or firewall."
        )
        yield _our("connection", text, silent)
    for class_, sentence in _ABOUT_US.items():
        said = _of(current, class_)
        if _sites(said) >= AGREE:
            yield _our(class_, f"{sentence}: {_sites(said)} sites say so.", said)


def _of(groups: Iterable[Group], *classes: str) -> list[Group]:
    return [group for group in groups if group.class_ in classes]


def _sites(groups: Iterable[Group]) -> int:
    return len({group.site for group in groups})


def _our(class_: str, sentence: str, groups: Sequence[Group]) -> IncidentRow:
    return IncidentRow(
        change="OURS",
        site="",
        class_=class_,
        count=sum(group.now for group in groups),
        usual=0.0,
        delivered=0,
        destinations=sum(group.destinations for group in groups),
        fingerprint="",
        sentence=sentence,
        sample=max(groups, key=lambda group: group.now).sample if groups else "",
        first_seen=moment(min(group.first for group in groups)) if groups else None,
        last_seen=moment(max(group.last for group in groups)) if groups else None,
    )
