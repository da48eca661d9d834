"""The audit of what is done to the relay as a whole: reload, drain, stop, dns flush, prune, backup. Rows without an undo.

Owned here: writing those rows. A change is never refused because its row cannot be written (a full disk must not keep anybody from
stopping the relay): then the log has it. Part of `service`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from mailtui.control.request import Request
from mailtui.errors import MailtuiError
from mailtui.events import Notice
from mailtui.queue import actions
from mailtui.queue.actions import Entry

if TYPE_CHECKING:
    from mailtui.relay import Relay


R = TypeVar("R")


class Chronicle:
    """Writes the audit of one relay."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    async def note(self, actor: str, request: Request[R], target: str = "", **args: int) -> None:
        """Note what an operator asked for; it is in the audit when this returns, or in the log."""
        with suppress(MailtuiError):
            await self.begin(actor, request.name, target, str(getattr(request, "reason", "")), **args)

    def begin(self, actor: str, verb: str, target: str = "", reason: str = "", **args: int) -> asyncio.Future[int]:
        """Begin to note it: for signals, which cannot wait."""
        entry = Entry(time.time(), actor, verb, target, reason, dict(args))
        noted = self._relay.store.run(lambda db: actions.at_once(db, entry))
        noted.add_done_callback(lambda done: self._look(done, entry))
        return noted

    def _look(self, done: asyncio.Future[int], entry: Entry) -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            text = f"not in the audit: {entry.verb} {entry.filter} by {entry.actor}: {error}"
            self._relay.journal.publish(Notice(entry.at, "error", text))
