"""The octets of a message for an operator who wants to see it as it is sent.

Owned here: putting it together from its rows, a chunk at a time. Deliveries read theirs through the store.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final, cast

from mailtui.errors import EX_NOINPUT, ControlError
from mailtui.model import CONTENT_BITS, parse_item_id
from mailtui.queue.reader import Reader
from mailtui.queue.selection import UnknownId

_EMPTY_LINE: Final = re.compile(rb"(?:\A|\r?\n)\r?\n")


async def octets(reader: Reader, id: str) -> AsyncIterator[bytes]:
    """Signature, header lines of ours, content: what the next host gets. UnknownId; ControlError `no-content` when the body is
    gone, as it is some time after the last recipient is finished."""
    try:
        message, _ = parse_item_id(id)
    except ValueError:
        raise UnknownId([id[:50]]) from None
    sql = "SELECT ifnull(signature, x''), prefix, body FROM message WHERE id = ? AND phase = 'stored'"
    rows = await reader.fetch(sql, (message,))
    if not rows:
        raise UnknownId([id])
    signature, prefix, body = cast("tuple[bytes, bytes, int]", rows[0])
    if not body:
        raise ControlError(
            "no-content", f"the content of {id} is no longer kept; it goes when nobody waits for it", "", EX_NOINPUT
        )
    yield signature + prefix
    number = message << CONTENT_BITS
    while found := await reader.fetch("SELECT chunk FROM content WHERE id = ?", (number,)):
        yield cast("bytes", found[0][0])
        number += 1


async def header_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What of these octets stands before the empty line, the line end of the last field included."""
    seen, found = b"", None
    async for piece in pieces:
        seen += piece
        if found := _EMPTY_LINE.search(seen):
            break
    yield seen[: found.start()] + b"\r\n" if found else seen
