"""Everything an operator can do, one row each: its name, keys, words, where it is valid, what it asks of the relay and how dangerous it is.

Owned here: the table, and what follows from a row alone: the request for a scope, the tier of confirmation, the equivalent command line,
and why it cannot be done now. Bindings, footer and dialogs are made from it; performing is the app's and the screens'.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final, Literal

from msgspec.structs import replace

from mailtui.control import api

from . import orders
from .orders import Asks

Group = Literal["move", "view", "select", "change", "out", "app"]
Tier = Literal[0, 1, 2]

LISTS: Final = frozenset({"overview", "queue", "message", "domains", "domain", "incident", "live", "suppress", "audit"})
ROWS: Final = frozenset({"queue", "message", "domains", "domain", "incident"})
#: Where the cursor can be on a destination, and on a recipient or destination.
DESTINATIONS: Final = frozenset({"queue", "message", "overview", "domains", "domain", "suppress"})
SUPPRESS, AUDIT = frozenset({"suppress"}), frozenset({"audit"})
QUEUE: Final = frozenset({"queue"})
#: Where a filter is edited that is not the place's own, and where one is edited at all.
FILTERS_THE_QUEUE: Final = frozenset({"overview", "domains", "incident"})
FILTERED: Final = FILTERS_THE_QUEUE | {"queue", "live"}
LIVE: Final = frozenset({"live"})
MESSAGE: Final = frozenset({"message"})
#: Where rows have values that a filter knows.
VALUES: Final = LISTS
#: What can be had in another order.
SORTED: Final = frozenset({"queue", "domains"})
#: Where the cursor is on a destination that can be followed.
TRACED: Final = frozenset({"overview", "queue", "message", "domains", "domain", "live"})
PANES: Final = frozenset({"overview", "message", "domain", "suppress"})
#: Recipients from which even what can be undone must be typed, and the part of the queue.
MANY, SHARE = 1000, 0.1


@dataclass(frozen=True)
class Scope:
    """What a change is about: some recipients by id, or all that a filter finds ("" with `everything`);
    `to` is the route of a reroute, `reason` why, `now` that a retry is not spread."""

    kind: Literal["cursor", "marked", "named", "filter"]
    ids: tuple[str, ...] = ()
    filter: str = ""
    to: str = ""
    reason: str = ""
    now: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The same on a command line."""
        chosen = (self.filter,) if self.filter else ("--all",) if self.kind == "filter" else self.ids
        options = (*(("--to", self.to) if self.to else ()), *(("--reason", self.reason) if self.reason else ()))
        return (*options, *(("--now",) if self.now else ()), *chosen)

    @property
    def title(self) -> str:
        """For the dialog: `cursor`, `3 marked`, `2 named`, `filter`."""
        return f"{len(self.ids)} {self.kind}" if self.kind in ("marked", "named") else self.kind

    @property
    def empty(self) -> bool:
        """Whether there is nothing to change."""
        return self.kind != "filter" and not self.ids


@dataclass(frozen=True)
class Standing:
    """What decides whether something can be done now. `past` is the moment that is looked at, `unkept` that the screen knows none."""

    place: str
    offline: str = ""
    frozen: bool = False
    past: str = ""
    unkept: bool = False
    read_only: bool = False
    screens: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Action:
    """A row. `id` is its name in the keymap; `foot` its rank in the footer, 0 for none; `verb` what it asks of the relay for a scope;
    `asks` the form for what needs words."""

    id: str
    keys: str
    label: str
    help: str
    group: Group
    where: frozenset[str] = LISTS
    foot: int = 0
    verb: type[api.Action] | None = None
    opens: str = ""
    asks: Asks | None = None

    @property
    def timed(self) -> bool:
        """Whether it is about the time that is looked at."""
        return self.id.startswith("time.") or self.id == "view.freeze"

    def missing(self, now: Standing) -> str:
        """Why it cannot be done now; "" when it can. Reading goes on whatever the link says."""
        if self.opens and self.opens not in now.screens:
            return f"the {self.opens} screen is not in this version"
        if now.unkept and self.group in ("move", "select", "view", "out") and not (self.opens or self.timed):
            return f"AT {now.past} this is not kept: . is now"
        if self.group != "change":
            return ""
        if now.read_only:
            return "this console is read-only"
        if now.offline:
            return f"offline: {now.offline}"
        if now.past:
            return f"the past cannot be changed (AT {now.past}): . is now"
        return "frozen: z goes on" if now.frozen else ""


