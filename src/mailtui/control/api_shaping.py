"""What can be asked about shaping: which limits hold for each site, and that what rules did be lifted.

Owned here: those two requests; part of the table in `api`. No I/O.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from mailtui.shapes import Lifted, SiteShape

from .request import Request, Risk


class ShapingList(Request[tuple[SiteShape, ...]], frozen=True):
    """What each site gets now, and why."""

    name = "shaping.list"
    site: Annotated[str, Meta(description="only this site, or those with this in their name", max_length=320)] = ""
    restrained: Annotated[bool, Meta(description="only sites that a rule slowed down or paused")] = False
    limit: Annotated[int, Meta(description="at most this many", ge=1, le=10_000)] = 100


class ShapingLift(Request[Lifted], frozen=True):
    """End what rules put on a site."""

    name = "shaping.lift"
    changes = True
    risk = Risk.REVERSIBLE
    site: Annotated[str, Meta(description="the name of a site", max_length=320)]
    reason: Annotated[str, Meta(description="why, for those who come after", max_length=500)] = ""
