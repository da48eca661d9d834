"""The fields of the filter language: names, what each accepts, whether an index serves it, and the condition its values become.

Owned here: that one table; docs/filter.md shows it, the parser and the compiler go by it. How values are spelled is in `measures`,
how SQL is in `conditions`, how words are joined in `filter`. Fields of attempts mean the last one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final

import msgspec

from mailtui.model import Stage, State
from mailtui.queue import measures
from mailtui.queue.conditions import (
    Where,
    all_of,
    any_of,
    compared,
    ids,
    in_lanes,
    in_states,
    last_attempt,
    match,
    negated,
)
from mailtui.queue.measures import Measure

Values = tuple[str, ...]


class Field(msgspec.Struct, frozen=True):
    """One field. `check` says what is wrong with a value ("" when nothing is), `condition` is asked with operator, values and now
    (POSIX seconds)."""

    name: str
    alias: str
    type: str
    operators: tuple[str, ...]
    meaning: str
    example: str
    check: Callable[[str, str], str]
    condition: Callable[[str, Values, float], Where]
    indexed: bool = False


def _text(name: str, alias: str, meaning: str, value: str, condition: Callable[[str, Values], Where]) -> Field:
    def check(operator: str, value: str) -> str:
        return "" if value or operator != "~" else f"{name}~ needs a value"

    return Field(
        name, alias, "text", (":", "=", "~"), meaning, name + value, check, lambda operator, values, now: condition(operator, values)
    )  # fmt: skip


def _column(column: str, spell: Callable[[str], str] = str) -> Callable[[str, Values], Where]:
    return lambda operator, values: match(column, operator, map(spell, values))


def _sender(value: str) -> str:
    return "" if value == "<>" else value


def _domain(operator: str, values: Values) -> Where:
    return in_lanes(match("lane.destination", operator, map(_a_label, values)))


def _a_label(value: str) -> str:
    """A domain as the queue spells it: lower case, A-labels."""
    if value.isascii() or re.search(r"[*?]", value):
        return value.lower()
    try:
        return value.lower().encode("idna").decode("ascii")
    except UnicodeError:
        return value.lower()


def _site(operator: str, values: Values) -> Where:
    return in_lanes(match("ifnull(site.name, '')", operator, values))


def _route(operator: str, values: Values) -> Where:
    """The key of a route or its first word, the kind."""
    kind = "substr(lane.route, 1, instr(lane.route || ' ', ' ') - 1)"
    return in_lanes(any_of(match(column, operator, values) for column in ("lane.route", kind)))


def _attempt(column: str) -> Callable[[str, Values], Where]:
    return lambda operator, values: last_attempt(match(column, operator, values))


def _tls(operator: str, values: Values) -> Where:
    said = {value: value.lower() if operator != "~" else "" for value in values}
    parts = [Where("a.tls <> ''" if said[value] == "yes" else "a.tls = ''") for value in values if said[value] in ("yes", "no")]
    versions = [value for value in values if said[value] not in ("yes", "no")]
    return last_attempt(any_of([*parts, match("a.tls", operator, versions)] if versions else parts))


def _word(name: str, alias: str, meaning: str, value: str, words: type[StrEnum], condition: Callable[[list[str]], Where]) -> Field:
    """A field with a closed list of words."""

    def check(operator: str, value: str) -> str:
        known = ", ".join(words)
        return "" if meant(operator, value) else f'no {name} "{value}"{nearest(value, words)}; there are {known}'

    def meant(operator: str, value: str) -> list[str]:
        if len(value) > 20:  # a longer one is no word of ours and could keep the regular expression busy
            return []
        wild = {"*": ".*", "?": "."} if operator == ":" else {}
        pattern = re.compile("".join(wild.get(c, re.escape(c)) for c in re.sub(r"\*+", "*", value.lower())))
        return [word.value for word in words if pattern.fullmatch(word.value)]

    def found(operator: str, values: Values, now: float) -> Where:
        chosen = {word for value in values for word in meant(operator, value)}
        return condition([word.value for word in words if word.value in chosen])

    return Field(name, alias, "word", (":", "="), meaning, name + value, check, found)


def _measured(
    name: str, alias: str, type: str, measure: Measure, meaning: str, value: str,
    condition: Callable[[measures.Relation, int, float], Where], indexed: bool = False,
) -> Field:  # fmt: skip
    """A field compared with bounds. Only counts are asked for exactly; of times and sizes nobody knows the exact one."""
    exact = type == "number"

    def check(operator: str, value: str) -> str:
        try:
            relation, _ = measures.bound(operator, value, measure)
        except ValueError:
            return f'"{value}" is not a {type}: write {name}{example}'
        if relation == "=" and not exact:
            return f"write {name}:{value}+ for at least or {name}:{value}- for at most"
        return ""

    def found(operator: str, values: Values, now: float) -> Where:
        return any_of(condition(*measures.bound(operator, value, measure), now) for value in values)

    example = value
    operators = (":", "=", ">", "<", ">=", "<=") if exact else (":", ">", "<", ">=", "<=")
    return Field(name, alias, type, operators, meaning, name + value, check, found, indexed)


def _age(relation: measures.Relation, seconds: int, now: float) -> Where:
    return compared("r.id", *measures.id_bound(relation, seconds, _known(now)))


def _next(relation: measures.Relation, seconds: int, now: float) -> Where:
    """When its lane may be tried counts too, as in what is shown; only what waits for an attempt has a next one."""
    waits = in_states((State.QUEUED.value, State.DEFERRED.value))
    return all_of([waits, compared("max(r.next_attempt, l.not_before)", relation, _known(now) + seconds)])


def _since(operator: str, values: Values, now: float) -> Where:
    moments = [_known(now) - measures.since(value, now) for value in values]
    return any_of(_age("<=", int(seconds), now) for seconds in moments)


def _known(now: float) -> float:
    """A forgotten `now` would make a filter find other mail than was meant."""
    if now <= 0:
        raise ValueError("a filter with times in it needs to know when it is asked")
    return now


def _wrong_since(operator: str, value: str) -> str:
    try:
        measures.since(value, 2e9)
    except ValueError:
        return f'"{value}" is not a local time: write since:09:00, since:2026-11-22 or since:2026-11-22T09:00'
    return ""


def _code(operator: str, values: Values, now: float) -> Where:
    spell = measures.code_pattern if operator == ":" else str
    plain = [spell(value) for value in values if "." not in value]
    enhanced = [spell(value) for value in values if "." in value]
    parts = [match("CAST(r.code AS TEXT)", operator, plain)] if plain else []
    return any_of([*parts, match("r.enhanced", operator, enhanced)] if enhanced else parts)


def _wrong_code(operator: str, value: str) -> str:
    try:
        measures.code_pattern(value)
    except ValueError:
        return f'"{value}" is neither a reply code (421, 4, 5*) nor an enhanced one (4.7.1, 4.7, 5.1.*)'
    return ""


def _stages(stages: list[str]) -> Where:
    return last_attempt(match("a.stage", "=", stages))


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at what may have been meant, "" when nothing comes near."""
    close = difflib.get_close_matches(word[:50].lower(), [str(name) for name in known], 1, 0.5)
    return f', did you mean "{close[0]}"?' if close else ""


_ID: Final = Field(
    "id", "", "id", (":", "="), "message or recipient, or how its id begins", "id:05JQ3K8T,05JQ3K90.2,05JQ*",
    lambda operator, value: measures.wrong_id(value), lambda operator, values, now: ids(values), True,
)  # fmt: skip
_SINCE: Final = Field(
    "since", "", "local time", (":",), "taken in at or after a time of day, or a date", "since:09:00",
    _wrong_since, _since, True,
)  # fmt: skip
_REPLY_CODE: Final = Field(
    "code", "enh", "code", (":", "="), "basic or enhanced code of the last reply, or how it begins; 0: no reply",
    "code:421,4.7.1", _wrong_code, _code,
)  # fmt: skip
