"""What is done over and beside the screens: help, the command line, the palette, the filter by a value, and the ways out.

Owned here: what happens when one of these actions is performed. What is said stands in `present`, keys and typing in `screens`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from mailtui.control.api import QueueCount, Show
from mailtui.display import plural, size
from mailtui.text import safe_text

from . import outlets
from .actions import Action, Scope
from .commands import Command, Do, Go, History, Look, Refresh, Theme, Wrong, completed, names, read
from .link import Trouble
from .offers import Choice, narrowed
from .palette import palette
from .place import Place
from .present import help as helps
from .present.line import Line, line, wrap
from .present.transcript import whole
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
            case "out.copy":
                self._copy(action)
            case "out.pager":
                self._page()
            case "out.export":
                self._export()
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

    # --- ways out

    def _copy(self, action: Action) -> None:
        app, offers = self._app, self._app.view.offers()
        texts = list(offers.texts)
        if offers.recipient:
            texts.append(Choice("t", "transcript", "the dialogues of all attempts"))
        if not texts:
            app.say(f"{action.label}: there is nothing under the cursor", "dim")
            return

        def chosen(choice: Choice | None) -> None:
            if choice is not None:
                whose = offers.recipient if choice.key == "t" else ""
                app.run_worker(self._copied(choice, whose), group="tool", exclusive=True)

        app.push_screen(Choose("Copy", texts), chosen)

    async def _copied(self, choice: Choice, recipient: str) -> None:
        content = safe_text(choice.value)
        if recipient:
            lines = await self._transcript(recipient)
            if isinstance(lines, Trouble):
                self._app.say(f"no transcript: {lines.text.partition(chr(10))[0]}", "bad")
                return
            content = outlets.text(lines)
        told, good = await outlets.copy(choice.label, content, os.environ, self._app.copy_to_clipboard)
        self._app.say(told, "ok" if good else "warn")

    async def _transcript(self, recipient: str) -> list[str] | Trouble:
        message = await self._app.link.ask(Show(id=recipient))
        if isinstance(message, Trouble):
            return message
        return whole(message.recipients[0].attempts if message.recipients else (), datetime.now(UTC))

    def _page(self) -> None:
        app = self._app
        content, command = outlets.text(app.view.text()), outlets.pager(os.environ)
        if not command:
            app.say("there is no pager: neither $PAGER nor less nor more", "warn")
            return
        try:
            with app.suspend():
                wrong = outlets.page(command, content)
        except SuspendNotSupported:
            wrong = "this terminal cannot be lent to a pager"
        app.refresh(repaint=True, layout=True)
        app.link.hurry()
        if wrong:
            app.say(wrong, "warn")

    def _export(self) -> None:
        app = self._app
        kind, subject = app.trail.here.kind, app.trail.here.subject
        stamp = f"{datetime.now():%Y%m%d-%H%M%S}"
        name = f"{subject}-{stamp}.txt" if kind == "message" else f"{kind}-{stamp}.csv"
        asked = Asked("write to (.csv .jsonl .txt):", self._writable, name)
        app.push_screen(Prompt(asked), self._named)

    async def _writable(self, name: str) -> Sequence[Line]:
        """A first look; what counts is the attempt itself."""
        wrong = outlets.unwritable(name.strip())
        return [line((f" {wrong}", "bad"))] if wrong else ()

    def _named(self, name: str | None) -> None:
        if name and name.strip():
            self._app.run_worker(self._write(name.strip()), group="tool", exclusive=True)

    async def _write(self, name: str) -> None:
        app = self._app
        try:
            file = outlets.NewFile(name)
        except OSError as error:
            app.say(f"{name}: {error.strerror}", "bad")
            return
        written, done = 0, False
        try:
            if file.path.suffix == ".txt":
                file.write(outlets.text(app.view.text()))
            else:
                table = outlets.Table(file.path.suffix[1:])
                async for rows in app.view.listing():
                    if isinstance(rows, Trouble):
                        app.say(f"nothing was written: {rows.text.partition(chr(10))[0]}", "bad")
                        return
                    file.write(table.lines(rows))
                    written += len(rows)
                    app.say(f"writing: {written:,} rows", "accent")
            file.close()
            done = True
        except OSError as error:
            app.say(f"nothing was written: {error.strerror}", "bad")
        finally:
            if not done:
                file.discard()
        if done:
            amount = f"{plural(written, 'row')}, " if file.path.suffix != ".txt" else ""
            app.say(f"wrote {amount}{size(file.octets)}, for you alone (0600): {file.path}", "ok")

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
        if isinstance(meant, Look) and isinstance(told := self._app.times.read(meant.text), str):
            return [line((" " + part, "bad")) for part in wrap(told, room)[:2]]
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
            case Look(written):
                app.times.entered(written)
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
