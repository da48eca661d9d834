"""What a line behind `:`, or a row of the palette, can mean, as values.

Owned here: those. Reading lines is `commands`' and `verbs`', doing what they mean the tools'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mailtui.control.api_report import Report

from .actions import Action, Scope
from .orders import About, Asks
from .place import Place

NOTHING: Final = About()


@dataclass(frozen=True)
class Go:
    """Open a place."""

    place: Place


@dataclass(frozen=True)
class Do:
    """Perform an action; on `scope`, or on what cursor and marks say when that is None. `at` is where in the line its filter stands."""

    action: Action
    scope: Scope | None = None
    at: int | None = None


@dataclass(frozen=True)
class Fill:
    """A change that needs words: its form with some of them in it. With all it needs, only `y` is missing."""

    asks: Asks
    values: tuple[tuple[str, str], ...]
    about: About = NOTHING


@dataclass(frozen=True)
class Lookup:
    """What keeps mail from an address."""

    entry: str


@dataclass(frozen=True)
class Bundle:
    """An incident bundle, into a new file or the pager."""

    request: Report
    out: str = ""


@dataclass(frozen=True)
class Load:
    """Entries of a file onto the suppression list, once their difference was seen."""

    path: str
    kind: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Unload:
    """The suppression list into a new file."""

    path: str


@dataclass(frozen=True)
class Theme:
    """Other colours."""

    name: str


@dataclass(frozen=True)
class Look:
    """Look at another stretch of time, as it is written there."""

    text: str


@dataclass(frozen=True)
class Refresh:
    """Ask for everything again."""


Command = Go | Do | Fill | Lookup | Bundle | Load | Unload | Theme | Look | Refresh
