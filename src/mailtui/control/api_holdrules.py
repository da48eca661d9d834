"""What can be asked of the hold rules for new mail. Part of the table in `api`, which documents what requests are.

Owned here: those three requests, and who answers them. No I/O.
"""

from __future__ import annotations

from typing import Annotated, Protocol

from msgspec import Meta

from mailtui.holdrules import HoldRule

from .request import HIGHEST, Request, Risk

_Reason = Annotated[str, Meta(description="why, for those who come after", max_length=500)]


class HoldRuleAdd(Request[HoldRule], frozen=True):
    """Hold new mail that a filter finds (from, to, domain, user, client, listener, subject, msgid, size, route)."""

    name = "holdrule.add"
    changes = True
    risk = Risk.REVERSIBLE
    filter: Annotated[str, Meta(max_length=4096)] = ""
    lasts: Annotated[str, Meta(description="for so long (2h), instead of until it is removed", max_length=32)] = ""
    until: Annotated[str, Meta(description="until 18:00 or 2026-11-22T18:00 (Z for UTC)", max_length=32)] = ""
    reason: _Reason = ""
    dry_run: Annotated[bool, Meta(description="only say what would be done, and how many that wait it speaks of")] = (
        False
    )


class HoldRuleList(Request[tuple[HoldRule, ...]], frozen=True):
    """The hold rules that stand, and what they have held."""

    name = "holdrule.list"
    everything: Annotated[bool, Meta(description="those that ended or were removed too")] = False
    limit: Annotated[int, Meta(description="at most this many, the latest", ge=1, le=10_000)] = 1000


class HoldRuleRemove(Request[HoldRule], frozen=True):
    """Hold no more new mail by a rule; what it held stays held (release rule:N gives it back)."""

    name = "holdrule.remove"
    changes = True
    risk = Risk.REVERSIBLE
    rule: Annotated[int, Meta(description="the number of a rule", ge=1, le=HIGHEST)]
    reason: _Reason = ""
    dry_run: Annotated[bool, Meta(description="only say what would be done, and how many it still holds")] = False


REQUESTS = (HoldRuleAdd, HoldRuleList, HoldRuleRemove)


class Answers(Protocol):
    """Their part of `api.Service`."""

    async def holdrule_add(self, request: HoldRuleAdd, actor: str) -> HoldRule: ...
    async def holdrule_list(self, request: HoldRuleList) -> tuple[HoldRule, ...]: ...
    async def holdrule_remove(self, request: HoldRuleRemove, actor: str) -> HoldRule: ...
