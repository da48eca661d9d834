"""What is suspended, as values: what operators see of it, and what suspending and resuming answers.

Owned here: those shapes, which are exactly the JSON that scripts rely on. How suspensions are kept is `queue.suspension`. Moments are
UTC, cut to the second; reasons are what an operator wrote.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

#: A recipient domain, the hosts behind several, a sender (glob), an authenticated user, all new mail, all deliveries.
Kind = Literal["destination", "site", "sender", "user", "intake", "delivery"]
#: Those that stop deliveries; the others stop intake.
STOPS_DELIVERY: Final[tuple[Kind, ...]] = ("destination", "site", "delivery")
#: Those that have no name.
WHOLE: Final[tuple[Kind, ...]] = ("intake", "delivery")


class Suspension(msgspec.Struct, frozen=True):
    """One of them: since when, until when (None: until it is resumed), by whom and why; `action` is what `undo` wants to know.

    `waiting` is how many recipients it keeps from being sent (or tried: they are due at their own times); 0 of what stops intake.
    """

    kind: Kind
    name: str
    since: datetime
    until: datetime | None
    actor: str
    reason: str
    action: int
    waiting: int


class Suspended(msgspec.Struct, frozen=True):
    """What suspending or resuming did to one thing, or (`dry_run`) would do.

    `former` is the suspension there was before (of a resume: the one that ended),
    None when there was none; `until` None: until it is resumed; `waiting` as in `Suspension`; `known` whether mail for such a
    destination (or site) was ever taken: what was mistyped is not."""

    action: int
    verb: str
    matched: int
    done: int
    skipped: int
    failed: int
    kind: Kind
    name: str
    until: datetime | None
    waiting: int
    known: bool
    former: Suspension | None = None
    dry_run: bool = False


def named(kind: str, name: str) -> str:
    """How it is called in a sentence: `destination example.org`, `all deliveries`."""
    return {"intake": "the intake of mail", "delivery": "all deliveries"}.get(kind, f"{kind} {name}")