def _tab(number: int, kind: str) -> Action:
    return Action(f"go.{kind}", str(number), kind, f"the {kind} screen", "move", opens=kind)


ACTIONS: Final[tuple[Action, ...]] = (
    Action("row.open", "enter,l", "open", "open what the cursor is on", "move", foot=10),
    Action("row.down", "j,down", "down", "one row down", "move"),
    Action("row.up", "k,up", "up", "one row up", "move"),
    Action("page.down", "pagedown,ctrl+d", "page down", "one page down", "move"),
    Action("page.up", "pageup,ctrl+u", "page up", "one page up", "move"),
    Action("row.first", "g,home", "first", "the first row", "move"),
    Action("row.last", "G,end", "last", "the last row, newest", "move"),
    Action("pane.next", "tab", "pane", "the next pane", "move", PANES, foot=5),
    Action("pane.previous", "shift+tab", "previous pane", "the pane before", "move", PANES),
    Action(
        "item.next", "]", "next", "the next sibling: message, domain", "move", frozenset({"message", "domain"}), foot=6
    ),
    Action("item.previous", "[", "previous", "the sibling before", "move", frozenset({"message", "domain"})),
    Action("attempt.next", "}", "later attempt", "the next attempt", "move", frozenset({"message"})),
    Action("attempt.previous", "{", "earlier attempt", "the attempt before", "move", frozenset({"message"}), foot=5),
    *(
        _tab(number, kind)
        for number, kind in enumerate(("overview", "queue", "domains", "incident", "live", "suppress", "audit"), 1)
    ),
    Action("filter.edit", "/", "filter", "edit the filter: enter keeps it, esc restores", "view", FILTERED, foot=9),
    Action("list.find", "/", "look up", "what keeps mail from an address or @domain", "view", SUPPRESS, foot=9),
    Action("filter.clear", "ctrl+x", "no filter", "show everything again", "view", QUEUE | LIVE),
    Action("filter.add", "=", "only this", "add a value of the row under the cursor to the filter", "view", VALUES),
    Action("filter.exclude", "!", "not this", "find what has not that value of the row", "view", VALUES),
    Action("view.freeze", "z", "freeze", "stop the picture, or let it go on", "view", foot=4),
    Action("time.range", "t", "range", "how much time is looked at: 15m to 7d, or a past moment", "view", foot=3),
    Action("time.earlier", "<", "earlier", "a step back in time", "view"),
    Action("time.later", ">", "later", "a step forward in time; past now is now", "view"),
    Action("time.now", ".", "now", "back to the present", "view"),
    Action("sort.next", "o", "sort", "sort by the next column", "view", SORTED, foot=3),
    Action("sort.reverse", "O", "reverse", "the other way round", "view", SORTED),
    Action("view.preview", "p", "preview", "the preview below the list, or none", "view", QUEUE, foot=1),
    Action(
        "view.follow", "F", "follow", "go on with what happens, or stop; scrolling up stops too", "view", LIVE, foot=8
    ),
    Action(
        "view.trace",
        "T",
        "trace",
        "follow one destination; in Live again: its next attempt only",
        "view",
        TRACED,
        foot=2,
    ),
    Action("fail.previous", "E", "previous failure", "the line before that says no", "view", MESSAGE),
    Action("view.wrap", "w", "wrap", "long lines in full, or cut", "view", MESSAGE),
    Action(
        "attempt.diff", "d", "differences", "this attempt and the one before, line by line", "view", MESSAGE, foot=1
    ),
    Action("fail.next", "e", "next failure", "the next line of the dialogue that says no", "view", MESSAGE, foot=4),
    Action("view.fold", "Z", "fold", "replies of several lines in one, or in full", "view", MESSAGE, foot=1),
    Action(
        "show.history", "i", "history", "who did what with this message, or the dialogue again", "view", MESSAGE, foot=3
    ),
    Action("show.headers", "m", "headers", "the header of the message, or the dialogue again", "view", MESSAGE, foot=2),
    Action("show.body", "M", "body", "what the message says: it is private", "view", MESSAGE, foot=1),
    Action("select.mark", "space", "mark", "mark the row and go on", "select", QUEUE, foot=8),
    Action("select.range", "v", "range", "mark from here to where v is pressed again", "select", QUEUE, foot=1),
    Action("select.all", "*", "all", "mark all that the filter finds", "select", QUEUE, foot=7),
    Action("select.invert", "i", "invert", "mark what is not marked", "select", QUEUE),
    Action("select.clear", "\\", "unmark", "take all marks away", "select", QUEUE),
    Action("msg.retry", "r", "retry", "try now, without waiting for the schedule", "change", ROWS, 8, api.Retry),
    Action("msg.hold", "H", "hold", "keep untried until released", "change", ROWS, 8, api.Hold),
    Action("msg.release", "L", "release", "give held mail back to its schedule", "change", ROWS, 7, api.Release),
    Action("msg.purge", "D", "purge", "remove without telling the sender", "change", ROWS, 6, api.Purge),
    Action("msg.bounce", "B", "bounce", "give up now and tell the sender", "change", ROWS, 5, api.Bounce),
    Action(
        "msg.reroute", "R", "reroute", "send another way: by MX or a configured route", "change", ROWS, 4, api.Reroute
    ),
    Action(
        *("rcpt.suppress", "X", "suppress", "send no more mail to an address, or a whole domain", "change"),
        *(DESTINATIONS, 4),
        asks=orders.suppress,
    ),
    Action(
        *("dest.suspend", "P", "suspend", "deliver nothing to a destination for a while, or resume it", "change"),
        *(DESTINATIONS, 4),
        asks=orders.pause,
    ),
    Action("list.add", "a", "add", "one more row in this list", "change", SUPPRESS, 8, asks=orders.add),
    Action(
        "list.remove",
        "D",
        "remove",
        "the row out of its list; a suspension resumes",
        "change",
        SUPPRESS,
        8,
        asks=orders.remove,
    ),
    Action("app.undo", "u", "undo", "take back the last change made here", "change", LISTS - AUDIT),
    Action("audit.undo", "u", "undo", "take back this action, whoever did it", "change", AUDIT, 8, asks=orders.undo),
    Action("app.back", "escape,h", "back", "to where you came from", "app", foot=12),
    Action(
        "out.copy",
        "y",
        "copy",
        "copy id, address, reply, transcript or command of the row under the cursor",
        "out",
        VALUES,
    ),
    Action("out.pager", "|", "pager", "what is shown, as text in your pager: $PAGER, less or more", "out"),
    Action(
        "out.export",
        "W",
        "write",
        "the list (.csv .jsonl .md), what is shown (.txt) or the message (.eml) into a new file",
        "out",
    ),
    Action("app.help", "?", "help", "the keys that are valid here, and the filter language", "app", foot=11),
    Action("app.command", ":", "command", "a line in the words of `mailtui` on a shell", "app", foot=3),
    Action("app.palette", "ctrl+p", "palette", "find an action or a place by some of its letters", "app"),
    Action("app.lock", "K", "lock", "make this console read-only, or not", "app"),
    Action("app.suspend", "ctrl+z", "suspend", "back to the shell; `fg` returns", "app"),
    Action("app.repaint", "ctrl+l", "repaint", "draw the whole screen again", "app"),
    Action("app.quit", "q", "quit", "close this view; at the top: end", "app", foot=12),
)
BY_ID: Final = {action.id: action for action in ACTIONS}


