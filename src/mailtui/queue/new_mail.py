"""The filter language as far as it speaks of mail that is just being taken in: what a hold rule may ask for.

Owned here: which fields are known then, and their conditions where those of a search would look further. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from mailtui.errors import EX_USAGE, MailtuiError
from mailtui.queue.conditions import Where, match
from mailtui.queue.field_kinds import Condition, column
from mailtui.queue.fields import FIELDS, a_label
from mailtui.queue.filter import FilterError, parse
from mailtui.queue.filter_tree import And, Node, Not, Or, Term
from mailtui.queue.filter_words import clean


def _domain(operator: str, values: tuple[str, ...], now: float) -> Where:
    """Of the one lane it stands in: to look through all lanes, as a search does, would be dear at each message."""
    return match("l.destination", operator, map(a_label, values))


def _route(operator: str, values: tuple[str, ...], now: float) -> Where:
    by_kind = match("substr(l.route, 1, instr(l.route || ' ', ' ') - 1)", operator, values)
    whole = match("l.route", operator, values)
    return Where(f"({by_kind.sql} OR {whole.sql})", by_kind.params + whole.params)


def _message_id(operator: str, values: tuple[str, ...], now: float) -> Where:
    return column("trim(m.message_id, '<>')", lambda value: value.strip("<>"))(operator, values)


#: What is known of mail at the moment it is taken in. With a value: the condition, where that of a search would look further.
KNOWN: Final[Mapping[str, Condition | None]] = {
    **dict.fromkeys(("from", "to")),
    "domain": _domain,
    **dict.fromkeys(("user", "client", "listener", "subject", "tag")),
    "msgid": _message_id,
    "size": None,
    "route": _route,
}
#: Conditions in place of those of a search.
OWN: Final = {name: found for name, found in KNOWN.items() if found is not None}


class NoMail(MailtuiError):
    """A rule that does not say which mail it is for."""

    exit_code = EX_USAGE


def understand(text: str) -> Node:
    """The filter of a rule. NoMail when it is empty, FilterError when it cannot be understood or asks for what new mail does not
    have yet."""
    root = parse(text).root
    if root == And(()):
        raise NoMail("which mail? Give filter words, such as domain:example.com or from:*@shop.example")
    usable = ", ".join(KNOWN)
    for term in _terms(root):
        if not term.field:
            raise FilterError(f'"{term.values[0]}" is not a field: of new mail a rule can ask for {usable}', "")
        if term.field not in KNOWN:
            reason = f"{term.field} is not known of mail that is just taken in; a rule can ask for {usable}"
            raise FilterError(reason, *_place(text, term.field))
    return root


def _place(text: str, name: str) -> tuple[str, int, int]:
    """Where a field is asked for, by one of its names."""
    names = "|".join(filter(None, (name, FIELDS[name].alias)))
    found = re.search(rf"(?<!\w)(?:{names})(?=[:=~<>])", clean(text), re.IGNORECASE)
    return (clean(text), found.start(), len(found[0])) if found else ("", 0, 0)


def _terms(node: Node) -> Iterator[Term]:
    match node:
        case Term():
            yield node
        case Not(part=part):
            yield from _terms(part)
        case And(parts=parts) | Or(parts=parts):
            for part in parts:
                yield from _terms(part)
