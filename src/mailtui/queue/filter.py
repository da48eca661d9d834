"""The filter words: how an operator says which recipients are meant, and the SQL that finds them.

Owned here: how words are written and joined (`field:value,value` and bare ones), their syntax tree, its one parser
and its one compiler, and the errors that point at a word. What a field means is in `fields`; who runs the compiled
condition owns the rest of the statement.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import msgspec

from mailtui.errors import EX_DATAERR, MailtuiError
from mailtui.queue.fields import FIELDS, Where, bare_sql, nearest, wrong_id

#: Bounds that keep any filter within SQLite's own (expression depth 1000, variables 32766, pattern length 50000).
MAX_TEXT: Final = 65_536
MAX_VALUES: Final = 500
MAX_VALUE: Final = 1_000

_WORD: Final = re.compile(r'(?:"[^"]*"|[^\s"])+')
_VALUE: Final = re.compile(r'(?:"[^"]*"|[^,"])*')
_FIELD: Final = re.compile(r"([^\W\d_]+)([:=~<>])")


class FilterError(MailtuiError):
    """A filter that cannot be understood: `reason` says why, `at` and `length` where in `text`; str() shows all with
    a caret."""

    exit_code = EX_DATAERR

    def __init__(self, reason: str, text: str, at: int = 0, length: int = 1) -> None:
        self.reason, self.text, self.at, self.length = reason, text, at, max(length, 1)
        super().__init__(f"{reason}\n{_caret(text, at, self.length)}" if text else reason)


class Word(msgspec.Struct, frozen=True):
    """`field:value,value`, or a bare word (field ""). `at` is where it stands in the text, `source` how it was
    written."""

    field: str
    values: tuple[str, ...]
    at: int
    source: str


class And(msgspec.Struct, frozen=True):
    """All of these; none of them at all is everything."""

    parts: tuple[Node, ...]


Node = Word | And


class Filter(msgspec.Struct, frozen=True):
    """A filter as it was understood, ready to compile."""

    root: And
    text: str = ""

    @property
    def names_state(self) -> bool:
        """Whether it says itself which states are meant."""
        return any(isinstance(part, Word) and part.field == "state" for part in self.root.parts)


EVERYTHING: Final = Filter(And(()))


def parse(text: str, verb: bool = False) -> Filter:
    """Understand filter words. FilterError points at the first word that is wrong.

    Bare words search ids, addresses and replies; with `verb` (something will be changed) they are ids only, several a
    union.
    """
    if len(text) > MAX_TEXT:
        raise FilterError(f"the filter is longer than {MAX_TEXT} characters", "")
    clean = "".join(character if character.isprintable() or character.isspace() else "\ufffd" for character in text)
    clean = re.sub(r"\s", " ", clean)
    words: list[Word] = []
    at = 0
    while clean[at:].strip():
        at += len(clean[at:]) - len(clean[at:].lstrip())
        found = _WORD.match(clean, at)
        if found is None or clean[found.end() : found.end() + 1] == '"':
            raise FilterError("a quote that is not closed", clean, found.end() if found else at)
        words.append(_word(clean, at, found[0], verb))
        at = found.end()
    if sum(len(word.values) for word in words) > MAX_VALUES:
        raise FilterError(f"more than {MAX_VALUES} values", "")
    if verb:
        words = _unite(words)
    return Filter(And(tuple(words)), clean.strip())


def _word(text: str, at: int, source: str, verb: bool) -> Word:
    field = _FIELD.match(source)
    if field is None or (field[2] != ":" and field[1].lower() not in FIELDS):
        return _bare(text, at, source, verb)
    name, operator = field[1].lower(), field[2]
    if name not in FIELDS:
        raise FilterError(f'unknown field "{name}"{nearest(name, FIELDS)}', text, at, len(field[1]))
    if operator != ":":
        raise FilterError(f"write {name}:VALUE; {operator} is not an operator here", text, at + field.end(1))
    values = _values(text, at + field.end(), source[field.end() :], name)
    return Word(name, values, at, source)


def _values(text: str, at: int, source: str, name: str) -> tuple[str, ...]:
    """The values of a field, checked by its own rule."""
    values: list[str] = []
    start = 0
    while True:
        found = _VALUE.match(source, start)
        piece = found[0] if found else ""
        value = piece.replace('"', "")
        if not value:
            raise FilterError(f"{name}: needs a value, such as {FIELDS[name].example}", text, at + start)
        if len(value) > MAX_VALUE:
            raise FilterError(f"a value longer than {MAX_VALUE} characters", text, at + start)
        wrong = FIELDS[name].check(value)
        if wrong:
            raise FilterError(wrong, text, at + start, len(piece))
        values.append(value)
        start += len(piece) + 1
        if start > len(source):
            return tuple(values)


def _bare(text: str, at: int, source: str, verb: bool) -> Word:
    value = source.replace('"', "")
    if not verb and (source.lower() in ("and", "or", "not") or source[0] in "(-" or source[-1] == ")"):
        reason = 'words are joined by "and" as they stand; a comma inside a value means "or", there is no "not"'
        raise FilterError(reason, text, at, len(source))
    if not value or len(value) > MAX_VALUE:
        raise FilterError("an empty word" if not value else "the word is too long", text, at, len(source))
    if verb and (wrong := wrong_id(value)):
        hint = f"; did you mean domain:{value}?" if "." in value and "@" not in value else ""
        raise FilterError(f"{wrong} (bare words are ids in what changes something){hint}", text, at, len(source))
    return Word("id" if verb else "", (value,), at, source)


def _unite(words: list[Word]) -> list[Word]:
    """Bare ids of a verb are one word: any of them."""
    bare = [word for word in words if word.field == "id" and not word.source.lower().startswith("id:")]
    if len(bare) < 2:
        return words
    union = Word("id", tuple(value for word in bare for value in word.values), bare[0].at, bare[0].source)
    return [word for word in words if word not in bare] + [union]


def compile(node: Filter | Node) -> Where:
    """The condition a filter stands for."""
    if isinstance(node, Filter):
        node = node.root
    if isinstance(node, Word):
        return FIELDS[node.field].sql(node.values) if node.field else bare_sql(node.values)
    parts = [compile(part) for part in node.parts]
    return Where(
        " AND ".join(part.sql for part in parts) or "1", tuple(value for part in parts for value in part.params)
    )


def _caret(text: str, at: int, length: int) -> str:
    """The text around the trouble, and a line under it that points there."""
    start, end = max(0, at - 40), min(len(text), at + 40)
    before, after = ("…" if start else ""), ("…" if end < len(text) else "")
    pad = len(before) + sum(_width(character) for character in text[start:at])
    under = max(1, sum(_width(character) for character in text[at : min(at + length, end)]))
    return f"  {before}{text[start:end]}{after}\n  {' ' * pad}{'^' * under}"


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
