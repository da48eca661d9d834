"""What is done over and beside the screens: help, the command line, the palette.

Owned here: what happens when one of these actions is performed. What is said stands in `present`, keys and typing in `screens`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mailtui.control.api import QueueCount

from .actions import Action, Scope
from .commands import Command, Do, Go, History, Refresh, Theme, Wrong, completed, names, read
from .link import Trouble
from .offers import Choice, narrowed
from .palette import palette
from .place import Place
from .present import help as helps
from .present.line import Line, line, wrap
from .screens.choose import Choose
from .screens.help import Help
from .screens.prompt import Asked, Prompt

if TYPE_CHECKING:
    from .app import Console


class Tools:
    """The tools of a console."""

    def __init__(self, app: Console) -> None:
        self._app = app
        self._history = History()

    def perform(self, action: Action) -> bool:
        """Do an action of the table; False when it is none of these."""
        match action.id:
            case "app.help":
                self._help()
            case "app.command":
                self._command()
            case "filter.add" | "filter.exclude":
                self._narrow(action, action.id == "filter.exclude")
            case "app.palette":
                self._app.push_screen(palette(self._app, self.do))
            case _:
                return False
        return True

    def _help(self) -> None:
        app = self._app
        kind, now = app.trail.here.kind, app.standing
        app.push_screen(Help(f"Help: {kind}", lambda room: helps.page(kind, app.keys, now, room)))

    # --- the filter

    def _narrow(self, action: Action, without: bool) -> None:
        """By the value that is chosen; where there is one only, by that."""
        app, words = self._app, self._app.view.offers().words
        filter = app.trail.here.subject if app.trail.here.kind == "queue" else app.view.shared.filter
        if app.trail.here.kind == "overview":
            filter = ""

        def chosen(choice: Choice | None) -> None:
            if choice is not None:
                app.open(Place("queue", narrowed(filter, choice.value, without)))

        if not words:
            app.say(f"{action.label}: there is nothing under the cursor", "dim")
        elif len(words) == 1:
            chosen(words[0])
        else:
            app.push_screen(Choose(action.label.capitalize(), words), chosen)

    # --- the command line

    def _command(self) -> None:
        """Opened at once: what is typed next is meant for it."""
        here = self._app.standing
        known = names(here.screens, here.place)
        asked = Asked(":", self._checked, complete=lambda text: completed(text, known))
        self._app.push_screen(Prompt(asked, self._history), self._entered)

    def _entered(self, text: str | None) -> None:
        meant = self._read(text or "")
        if meant is not None and not isinstance(meant, Wrong):
            self.do(meant)

    def _read(self, text: str) -> Command | Wrong | None:
        here = self._app.standing
        return read(text, here.screens, self._app.available_themes, here.place)

    async def _checked(self, text: str) -> Sequence[Line]:
        """What is wrong with a line; a filter is looked at by the relay."""
        meant, room = self._read(text), self._app.size.width - 2
        if isinstance(meant, Wrong):
            return [line((" " + part, "bad")) for part in meant.lines(text)]
        filter = _filter(meant)
        if not filter:
            return ()
        counts = await self._app.link.ask(QueueCount(filter=filter))
        if not isinstance(counts, Trouble) or self._app.link.offline:
            return ()
        reason, *where = counts.text.split("\n")[:3]
        return [line((" " + part, "bad")) for part in (*wrap(reason, room)[:2], *where)]

    def do(self, meant: Command) -> None:
        """What a command says."""
        app = self._app
        match meant:
            case Go(place):
                app.open(place)
            case Theme(name):
                app.theme = name
            case Refresh():
                app.link.hurry()
                app.action_perform("app.repaint")
            case Do(action, None):
                app.action_perform(action.id)
            case Do(action, Scope() as scope):
                app.change(action, scope)


def _filter(meant: Command | None) -> str:
    match meant:
        case Go(place) if place.kind == "queue":
            return place.subject
        case Do(_, scope) if scope is not None:
            return scope.filter
    return ""
