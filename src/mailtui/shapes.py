"""What the relay lets each site carry, as values: limits, what rules made of them, and why.

Owned here: those shapes; encoded with msgspec each is exactly its JSON. Moments are UTC, texts of strangers hostile, as in `views`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class RestraintRow(msgspec.Struct, frozen=True, rename={"class_": "class"}):
    """What a rule put on a site: `does` in words, since and until when, how many replies spoke for it, and the one that decided as
    it was received. `action` is its number in the audit."""

    rule: str
    does: str
    since: datetime
    until: datetime
    count: int
    class_: str
    cause: str
    host: str
    id: str
    action: int


class SiteShape(msgspec.Struct, frozen=True):
    """A site: deliveries under way, connections allowed now (`limit`, which grows by itself up to `max_connections`), messages over
    one connection, messages in a time ("" is no limit), and from where the settings come. `next_token`: when the rate allows the
    next message, None when it does now. `paused_until` None: it is not paused. `proven`: it has answered lately."""

    site: str
    in_use: int
    limit: int
    max_connections: int
    per_connection: int
    rate: str
    next_token: datetime | None
    paused_until: datetime | None
    proven: bool
    sources: tuple[str, ...]
    restraints: tuple[RestraintRow, ...] = ()


class Lifted(msgspec.Struct, frozen=True):
    """What was lifted at a site, in restraints; `undo` of `action` brings it back."""

    action: int
    verb: str
    matched: int
    done: int
    skipped: int
    failed: int
    site: str
    rules: tuple[str, ...]
