"""The phrase language of `rules.toml`, and the plain words it is matched against.

Owned here: how the text of a reply is reduced to words, and how a phrase becomes a regular expression over those words. Patterns are
built from words, alternatives and bounded gaps only, so that no phrase can make matching blow up. Which phrase means what is the
business of the data file and of `delivery.rulebook`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

import msgspec

TEXT_LIMIT: Final = 1500  # characters of a reply that rules see; real replies end long before
_GAP: Final = r"(?:[^ ]+ ){0,6}"
_ADDRESS: Final = re.compile(r"[\w.+=~!#$%&*/^{|}-]{1,64}+@[\w.\[\]-]{1,255}")
_WORDS: Final = re.compile(r"\d{1,5}(?:\.\d{1,5})+|[^\W_]+")
_DOTTED: Final = r"\d+(?:\.\d+)+"
_WORD_OF_A_PHRASE: Final = re.compile(rf"(?:[^\W_]+|{_DOTTED}\.?)\*?(?:_(?:[^\W_]+|{_DOTTED})\*?)*|#")


class PhraseError(ValueError):
    """A phrase breaks the language; the text says how."""


class Phrase(msgspec.Struct, frozen=True):
    """A phrase as a regular expression over `plain` text. One of `keys` must occur for it to match ("stem*" for a beginning)."""

    source: str
    keys: tuple[str, ...]

    def found_in(self, text: str) -> bool:
        """Whether it occurs in a text as `plain` gives it."""
        return compiled(self.source).search(text) is not None


@cache
def compiled(source: str) -> re.Pattern[str]:
    """The pattern of a phrase, built when a reply first needs it: most phrases never do."""
    return re.compile(source)


def plain(text: str) -> str:
    """A reply as words, one space around each: lower case, without accents, mail addresses cut out, dotted numbers whole.

    "isn't" becomes "isnt", "user's" becomes "user". At most the first `TEXT_LIMIT` characters are read.
    """
    text = text[:TEXT_LIMIT]
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)[: 2 * TEXT_LIMIT]
        text = "".join(c for c in decomposed if not unicodedata.combining(c))[:TEXT_LIMIT].replace("\u2019", "'")
    text = text.casefold().replace("n't", "nt").replace("'s ", " ")
    if "@" in text:
        text = _ADDRESS.sub(" ", text)
    return f" {' '.join(_WORDS.findall(text))} "


def parse(phrase: str, vocabulary: Mapping[str, str]) -> Phrase:
    """Read a phrase (the language is described at the head of `rules.toml`); PhraseError when it breaks it."""
    items = _expand(phrase, vocabulary).split()
    source, best = " ", (float("inf"), tuple[str, ...]())
    for position, item in enumerate(items):
        if item == "...":
            source += _GAP if 0 < position < len(items) - 1 else ""
        elif item == "^" and position == 0:
            source = r"\A "
        elif item == "$" and position == len(items) - 1:
            source += r"\Z"
        else:
            optional = item.startswith("?")
            words = item.removeprefix("?").split("|")
            source += f"(?:(?:{'|'.join(_pattern(word, phrase) for word in words)}) ){'?' if optional else ''}"
            if not optional and "#" not in words:
                best = min(best, _keys(words))
    if not best[1]:
        raise PhraseError(f"phrase {phrase!r} has no word of four letters or more that must occur")
    return Phrase(source, best[1])


def _expand(phrase: str, vocabulary: Mapping[str, str]) -> str:
    for name in re.findall(r"<([^<>]*)>", phrase):
        if name not in vocabulary:
            raise PhraseError(f"phrase {phrase!r} names <{name}>, which [vocabulary] does not have")
        phrase = phrase.replace(f"<{name}>", vocabulary[name])
    return phrase


def _pattern(word: str, phrase: str) -> str:
    if not _WORD_OF_A_PHRASE.fullmatch(word):
        raise PhraseError(
            f"phrase {phrase!r}: {word!r} is not a word (letters, digits, '_' for a space, '*' at the end)"
        )
    if word == "#":
        return r"\d[\d.]*"
    return re.escape(word).replace("_", " ").replace(r"\*", "[^ ]*")


def _keys(words: Iterable[str]) -> tuple[float, tuple[str, ...]]:
    """The words of a slot to look for first, and how common they will be in replies: short and many is common."""
    keys = tuple(max(word.split("_"), key=len) for word in words)
    if any(len(key) < 4 for key in keys if key.endswith("*")):
        return float("inf"), ()
    return sum(1 / len(key) ** 2 for key in keys), keys
