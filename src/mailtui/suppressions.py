"""The suppression list as values: an entry, what an operator gives for one, and what an import would change.

Owned here: those shapes, which are exactly the JSON that scripts rely on. How entries are kept is `queue.suppression`, how they are
written in files the command line's. Evidence and notes are hostile text: escape them before a terminal sees them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

#: The reason of an entry whose operator named none, and the source of those nobody asked for.
MANUAL: Final = "manual"
RELAY: Final = "relay"

Entry = Annotated[str, Meta(description="an address, or @ and a domain", min_length=1, max_length=320)]
Reason = Annotated[str, Meta(description="a class such as no-such-user", pattern="^[a-z][a-z0-9-]{0,39}$")]
Text = Annotated[str, Meta(max_length=1000)]
#: When an entry ends: None is never, left out is by its reason (`suppression.expiry`).
Until = Annotated[datetime, Meta(tz=True)] | None | UnsetType


class Suppression(msgspec.Struct, frozen=True):
    """An entry as it stands. `source` is the operator's name or "relay"; `expires` None until it is removed; `evidence` the reply
    (or what DNS said) that put it there, by `host`, at `seen`, to the recipient `id`; each of them "" or None when there is none."""

    entry: str
    reason: str
    source: str
    created: datetime
    expires: datetime | None
    evidence: str = ""
    host: str = ""
    seen: datetime | None = None
    id: str = ""
    note: str = ""


class Wanted(msgspec.Struct, frozen=True):
    """An entry as it is asked for; `entry` as a person writes it. What is left out stays as it is where the entry exists."""

    entry: Entry
    reason: Reason | UnsetType = UNSET
    expires: Until = UNSET
    evidence: Text = ""
    host: Annotated[str, Meta(max_length=255)] = ""
    seen: Annotated[datetime, Meta(tz=True)] | None = None
    note: Text = ""


class SuppressionPage(msgspec.Struct, frozen=True):
    """Some entries in their order; `after` is the cursor of the next page, None on the last."""

    rows: tuple[Suppression, ...]
    after: str | None = None


#: New, standing otherwise, standing so already, or ended before it began.
Change = Literal["add", "change", "same", "past"]


class Difference(msgspec.Struct, frozen=True):
    """What an import does to one entry; `was` is what stands there before."""

    change: Change
    entry: str
    reason: str
    expires: datetime | None
    was: Suppression | None = None


class ListChange(msgspec.Struct, frozen=True):
    """What a change of the list came to, in entries: asked for, changed, so already, ended before they began. `action` is the number
    that undo wants to know, 0 when nothing changed; `entries` stand so now (of a removal: stood).
    With `dry_run` it is what would be, and `waiting` how many recipients in the queue are for them."""

    action: int
    verb: str
    matched: int
    done: int
    skipped: int = 0
    failed: int = 0
    entries: tuple[Suppression, ...] = ()
    dry_run: bool = False
    waiting: int = 0


class ListImport(msgspec.Struct, frozen=True):
    """The same of an import (part of one, when it is long), with what it does to each entry. `waiting` is how many recipients in the
    queue are for what would be added or changed, when that was asked for."""

    action: int
    verb: str
    differences: tuple[Difference, ...]
    waiting: int = 0
