"""The console itself: the frame, the screens in it, and the one place where keys become actions.

Owned here: the life of the application, where the operator is, and the status line. Screens draw their own bodies; changes are `change`'s;
what a key means stands in `actions`.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from typing import ClassVar, Final

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.filter import NoColor

from mailtui.display import age
from mailtui.errors import ConfigError
from mailtui.views import Preview

from . import keymap, themes
from .actions import ACTIONS, BY_ID, Action, Scope, Standing, Tier
from .change import Changes
from .forms import Filled, Form
from .launch import Ended, Options
from .link import Link
from .place import Place, Trail
from .present import frame
from .present.line import BLANK, Line, Tone, edges, fit, line
from .screens.audit import Audit
from .screens.confirm import Confirm
from .screens.domain import Domain
from .screens.domains import Domains
from .screens.form import Ask
from .screens.incident import Incident
from .screens.leave import Leave
from .screens.live import Live
from .screens.message import Message
from .screens.overview import Overview
from .screens.queue import Queue
from .screens.suppress import Suppress
from .screens.view import Open, Say, Shared, View
from .terminal import Net, record_crash
from .times import Times
from .tools import Tools
from .widgets.canvas import Canvas

#: Every screen there is; a new one is added here.
VIEWS: Final[tuple[type[View], ...]] = (Overview, Queue, Message, Domains, Domain, Incident, Live, Suppress, Audit)
#: The lines above and below a screen.
_ABOVE, _BELOW = ("title", "tabs", "crumb"), ("status", "footer", "small")
COLUMNS, ROWS = 80, 24
_TALL: Final = 34
#: Seconds between two looks whether something is due, and for which the status line keeps what was said.
_TICK, _SAID = 0.25, 12.0
_CRASHED: Final = 70


class Console(App[Ended]):
    """The application. It knows the relay through `link` alone."""

    CSS_PATH = ["app.tcss", *(f"screens/{view.kind}.tcss" for view in VIEWS)]
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(action.keys, f"perform({action.id!r})", action.label, id=action.id, show=False)
        for action in ACTIONS
        if action.keys not in ("tab", "shift+tab")  # Textual's own, which come to us below
    ]

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.link = Link(options.socket)
        self.shared = Shared()
        self.trail = Trail(Place("overview"))
        self.changes = Changes(self.link, self._confirmed, self._filled, self.say)
        self.tools = Tools(self)
        self.times = Times(self)
        self.read_only = options.read_only
        self._views = {kind.kind: kind(self.link, self.shared) for kind in VIEWS}
        self._lines = {name: Canvas(id=name) for name in (*_ABOVE, *_BELOW)}
        self._said: tuple[str, Tone, float] = ("", "", 0.0)
        self._refreshing = False
        self._crash = ""
        self._dress()

    def _dress(self) -> None:
        """Themes, keys and the net. ConfigError."""
        found = themes.load(self.options.home / "themes")
        for theme in found.values():
            self.register_theme(theme)
        name = self.options.theme or (themes.COLOURLESS if self.no_color else themes.DEFAULT)
        if name not in found:
            raise ConfigError(f"--theme: there is no theme {name}; there are {', '.join(sorted(found))}")
        self.theme = name
        self.keys = keymap.load(self.options.home / "keys.toml")
        self.set_keymap(self.keys)
        if self.no_color:  # Textual chose before it knew the theme: greys, on a terminal whose colours are not known
            self._filters[:] = [NoColor()]
        self._filters.append(Net(self.options.ascii))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """What a theme of the user's does not say is as in the shipped one."""
        return dict(themes.read(themes.SHIPPED / f"{themes.DEFAULT}.toml").variables)

    def compose(self) -> ComposeResult:
        """Frame and screens; only one of them is shown."""
        yield from (self._lines[name] for name in _ABOVE)
        with Container(id="body"):
            yield from (*self._views.values(), self.times.canvas)
        yield from (self._lines[name] for name in _BELOW)

    async def on_mount(self) -> None:
        """Begin at the overview, and look regularly."""
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self._ended_by, number)
        self.app_resume_signal.subscribe(self, lambda _: self.action_perform("app.repaint"))
        self.run_worker(self.link.run(), group="link")
        if self.options.hint:
            self.say(self.options.hint, "accent")
        await self._arrive()
        self.set_interval(_TICK, self._tick)

    def _ended_by(self, number: int) -> None:
        self.exit(Ended(128 + number), return_code=128 + number)

    # --- what is shown

    @property
    def view(self) -> View:
        """The screen that is shown."""
        return self._views[self.trail.here.kind]

    async def _arrive(self) -> None:
        for view in self._views.values():
            view.remove_class("here")
        self.times.place()
        await self.view.enter(self.trail.here)
        self.link.hurry()
        self._frame()
        self.call_after_refresh(self._tick)

    def shown_anew(self) -> None:
        """Another stretch of time is looked at."""
        self.times.place()
        self.link.hurry()
        self.call_after_refresh(self._tick)

    def _tick(self) -> None:
        self._frame()
        if not self._refreshing and self.link.due():
            self._refreshing = True
            self.run_worker(self._refresh(), group="refresh")

    async def _refresh(self) -> None:
        try:
            await self.link.beat()
            await (self.view if self.times.shows else self.times).refreshed()
        finally:
            self._refreshing = False
        self._frame()

    def _frame(self) -> None:
        """The lines around the screen, from what is known now."""
        if not self.is_running or len(self.screen_stack) != 1:
            return
        room = self.size.width
        link, now = self.link, datetime.now(UTC)
        frozen = None if link.frozen_at is None else datetime.fromtimestamp(link.frozen_at, UTC)
        bar = frame.Bar(
            link.status, link.state.value, link.age, frozen, self.read_only, now, self.times.at, link.came, link.missed
        )
        self._show("title", frame.title(bar, room))
        self._show("tabs", frame.tabs(self.trail.tab, self.standing.screens, room, self.times.range))
        self._show("crumb", frame.crumb(self.trail.titles, self._note(), room))
        text, tone, until = self._said
        if time.monotonic() > until and not self.changes.running:
            old = f"; what is shown is {age(link.age)} old" if link.status else ""
            text, tone = (f"offline: {link.offline}{old}", "bad") if link.offline else ("", "")
        own = self.changes.undoable if self.valid(BY_ID["app.undo"]) else 0
        undo = line((f"u undo({own}) ", "dim")) if own else BLANK
        self._show("status", edges(line((" " + text, tone)), undo, room))
        keys = [
            (self.keys.get(action.id, action.keys).split(",")[0], action.label, action.foot)
            for action in ACTIONS
            if action.foot and self.valid(action) and not action.missing(self.standing)
        ]
        self._show("footer", frame.footer(keys, room))

    def _note(self) -> Line:
        return (*self.times.note(), *self.view.note()) if self.times.shows else BLANK

    def _show(self, name: str, whole: Line) -> None:
        self._lines[name].show([fit(whole, self.size.width)])

    def say(self, text: str, tone: Tone = "") -> None:
        """Put something in the status line for a while."""
        self._said = (text, tone, time.monotonic() + _SAID)
        self._frame()

    def on_resize(self, event: events.Resize) -> None:
        """Too small is said, instead of drawing half of it."""
        room, height = event.size
        screen = self.screen_stack[0]
        screen.set_class(room < COLUMNS or height < ROWS, "small")
        screen.set_class(height >= _TALL, "-tall")
        self._lines["small"].show(frame.too_small(room, height))
        self.link.hurry()

    def on_app_focus(self) -> None:
        """Somebody looks."""
        self.link.watched = True
        self.link.hurry()

    def on_app_blur(self) -> None:
        """Nobody looks: seldom is enough."""
        self.link.watched = False

    # --- actions

    @property
    def standing(self) -> Standing:
        """What decides whether something can be done now."""
        return Standing(
            self.trail.here.kind,
            self.link.offline,
            self.link.frozen,
            self.times.at,
            not self.times.shows,
            self.read_only,
            frozenset(self._views),
        )

    def valid(self, action: Action) -> bool:
        """Whether an action is one of the place that is shown."""
        return self.trail.here.kind in action.where

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """An action of the table is there only in its places."""
        if action != "perform":
            return True
        known = BY_ID.get(str(parameters[0]))
        return known is not None and self.valid(known) and not self.screen.has_class("small")

    def action_perform(self, name: str) -> None:
        """Do an action of the table, or say why not."""
        action = BY_ID[name]
        if missing := action.missing(self.standing):
            self.say(f"{action.label}: {missing}", "warn")
        elif action.opens:
            self.open(Place(action.opens))
        elif action.verb is not None:
            self.change(action, self.view.scope())
        elif action.asks is not None:
            self._change(self.changes.order(action.asks, self.view.about()))
        elif self.tools.perform(action) or self.times.perform(action):
            pass
        elif action.group == "app" or name == "app.undo":
            self._own(name)
        elif not self.view.perform(name):
            self.say(f"{action.label}: not here", "dim")
        self._frame()

    def _own(self, name: str) -> None:
        match name:
            case "app.back":
                self._back()
            case "app.undo":
                if not self.changes.running:
                    self.run_worker(self._done(self.changes.undo()), group="change")
            case "app.lock":
                self.read_only = self.options.read_only or not self.read_only
            case "app.repaint":
                self.refresh(repaint=True, layout=True)
            case "app.suspend":
                self.action_suspend_process()
            case "app.quit":
                self._quit()

    def change(self, action: Action, scope: Scope) -> None:
        """Change what is in the scope, by way of a plan and its dialog."""
        if missing := action.missing(self.standing):
            self.say(f"{action.label}: {missing}", "warn")
        else:
            self._change(self.changes.make(action, scope))

    def _change(self, change: Coroutine[object, object, bool]) -> None:
        if self.changes.running:
            change.close()
            self.say("one change at a time: esc stops the one that runs", "warn")
        else:
            self.run_worker(self._done(change), group="change")

    async def _done(self, change: Coroutine[object, object, bool]) -> None:
        if await change:
            self._views["queue"].perform("select.clear")
            self.link.hurry()
        self._frame()

    async def _confirmed(self, action: Action, scope: Scope, plan: Preview, tier: Tier) -> bool:
        return await self.push_screen_wait(Confirm(action, scope, plan, tier))

    async def _filled(self, form: Form, values: Mapping[str, str], error: str) -> Filled | None:
        return await self.push_screen_wait(Ask(form, values, error))

    def _back(self) -> None:
        if self.changes.running:
            self.changes.stop()
        elif self.trail.back():
            self.run_worker(self._arrive(), group="place", exclusive=True)

    def _quit(self) -> None:
        if self.trail.back():
            self.run_worker(self._arrive(), group="place", exclusive=True)
        elif self.options.leaves == "ask":
            self.push_screen(Leave(), self._leave)
        else:
            self.exit(Ended())

    def _leave(self, goes_on: bool | None) -> None:
        if goes_on is not None:
            self.exit(Ended(relay_goes_on=goes_on))

    def open(self, place: Place) -> None:
        """Go to a place."""
        self.trail.open(place)
        self.run_worker(self._arrive(), group="place", exclusive=True)

    def on_open(self, message: Open) -> None:
        """A screen asks to go somewhere."""
        self.open(message.place)

    def on_say(self, message: Say) -> None:
        """A screen has something to say."""
        self.say(message.text, message.tone)

    def action_focus_next(self) -> None:
        """Tab."""
        self.action_perform("pane.next")

    def action_focus_previous(self) -> None:
        """Shift+tab."""
        self.action_perform("pane.previous")

    # --- the end

    def _handle_exception(self, error: Exception) -> None:
        """A bug ends the console with one line; where it is, without any value, goes to a file."""
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._return_code = _CRASHED
        self.panic(Text(record_crash(error, self.options.home)))
