"""The fields of the filter words: what each accepts, and the SQL condition its values become.

Owned here: the table of fields. Conditions are parameterised, over recipient `r` and message `m`; values never become
SQL. Matching is case-blind for ASCII; a comma means "or", `*` and `?` are wildcards. How words are written and joined
is `filter`'s.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from mailtui.model import ID_LENGTH, RECIPIENT_BITS, State, decode_id, parse_item_id

_WILD: Final = re.compile(r"[*?]")


class Where(msgspec.Struct, frozen=True):
    """An SQL condition and its parameters."""

    sql: str
    params: tuple[str | int, ...] = ()


class Field(msgspec.Struct, frozen=True):
    """What a field accepts (`check` returns what is wrong, or "") and how its values become SQL."""

    example: str
    check: Callable[[str], str]
    sql: Callable[[tuple[str, ...]], Where]


def _anything(value: str) -> str:
    return ""


def _wrong_state(value: str) -> str:
    return "" if _states(value) else f'no state "{value}"{nearest(value, State)}; there are {", ".join(State)}'


def wrong_id(value: str) -> str:
    """What is wrong with an id (a trailing wildcard is allowed), "" when nothing is."""
    try:
        if value.endswith("*"):
            decode_id(value[:-1].ljust(ID_LENGTH, "0")[: max(ID_LENGTH, len(value) - 1)])
        else:
            parse_item_id(value)
    except ValueError:
        return f'"{value}" is not a queue id'
    return ""


def _wrong_code(value: str) -> str:
    good = re.fullmatch(r"[0-9*?]{1,4}|[0-9*?]{1,3}(\.[0-9*?]{1,4}){1,2}", value, re.ASCII)
    return "" if good else f'"{value}" is neither a reply code (450, 5*) nor an enhanced one (4.7.1, 5.1.*)'


def _states(value: str) -> list[str]:
    if len(value) > 20:  # a longer one names no state and could keep the regular expression busy
        return []
    pattern = re.compile("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in value.lower()))
    return [state.value for state in State if pattern.fullmatch(state.value)]


def _state_sql(values: tuple[str, ...]) -> Where:
    states = tuple(dict.fromkeys(state for value in values for state in _states(value)))
    return Where(f"r.state IN ({_marks(states)})", states)


def _domain_sql(values: tuple[str, ...]) -> Where:
    """Through the lanes, so that SQLite need not look at one recipient to find a domain."""
    found = match("destination", tuple(_a_label(value) for value in values))
    return Where(f"r.lane IN (SELECT id FROM lane WHERE {found.sql})", found.params)


def _sender_sql(values: tuple[str, ...]) -> Where:
    return match("m.sender", tuple("" if value == "<>" else value for value in values))


def _id_sql(values: tuple[str, ...]) -> Where:
    ranges = [id_range(value) for value in values]
    return Where(_any(["r.id BETWEEN ? AND ?"] * len(ranges)), tuple(bound for pair in ranges for bound in pair))


def _code_sql(values: tuple[str, ...]) -> Where:
    plain = tuple(value for value in values if "." not in value)
    enhanced = tuple(value for value in values if "." in value)
    found = [match("CAST(r.code AS TEXT)", plain)] if plain else []
    found += [match("r.enhanced", enhanced)] if enhanced else []
    return Where(_any([part.sql for part in found]), tuple(value for part in found for value in part.params))


def bare_sql(values: tuple[str, ...]) -> Where:
    """Ids, addresses and the last reply."""
    pattern = f"%{_like(values[0])}%"
    columns = ("r.address", "m.sender", "r.text")
    found = [f"{column} LIKE ? ESCAPE '\\'" for column in columns]
    params: tuple[str | int, ...] = (pattern,) * len(columns)
    if not wrong_id(values[0]):
        found.append("r.id BETWEEN ? AND ?")
        params += id_range(values[0])
    return Where(_any(found), params)


def match(column: str, values: tuple[str, ...]) -> Where:
    """`column` is one of these values or matches one of these wildcards, case-blind. `column` is ours, never input."""
    exact = tuple(value for value in values if not _WILD.search(value))
    wild = tuple(_like(value) for value in values if _WILD.search(value))
    parts = [f"{column} COLLATE NOCASE IN ({_marks(exact)})"] if exact else []
    parts += [f"{column} LIKE ? ESCAPE '\\'"] * len(wild)
    return Where(_any(parts), (*exact, *wild))


def id_range(value: str) -> tuple[int, int]:
    """First and last recipient row of an id, of a message's id, or of ids that begin like `value*`."""
    if value.endswith("*"):
        first, last = decode_id(value[:-1].ljust(ID_LENGTH, "0")), decode_id(value[:-1].ljust(ID_LENGTH, "Z"))
        return first << RECIPIENT_BITS, (last + 1 << RECIPIENT_BITS) - 1
    message, n = parse_item_id(value)
    row = message << RECIPIENT_BITS | n
    return (row, row) if n else (row, (message + 1 << RECIPIENT_BITS) - 1)


def _like(value: str) -> str:
    """A wildcard pattern in the spelling of LIKE."""
    return re.sub(r"\*+", "*", value).translate(_TO_LIKE)


_TO_LIKE: Final = str.maketrans({"*": "%", "?": "_", "%": r"\%", "_": r"\_", "\\": r"\\"})


def _any(parts: list[str]) -> str:
    return f"({' OR '.join(parts)})"


def _marks(values: tuple[str, ...]) -> str:
    return ", ".join("?" * len(values))


def _a_label(value: str) -> str:
    """A domain as the queue spells it: lower case, A-labels."""
    if value.isascii() or _WILD.search(value):
        return value.lower()
    try:
        return value.lower().encode("idna").decode("ascii")
    except UnicodeError:
        return value.lower()


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at what may have been meant."""
    names = [str(name) for name in known]
    close = difflib.get_close_matches(word.lower(), names, 1, 0.5)
    return f', did you mean "{close[0]}"?' if close else f" (known: {', '.join(names)})"


FIELDS: Final[dict[str, Field]] = {
    "state": Field("state:deferred,held", _wrong_state, _state_sql),
    "domain": Field("domain:*.example.com", _anything, _domain_sql),
    "from": Field("from:*@example.com", _anything, _sender_sql),
    "to": Field("to:ana@example.com", _anything, lambda values: match("r.address", values)),
    "id": Field("id:05JQ3K8T,05JQ3K90.2", wrong_id, _id_sql),
    "class": Field("class:throttled", _anything, lambda values: match("r.class", values)),
    "code": Field("code:421,4.7.*", _wrong_code, _code_sql),
}
