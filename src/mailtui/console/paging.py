"""A whole list by its pages, for a file: what a screen shows is only a window of it.

Owned here: which question brings which page, in both orders, asking for one page after the other, and whether what a filter finds has
all finished.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from msgspec.structs import replace

from mailtui.control.api import QueueList
from mailtui.views import QueuePage, QueueRow

from .link import Link, Trouble
from .offers import narrowed

#: Rows that are asked for at once.
PAGE: Final = 2000
#: The characters of an id in their order, and the cursor behind the last row.
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TURNED: Final = str.maketrans(_DIGITS, _DIGITS[::-1])
_END: Final = "end"
#: Words of a filter that mean what is finished too.
_FINISHED: Final = re.compile(r"(?i)(?<![\w-])(?:action[:=<>]|(?:state|st)[:=][\w,*?]*(?:deliv|boun|supp|purg))")


def with_history(filter: str) -> bool:
    """Whether a filter asks for what is finished: by its state, or by the action that may have finished it."""
    return _FINISHED.search(filter) is not None


@dataclass(frozen=True)
class Order:
    """The order of the queue's list: oldest first, or `newest`. These two the relay can page through without sorting."""

    newest: bool = False

    def ask(
        self, filter: str, limit: int, where: Literal["first", "last", "behind", "front"], key: str = ""
    ) -> QueueList:
        """The page at an end of the list, or next to the row `key`."""
        page = QueueList(filter=filter, history=with_history(filter), limit=limit)
        if where in ("first", "last"):
            return replace(page, before=_END if (where == "last") != self.newest else "")
        return replace(page, after=key) if (where == "behind") != self.newest else replace(page, before=key)

    def rows(self, page: QueuePage) -> Sequence[QueueRow]:
        """The rows of a page as they stand in the list."""
        return page.rows[::-1] if self.newest else page.rows

    def key(self, name: str) -> tuple[str, int]:
        """How ids `<queue id>.<n>` sort in it."""
        message, _, n = name.rpartition(".")
        return (message.translate(_TURNED), -int(n)) if self.newest else (message, int(n))


def ends(request: QueueList, page: QueuePage) -> bool:
    """Whether nothing comes behind a page, in the direction it was asked for."""
    return len(page.rows) < request.limit if request.before else page.after is None


async def pages(link: Link, filter: str, limit: int = PAGE) -> AsyncIterator[Sequence[QueueRow] | Trouble]:
    """All that a filter finds, page by page; trouble is the last."""
    request: QueueList | None = QueueList(filter=filter, history=with_history(filter), limit=limit)
    while request is not None:
        page = await link.ask(request)
        yield page if isinstance(page, Trouble) else page.rows
        request = None if isinstance(page, Trouble) or page.after is None else replace(request, after=page.after)


async def finding(link: Link, filter: str) -> str:
    """A filter that finds the mail of a group: in every state when nothing of it waits any more and something is still known."""
    waits = await link.ask(QueueList(filter=filter, limit=1))
    if isinstance(waits, Trouble) or waits.rows:
        return filter
    wider = narrowed(filter, "state:*")
    known = await link.ask(QueueList(filter=wider, limit=1))
    return filter if isinstance(known, Trouble) or not known.rows else wider
