"""What a screen has to give away: words for a filter, texts to copy, rows and lines to write into a file.

Owned here: these values, and how the value of a field is written as a word of the filter language. Where they go is `outlets`' business.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final

from mailtui.views import QueueRow

#: What needs no quotes in a filter, and no wildcard is in it.
_PLAIN: Final = re.compile(r'[^\s"(),*?]+')


@dataclass(frozen=True)
class Choice:
    """Something to choose by a key: what it is, and its value."""

    key: str
    label: str
    value: str


@dataclass(frozen=True)
class Offers:
    """Words that find what is like the row under the cursor, and texts of it. `recipient` is the id of what has a transcript."""

    words: tuple[Choice, ...] = ()
    texts: tuple[Choice, ...] = ()
    recipient: str = ""


def word(field: str, value: str, exact: bool = True) -> str:
    """`to=ana@example.com`: exactly that value, quoted where it must be."""
    sign = "=" if exact else ":"
    return (
        f"{field}{sign}{value}" if _PLAIN.fullmatch(value) else '{}{}"{}"'.format(field, sign, value.replace('"', '""'))
    )


def of_recipient(row: QueueRow, reply: str) -> Offers:
    """What a recipient has: its reply as the screen shows it."""
    words = (
        Choice("d", "domain", word("domain", row.destination)),
        Choice("f", "from", word("from", row.sender or "<>")),
        Choice("t", "to", word("to", row.recipient)),
        Choice("s", "state", word("state", row.state)),
        *((Choice("h", "site", word("site", row.site)),) if row.site else ()),
        *((Choice("c", "class", word("class", row.class_)),) if row.class_ else ()),
        *((Choice("r", "code", word("code", row.last_enhanced or str(row.last_code))),) if row.last_code else ()),
    )
    texts = (
        Choice("i", "id", row.id),
        Choice("a", "address", row.recipient),
        *((Choice("r", "reply", reply),) if reply else ()),
        Choice("c", "command", shlex.join(["mailtui", "show", row.id])),
    )
    return Offers(words, texts, row.id)


def narrowed(filter: str, added: str, without: bool = False) -> str:
    """A filter and one word more, or without what that word finds. What is there already is not added twice."""
    more = f"not {added}" if without else added
    if not filter.strip():
        return more
    if filter == more:
        return filter
    whole = f"({filter})" if re.search(r"(?i)\bor\b", filter) else filter
    return f"{whole} {more}"
