"""Making a change: plan, confirm, apply with progress, tell, undo.

Owned here: that course, one change at a time, as coroutines of the app's. What is asked and how dangerous it is stands in `actions`, every
word in `present.confirm`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace as having
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, cast

from msgspec.structs import replace

from mailtui.control import api
from mailtui.control.api_suspend import Suspensions
from mailtui.control.request import Request
from mailtui.errors import Unavailable
from mailtui.holdrules import HoldRule
from mailtui.shapes import Lifted
from mailtui.suppressions import ListChange
from mailtui.suspensions import Suspended
from mailtui.views import Affected, AuditRow, Preview

from . import orders
from .actions import Action, Scope, Tier, careful, request_for, tier
from .forms import Filled, Form
from .link import Link, Trouble
from .orders import About, Asks
from .present import confirm as says
from .present.line import Tone

#: Seconds between two looks at how far a change is, and before the first.
_LOOK: Final = 0.5
_ROWS: Final = 20
#: The relay was asked and its answer did not come.
_NO_ANSWER: Final = Unavailable.__name__
#: What an action changed: recipients, or something else.
_RECIPIENT, _CHANGE = "recipient", "change"

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

Confirmed = Callable[[Action, Scope, Preview, Tier], Awaitable[bool]]
Asked = Callable[[Form, Mapping[str, str], str], Awaitable[Filled | None]]
Tell = Callable[[str, Tone], None]


class Changes:
    """The changes of this console, and how the last ones are taken back. `confirmed` asks the operator whether, `asked` for the words
    of a form (with those there are, and what was wrong with them), `tell` fills the status line."""

    def __init__(self, link: Link, confirmed: Confirmed, asked: Asked, tell: Tell) -> None:
        self._link, self._confirmed, self._asked_for, self._tell = link, confirmed, asked, tell
        self._undoable: dict[int, str] = {}  # actions, the last one last, and what they changed
        self._stopping = False
        self.running = False

    @property
    def undoable(self) -> int:
        """How many changes `undo` can take back."""
        return len(self._undoable)

    def stop(self) -> None:
        """End the change that runs behind the chunk it is at."""
        self._stopping = True

    async def make(self, action: Action, scope: Scope) -> bool:
        """One change from its plan to its result; whether something was changed."""
        assert action.verb is not None
        if scope.empty:
            self._tell("nothing is selected", "warn")
            return False
        if action.verb is api.Reroute and not scope.to:
            found = await self._by_route(scope)
        else:
            found = scope, await self._link.ask(request_for(action.verb, scope))
        if found is None:
            self._tell("nothing was changed", "dim")
            return False
        scope, plan = found
        request = request_for(action.verb, scope)
        if not isinstance(plan, Preview):
            self._wrong(plan)
            return False
        level = tier(action.verb, plan.done, self._waiting(), self._environment())
        if level == 0 and (scope.to or not plan.done):
            level = 1
        if (level or not plan.done) and not await self._confirmed(action, scope, plan, level):
            self._tell("nothing was changed", "dim")
            return False
        if plan.plan:
            final = replace(request, ids=(), filter="", everything=False, dry_run=False, plan=plan.plan)
        else:  # too large to be kept: then at least the number must be the one that was confirmed
            final = replace(request, dry_run=False, expect=plan.done)
        return await self._apply(final, lambda row: bool(plan.plan) and row.args.get("plan") == plan.plan)

    async def undo(self) -> bool:
        """Take back the last change made here."""
        if not self._undoable:
            self._tell("nothing was changed from here; the audit has all changes", "dim")
            return False
        return await self._take_back(api.Undo(action=next(reversed(self._undoable))))

    async def _take_back(self, request: api.Undo, noun: str = "") -> bool:
        noun = noun or self._undoable.get(request.action, _RECIPIENT)
        undone = await self._apply(request, lambda row: row.undoes == request.action, noun)
        if undone:
            self._undoable.pop(request.action, None)
        return undone

    async def _by_route(self, scope: Scope) -> tuple[Scope, Affected | Preview | Trouble] | None:
        """By which route, and the plan of that; None when nobody wants it any more. A route there is not is asked for again."""
        none = await self._link.ask(request_for(api.Reroute, scope))
        routes = none.text.partition("there are: ")[2] if isinstance(none, Trouble) else ""
        values: Mapping[str, str] = {}
        error = ""
        while (filled := await self._asked_for(orders.reroute(routes, scope.words), values, error)) is not None:
            chosen = having(scope, to=filled.values["to"].strip())
            plan = await self._link.ask(request_for(api.Reroute, chosen))
            if not isinstance(plan, Trouble):
                return chosen, plan
            values, error = filled.values, plan.text.partition("\n")[0]
        return None

    async def order(self, asks: Asks, about: About, given: Mapping[str, str] = NOTHING) -> bool:
        """One change that needs words, from its form (with those that are `given`) to its result; whether something was changed."""
        if about.destination:
            rows = await self._link.ask(Suspensions(), 1.0)
            there = () if isinstance(rows, Trouble) else rows
            ours = (row for row in there if (row.kind, row.name) == orders.thing(about.destination))
            about = having(about, suspended=next(ours, None))
        form = asks(about)
        if isinstance(form, str):
            self._tell(form, "warn")
            return False
        values, error = given, ""
        while (filled := await self._asked_for(form, values, error)) is not None:
            request = filled.order.request
            if isinstance(request, api.Undo):
                return await self._take_back(request, _noun(about))
            answer = await self._link.ask(request)
            if not isinstance(answer, Trouble):
                return self._ordered(answer)
            values, error = filled.values, f"{answer.text.partition(chr(10))[0]} {answer.hint}".strip()
        self._tell("nothing was changed", "dim")
        return False

    def _ordered(self, answer: object) -> bool:
        if isinstance(answer, ListChange | Suspended | HoldRule | Lifted):
            self.made(answer.action)
            self._tell(says.ordered(answer, datetime.now(UTC)), "ok" if answer.action else "warn")
            return bool(answer.action)
        self._tell(says.of_the_relay(answer), "ok")
        return True

    def made(self, action: int) -> None:
        """An action that can be taken back from here; 0 is none."""
        if action:
            self._undoable[action] = _CHANGE

    async def _apply(
        self, request: api.Action | api.Undo, mine: Callable[[AuditRow], bool], noun: str = _RECIPIENT
    ) -> bool:
        self.running, self._stopping = True, False
        try:
            async with asyncio.TaskGroup() as group:
                answer = group.create_task(self._asked(request))
                while not (await asyncio.wait({answer}, timeout=_LOOK))[0]:
                    await self._watch(mine)
        finally:
            self.running = False
        result = answer.result()
        if not isinstance(result, Affected):
            if isinstance(result, Trouble) and result.code == "cannot-undo" and isinstance(request, api.Undo):
                self._undoable.pop(request.action, None)  # those before it can still be undone
            self._wrong(result, asked=True)
            return False
        if result.done and isinstance(request, api.Action):
            self._undoable[result.action] = _RECIPIENT
        self._tell(says.result(result, noun), "ok" if result.done else "warn")
        return True

    async def _asked(self, request: api.Action | api.Undo) -> Affected | Preview | Trouble:
        return await self._link.ask(cast("Request[Affected | Preview]", request))

    async def _watch(self, mine: Callable[[AuditRow], bool]) -> None:
        rows = await self._link.ask(api.Audit(limit=_ROWS))
        row = (
            None
            if isinstance(rows, Trouble)
            else next((row for row in rows if row.state == "open" and mine(row)), None)
        )
        if row is None:
            return
        self._tell(says.progress(row), "accent")
        if self._stopping:
            await self._link.ask(api.Cancel(row.action, "esc"))

    def _wrong(self, answer: Affected | Preview | Trouble, asked: bool = False) -> None:
        if not isinstance(answer, Trouble):
            return
        hint = f" ({answer.hint})" if answer.hint else ""
        unknown = asked and answer.code == _NO_ANSWER
        self._tell(says.UNKNOWN if unknown else answer.text.partition("\n")[0] + hint, "bad")

    def _waiting(self) -> int:
        status = self._link.status
        return (
            sum((status.queue.queued, status.queue.sending, status.queue.deferred, status.queue.held)) if status else 0
        )

    @property
    def word(self) -> str:
        """What must be typed before a form is confirmed: the word of an environment that wants care."""
        return self._environment() if careful(self._environment()) else ""

    def _environment(self) -> str:
        return self._link.status.environment if self._link.status else ""


def _noun(about: About) -> str:
    """What the action under the cursor changed."""
    verbs = {verb.name for verb in api.ACTIONS}
    return _RECIPIENT if isinstance(about.row, AuditRow) and about.row.verb in verbs else _CHANGE
