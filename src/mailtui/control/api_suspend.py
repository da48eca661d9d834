"""What can be asked about suspensions; part of the table in `api`.

Owned here: those three requests. No I/O.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from msgspec import UNSET, Meta, UnsetType

from mailtui.suspensions import Kind, Suspended, Suspension

from .request import Request, Risk

#: Seconds that a suspension lasts when nothing else is said: one that somebody forgets must not keep mail for ever.
LASTS: Final = 3600.0

Name = Annotated[
    str,
    Meta(description="the destination, site, user, or glob of senders; nothing of intake and delivery", max_length=320),
]


class Suspend(Request[Suspended], frozen=True):
    """Deliver nothing to a destination or site (or at all) for a while, or take no mail from a sender or user (or at all)."""

    name = "suspend"
    changes = True
    risk = Risk.REVERSIBLE
    kind: Kind
    reason: Annotated[str, Meta(description="why, for those who come after", min_length=1, max_length=500)]
    what: Name = ""
    until: Annotated[datetime, Meta(tz=True)] | UnsetType | None = UNSET
    dry_run: Annotated[bool, Meta(description="only say what would be done")] = False
    expect: Annotated[int, Meta(description="do nothing unless so many recipients wait for it", ge=0)] | None = None


class Resume(Request[Suspended], frozen=True):
    """End a suspension now; what it kept goes out a little at a time."""

    name = "resume"
    changes = True
    risk = Risk.REVERSIBLE
    kind: Kind
    what: Name = ""
    reason: Annotated[str, Meta(description="why, for those who come after", max_length=500)] = ""
    dry_run: Annotated[bool, Meta(description="only say what would be done")] = False
    expect: Annotated[int, Meta(description="do nothing unless so many recipients wait for it", ge=0)] | None = None


class Suspensions(Request[tuple[Suspension, ...]], frozen=True):
    """What is suspended: by whom, why, until when, and how much waits for it."""

    name = "suspensions"
