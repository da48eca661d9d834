"""The frame around the screens: title, tabs and breadcrumb above, status and footer below, or that there is no room.

Owned here: these lines, what was said last, and which action a click on one of them means. Words are `present.frame`'s.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from textual.widget import Widget

from mailtui.display import age

from .actions import ACTIONS, BY_ID, Action
from .present import frame
from .present.line import BLANK, Line, Tone, edges, fit, line
from .widgets.canvas import Canvas

if TYPE_CHECKING:
    from .app import Console

_ABOVE, _BELOW = ("title", "tabs", "crumb"), ("status", "footer", "small")
#: Seconds for which the status line keeps what was said.
_SAID: Final = 12.0


class Frame:
    """The frame of a console."""

    def __init__(self, app: Console) -> None:
        self._app = app
        self._lines = {name: Canvas(id=name) for name in (*_ABOVE, *_BELOW)}
        self._said: tuple[str, Tone, float] = ("", "", 0.0)
        self._told = -1, 0.0

    @property
    def above(self) -> Iterable[Canvas]:
        """The lines above the screens."""
        return [self._lines[name] for name in _ABOVE]

    @property
    def below(self) -> Iterable[Canvas]:
        """The lines below them."""
        return [self._lines[name] for name in _BELOW]

    @property
    def said(self) -> str:
        """What was said last."""
        return self._said[0]

    def say(self, text: str, tone: Tone) -> None:
        """Put something in the status line for a while."""
        self._said = (text, tone, time.monotonic() + _SAID)
        self.draw()

    def draw(self) -> None:
        """From what is known now."""
        app = self._app
        if not app.is_running or not app.screen_stack:
            return
        room, link, now = app.size.width, app.link, datetime.now(UTC)
        frozen = None if link.frozen_at is None else datetime.fromtimestamp(link.frozen_at, UTC)
        if now.second != self._told[0] or self._told[1] == float("inf"):
            self._told = now.second, link.age  # it goes on with the clock: one frame a second, not two
        times = app.times.at, link.came, link.missed
        bar = frame.Bar(
            link.status, link.state.value, self._told[1], frozen, app.read_only, now, *times, slow=link.slow
        )
        self._show("title", frame.title(bar, room))
        self._show("tabs", frame.tabs(app.trail.tab, app.standing.screens, room, app.times.range))
        note = (*app.times.note(), *app.view.note()) if app.times.shows else BLANK
        self._show("crumb", frame.crumb(app.trail.titles, note, room))
        self._show("status", self._status(room))
        keys = [(key, action.label, action.foot) for key, action in self._foot()]
        if len(app.screen_stack) > 1:  # nothing else is heard
            keys = [("escape", "close", 1)]
        self._show("footer", frame.footer(keys, room))

    def resized(self, room: int, height: int) -> None:
        """Too small is said, instead of drawing half of it."""
        self._lines["small"].show(frame.too_small(room, height))

    def action_at(self, widget: Widget, cell: int) -> str:
        """The action a click means: a tab, or a key of the footer; "" for none."""
        if widget is self._lines["tabs"] and (kind := frame.tab_at(self._lines["tabs"].lines[0], cell)):
            return f"go.{kind}"
        if widget is self._lines["footer"] and (key := frame.key_at(self._lines["footer"].lines[0], cell)):
            return {frame.KEY_NAMES.get(one, one): action.id for one, action in self._foot()}.get(key, "")
        return ""

    def _status(self, room: int) -> Line:
        app = self._app
        text, tone, until = self._said
        if time.monotonic() > until and not app.changes.running:
            old = f"; what is shown is {age(app.link.age)} old" if app.link.status else ""
            text, tone = (f"offline: {app.link.offline}{old}", "bad") if app.link.offline else ("", "")
        own = app.changes.undoable if app.valid(BY_ID["app.undo"]) else 0
        return edges(line((" " + text, tone)), line((f"u undo({own}) ", "dim")) if own else BLANK, room)

    def _foot(self) -> list[tuple[str, Action]]:
        """What the footer may tell: the first key of each action that can be done here and now."""
        app = self._app
        return [
            (app.keys.get(action.id, action.keys).split(",")[0], action)
            for action in ACTIONS
            if action.foot and app.valid(action) and not action.missing(app.standing)
        ]

    def _show(self, name: str, whole: Line) -> None:
        self._lines[name].show([fit(whole, self._app.size.width)])
