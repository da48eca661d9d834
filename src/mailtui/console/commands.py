"""The command line of the console: what a line typed behind `:` means, in the words of `mailtui` on a shell.

Owned here: reading a line into one typed command, and what is wrong with it, with the place. Doing it is the tools'. No I/O.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from .actions import ACTIONS, Action, Scope
from .place import TABS, Place

#: How a line may begin that is meant for the shell.
_PROGRAM: Final = "mailtui"
_RANGE: Final = "range"
#: What may stand before the filter of a list, as in `mailtui queue list FILTER`.
_LIST: Final = "list"


@dataclass(frozen=True)
class Go:
    """Open a place."""

    place: Place


@dataclass(frozen=True)
class Do:
    """Perform an action; on `scope`, or on what cursor and marks say when that is None."""

    action: Action
    scope: Scope | None = None


@dataclass(frozen=True)
class Theme:
    """Other colours."""

    name: str


@dataclass(frozen=True)
class Look:
    """Look at another stretch of time, as it is written there; `at` is where in the line."""

    text: str
    at: int = 0


@dataclass(frozen=True)
class Refresh:
    """Ask for everything again."""


@dataclass(frozen=True)
class Wrong:
    """What is wrong, and which cells of the line."""

    reason: str
    at: int = 0
    length: int = 1

    def lines(self, text: str) -> list[str]:
        """The reason, the line and carets under the place."""
        return [self.reason, f"  {text}", "  " + " " * self.at + "^" * max(self.length, 1)]


Command = Go | Do | Look | Theme | Refresh
#: Commands of their own: name, what follows it, what it does.
OWN: Final = (
    ("queue", "[FILTER]", "the queue, or what the filter finds of it; `queue list FILTER` too"),
    ("domain", "NAME", "a destination"),
    ("show", "ID", "a message or recipient"),
    ("theme", "NAME", "other colours"),
    (_RANGE, "[90m] [03:10]", "a length of time, or a past moment, or both"),
    ("refresh", "", "ask for everything again"),
)
#: Actions that are a command too, by the last part of their id. What moves a cursor means nothing in a line; `suspend` is what it is on a
#: shell, not ctrl+z.
_LINE: Final = {
    action.id.partition(".")[2]: action
    for action in ACTIONS
    if not action.opens
    and action.group not in ("move", "select")
    and action.id not in ("app.suspend", "app.command", "app.palette")
}
_OPENED: Final = {"domain": "domain", "show": "message"}


def names(kinds: Collection[str], place: str) -> list[str]:
    """What a line may begin with, at a place of a console with these kinds of screens."""
    mine = {name for name, action in _LINE.items() if place in action.where or action.verb is not None}
    own = {name for name, *_ in OWN if name not in ("domain", "show") or _OPENED[name] in kinds}
    return sorted(mine | own | (set(TABS) & set(kinds)))


def read(text: str, kinds: Collection[str], themes: Collection[str], place: str) -> Command | Wrong | None:
    """What a line means; None for an empty one."""
    line = text.rstrip()
    start = len(line) - len(line.lstrip())
    if line[start:].startswith(f"{_PROGRAM} "):
        start += len(_PROGRAM) + 1
        start += len(line[start:]) - len(line[start:].lstrip())
    word, _, rest = line[start:].partition(" ")
    if not word:
        return None
    at = len(line) - len(rest.lstrip())
    rest = rest.strip()
    if word not in names(kinds, place):
        near = get_close_matches(word, names(kinds, place), 1)
        return Wrong(f'no command "{word}"{f", did you mean {near[0]}?" if near else ""}', start, len(word))
    if word in ("domain", "show", "theme") and not rest:
        what = next(argument for name, argument, _ in OWN if name == word)
        return Wrong(f"{word} {what}: what is missing", len(line), 1)
    if word == "queue":
        return Go(Place("queue", "" if rest == _LIST else rest.removeprefix(f"{_LIST} ").strip()))
    if word in _OPENED:
        return Go(Place(_OPENED[word], rest)) if " " not in rest else Wrong(f"{word} takes one name", at, len(rest))
    if word == "theme":
        return _theme(rest, at, themes)
    if word in _LINE and (verb := _LINE[word]).verb is not None and rest:
        return Do(verb, Scope("filter", filter="" if rest == "--all" else rest))
    if word == _RANGE and rest:
        return Look(rest, at)
    if rest:
        return Wrong(f"nothing may follow {word}", at, len(rest))
    if word in _LINE:
        return Do(_LINE[word])
    return Refresh() if word == "refresh" else Go(Place(word))


def _theme(name: str, at: int, themes: Collection[str]) -> Command | Wrong:
    if name in themes:
        return Theme(name)
    return Wrong(f"no theme {name}; there are {', '.join(sorted(themes))}", at, len(name))


def completed(text: str, known: Collection[str]) -> str:
    """A line whose command is completed as far as that is one way only."""
    if " " in text or not text:
        return text
    fitting = sorted(name for name in known if name.startswith(text))
    if len(fitting) == 1:
        return f"{fitting[0]} "
    while fitting and all(name.startswith(fitting[0][: len(text) + 1]) for name in fitting) and text != fitting[0]:
        text = fitting[0][: len(text) + 1]
    return text


class History:
    """Lines that were entered, the oldest first, and where among them one is."""

    KEPT: Final = 100

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._at = 0
        self._begun = ""

    def add(self, line: str) -> None:
        """Remember a line, once."""
        if line:
            self._lines = [*(old for old in self._lines if old != line), line][-self.KEPT :]
        self._at = len(self._lines)

    def step(self, by: int, typed: str) -> str:
        """An older line, or a newer one; behind the newest stands what was being typed."""
        if self._at == len(self._lines):
            self._begun = typed
        self._at = max(0, min(self._at + by, len(self._lines)))
        return self._lines[self._at] if self._at < len(self._lines) else self._begun
