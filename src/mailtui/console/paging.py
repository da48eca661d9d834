"""A whole list by its pages, for a file: what a screen shows is only a window of it.

Owned here: asking for one page after the other.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from typing import Final

from msgspec.structs import replace

from mailtui.control.api import QueueList
from mailtui.views import QueueRow

from .link import Link, Trouble

#: Rows that are asked for at once.
PAGE: Final = 2000


#: Words of a filter that mean what is finished too.
_FINISHED: Final = re.compile(r"(?i)(?<![\w-])(?:action[:=<>]|(?:state|st)[:=][\w,*?]*(?:deliv|boun|supp|purg))")


def with_history(filter: str) -> bool:
    """Whether a filter asks for what is finished: by its state, or by the action that may have finished it."""
    return _FINISHED.search(filter) is not None


async def pages(link: Link, filter: str, limit: int = PAGE) -> AsyncIterator[Sequence[QueueRow] | Trouble]:
    """All that a filter finds, page by page; trouble is the last."""
    request: QueueList | None = QueueList(filter=filter, history=with_history(filter), limit=limit)
    while request is not None:
        page = await link.ask(request)
        yield page if isinstance(page, Trouble) else page.rows
        request = None if isinstance(page, Trouble) or page.after is None else replace(request, after=page.after)
