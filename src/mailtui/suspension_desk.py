"""What operators ask of suspensions: names understood, ends checked, and what other answers tell of them.

Owned here: what a name may look like, the errors of saying it wrong, and the sentences of `status`. The rows are `queue.suspension`'s,
the changes `queue.suspender`'s. Part of `service`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.structs import replace

from mailtui.control.api_suspend import LASTS, Resume, Suspend
from mailtui.errors import EX_DATAERR, ControlError
from mailtui.intake.address import canonical_domain
from mailtui.intake.replies import Refusal
from mailtui.queue import standstill, suspension
from mailtui.queue.live import Live
from mailtui.queue.reader import Reader
from mailtui.queue.suspender import Manner
from mailtui.queue.suspension import Halt
from mailtui.queue.wording import clock, said
from mailtui.suspensions import STOPS_DELIVERY, WHOLE, Kind, Suspended, Suspension, named
from mailtui.views import DestinationRow, moment_or_never

if TYPE_CHECKING:
    from mailtui.relay import Relay


class SuspensionDesk:
    """Answers for one relay."""

    def __init__(self, relay: Relay, reader: Reader) -> None:
        self._relay = relay
        self._reader = reader

    async def suspend(self, request: Suspend, actor: str) -> Suspended:
        """Suspend one thing. ControlError for what is none, and for an end that is past."""
        now = time.time()
        if request.until is UNSET:
            until: float | None = now + LASTS
        else:
            until = None if request.until is None else request.until.timestamp()
        if until is not None and until <= now:
            raise ControlError("past", f"{clock(until, now)} is past; nothing was suspended", exit_code=EX_DATAERR)
        name = canonical(request.kind, request.what)
        manner = Manner(request.dry_run, request.expect)
        return await self._relay.suspender.suspend(request.kind, name, until, actor, request.reason, manner)

    async def resume(self, request: Resume, actor: str) -> Suspended:
        """End a suspension. ControlError for what is no name, NotSuspended, Unexpected."""
        name = canonical(request.kind, request.what)
        manner = Manner(request.dry_run, request.expect)
        return await self._relay.suspender.resume(request.kind, name, actor, request.reason, manner)

    async def suspensions(self) -> tuple[Suspension, ...]:
        """Everything that is suspended, the oldest first."""
        return await suspension.seen(self._reader, self._relay.suspender.standstill.halts)

    async def probe(self, action: int) -> None:
        """A retry of a single recipient that is suspended: it alone is tried, over one connection, and nothing else moves."""
        still = self._relay.suspender.standstill
        for lane, row, stopped in await suspension.changed_by(self._reader, action):
            if stopped or still.of(lane.destination, lane.site):
                self._relay.runner.probe(lane, row)

    # ------------------------------------------------------------------ in other answers

    def marked(self, rows: Sequence[DestinationRow]) -> tuple[DestinationRow, ...]:
        """Destinations, with the end of what suspends them."""
        still = self._relay.suspender.standstill
        ends = [still.until(row.destination, row.site) for row in rows]
        return tuple(
            row if end is None else replace(row, suspended=True, suspended_until=moment_or_never(end))
            for row, end in zip(rows, ends, strict=True)
        )

    def live(self, destination: str, site: str) -> Live:
        """What stands in the way of mail to a destination, its suspensions included."""
        return replace(self._relay.runner.live(site), halts=self._relay.suspender.standstill.of(destination, site))

    def trouble(self) -> Iterator[str]:
        """What `status` says, so that no suspension is forgotten."""
        halts, now = self._relay.suspender.standstill.halts, time.time()
        for kind in WHOLE:
            for halt in halts:
                if halt.kind == kind:
                    be = "are" if kind == "delivery" else "is"
                    yield f"{named(kind, '')} {be} suspended {_end(halt, now)} by {halt.actor}: {said(halt.reason)}"
        for kinds, noun, effect in (
            (STOPS_DELIVERY, "destination or site", "gets no mail"),
            (("sender", "user"), "sender or user", "may not send"),
        ):
            some = [halt for halt in halts if halt.kind in kinds and halt.kind not in WHOLE]
            if len(some) == 1:
                yield f"{named(some[0].kind, some[0].name)} is suspended {_end(some[0], now)}: {said(some[0].reason)}"
            elif some:
                first = min(some, key=lambda halt: math.inf if halt.until is None else halt.until)
                nouns = noun.replace(" or ", "s and ") + "s"
                verb = effect.replace("gets", "get")
                yield f"{len(some)} {nouns} are suspended and {verb}, {first.name} {_end(first, now)}: see `mailtui suspensions`"


def _end(halt: Halt, now: float) -> str:
    return "until resumed" if halt.until is None else f"until {clock(halt.until, now)}"


def canonical(kind: Kind, text: str) -> str:
    """A name as it is compared. ControlError: not one of its kind."""
    written = text.strip()
    if kind in WHOLE:
        if written:
            raise ControlError("bad-name", f"{named(kind, '')} has no name", exit_code=EX_DATAERR)
        return ""
    try:
        if kind == "destination":
            return canonical_domain(written.removeprefix("@").encode())
        if not written:
            raise ValueError("no name")
        if kind == "sender":
            standstill.pattern(written)
    except (Refusal, ValueError) as error:
        hint = "write example.org" if kind == "destination" else "write news@example.org, *@example.org or @example.org"
        raise ControlError("bad-name", f'"{text[:100]}" is no {kind}: {error}', hint, EX_DATAERR) from None
    return written.lower() if kind == "site" else written
