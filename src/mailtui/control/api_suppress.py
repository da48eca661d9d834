"""What can be asked of the suppression list; part of the table in `api`.

Owned here: those requests. No I/O.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta

from mailtui.suppressions import MANUAL, Entry, ListChange, ListImport, Suppression, SuppressionPage, Until, Wanted
from mailtui.suppressions import Reason as ListedFor

from .request import Reason, Request, Risk


class SuppressList(Request[SuppressionPage], frozen=True):
    """The addresses and domains that get no mail, and why."""

    name = "suppress.list"
    limit: Annotated[int, Meta(description="at most this many", ge=1, le=10_000)] = 1000
    after: Annotated[str, Meta(description="continue behind this entry", max_length=320)] = ""


class SuppressLookup(Request[tuple[Suppression, ...]], frozen=True):
    """What keeps mail from an address (or @domain); nothing when it gets its mail."""

    name = "suppress.lookup"
    entry: Entry


class SuppressAdd(Request[ListChange], frozen=True):
    """Send no more mail to an address (or @domain), in place of an entry there is."""

    name = "suppress.add"
    changes = True
    risk = Risk.REVERSIBLE
    entry: Entry
    reason: ListedFor = MANUAL
    expires: Until = UNSET
    note: Annotated[str, Meta(description="for those who come after", max_length=1000)] = ""
    expect: Annotated[int, Meta(description="do nothing unless so many recipients wait for it", ge=0)] | None = None
    dry_run: Annotated[bool, Meta(description="only say what would be done")] = False


class SuppressRemove(Request[ListChange], frozen=True):
    """Let mail to addresses (and @domains) go again."""

    name = "suppress.remove"
    changes = True
    risk = Risk.REVERSIBLE
    entries: tuple[Entry, ...]
    reason: Reason = ""
    expect: Annotated[int, Meta(description="do nothing unless it is this many entries", ge=0)] | None = None
    dry_run: Annotated[bool, Meta(description="only say what would be done")] = False


class SuppressImport(Request[ListImport], frozen=True):
    """Add many entries to the suppression list; those there already stand as they are asked for now."""

    name = "suppress.import"
    changes = True
    risk = Risk.REVERSIBLE
    entries: tuple[Wanted, ...]
    dry_run: Annotated[bool, Meta(description="only show the difference")] = False
    reason: Reason = ""
    count: Annotated[bool, Meta(description="with dry_run: count the recipients that wait for what it changes")] = False
