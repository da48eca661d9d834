"""Time, for the whole console: the range every view shares, steps into the past and back, the frozen picture, and the places that are
not kept.

Owned here: what happens when one of these actions is performed, and what the frame says of it. Moments and steps are `when`'s, what
is asked is the link's and the screens'.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from mailtui.control.api_history import Samples
from mailtui.findings import MomentRow

from .actions import Action
from .link import Trouble
from .offers import Choice
from .present import past
from .present.line import BLANK, Line, line
from .present.values import counted
from .screens.choose import Choose
from .screens.prompt import Asked, Prompt
from .when import SPANS, When, hour, read
from .widgets.canvas import Canvas

if TYPE_CHECKING:
    from .app import Console

_CUSTOM: Final = Choice("c", "custom", "a length such as 90m, a past moment such as 03:10, or both")


class Times:
    """Time in a console. `canvas` stands in the place of a screen that is not kept."""

    def __init__(self, app: Console) -> None:
        self._app = app
        self._link = app.link
        self.canvas = Canvas(id="unkept")
        self._sample: MomentRow | None = None

    # --- what the frame says

    @property
    def at(self) -> str:
        """The moment of the past that is shown; "" in the present."""
        when = self._link.when
        return "" if when.at is None else hour(when.at, self._link.now.timestamp())

    @property
    def range(self) -> str:
        """The range for the end of the tabs; "" while nobody has chosen one."""
        return f" {self._link.when.name()} " if self._link.when.span else ""

    def note(self) -> Line:
        """In front of a screen's own note: when what is shown was read, where that is not plain."""
        link, view = self._link, self._app.view
        if link.frozen and link.read_at is not None and not link.past:
            return line((f"read {hour_of(link.read_at)}, after the freeze   ", "held"))
        if link.past and view.kind == "message":
            return line(("as it is now   ", "held"))
        told = "" if link.past else counted(view.as_of, link.now)
        return line((f"{told}   ", "dim")) if told else BLANK

    # --- what is shown

    @property
    def shows(self) -> bool:
        """Whether the screen that is open can show the moment that is looked at."""
        return not self._link.past or self._app.view.kept

    def place(self) -> None:
        """Put the screen there, or what is said in its place."""
        shows = self.shows
        self._link.read_at = None
        self.canvas.display = not shows
        self._app.view.set_class(shows, "here")

    async def refreshed(self) -> None:
        """In place of a screen that is not kept: that it is not, and how much waited then."""
        rows = await self._link.ask(Samples(*self._link.moment()), 60.0)
        if not isinstance(rows, Trouble):
            samples = [row for row in rows if isinstance(row, MomentRow)]
            self._sample = past.moment(samples, self._link.end)
        room, height = self.canvas.size
        if room and height:
            self.canvas.show(past.unkept(self._app.view.kind, self.at, self._sample, room, height))

    # --- actions

    def perform(self, action: Action) -> bool:
        """Do an action of the table; False when it is none of these."""
        match action.id:
            case "time.range":
                self._choose()
            case "time.earlier":
                self._earlier()
            case "time.later":
                self._later()
            case "time.now":
                self.look(When(self._link.when.span))
            case "view.freeze":
                self._link.freeze()
                self._app.shown_anew()
            case _:
                return False
        return True

    def _earlier(self) -> None:
        when = self._link.when.earlier(self._link.now.timestamp())
        if when == self._link.when:
            self._app.say("hours are kept for 90 days: nothing is known of the time before", "dim")
        self.look(when)

    def _later(self) -> None:
        if not self._link.past:
            self._app.say("this is now", "dim")
        self.look(self._link.when.later(self._link.now.timestamp()))

    def look(self, when: When) -> None:
        """Look at another stretch of time."""
        if when != self._link.when:
            self._link.when = when
            self._app.say("")  # what was said was of another time
            self._app.shown_anew()

    def _choose(self) -> None:
        choices = [Choice(str(number), name, "") for number, (name, _) in enumerate(SPANS, 1)]
        self._app.push_screen(Choose("Time range", [*choices, _CUSTOM]), self._chosen)

    def _chosen(self, choice: Choice | None) -> None:
        if choice == _CUSTOM:
            asked = Asked("range (90m, 03:10, 1h 03:10):", self._checked)
            self._app.push_screen(Prompt(asked), self.entered)
        elif choice is not None:
            self.look(When(dict(SPANS)[choice.label], self._link.when.at))

    def read(self, text: str) -> When | str:
        """What a line says of time; a text is what is wrong with it."""
        return read(text, self._link.when, self._link.now.timestamp())

    async def _checked(self, text: str) -> Sequence[Line]:
        found = self.read(text)
        return [line((f" {found}", "bad"))] if isinstance(found, str) else ()

    def entered(self, text: str | None) -> None:
        """Look at what was written."""
        if text and not isinstance(found := self.read(text), str):
            self.look(found)


def hour_of(at: float) -> str:
    """A moment with its seconds, local."""
    return f"{datetime.fromtimestamp(at):%H:%M:%S}"
