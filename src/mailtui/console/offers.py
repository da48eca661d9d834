"""What a screen has to give away: words for a filter, texts to copy, rows and lines to write into a file.

Owned here: these values, and how the value of a field is written as a word of the filter language. Where they go is `outlets`' business.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final

from mailtui.views import QueueRow

from .grammar import words as split

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


def values(*given: tuple[str, str, str]) -> tuple[Choice, ...]:
    """Key, field and value each, as words of a filter; those without a value are left out."""
    return tuple(Choice(key, field, word(field, value)) for key, field, value in given if value)


def texts(*given: tuple[str, str, str]) -> tuple[Choice, ...]:
    """Key, label and text each; those without a text are left out."""
    return tuple(Choice(*one) for one in given if one[2])


def command(*words: str) -> str:
    """A line for the shell."""
    return shlex.join(["mailtui", *words])


def of_destination(name: str, site: str = "", kind: str = "") -> Offers:
    """What a destination has, and the site and kind of failure it stands for."""
    told = texts(
        ("d", "domain", name), ("h", "site", site), ("c", "command", command("queue", "list", word("domain", name)))
    )
    return Offers(values(("d", "domain", name), ("h", "site", site), ("c", "class", kind)), told)


def of_failure(site: str, kind: str, code: str, reply: str, filter: str) -> Offers:
    """What a kind of failure has; `filter` finds its messages."""
    words = values(("h", "site", site), ("c", "class", kind), ("r", "code", code))
    whole = (Choice("f", "its messages", filter),) if filter else ()
    shown = command("queue", "list", filter) if filter else ""
    return Offers(
        (*words, *whole),
        texts(("h", "site", site), ("r", "reply", reply), ("f", "filter", filter), ("c", "command", shown)),
    )


def of_entry(entry: str, proof: str) -> Offers:
    """What an entry of the suppression list has: an address, or @ and a domain."""
    words = (
        values(("d", "domain", entry[1:]))
        if entry.startswith("@")
        else values(("t", "to", entry), ("d", "domain", entry.rpartition("@")[2]))
    )
    return Offers(
        words,
        texts(
            ("a", "address", entry), ("r", "evidence", proof), ("c", "command", command("suppress", "lookup", entry))
        ),
    )


def narrowed(filter: str, added: str, without: bool = False) -> str:
    """A filter and one word more, or without what that word finds. What is there already is not added twice."""
    several = len(split(added)) > 1
    more = (
        f"not {f'({added})' if several else added}"
        if without
        else f"({added})"
        if several and filter.strip()
        else added
    )
    if not filter.strip():
        return more
    if filter == more:
        return filter
    whole = f"({filter})" if re.search(r"(?i)\bor\b", filter) else filter
    return f"{whole} {more}"
