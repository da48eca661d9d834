"""Who the runner needs: a courier that carries claims, and somebody who signs. Declared by the room that uses them.

Owned here: those two roles; delivery and trust play them without knowing, `relay` hands them over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from mailtui.config import Limits
from mailtui.model import Claim, Delivery, Obstacle


class Plan(Protocol):
    """Where a lane leads; only the courier looks deeper."""

    @property
    def site(self) -> str: ...


P = TypeVar("P", bound=Plan)


class Courier(Protocol[P]):
    """Who carries claims (delivery.courier)."""

    async def plan(self, destination: str, key: str) -> P | Obstacle: ...
    async def deliver(self, claim: Claim, plan: P, signature: bytes) -> Delivery: ...

    def limits(self, site: str) -> Limits:
        """What a site that was planned for may carry by the settings."""

    def part(self, site: str) -> None:
        """Close the connections to a site that are not in use."""

    @property
    def awaiting_verdicts(self) -> int:
        """Transactions whose dot has been sent and not been answered."""


class Signed(Protocol):
    """What signing came to: the header lines, a word about them, and whether the message must not leave."""

    @property
    def header(self) -> bytes: ...
    @property
    def note(self) -> str: ...
    @property
    def hold(self) -> bool: ...


Sign = Callable[[Claim], Awaitable[Signed]]