def request_for(verb: type[api.Action], scope: Scope) -> api.Action:
    """What a verb asks of the relay, first as a preview."""
    if scope.kind == "filter":
        request = verb(filter=scope.filter, everything=not scope.filter, dry_run=True)
    else:
        request = verb(ids=scope.ids, dry_run=True)
    request = replace(request, reason=scope.reason) if scope.reason else request
    if isinstance(request, api.Retry) and scope.now:
        return replace(request, now=True)
    return replace(request, to=scope.to) if isinstance(request, api.Reroute) else request


def careful(environment: str) -> bool:
    """Whether everything needs one confirmation more there."""
    return environment.lower() in ("prod", "production")


def tier(verb: type[api.Action], recipients: int, waiting: int, environment: str) -> Tier:
    """0: at once. 1: a dialog and `y`. 2: the number must be typed. `waiting` is the length of the queue."""
    final = verb in (api.Purge, api.Bounce)
    much = recipients > MANY or (recipients > 10 and recipients > waiting * SHARE)
    plain = 2 if final or much else 0 if recipients == 1 else 1
    raised = plain + careful(environment)
    return 2 if raised >= 2 else 1 if raised == 1 else 0


def command_line(verb: type[api.Action], scope: Scope) -> str:
    """The same change as a command."""
    return shlex.join(["mailtui", verb.name, *scope.words])
