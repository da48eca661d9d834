"""A filter as it was understood: its syntax tree, what can be read off it, how it is written, and the condition it stands for.

Owned here: the four kinds of nodes in their one normal form (an "and" or "or" has at least two parts, none of them of its own kind;
"and" of nothing is everything), printer and compiler. The way from a text to a tree is in `filter`; the fields are in `fields`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from mailtui.model import State
from mailtui.queue import conditions
from mailtui.queue.conditions import Where
from mailtui.queue.field_kinds import Condition, meant
from mailtui.queue.fields import FIELDS, NAMES
from mailtui.queue.filter_words import FIELD, KEYWORDS, quoted


class Term(msgspec.Struct, frozen=True):
    """`field:value,value`; field "" is a bare word with its one value. `>=` and `<=` are written as `:value+` and `:value-`."""

    field: str
    operator: str
    values: tuple[str, ...]


class Not(msgspec.Struct, frozen=True):
    """What a part does not find."""

    part: Node


class And(msgspec.Struct, frozen=True):
    """All of these; none of them at all is everything."""

    parts: tuple[Node, ...]


class Or(msgspec.Struct, frozen=True):
    """At least one of these."""

    parts: tuple[Node, ...]


Node = Term | Not | And | Or


def joined(kind: type[And] | type[Or], parts: Iterable[Node]) -> Node:
    """Parts under one "and" or "or", in normal form."""
    flat: list[Node] = []
    for part in parts:
        flat += part.parts if isinstance(part, kind) else (part,)
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


class Filter(msgspec.Struct, frozen=True):
    """A filter, the text it was read from, and the moment (POSIX seconds) its ages and times of day count from."""

    root: Node
    text: str = ""
    now: float = 0.0

    @property
    def everything(self) -> bool:
        """Whether it excludes nothing."""
        return self.root == And(())

    @property
    def names_state(self) -> bool:
        """Whether it says itself which states are meant; what it excludes does not say so."""
        return _names_state(self.root, True)

    @property
    def scans(self) -> bool:
        """Whether every recipient must be looked at, because no index leads to those it finds."""
        return not self.everything and not _narrow(self.root)


EVERYTHING: Final = Filter(And(()))


def _names_state(node: Node, wanted: bool) -> bool:
    match node:
        case Term(field=field):
            return wanted and field == "state"
        case Not(part=part):
            return _names_state(part, not wanted)
        case And(parts=parts) | Or(parts=parts):
            return any(_names_state(part, wanted) for part in parts)


def _narrow(node: Node) -> bool:
    match node:
        case Term(field=field, values=values):
            several = len(values) > 1 and (field != "id" or any(value.endswith("*") for value in values))
            return _index(node) == "id" and not several
        case Not() | Or():  # SQLite may join searches by OR, or think a scan cheaper
            return False
        case And(parts=parts):
            by_lane = any(_index(part) == "lane" for part in parts)
            return any(map(_narrow, parts)) or (by_lane and any(map(_due, parts)))


def _index(node: Node) -> str:
    if not isinstance(node, Term) or not node.field:
        return ""
    if node.field == "group" and len(node.values) > 1:  # joined by OR, and SQLite thinks the scan cheaper
        return ""
    return FIELDS[node.field].index


def _due(node: Node) -> bool:
    """Whether only what waits for an attempt is meant."""
    if not isinstance(node, Term) or node.field != "state":
        return False
    return all(state in conditions.DUE for value in node.values for state in meant(State, node.operator, value))


def compile(filter: Filter) -> Where:
    """The condition a filter stands for. ValueError when it speaks of time and has no `now`."""
    return condition(filter.root, filter.now)


def condition(node: Node, now: float, own: Mapping[str, Condition] | None = None) -> Where:
    """The same of a tree. `own` are conditions that take the place of those of their fields, where mail is found another way."""
    match node:
        case Term(field="", values=values):
            return conditions.bare(values[0])
        case Term(field=field, operator=operator, values=values):
            found = (own or {}).get(field, FIELDS[field].condition)
            return found(operator, values, now)
        case Not(part=part):
            return conditions.negated(condition(part, now, own))
        case And(parts=parts):
            return conditions.all_of(condition(part, now, own) for part in parts)
        case Or(parts=parts):
            return conditions.any_of(condition(part, now, own) for part in parts)


def show(node: Node) -> str:
    """A tree as it is written; reading it gives the same tree."""
    match node:
        case Term(field="", values=values):
            return _bare(values[0])
        case Term(field=field, operator=operator, values=values):
            return field + operator + ",".join(map(quoted, values))
        case Not(part=part):
            return f"not {_inner(part, And, Or)}"
        case And(parts=parts):
            return " ".join(_inner(part, Or) for part in parts)
        case Or(parts=parts):
            return " or ".join(map(show, parts))


def _inner(node: Node, *weaker: type[Node]) -> str:
    return f"({show(node)})" if isinstance(node, weaker) else show(node)


def _bare(value: str) -> str:
    """A bare word; one that would be read as something else stands in quotes."""
    special = value.lower() in KEYWORDS or value.lower() in NAMES or value[0] == "-" or FIELD.match(value)
    return f'"{value.replace(chr(34), chr(34) * 2)}"' if special else quoted(value)
