"""What operators ask of the hold rules for new mail: what they write understood, and each change one job of the writer.

Owned here: how long a rule is to stand. What a rule may ask for is `queue.new_mail`, the rows are
`queue.hold_rules`'. Part of `service`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from mailtui.errors import EX_USAGE, ControlError
from mailtui.events import Notice
from mailtui.holdrules import HoldRule
from mailtui.queue import hold_rules, new_mail, queries
from mailtui.queue.filter import parse
from mailtui.queue.filter_tree import show
from mailtui.queue.reader import Reader
from mailtui.times import TimeError, coming, lasting
from mailtui.views import moment, moment_or_none

if TYPE_CHECKING:
    from mailtui.relay import Relay


class HoldRuleDesk:
    """Answers for one relay."""

    def __init__(self, relay: Relay, reader: Reader) -> None:
        self._relay = relay
        self._reader = reader

    async def rules(self, everything: bool, limit: int) -> tuple[HoldRule, ...]:
        """The rules that stand, or all that are remembered."""
        return await hold_rules.rules(self._reader, time.time(), everything, limit)

    async def add(
        self, filter: str, lasts: str, until: str, actor: str, reason: str, dry_run: bool = False
    ) -> HoldRule:
        """A new rule, from the next message on. NoMail, FilterError, ControlError for a time that makes no sense."""
        now, root = time.time(), new_mail.understand(filter)
        ends, known = end(lasts, until, now), self._relay.store.hold_rules
        if dry_run:
            waits = (await queries.count(self._reader, parse(filter))).recipients
            stands = moment_or_none(ends)
            return HoldRule(0, show(root), reason, actor, moment(now), stands, "standing", 0, None, 0, True, waits)
        number = await self._relay.store.run(lambda db: known.add(db, root, ends, actor, reason, now))
        self._publish(now, f"hold rule {number}: {actor} holds new mail of {show(root)}")
        return await hold_rules.rule(self._reader, number, now)

    async def remove(self, number: int, actor: str, reason: str, dry_run: bool = False) -> HoldRule:
        """A rule no longer stands; what it held stays held. UnknownRule."""
        now, known = time.time(), self._relay.store.hold_rules
        if dry_run:
            rule = await hold_rules.standing(self._reader, number, now)
            held = (await queries.count(self._reader, parse(f"rule:{number} state:held"))).recipients
            return replace(rule, dry_run=True, waiting=held)
        await self._relay.store.run(lambda db: known.remove(db, number, actor, reason, now))
        self._publish(now, f"hold rule {number}: {actor} removed it")
        return await hold_rules.rule(self._reader, number, now)

    def _publish(self, now: float, text: str) -> None:
        self._relay.journal.publish(Notice(now, "info", text))


def end(lasts: str, until: str, now: float) -> float | None:
    """When a rule ends that is made `now`, POSIX seconds; None: when it is removed. ControlError."""
    if lasts and until:
        raise ControlError("bad-time", "say how long or until when, not both", exit_code=EX_USAGE)
    try:
        if lasts:
            ends = now + lasting(lasts)
        elif until:
            ends = coming(until, now)
        else:
            return None
    except TimeError as error:
        raise ControlError("bad-time", error.reason, error.hint, EX_USAGE) from None
    if ends <= now:
        raise ControlError("past", f'a rule until "{until or lasts}" would have ended already')
    return ends
