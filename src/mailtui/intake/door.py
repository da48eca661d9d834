"""The door between intake and the queue: what a session needs of whoever keeps the mail, and nothing else.

A session reads content in chunks. One that fits in a single chunk is handed over whole with `accept`; a longer one is appended
chunk by chunk while it arrives, so memory stays bounded, and `accept` brings the rest. Nothing counts until `accept` resolved.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from mailtui.model import Incoming

#: Octets of content in one stored chunk. Of one message a session holds the chunk being stored, the next, and what one read brought.
CHUNK: Final = 256 * 1024


class Door(Protocol):
    """Implemented by the queue, handed over by the relay."""

    def new_number(self) -> int:
        """A fresh message number (see `model.encode_id`); never blocks, never repeats."""

    def append(self, number: int, sequence: int, chunk: bytes) -> asyncio.Future[None]:
        """Store chunk `sequence` (0, 1, 2 ...) of a message that is still arriving. Resolves when it is committed."""

    def accept(self, message: Incoming, sequence: int, rest: bytes) -> asyncio.Future[None]:
        """Make the message durable: `rest` becomes chunk `sequence`. Resolves after the commit with synchronous=FULL.

        The future fails with `errors.Unavailable` when the store cannot take it (answer 451 or 452) and is never cancelled by
        its waiter's end: the commit belongs to the store (finding F1).
        """

    def abandon(self, number: int) -> None:
        """Forget the chunks of a message that will not be accepted."""

    def pressure(self) -> str:
        """Why no new mail may be taken now (disk, inodes, queue length, draining), "" when it may. Cheap; asked at MAIL and DATA."""
