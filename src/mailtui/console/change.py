"""Making a change: plan, confirm, apply with progress, tell, undo.

Owned here: that course, one change at a time, as coroutines of the app's. What is asked and how dangerous it is stands in `actions`, every
word in `present.confirm`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, cast

from msgspec.structs import replace

from mailtui.control import api
from mailtui.control.request import Request
from mailtui.views import Affected, AuditRow, Preview

from .actions import Action, Scope, Tier, request_for, tier
from .link import Link, Trouble
from .present import confirm as says
from .present.line import Tone

#: Seconds between two looks at how far a change is, and before the first.
_LOOK: Final = 0.5
_ROWS: Final = 20

Confirmed = Callable[[Action, Scope, Preview, Tier], Awaitable[bool]]
Tell = Callable[[str, Tone], None]


class Changes:
    """The changes of this console, and how the last ones are taken back. `confirmed` asks the operator, `tell` fills the status line."""

    def __init__(self, link: Link, confirmed: Confirmed, tell: Tell) -> None:
        self._link, self._confirmed, self._tell = link, confirmed, tell
        self._undoable: list[Affected] = []
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
        request = request_for(action.verb, scope)
        plan = await self._link.ask(request)
        if not isinstance(plan, Preview):
            self._wrong(plan)
            return False
        level = tier(action.verb, plan.done, self._waiting(), self._environment())
        if not plan.done and level == 0:
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
        last = self._undoable[-1]
        undone = await self._apply(api.Undo(action=last.action), lambda row: row.undoes == last.action)
        if undone:
            self._undoable.remove(last)
        return undone

    async def _apply(self, request: api.Action | api.Undo, mine: Callable[[AuditRow], bool]) -> bool:
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
            self._wrong(result)
            return False
        if result.done and isinstance(request, api.Action):
            self._undoable.append(result)
        self._tell(says.result(result), "ok" if result.done else "warn")
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

    def _wrong(self, answer: Affected | Preview | Trouble) -> None:
        if isinstance(answer, Trouble):
            hint = f" ({answer.hint})" if answer.hint else ""
            self._tell(answer.text.partition("\n")[0] + hint, "bad")

    def _waiting(self) -> int:
        status = self._link.status
        return (
            sum((status.queue.queued, status.queue.sending, status.queue.deferred, status.queue.held)) if status else 0
        )

    def _environment(self) -> str:
        return self._link.status.environment if self._link.status else ""
