"""What is done over and beside the screens: help, the palette, the filter by a value, and the ways out.

Owned here: what happens when one of these actions is performed. What is said stands in `present`, keys and typing in `screens`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from mailtui.control.api import Content, Show
from mailtui.display import plural, size
from mailtui.text import safe_text

from . import outlets
from .actions import FILTERS_THE_QUEUE, Action
from .command_line import CommandLine
from .link import Trouble
from .offers import Choice, narrowed, word
from .palette import palette
from .place import Place
from .present import help as helps
from .present.line import Line, line
from .present.transcript import whole
from .screens.choose import Choose
from .screens.help import Help
from .screens.prompt import Asked, Prompt
from .workers import alone

if TYPE_CHECKING:
    from .app import Console


class Tools:
    """The tools of a console."""

    def __init__(self, app: Console) -> None:
        self._app = app
        self._line = CommandLine(app)

    def perform(self, action: Action) -> bool:
        """Do an action of the table; False when it is none of these."""
        match action.id:
            case "app.help":
                self._help()
            case "app.command":
                self._line.open()
            case "filter.edit" if self._app.trail.here.kind in FILTERS_THE_QUEUE:
                self._app.open(Place("queue"))
                self._app.view.edit_filter("")
            case "list.find":
                self._line.look_up()
            case "view.trace" if self._app.trail.here.kind != "live":
                self._trace(action)
            case "filter.add" | "filter.exclude":
                self._narrow(action, action.id == "filter.exclude")
            case "out.copy":
                self._copy(action)
            case "out.pager":
                self.page(outlets.text(self._app.view.text()))
            case "out.export":
                self._export()
            case "app.palette":
                self._app.push_screen(palette(self._app, self._line.do))
            case _:
                return False
        return True

    def _help(self) -> None:
        app = self._app
        kind, now = app.trail.here.kind, app.standing
        app.push_screen(Help(f"Help: {kind}", lambda room: helps.page(kind, app.keys, now, room)))

    def _trace(self, action: Action) -> None:
        """What happens to the destination under the cursor, from now on."""
        name = self._app.view.about().destination
        if name:
            self._app.open(Place("live", word("domain", name)))
            self._app.say(f"tracing {name}: T stops after its next attempt, ctrl+x shows everything again", "accent")
        else:
            self._app.say(f"{action.label}: no destination is under the cursor", "dim")

    # --- the filter

    def _narrow(self, action: Action, without: bool) -> None:
        """By the value that is chosen; where there is one only, by that."""
        app, words = self._app, self._app.view.offers().words
        here = app.trail.here
        filter = (
            here.subject if here.kind in ("queue", "live") else app.view.shared.filter if here.kind == "message" else ""
        )
        target = "live" if here.kind == "live" else "queue"

        def chosen(choice: Choice | None) -> None:
            if choice is not None:
                app.open(Place(target, narrowed(filter, choice.value, without)))

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
                alone(app, partial(self._copied, choice, whose), "tool")

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

    def page(self, content: str) -> None:
        """Show a text in the user's pager."""
        app, command = self._app, outlets.pager(os.environ)
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
        asked = Asked(f"write to ({' '.join(outlets.KINDS)}):", self._writable, name)
        app.push_screen(Prompt(asked), self._named)

    async def _writable(self, name: str) -> Sequence[Line]:
        """A first look; what counts is the attempt itself."""
        wrong = outlets.unwritable(name.strip())
        return [line((f" {wrong}", "bad"))] if wrong else ()

    def _named(self, name: str | None) -> None:
        if name and name.strip():
            alone(self._app, partial(self._write, name.strip()), "tool")

    async def _message(self, file: outlets.NewFile) -> bool:
        """The message under the cursor as it is sent, whole."""
        app, recipient = self._app, self._app.view.offers().recipient
        if not recipient:
            app.say("nothing was written: there is no message under the cursor", "warn")
            return False
        octets = await app.link.read(Content(recipient), outlets.WHOLE)
        if isinstance(octets, Trouble) or len(octets) > outlets.WHOLE:
            why = octets.text.partition("\n")[0] if isinstance(octets, Trouble) else f"more than {size(outlets.WHOLE)}"
            app.say(f"nothing was written: {why}", "bad")
            return False
        file.write(octets)
        return True

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
            elif file.path.suffix == ".eml":
                if not await self._message(file):
                    return
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
            amount = f"{plural(written, 'row')}, " if file.path.suffix not in (".txt", ".eml") else ""
            app.say(f"wrote {amount}{size(file.octets)}, for you alone (0600): {file.path}", "ok")
