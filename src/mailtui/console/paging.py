"""A whole list by its pages, for a file: what a screen shows is only a window of it.

Owned here: asking for one page after the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from msgspec.structs import replace

from mailtui.control.api import QueueList
from mailtui.views import QueueRow

from .link import Link, Trouble

#: Rows that are asked for at once.
PAGE: Final = 2000


async def pages(link: Link, filter: str, limit: int = PAGE) -> AsyncIterator[Sequence[QueueRow] | Trouble]:
    """All that a filter finds, page by page; trouble is the last."""
    request: QueueList | None = QueueList(filter=filter, limit=limit)
    while request is not None:
        page = await link.ask(request)
        yield page if isinstance(page, Trouble) else page.rows
        request = None if isinstance(page, Trouble) or page.after is None else replace(request, after=page.after)
