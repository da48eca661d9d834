"""The line behind `:`: asked for, looked at where it is typed, and done.

Owned here: that course. What a line means stands in `commands`, what the list of suppressed addresses needs in `lists`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from mailtui.control.api import QueueAges, QueueCount, QueueDomains

from . import outlets
from .actions import Scope
from .commands import Completed, History, completed, names, read
from .forms import Wrong as Refused
from .grammar import Wrong
from .link import Trouble
from .lists import Lists
from .meaning import Bundle, Command, Do, Fill, Go, Load, Look, Lookup, Refresh, Theme, Unload
from .place import Place
from .present.line import Line, line, wrap
from .screens.prompt import Asked, Prompt
from .workers import alone

if TYPE_CHECKING:
    from .app import Console


class CommandLine:
    """The command line of a console."""

    def __init__(self, app: Console) -> None:
        self._app = app
        self._history = History()
        self._lists = Lists(app)

    def open(self) -> None:
        """Opened at once: what is typed next is meant for it."""
        self._app.push_screen(Prompt(Asked(":", self._checked, complete=self._completed), self._history), self._entered)

    def look_up(self) -> None:
        """An address is asked for, and what keeps mail from it."""

        async def right(text: str) -> Sequence[Line]:
            return () if "@" in text else self._bad("an address, or @ and a domain")

        def entered(text: str | None) -> None:
            if text and text.strip():
                self.do(Lookup(text.strip()))

        self._app.push_screen(Prompt(Asked("look up:", right)), entered)

    def _completed(self, text: str) -> Completed:
        here = self._app.standing
        link = self._app.link
        named, aged = link.known(QueueDomains), link.known(QueueAges)
        domains = {row.destination for row in named or ()} | {row.destination for row in aged or () if row.destination}
        return completed(text, names(here.screens, here.place), self._app.available_themes, domains)

    def _entered(self, text: str | None) -> None:
        meant = self._read(text or "")
        if meant is not None and not isinstance(meant, Wrong):
            self.do(meant)

    def _read(self, text: str) -> Command | Wrong | None:
        here = self._app.standing
        return read(text, here.screens, self._app.available_themes, here.place)

    async def _checked(self, text: str) -> Sequence[Line]:
        """What is wrong with a line; a filter is looked at by the relay."""
        meant = self._read(text)
        if isinstance(meant, Fill):
            meant = _misfilled(meant, text) or meant
        if isinstance(meant, Wrong):
            return self._bad(*meant.lines(text))
        if isinstance(meant, Look) and isinstance(told := self._app.times.read(meant.text), str):
            return self._bad(told)
        if isinstance(meant, Unload) and (wrong := outlets.unwritable(meant.path)):
            return self._bad(wrong)
        filter, at = _filter(meant, text)
        if not filter:
            return ()
        counts = await self._app.link.ask(QueueCount(filter=filter))
        if not isinstance(counts, Trouble) or self._app.link.offline:
            return ()
        reason, *where = counts.text.split("\n")[:3]
        if len(where) == 2 and where[0].strip() == filter and at is not None:  # the carets go under the line itself
            shift = where[0].index(filter)
            where = [f"  {text}", "  " + " " * at + where[1][shift:]]
        return self._bad(reason, *where)

    def _bad(self, reason: str, *where: str) -> list[Line]:
        return [line((" " + part, "bad")) for part in (*wrap(reason, self._app.size.width - 2)[:2], *where)]

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
            case Fill(asks, values, about):
                app.order(asks, about, dict(values) or {"reason": ""})
            case Lookup(entry):
                alone(app, partial(self._lists.lookup, entry), "tool")
            case Bundle(request, out):
                alone(app, partial(self._lists.report, request, out), "tool")
            case Load() as load:
                alone(app, partial(self._lists.load, load), "tool")
            case Unload(path):
                alone(app, partial(self._lists.unload, path), "tool")


def _misfilled(meant: Fill, text: str) -> Wrong | None:
    """What the form would refuse, at the word it speaks of; what is missing is asked for by the form."""
    form = meant.asks(meant.about)
    if isinstance(form, str):
        return None
    values = {field.name: field.value for field in form.fields} | dict(meant.values)
    if any(field.required and not values[field.name].strip() for field in form.fields):
        return None
    try:
        form.order(values)
    except Refused as refused:
        said = str(refused)
        quoted = next((value for _, value in meant.values if value and value[:20] in said), "")
        quoted = quoted or next((value for _, value in meant.values if value), "")
        at = text.rfind(quoted) if quoted else -1
        return Wrong(said, max(at, 0), len(quoted) if at >= 0 else len(text))
    return None


def _filter(meant: Command | None, text: str) -> tuple[str, int | None]:
    """The filter of a line, and where it stands."""
    match meant:
        case Go(Place("queue", subject)) if subject:
            return subject, text.rfind(subject)
        case Do(_, Scope(filter=filter), at):
            return filter, at
    return "", None
