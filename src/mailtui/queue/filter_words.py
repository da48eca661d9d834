"""The words of a filter: cutting the text into them, cutting values at commas, quotes; and the error that points at a word.

Owned here: everything about characters. What the words mean together is in `filter`, how a filter is written back in `filter_tree`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from mailtui.errors import EX_DATAERR, MailtuiError

KEYWORDS: Final = ("and", "or", "not")
FIELD: Final = re.compile(r"([^\W\d_]+)(>=|<=|[:=~<>])")

_QUOTED: Final = r'"((?:[^"]|"")*+)"'
_WORD: Final = re.compile(rf'(?:{_QUOTED}|[^\s"()])++')
_PIECE: Final = re.compile(rf'(?:{_QUOTED}|[^,"])*+')
_QUOTES: Final = re.compile(_QUOTED)
_PLAIN: Final = re.compile(r'[^\s"(),]+')

Kind = Literal["word", "(", ")", "-", "and", "or", "not"]


class FilterError(MailtuiError):
    """A filter that cannot be understood: `reason` says why, `at` and `length` where in `text`; str() shows all with
    a caret."""

    exit_code = EX_DATAERR

    def __init__(self, reason: str, text: str, at: int = 0, length: int = 1) -> None:
        self.reason, self.text, self.at, self.length = reason, text, at, max(length, 1)
        super().__init__(f"{reason}\n{_caret(text, at, self.length)}" if text else reason)


class Token(msgspec.Struct, frozen=True):
    """A word or a sign, and where it stands. Words keep their quotes."""

    kind: Kind
    at: int
    text: str


def clean(text: str) -> str:
    """One line of printable characters, each where it was."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in re.sub(r"\s", " ", text))


def unseen(text: str, line: str) -> FilterError | None:
    """The error of a character that nobody can see or type: nothing would be found, and nobody would know why. `line` is the
    cleaned text."""
    for at, character in enumerate(text):
        if not character.isprintable() and not character.isspace():
            return FilterError(
                f"a character that cannot be seen (U+{ord(character):04X}) stands here: leave it out", line, at
            )
    return None


def tokens(text: str) -> Iterator[Token]:
    """The words and signs of a cleaned text. FilterError on a quote that is not closed, and on signs that stand wrongly."""
    at = 0
    while at < len(text):
        if text[at] == " ":
            at += 1
            continue
        token = _token(text, at)
        yield token
        at += len(token.text)


def _token(text: str, at: int) -> Token:
    match text[at]:
        case "(":
            return Token("(", at, "(")
        case ")":
            return Token(")", at, ")")
        case "-":
            if text[at + 1 : at + 2] in ("", " ", "-", ")"):
                raise FilterError('"-" stands once, right before what is excluded', text, at)
            return Token("-", at, "-")
    found = _WORD.match(text, at)
    end = found.end() if found else at
    behind = text[end : end + 1]
    if behind == '"':
        raise FilterError("a quote that is not closed", text, end)
    word = text[at:end]
    keyword = next((keyword for keyword in KEYWORDS if keyword == word.lower()), None)
    if behind == "(" and keyword is None:
        raise FilterError('a blank is missing before "(", or quotes around the word', text, end)
    return Token(keyword or "word", at, word)


def pieces(source: str) -> Iterator[tuple[int, str]]:
    """The values of a word, cut at the commas outside of quotes: (where, as written)."""
    at = 0
    while at <= len(source):
        found = _PIECE.match(source, at)
        piece = found[0] if found else ""
        yield at, piece
        at += len(piece) + 1


def unquoted(written: str) -> str:
    """What a word or value says: without quotes, where a doubled one stands for itself."""
    return _QUOTES.sub(lambda quoted: quoted[1].replace('""', '"'), written)


def quoted(value: str) -> str:
    """A value as it must be written, in quotes if it needs them."""
    return value if _PLAIN.fullmatch(value) else '"' + value.replace('"', '""') + '"'


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
