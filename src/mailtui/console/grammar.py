"""How a line behind `:` is taken apart: words with their places, options, quotes, as on a shell; pure.

Owned here: that, and what is wrong with a line, with the place. What the words mean stands in `verbs`, and in `commands` for the console's
own. The text of a filter is not touched: its quotes are the filter language's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

#: A word: a quoted text, or what has no blank outside double quotes.
_WORD: Final = re.compile(r"""'[^']*'(?=\s|$)|(?:[^\s"]|"[^"]*"?)+""")
#: What a shell needs and this does not: a plan is always shown, and `y` is the answer to it.
_ASKED: Final = {"--yes", "-y", "--dry-run", "--json"}
#: What makes words a filter and not ids.
_FILTER: Final = re.compile(r'[:=~<>()\s"]|^-|^(?:and|or|not)$', re.IGNORECASE)


@dataclass(frozen=True)
class Wrong:
    """What is wrong, and which cells of the line."""

    reason: str
    at: int = 0
    length: int = 1

    def lines(self, text: str) -> list[str]:
        """The reason, the line and carets under the place."""
        return [self.reason, f"  {text}", "  " + " " * self.at + "^" * max(self.length, 1)]


@dataclass(frozen=True)
class Word:
    """A word as it is meant, and where it stands."""

    text: str
    at: int
    length: int

    def wrong(self, reason: str) -> Wrong:
        """It is wrong."""
        return Wrong(reason, self.at, self.length)


@dataclass(frozen=True)
class Given:
    """What follows a verb: words, and the values of options by their names without dashes ("" of a flag)."""

    words: tuple[Word, ...] = ()
    options: Mapping[str, Word] = field(default_factory=dict)
    line: str = ""

    def option(self, name: str, otherwise: str = "") -> str:
        """The value of an option."""
        return self.options[name].text if name in self.options else otherwise

    @property
    def texts(self) -> tuple[str, ...]:
        """The words."""
        return tuple(word.text for word in self.words)

    @property
    def ids(self) -> tuple[str, ...]:
        """The words when they are ids; none when they are a filter."""
        return () if any(_FILTER.search(word) for word in self.texts) else self.texts

    @property
    def rest(self) -> Word:
        """All words as they were written, which is how a filter is."""
        raw = [self.line[word.at : word.at + word.length] for word in self.words]
        at = self.words[0].at if self.words else len(self.line)
        whole = self.line[at : at + self._span]
        return Word(whole if self._whole else " ".join(raw), at, self._span)

    @property
    def _span(self) -> int:
        return self.words[-1].at + self.words[-1].length - self.words[0].at if self.words else 0

    @property
    def _whole(self) -> bool:
        """Whether no option stands between the words."""
        ends = (self.words[0].at, self.words[-1].at) if self.words else (0, 0)
        return not any(ends[0] < option.at < ends[1] for option in self.options.values())


def words(line: str, start: int = 0) -> list[Word]:
    """The words of a line from a place on, with what quotes there are around a whole one taken away."""
    return [Word(_bare(found[0]), found.start(), len(found[0])) for found in _WORD.finditer(line, start)]


def _bare(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and text[0] not in text[1:-1]
    return text[1:-1] if quoted else text


def given(line: str, start: int, options: Collection[str], flags: Collection[str] = ()) -> Given | Wrong:
    """What follows a verb that ends at `start`: which `options` take a value, and which are `flags`."""
    plain: list[Word] = []
    named: dict[str, Word] = {}
    left = words(line, start)
    while left:
        word = left.pop(0)
        raw = line[word.at : word.at + word.length]
        if raw in _ASKED:
            return word.wrong(f"{raw} is for a shell: here the plan is shown, and y goes on")
        if not raw.startswith("--") or raw == "--":
            plain += [word] if raw != "--" else []
            continue
        name, equals, value = raw[2:].partition("=")
        if name in flags and not equals:
            named[name] = Word("", word.at, word.length)
        elif name not in options:
            there = ", ".join(f"--{known}" for known in sorted((*options, *flags)))
            return word.wrong(f"no option --{name}" + (f"; there are {there}" if there else " here"))
        elif equals:
            named[name] = Word(_bare(value), word.at + len(name) + 3, max(len(value), 1))
        elif left:
            named[name] = left.pop(0)
        else:
            return Wrong(f"--{name} wants a value", len(line), 1)
    return Given(tuple(plain), named, line)
