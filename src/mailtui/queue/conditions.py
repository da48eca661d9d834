"""SQL conditions, the pieces filters are compiled to.

Owned here: how a comparison is spelled so that it is parameterised, case-blind, two-valued (never NULL: `not` must be its opposite)
and, where the schema allows, served by an index. They speak of recipient `r` and message `m` as `queries.FROM` names them. Columns
are ours, never input; input is only ever a parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from mailtui.model import WAITING, State
from mailtui.queue.measures import Relation, id_range, wrong_id

#: The states that wait for an attempt: the index of their lanes has them.
DUE: Final = (State.QUEUED.value, State.DEFERRED.value)

_WILD: Final = re.compile(r"[*?]")
_TO_LIKE: Final = str.maketrans({"*": "%", "?": "_", "%": r"\%", "_": r"\_", "\\": r"\\"})
#: The states of partial indexes; that of one state alone needs no other beside it.
_INDEXES: Final = (tuple(state.value for state in WAITING), DUE)
_SENDING: Final = (State.SENDING.value,)
_LITERAL: Final = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\"})


class Where(msgspec.Struct, frozen=True):
    """An SQL condition and its parameters."""

    sql: str
    params: tuple[str | int | float, ...] = ()


def any_of(parts: Iterable[Where]) -> Where:
    """At least one of these."""
    return _joined(" OR ", tuple(parts))


def all_of(parts: Iterable[Where]) -> Where:
    """Each of these; of none at all, everything."""
    found = tuple(parts)
    return _joined(" AND ", found) if found else Where("1")


def _joined(word: str, parts: Sequence[Where]) -> Where:
    return Where(f"({word.join(part.sql for part in parts)})", tuple(value for part in parts for value in part.params))


def negated(part: Where) -> Where:
    """Whatever `part` does not find."""
    return Where(f"NOT {part.sql}", part.params)


def compared(expression: str, relation: Relation, value: int | float) -> Where:
    """A number against a bound."""
    return Where(f"{expression} {relation} ?", (value,))


def match(column: str, operator: str, values: Iterable[str]) -> Where:
    """`column` matches one of these wildcards (":"), is one of these ("="), or contains one of these ("~"); letters A-Z in
    either case."""
    exact: list[str] = []
    likes: list[str] = []
    for value in values:
        if operator == "~":
            likes.append(f"%{value.translate(_LITERAL)}%")
        elif operator == ":" and _WILD.search(value):
            likes.append(like(value))
        else:
            exact.append(value)
    parts = [Where(f"{column} COLLATE NOCASE IN ({', '.join('?' * len(exact))})", tuple(exact))] if exact else []
    return any_of([*parts, *(Where(f"{column} LIKE ? ESCAPE '\\'", (pattern,)) for pattern in likes)])


def like(value: str) -> str:
    """A wildcard pattern in the spelling of LIKE."""
    return re.sub(r"\*+", "*", value).translate(_TO_LIKE)


def in_states(states: Sequence[str]) -> Where:
    """One of these states (our words, in the order of `State`), beside the conditions of the partial indexes that have them all:
    only what is spelled like those, without a parameter, lets SQLite use them."""
    wider = [index for index in _INDEXES if set(states) < set(index)] if tuple(states) != _SENDING else []
    own = f"r.state = '{states[0]}'" if len(states) == 1 else f"r.state IN ({_words(states)})"
    return all_of([*(Where(f"r.state IN ({_words(index)})") for index in wider), Where(own)])


def _words(states: Sequence[str]) -> str:
    return ", ".join(f"'{state}'" for state in states)


def in_lanes(found: Where) -> Where:
    """In a lane of which something holds (of `lane` and `site.name`): nothing need be looked at twice to find a domain."""
    sql = "r.lane IN (SELECT lane.id FROM lane LEFT JOIN site ON site.id = lane.site WHERE "
    return Where(f"{sql}{found.sql})", found.params)


def last_attempt(found: Where) -> Where:
    """Whether something holds of the last attempt `a`; it does not where there was none."""
    sql = f"ifnull((SELECT {found.sql} FROM attempt a WHERE a.recipient = r.id ORDER BY a.n DESC LIMIT 1), 0)"
    return Where(sql, found.params)


def in_messages(found: Where) -> Where:
    """Of a message of which something holds (of `message`), found before any recipient is looked at."""
    sql = (
        "r.id IN (SELECT one.id FROM message CROSS JOIN recipient one"
        " ON one.id BETWEEN message.id << 20 AND (message.id << 20) + 1048575 WHERE "
    )
    return Where(f"{sql}{found.sql})", found.params)


def ids(values: Iterable[str]) -> Where:
    """These recipients, those of these messages, and those of ids that begin so."""
    ranges = {value: id_range(value) for value in values}
    named = [bounds for value, bounds in ranges.items() if not value.endswith("*")]
    parts = [Where("r.id BETWEEN ? AND ?", bounds) for value, bounds in ranges.items() if value.endswith("*")]
    if len(named) == 1:
        parts += [Where("r.id BETWEEN ? AND ?", named[0])]
    elif named:  # SQLite would rather scan than join many ranges by OR
        sql = (
            "r.id IN (SELECT one.id FROM json_each(?) range CROSS JOIN recipient one"
            " ON one.id BETWEEN json_extract(range.value, '$[0]') AND json_extract(range.value, '$[1]'))"
        )
        parts += [Where(sql, (msgspec.json.encode(named).decode(),))]
    return any_of(parts)


def bare(value: str) -> Where:
    """Ids, addresses and the last reply: what a word without a field is looked for in."""
    pattern = f"%{like(value)}%"
    parts = [Where(f"{column} LIKE ? ESCAPE '\\'", (pattern,)) for column in ("r.address", "m.sender", "r.text")]
    return any_of(parts if wrong_id(value) else [*parts, ids([value])])
