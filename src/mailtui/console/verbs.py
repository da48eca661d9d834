"""The verbs of the shell in a line behind `:`: their words and options, and what they mean here; pure.

Owned here: that table. A change becomes the same action or form that a key makes, so that plan, preview and confirmation are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as having
from typing import Final

from mailtui.control import api
from mailtui.control.api_report import Report

from . import named_orders, orders, relay_orders
from .actions import ACTIONS, Action, Scope
from .grammar import Given, Wrong
from .meaning import Bundle, Command, Do, Fill, Go, Load, Lookup, Unload
from .orders import About, Asks
from .place import Place


@dataclass(frozen=True)
class Verb:
    """One of them. `shape` is what follows it; `least` and `most` say how many words (`most` None: any)."""

    name: str
    shape: str
    make: Callable[[Given], Command | Wrong]
    options: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    least: int = 0
    most: int | None = 0
    filters: bool = False

    def read(self, given: Given) -> Command | Wrong:
        """What it means with these words."""
        if len(given.words) < self.least:
            return Wrong(f"{self.name} {self.shape}: what is missing", len(given.line), 1)
        if self.most is not None and len(given.words) > self.most:
            extra = given.words[self.most]
            return Wrong(f"nothing may follow {self.name} {self.shape}".rstrip(), extra.at, len(given.line) - extra.at)
        return self.make(given)


def _recipients(action: Action) -> Verb:
    """A verb on recipients: by ids, by a filter, `--all`, or (alone) by cursor and marks."""

    def make(given: Given) -> Command | Wrong:
        said = Scope("filter", to=given.option("to"), reason=given.option("reason"), now="now" in given.options)
        if "all" in given.options:
            first = next(iter(given.words), None)
            return first.wrong("--all and a filter: one of them") if first else Do(action, said)
        if given.ids:
            return Do(action, having(said, kind="named", ids=given.ids))
        if given.words:
            return Do(action, having(said, filter=given.rest.text), given.rest.at)
        return (
            Wrong(f"{action.label} what? ids, a filter or --all", len(given.line), 1) if given.options else Do(action)
        )

    more = ("to",) if action.verb is api.Reroute else ()
    flags = ("all", "now") if action.verb is api.Retry else ("all",)
    return Verb(action.label, "ID... | FILTER | --all", make, ("reason", *more), flags, most=None, filters=True)


def _go(name: str, kind: str, shape: str = "") -> Verb:
    """A verb that reads, and has a screen here; with a shape, of what follows."""

    def make(given: Given) -> Command:
        return Go(Place(kind, given.rest.text))

    filters = shape == "[FILTER]"
    return Verb(
        name, shape, make, least=bool(shape) and not filters, most=None if filters else bool(shape), filters=filters
    )


def _form(name: str, asks: Asks, first: str, options: tuple[str, ...], least: int = 1, most: int | None = 1) -> Verb:
    """A verb that changes something and has a form: the words go into its field `first`, options into those of their names."""

    def make(given: Given) -> Command:
        values = [(first, given.rest.text if most is None else given.texts[0])] if given.words else []
        values += [(name, word.text) for name, word in given.options.items() if name != "until"]
        if "until" in given.options:
            values.append(("for", f"until {given.option('until')}"))
        return Fill(asks, tuple(values))

    return Verb(name, first.upper(), make, options, least=least, most=most, filters=first == "filter")


#: What can be suspended otherwise than by the name of a destination, and what of it has no name.
_KINDS, _WHOLE = ("site", "sender", "user"), ("intake", "delivery")


def _suspension(given: Given) -> tuple[str, ...] | Wrong:
    """The one thing that is named, as a form wants it."""
    named = [f"{kind}:{given.option(kind)}" for kind in _KINDS if kind in given.options]
    named += [kind for kind in _WHOLE if kind in given.options]
    named += given.texts
    if len(named) != 1:
        return Wrong(f"name one thing: a destination, --{', --'.join((*_KINDS, *_WHOLE))}", len(given.line), 1)
    return tuple(named)


def _suspend(given: Given) -> Command | Wrong:
    named = _suspension(given)
    if isinstance(named, Wrong):
        return named
    values = [("what", named[0])]
    values += [(name, given.option(name)) for name in ("for", "reason") if name in given.options]
    if "until" in given.options:
        values.append(("for", f"until {given.option('until')}"))
    return Fill(named_orders.suspending, tuple(values))


def _resume(given: Given) -> Command | Wrong:
    named = _suspension(given)
    if isinstance(named, Wrong):
        return named
    reason = (("reason", given.option("reason")),) if "reason" in given.options else ()
    return Fill(named_orders.resuming, reason, About(destination=named[0]))


def _report(given: Given) -> Command:
    window = given.option("window", "24h")
    return Bundle(Report(given.texts[0], window, "internal" in given.options), given.option("out"))


_TABLE: Final = (
    *(_recipients(action) for action in ACTIONS if action.verb is not None),
    Verb("suspend", "NAME", _suspend, ("for", "until", "reason", *_KINDS), _WHOLE, most=1),
    Verb("resume", "NAME", _resume, ("reason", *_KINDS), _WHOLE, most=1),
    _form("suppress add", orders.suppress, "entry", ("reason", "for", "note")),
    _form("suppress remove", named_orders.unsuppressing, "entries", ("reason",), most=None),
    Verb("suppress lookup", "ENTRY", lambda given: Lookup(given.texts[0]), least=1, most=1),
    Verb(
        *(
            "suppress import",
            "FILE",
            lambda given: Load(given.texts[0], given.option("format"), given.option("reason")),
        ),
        *(("format", "reason"), ()),
        *(1, 1),
    ),
    Verb("suppress export", "FILE", lambda given: Unload(given.texts[0]), least=1, most=1),
    _form("holdrule add", orders.hold_rule, "filter", ("for", "until", "reason"), most=None),
    _form("holdrule remove", named_orders.unruling, "rule", ("reason",)),
    _form("undo", named_orders.undoing, "action", ("reason",)),
    *(
        _form(one.name, one.form, one.field, ("reason",), least=bool(one.field), most=bool(one.field))
        for one in relay_orders.TABLE
    ),
    Verb("report", "NAME|ID", _report, ("window", "out"), ("internal",), least=1, most=1),
    *(_go("why", "message", "ID"), _go("show", "message", "ID"), _go("domain", "domain", "NAME")),
    *(_go("log", "live", "[FILTER]"), _go("queue list", "queue", "[FILTER]"), _go("queue", "queue", "[FILTER]")),
    *(_go("queue domains", "domains"), _go("queue ages", "overview"), _go("queue reasons", "incident")),
    *(_go("status", "overview"), _go("destinations", "domains"), _go("incidents", "incident"), _go("audit", "audit")),
    *(_go("suppress list", "suppress"), _go("suspensions", "suppress"), _go("holdrule list", "suppress")),
    *(_go("suppress", "suppress"), _go("holdrule", "suppress")),
)
#: Every verb by its name; those of two words by both.
VERBS: Final = {verb.name: verb for verb in _TABLE}
