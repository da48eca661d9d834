"""The console itself: the screens in their frame, and the one place where keys become actions.

Owned here: the life of the application, and where the operator is. Screens draw their own bodies; changes are `change`'s;
what a key means stands in `actions`.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Coroutine, Mapping
from typing import ClassVar, Final

from rich.console import RenderableType
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.filter import NoColor
from textual.screen import Screen

from mailtui.errors import ConfigError
from mailtui.views import Preview

from . import keymap, themes
from .actions import ACTIONS, BY_ID, Action, Scope, Standing, Tier
from .change import Changes
from .forms import Filled, Form
from .framing import Frame
from .keyboard import Terminal
from .launch import Ended, Options
from .link import Link
from .orders import About, Asks
from .output import Output
from .place import Place, Trail
from .present import frame
from .present.line import Tone
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
from .workers import alone

#: Every screen there is; a new one is added here.
VIEWS: Final[tuple[type[View], ...]] = (Overview, Queue, Message, Domains, Domain, Incident, Live, Suppress, Audit)
_TALL, _WIDE = 34, 160
#: Seconds between two looks whether something is due.
_TICK: Final = 0.25
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
        super().__init__(driver_class=Terminal)
        self.options = options
        self.link = Link(options.socket)
        self.shared = Shared()
        self.trail = Trail(Place("overview"))
        self.changes = Changes(self.link, self._confirmed, self._filled, self.say)
        self.tools = Tools(self)
        self.times = Times(self)
        self.output = Output(self)
        self.read_only = options.read_only
        self._views = {kind.kind: kind(self.link, self.shared) for kind in VIEWS}
        self.frame = Frame(self)
        self._refreshing = self._was_offline = False
        self._crash = ""
        self._dress()

    def _dress(self) -> None:
        """Themes, keys and the net. ConfigError."""
        found = themes.load(self.options.home / "themes")
        for theme in found.values():
            self.register_theme(theme)
        frugal = self.no_color or self.options.slow
        name = self.options.theme or (themes.COLOURLESS if frugal else themes.DEFAULT)
        if name not in found:
            raise ConfigError(f"--theme: there is no theme {name}; there are {', '.join(sorted(found))}")
        self.theme = name
        for foreign in self.available_themes.keys() - found.keys():  # Textual's own: they know none of our tones
            self.unregister_theme(foreign)
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
        yield from self.frame.above
        with Container(id="body"):
            yield from (*self._views.values(), self.times.canvas)
        yield from self.frame.below

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
        gc.freeze()  # what a start makes stays: `launch` let it be made without looking through it
        gc.enable()

    def _ended_by(self, number: int) -> None:
        self.output.give_up()
        self.exit(Ended(128 + number), return_code=128 + number)

    # --- what is shown

    @property
    def view(self) -> View:
        """The screen that is shown."""
        return self._views[self.trail.here.kind]

    async def _arrive(self) -> None:
        self._turn()
        self.times.place()
        await self.view.enter(self.trail.here)
        self.link.hurry()
        self.frame.draw()
        self.call_after_refresh(self._tick)

    def shown_anew(self) -> None:
        """Another stretch of time is looked at."""
        self.times.place()
        self.link.hurry()
        self.call_after_refresh(self._tick)

    def _turn(self) -> None:
        for view in self._views.values():
            view.set_class(view is self.view, "here")

    def _tick(self) -> None:
        if self._was_offline and not self.link.offline:
            self.say("the relay answers again", "ok")
        self._was_offline = bool(self.link.offline)
        self.link.slow = self.options.slow or self.output.slow
        self.frame.draw()
        if not self._refreshing and self.link.due():
            self._refreshing = True
            self.run_worker(self._refresh(), group="refresh")

    async def _refresh(self) -> None:
        try:
            await self.link.beat()
            if not self.link.offline:  # one question a second is enough to hear that the relay is back
                await (self.view if self.times.shows else self.times).refreshed()
        finally:
            self._refreshing = False
        self.frame.draw()

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        super()._display(screen, self.output.frame(screen, renderable))

    def say(self, text: str, tone: Tone = "") -> None:
        """Put something in the status line for a while."""
        self.frame.say(text, tone)

    def on_resize(self, event: events.Resize) -> None:
        """Too small is said, instead of drawing half of it."""
        self.output.forget()
        room, height = event.size
        screen = self.screen_stack[0]
        screen.set_class(not frame.fits(room, height), "small")
        screen.set_class(height >= _TALL, "-tall")
        screen.set_class(room >= _WIDE, "-wide")
        self.frame.resized(room, height)
        self.link.hurry()

    def on_click(self, event: events.Click) -> None:
        """A tab, or a key of the footer."""
        if len(self.screen_stack) == 1 and event.widget and (action := self.frame.action_at(event.widget, event.x)):
            self.action_perform(action)

    def on_app_focus(self) -> None:
        """Somebody looks."""
        self.link.watched = True
        self.link.hurry()

    def on_app_blur(self) -> None:
        """Nobody looks: seldom is enough."""
        self.link.watched = False

    # --- actions

    async def on_event(self, event: events.Event) -> None:
        """Keys in their order: where nothing is typed in, each is done before the next is looked at, so that `:` comes before its line.
        What is typed into a dialog that cannot be seen yet, because the terminal does not read, is not heard."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            dialog = len(self.screen_stack) > 1
            if dialog and self.output.waits and event.key != "escape":
                return
            bound = None if dialog or self.focused else self.screen.active_bindings.get(event.key)
            if bound is not None and bound.enabled:
                self.app_focus = True
                await self.run_action(bound.binding.action, bound.node)
                return
        await super().on_event(event)

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
        self.frame.draw()

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
                self.output.forget()
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

    def order(self, asks: Asks, about: About, given: Mapping[str, str]) -> None:
        """A change that needs words, with those that are given."""
        if missing := BY_ID["app.undo"].missing(self.standing):
            self.say(missing, "warn")
        else:
            self._change(self.changes.order(asks, about, given))

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
        self.frame.draw()

    async def _confirmed(self, action: Action, scope: Scope, plan: Preview, tier: Tier) -> bool:
        return await self.push_screen_wait(Confirm(action, scope, plan, tier, lambda: action.missing(self.standing)))

    async def _filled(self, form: Form, values: Mapping[str, str], error: str) -> Filled | None:
        return await self.push_screen_wait(Ask(form, values, error, self.changes.word))

    def _back(self) -> None:
        if self.changes.running:
            self.changes.stop()
        elif self.trail.back():
            alone(self, self._arrive, "place")

    def _quit(self) -> None:
        if self.trail.back():
            alone(self, self._arrive, "place")
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
        self._turn()
        alone(self, self._arrive, "place")

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
