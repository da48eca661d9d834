"""The palette: actions, places and themes, found by some of their letters.

Owned here: what it offers, which are the rows of the table that are valid here, and how a hit looks. Nothing else is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.fuzzy import FuzzySearch

from .actions import ACTIONS
from .meaning import Command, Theme
from .present.help import key_names

if TYPE_CHECKING:
    from .app import Console


class Row(NamedTuple):
    """What is offered: its words, its keys, what it does."""

    words: str
    keys: str
    run: Callable[[], object]


def rows(app: Console, do: Callable[[Command], None]) -> Iterator[Row]:
    """All that can be done where one is."""
    for action in ACTIONS:
        moves = action.group == "move" and not action.opens
        if app.valid(action) and not moves and action.id != "app.palette" and not action.missing(app.standing):
            keys = key_names(app.keys.get(action.id, action.keys))
            yield Row(f"{action.label}: {action.help}", keys, partial(app.action_perform, action.id))
    for name in sorted(app.available_themes):
        yield Row(f"theme {name}", "", partial(do, Theme(name)))


def palette(app: Console, do: Callable[[Command], None]) -> CommandPalette:
    """The palette over the screen that is shown."""
    offered = tuple(rows(app, do))

    class Table(Provider):
        """The rows; a class of its own, because the palette makes its providers itself."""

        async def discover(self) -> Hits:
            for row in offered:
                yield DiscoveryHit(drawn(row), row.run, text=row.words)

        async def search(self, query: str) -> Hits:
            fuzzy = FuzzySearch()
            for row in offered:
                score, places = fuzzy.match(query, row.words)
                if score > 0:
                    yield Hit(score, drawn(row, places), row.run, text=row.words)

    return CommandPalette([Table], placeholder="some letters of an action, a place, a theme", id="--command-palette")


def drawn(row: Row, places: Sequence[int] = ()) -> Content:
    """The words with their keys behind them; no markup is read. What was found is underlined."""
    words = Content(row.words)
    for place in places:
        words = words.stylize("underline", place, place + 1)
    return Content.assemble(words, Content(f"  {row.keys}" if row.keys else ""))
