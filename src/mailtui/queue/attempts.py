"""Attempts under way: a claim is signed if it is not yet, and delivered; one that may have ended the process is tried alone.

Owned here: that order, and what becomes of a claim when it is we who fail. How mail is delivered is the courier's business, what
an outcome means `breakers` and `recorder`. Belongs to the runner.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic

from mailtui.errors import QueueIOError
from mailtui.events import AnyEvent, Notice
from mailtui.model import Claim, Delivery
from mailtui.queue.carriers import Courier, P, Sign
from mailtui.queue.recorder import stumbled

#: What came of a claim (None: it must not leave unsigned), its signature if that is new, a word about it.
Made = tuple[Delivery | None, bytes | None, str]


class Attempts(Generic[P]):
    """`sign` prepares a claim that has no signature yet. `alone`: one is tried with nothing beside it, and nobody may begin."""

    def __init__(self, courier: Courier[P], sign: Sign, publish: Callable[[AnyEvent], None]) -> None:
        self._courier = courier
        self._sign = sign
        self._publish = publish
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.alone = False

    def __repr__(self) -> str:
        return f"{self._under_way} deliveries under way"

    async def make(self, plan: P, claim: Claim) -> Made:
        """Try a claim; one that was interrupted twice alone, so that it can be blamed for a third time."""
        try:
            if claim.solo:
                self.alone = True
                await self._idle.wait()
            return await self._try(plan, claim)
        finally:
            if claim.solo:
                self.alone = False

    async def _try(self, plan: P, claim: Claim) -> Made:
        self._under_way += 1
        self._idle.clear()
        began, signature, note = time.time(), None, ""
        try:
            if claim.signature is None:
                signed = await self._sign(claim)
                if signed.note:  # otherwise there is nothing to sign with, and nothing to remember
                    signature, note = signed.header, signed.note
                if signed.hold:
                    return None, None, note
            header = claim.signature if signature is None else signature
            return await self._courier.deliver(claim, plan, header or b""), signature, note
        except QueueIOError:
            raise
        except Exception as error:  # a fault of ours, or content that cannot be read now, must not strand the claim
            text = f"this relay failed: {type(error).__name__}: {error}"
            self._publish(Notice(time.time(), "error", text, claim.queue_id))
            return stumbled(claim, began, text), signature, note
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
