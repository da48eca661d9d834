"""The command line of the console: what a line typed behind `:` means, in the words of `mailtui` on a shell, and what it may go on with.

Owned here: reading a line into one typed command, completion, history. The verbs of the shell stand in `verbs`. No I/O.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from .actions import ACTIONS
from .grammar import Word, Wrong, given, words
from .meaning import Command, Do, Go, Look, Refresh, Theme
from .place import TABS, Place
from .verbs import VERBS, Verb

#: How a line may begin that is meant for the shell.
_PROGRAM: Final = "mailtui"
#: The action that may be told a length of time, or a past moment, or both.
_RANGE: Final = "range"
#: Actions that are a command too, by the last part of their id, where no verb has that name. What moves a cursor means nothing in a line.
_LINE: Final = {
    action.id.partition(".")[2]: action
    for action in ACTIONS
    if not action.opens
    and action.group not in ("move", "select")
    and action.id not in ("app.suspend", "app.command", "app.palette", "audit.undo")
    and not (action.id.partition(".")[2] in VERBS and action.id != "app.undo")
}
#: What the filter language asks for, and the states there are.
FIELDS: Final = (
    *(
        "id",
        "state",
        "domain",
        "site",
        "from",
        "to",
        "user",
        "client",
        "listener",
        "subject",
        "tag",
        "msgid",
        "age",
        "since",
        "next",
        "tries",
    ),
    *("size", "rule", "action", "group", "class", "code", "reply", "stage", "host", "mx", "tls", "route"),
)
STATES: Final = ("queued", "sending", "deferred", "held", "delivered", "bounced", "suppressed", "purged")


def names(kinds: Collection[str], place: str) -> list[str]:
    """What a line may begin with, at a place of a console with these kinds of screens."""
    mine = {name for name, action in _LINE.items() if place in action.where}
    return sorted(mine | set(VERBS) | {"theme", "refresh"} | (set(TABS) & set(kinds)))


def read(text: str, kinds: Collection[str], themes: Collection[str], place: str) -> Command | Wrong | None:
    """What a line means; None for an empty one."""
    line = text.rstrip()
    said = words(line)
    if said and said[0].text == _PROGRAM:
        said = said[1:]
    if not said:
        return None
    first, rest = said[0], said[1:]
    if verb := _verb(said):
        if verb.name == "undo" and not rest:
            return Do(_LINE["undo"])
        end = said[len(verb.name.split()) - 1]
        found = given(line, end.at + end.length, verb.options, verb.flags)
        return found if isinstance(found, Wrong) else verb.read(found)
    known = names(kinds, place)
    if first.text not in known or (rest and any(name.startswith(f"{first.text} ") for name in known)):
        return _unknown(said, known)
    if first.text == "theme":
        return _theme(rest, line, themes)
    if first.text == _RANGE and rest:
        return Look(line[rest[0].at :])
    if rest:
        return Wrong(f"nothing may follow {first.text}", rest[0].at, len(line) - rest[0].at)
    if first.text in _LINE:
        return Do(_LINE[first.text])
    return Refresh() if first.text == "refresh" else Go(Place(first.text))


def _verb(said: list[Word]) -> Verb | None:
    """The verb of two words, else that of one."""
    both = " ".join(word.text for word in said[:2])
    one = VERBS.get(said[0].text)
    if one and one.most == 0 and len(said) > 1 and any(name.startswith(f"{one.name} ") for name in VERBS):
        one = None  # a group whose second word is none of its own
    return VERBS.get(both) or one


def _unknown(said: list[Word], known: Collection[str]) -> Wrong:
    group = [name for name in known if name.startswith(f"{said[0].text} ")]
    if group and len(said) == 1:
        return Wrong(
            f"{said[0].text} what? {', '.join(name.partition(' ')[2] for name in group)}", said[0].at, said[0].length
        )
    word = said[1] if group else said[0]
    near = get_close_matches(word.text, [name.partition(" ")[2] for name in group] if group else list(known), 1)
    return word.wrong(f'no command "{word.text}"{f", did you mean {near[0]}?" if near else ""}')


def _theme(rest: list[Word], line: str, themes: Collection[str]) -> Command | Wrong:
    if not rest:
        return Wrong("theme NAME: what is missing", len(line), 1)
    name = line[rest[0].at :]
    if name in themes:
        return Theme(name)
    return Wrong(f"no theme {name}; there are {', '.join(sorted(themes))}", rest[0].at, len(name))


# --- completion


@dataclass(frozen=True)
class Completed:
    """A line that was completed as far as that is one way only, and the ways it may go on."""

    text: str
    choices: tuple[str, ...] = ()


def completed(
    text: str, known: Collection[str], themes: Collection[str] = (), domains: Collection[str] = ()
) -> Completed:
    """A line with its last word completed: a command, an option, a field of the filter, a state, a destination, a theme."""
    before, last = _parted(text)
    ways = sorted(set(_ways(before, last, known, themes, domains)))
    fitting = [way for way in ways if way.startswith(last) and way != last]
    if not fitting or not text.strip():
        return Completed(text)
    if len(fitting) == 1 and last not in ways:
        return Completed(text[: len(text) - len(last)] + fitting[0] + ("" if fitting[0][-1] in ":=@" else " "))
    common = fitting[0]
    while not all(way.startswith(common) for way in (*fitting, *([last] if last in ways else []))):
        common = common[:-1]
    return Completed(text[: len(text) - len(last)] + common, tuple(fitting[:12]))


def _parted(text: str) -> tuple[list[str], str]:
    """The whole words of a line, and the last one that is being typed."""
    *before, last = text.split(" ")
    return [word for word in before if word and word != _PROGRAM], last


def _ways(
    before: list[str], last: str, known: Collection[str], themes: Collection[str], domains: Collection[str]
) -> list[str]:
    if not before:
        return [name.partition(" ")[0] for name in known]
    verb = VERBS.get(" ".join(before[:2])) or VERBS.get(before[0])
    ways = [name.partition(" ")[2] for name in known if len(before) == 1 and name.startswith(f"{before[0]} ")]
    if before[0] == "theme":
        ways += themes
    if verb is None:
        return ways
    if last.startswith("-"):
        return [f"--{option}" for option in (*verb.options, *verb.flags)]
    if verb.name in ("suspend", "domain", "report", "dns flush"):
        ways += domains
    if verb.filters:
        ways += [f"{name}:" for name in FIELDS]
        ways += [f"state:{name}" for name in STATES] if last.startswith("state:") else []
        ways += [f"{last[:7]}{name}" for name in domains] if last.startswith(("domain:", "domain=")) else []
    return ways


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
