"""What a site may carry by the settings: the entries that match it, laid over each other.

Owned here: that value and the laying over, pure. Which entries match a site is found out in `delivery.shaping`; what a site
really carries at a moment is the runner's knowledge.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .settings import Delivery, Shaping, ShapingRule
from .values import Rate


class Limits(msgspec.Struct, frozen=True):
    """Most connections at once, messages over one connection, messages in a time (None: no limit), and the rules that watch its
    replies. `sources` names the entries it came from, for people."""

    max_connections: int
    per_connection: int
    rate: Rate | None = None
    rules: tuple[ShapingRule, ...] = ()
    sources: tuple[str, ...] = ()


def resolve(own: Sequence[Shaping], shipped: Sequence[Shaping], delivery: Delivery) -> Limits:
    """The limits of a site that these entries match, each list in its order: the first that says something wins.

    What the operator wrote replaces `[delivery]`; what is shipped only ever lowers it. A rule hides those of its name behind it.
    """
    if not all(entry.shipped for entry in own):
        shipped = ()
    entries = (*own, *shipped)
    rules: dict[str, ShapingRule] = {}
    for entry in entries:
        for rule in entry.rules:
            rules.setdefault(rule.name, rule)
    return Limits(
        max_connections=_first(own, "max_connections")
        or min(delivery.per_site, _first(shipped, "max_connections") or delivery.per_site),
        per_connection=_first(own, "per_connection")
        or min(delivery.per_connection, _first(shipped, "per_connection") or delivery.per_connection),
        rate=next((entry.rate for entry in entries if entry.rate is not None), None),
        rules=tuple(rules.values()),
        sources=(*(f"[[shaping]] {entry.match}" for entry in own), *(f"shipped {entry.match}" for entry in shipped)),
    )


def _first(entries: Sequence[Shaping], key: str) -> int:
    """The first value that is not 0; 0 when nobody says one."""
    return next((value for entry in entries if (value := int(getattr(entry, key)))), 0)
