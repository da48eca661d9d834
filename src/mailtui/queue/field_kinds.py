"""The kinds of fields the filter language has: text, a word of a closed list, a measure with bounds.

Owned here: what a field is made of, and how each kind checks its values and builds its condition. Which fields there are is in
`fields`, how values are spelled in `measures`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final, Literal

import msgspec

from mailtui.queue.conditions import Where, any_of, match
from mailtui.queue.measures import Measure, Relation, bound

Values = tuple[str, ...]
Check = Callable[[str, str], str]
Condition = Callable[[str, Values, float], Where]

TEXT: Final = (":", "=", "~")
WORD: Final = (":", "=")
BOUNDS: Final = (":", ">", "<", ">=", "<=")


class Field(msgspec.Struct, frozen=True):
    """One field of the language.

    `check` is given operator and value and says what is wrong ("" when nothing is); `condition` operator, values and now (POSIX
    seconds). `index` leads to what it finds: by "id", by "lane" where the states are known to be due, or by nothing ("").
    """

    name: str
    alias: str
    type: str
    operators: tuple[str, ...]
    meaning: str
    example: str
    check: Check
    condition: Condition
    index: Literal["", "id", "lane"] = ""


def text(
    name: str,
    alias: str,
    meaning: str,
    value: str,
    condition: Callable[[str, Values], Where],
    index: Literal["", "lane"] = "",
) -> Field:
    """Anything, by wildcard, exactly or in part."""

    def check(operator: str, value: str) -> str:
        return "" if value or operator != "~" else f"{name}~ needs a value"

    def found(operator: str, values: Values, now: float) -> Where:
        return condition(operator, values)

    return Field(name, alias, "text", TEXT, meaning, name + value, check, found, index)


def column(name: str, spell: Callable[[str], str] = str) -> Callable[[str, Values], Where]:
    """The condition of a text that is a column; `spell` writes a value as the queue does."""
    return lambda operator, values: match(name, operator, map(spell, values))


def word(
    name: str, alias: str, meaning: str, value: str, words: type[StrEnum], condition: Callable[[list[str]], Where]
) -> Field:
    """One of a closed list; `condition` is given those that are meant, in the order of the list."""

    def check(operator: str, value: str) -> str:
        known = ", ".join(words)
        return "" if meant(words, operator, value) else f'no {name} "{value}"{nearest(value, words)}; there are {known}'

    def found(operator: str, values: Values, now: float) -> Where:
        chosen = {word for value in values for word in meant(words, operator, value)}
        return condition([word.value for word in words if word.value in chosen])

    return Field(name, alias, "word", WORD, meaning, name + value, check, found)


def meant(words: Iterable[StrEnum], operator: str, value: str) -> list[str]:
    """The words of a closed list that a value stands for."""
    if len(value) > 20:  # a longer one is no word of ours and could keep the regular expression busy
        return []
    wild = {"*": ".*", "?": "."} if operator == ":" else {}
    pattern = re.compile("".join(wild.get(c, re.escape(c)) for c in re.sub(r"\*+", "*", value.lower())))
    return [word.value for word in words if pattern.fullmatch(word.value)]


def measured(
    name: str,
    alias: str,
    meaning: str,
    value: str,
    kind: tuple[str, Measure],
    condition: Callable[[Relation, int, float], Where],
    index: Literal["", "id", "lane"] = "",
) -> Field:
    """Compared with bounds. Only a number may be asked for exactly: of times and sizes nobody knows the exact one."""
    type, measure = kind
    exact = type == "number"

    def check(operator: str, written: str) -> str:
        try:
            relation, _ = bound(operator, written, measure)
        except ValueError:
            example = value.lstrip(":").split(",")[0]
            return f'"{written}" is not a {type}: write {name}:{example}'
        if relation == "=" and not exact:
            return f"write {name}:{written}+ for at least or {name}:{written}- for at most"
        return ""

    def found(operator: str, values: Values, now: float) -> Where:
        return any_of(condition(*bound(operator, written, measure), now) for written in values)

    operators = (":", "=", *BOUNDS[1:]) if exact else BOUNDS
    return Field(name, alias, type, operators, meaning, name + value, check, found, index)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at what may have been meant, "" when nothing comes near."""
    close = difflib.get_close_matches(word[:50].lower(), [str(name) for name in known], 1, 0.5)
    return f', did you mean "{close[0]}"?' if close else ""
