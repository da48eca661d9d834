"""The filter language: how an operator says which recipients are meant. Words side by side are "and"; `or`, `not`, a leading `-`,
parentheses; `field:value,value`; bare words. docs/filter.md tells it all.

Owned here: its one parser, and with it the front door: callers need `parse`, `compile` and `show`. Characters and errors are in
`filter_words`, the tree with printer and compiler in `filter_tree`, the fields in `fields`.
"""

from __future__ import annotations

from typing import Final, NoReturn

from mailtui.queue.field_kinds import Field, nearest
from mailtui.queue.fields import FIELDS, NAMES
from mailtui.queue.filter_tree import EVERYTHING, And, Filter, Node, Not, Or, Term, compile, joined, show
from mailtui.queue.filter_words import FIELD, FilterError, Token, clean, pieces, tokens, unquoted, unseen
from mailtui.queue.measures import wrong_id

__all__ = ["EVERYTHING", "And", "Filter", "FilterError", "Node", "Not", "Or", "Term", "compile", "parse", "show"]

#: Bounds that keep any filter within SQLite's own (expression depth 1000, parser stack 100, variables 32766, pattern 50000).
MAX_TEXT: Final = 65_536
MAX_VALUES: Final = 500
MAX_VALUE: Final = 1_000
MAX_DEPTH: Final = 16


def parse(text: str, verb: bool = False, now: float = 0.0) -> Filter:
    """Understand a filter. FilterError points at the first word that is wrong.

    Bare words search ids, addresses and replies; with `verb` (something will be changed) they are ids only, several a union. `now`
    is the moment ages and times of day count from, POSIX seconds; a filter that has such words cannot be compiled without.
    """
    line = clean(text[: MAX_TEXT + 50])
    if len(text) > MAX_TEXT:
        raise FilterError(f"the filter is longer than {MAX_TEXT} characters", line, MAX_TEXT)
    if error := unseen(text, line):
        raise error
    root = _Parser(line, verb).whole()
    return Filter(_ids(root) if verb else root, line.strip(), now)


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str, verb: bool) -> None:
        self._text = text
        self._verb = verb
        self._tokens = list(tokens(text))
        self._at = 0
        self._values = 0

    def whole(self) -> Node:
        if not self._tokens:
            return And(())
        node = self._either(0)
        if self._here:
            raise self._error('a ")" without its "("', self._here)
        return node

    @property
    def _here(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, *kinds: str) -> Token | None:
        token = self._here
        if token is None or token.kind not in kinds:
            return None
        self._at += 1
        return token

    def _error(self, reason: str, token: Token) -> FilterError:
        return FilterError(reason, self._text, token.at, len(token.text))

    def _either(self, depth: int) -> Node:
        parts = [self._each(depth)]
        while self._take("or"):
            parts.append(self._each(depth))
        return joined(Or, parts)

    def _each(self, depth: int) -> Node:
        parts = [self._factor(depth)]
        while self._take("and") or (self._here and self._here.kind not in (")", "or")):
            parts.append(self._factor(depth))
        return joined(And, parts)

    def _factor(self, depth: int) -> Node:
        if (sign := self._take("-", "not", "(")) is None:
            word = self._take("word")
            return self._word(word) if word else self._missing()
        if depth == MAX_DEPTH:
            raise self._error(f"more than {MAX_DEPTH} parentheses and negations within each other", sign)
        if sign.kind != "(":
            return Not(self._factor(depth + 1))
        node = self._either(depth + 1)
        if not self._take(")"):
            raise self._error('a "(" that is not closed', sign)
        return node

    def _missing(self) -> NoReturn:
        """Something ought to stand here."""
        before = self._tokens[self._at - 1] if self._at else None
        if before is not None and before.kind != "(":
            raise self._error(f'"{before.text}" needs something behind it', before)
        here = self._here
        if here is not None and here.kind in ("and", "or"):
            raise self._error(f'"{here.text}" needs something before it', here)
        if before is not None:
            raise self._error("nothing stands in these parentheses", before)
        raise self._error('a ")" without its "("', self._tokens[0])

    def _word(self, token: Token) -> Term:
        found = FIELD.match(token.text)
        if found is None or (found[2] != ":" and found[1].lower() not in NAMES):
            return self._bare(token)
        name, operator = found[1].lower(), found[2]
        field = NAMES.get(name)
        if field is None:
            raise FilterError(_unknown(name), self._text, token.at, len(name))
        if operator not in field.operators:
            known = " ".join(field.operators)
            reason = f"{operator} is not an operator of {field.name}, which has {known}"
            raise FilterError(reason, self._text, token.at + found.end(1), len(operator))
        values = self._field_values(field, operator, token.at + found.end(), token.text[found.end() :])
        if operator in (">=", "<="):
            return Term(field.name, ":", tuple(value + ("+" if operator == ">=" else "-") for value in values))
        return Term(field.name, operator, values)

    def _field_values(self, field: Field, operator: str, at: int, source: str) -> tuple[str, ...]:
        """The values of a field, each checked by its rule."""
        values: list[str] = []
        for offset, piece in pieces(source):
            value = unquoted(piece)
            if not piece:
                reason = f"{field.name}{operator} needs a value, such as {field.example}"
                raise FilterError(reason, self._text, at + offset)
            self._bounded(value, at + offset, len(piece))
            # `>=` and `<=` are bounds without a sign, as `>` is
            if wrong := field.check(operator[0] if operator in (">=", "<=") else operator, value):
                raise FilterError(wrong, self._text, at + offset, len(piece))
            values.append(value)
        return tuple(values)

    def _bounded(self, value: str, at: int, length: int) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise FilterError(f"more than {MAX_VALUES} values", self._text, at, length)
        if len(value) > MAX_VALUE:
            raise FilterError(f"a value longer than {MAX_VALUE} characters", self._text, at, length)

    def _bare(self, token: Token) -> Term:
        value = unquoted(token.text)
        self._bounded(value, token.at, len(token.text))
        if not value:
            raise self._error("an empty word", token)
        if token.text.lower() in NAMES:
            field = NAMES[token.text.lower()]
            other = "" if self._verb else f'; to search for the word itself write "{value}" in quotes'
            raise self._error(f"{field.name} needs a value, such as {field.example}{other}", token)
        if self._verb and (wrong := wrong_id(value)):
            hint = f"; did you mean domain:{value}?" if "." in value and "@" not in value else ""
            raise self._error(f"{wrong} (bare words are ids in what changes something){hint}", token)
        return Term("", ":", (value,))


def _unknown(name: str) -> str:
    known = nearest(name, NAMES) or f" (known: {', '.join(FIELDS)})"
    return f'unknown field "{name}"{known}; a word with a colon that is none stands in quotes'


def _ids(node: Node) -> Node:
    """The tree with its bare words as ids; those side by side are one word: any of them."""
    match node:
        case Term(field="", values=values):
            return Term("id", ":", values)
        case Not(part=part):
            return Not(_ids(part))
        case Or(parts=parts):
            return Or(tuple(map(_ids, parts)))
        case And(parts=parts):
            bare = [part.values[0] for part in parts if isinstance(part, Term) and not part.field]
            rest = [_ids(part) for part in parts if not isinstance(part, Term) or part.field]
            return joined(And, [Term("id", ":", tuple(bare)), *rest] if bare else rest)
    return node
