"""The changes that need words: which form asks for them, what request comes of it, and the command that does the same; pure.

Owned here: one function per change, from what the cursor is on to its form (or to why there is none). Asking and applying is `change`'s.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast, get_args

from msgspec import UNSET

from mailtui import times
from mailtui.control import api
from mailtui.control.api_holdrules import HoldRuleAdd, HoldRuleRemove
from mailtui.control.api_suppress import SuppressAdd, SuppressRemove
from mailtui.control.api_suspend import Resume, Suspend
from mailtui.control.request import Request
from mailtui.display import plural
from mailtui.holdrules import HoldRule
from mailtui.suppressions import MANUAL, Suppression
from mailtui.suspensions import STOPS_DELIVERY, WHOLE, Kind, Suspension, named
from mailtui.views import AuditRow

from .forms import Field, Form, Order, Wrong

_FOREVER: Final = "until resumed"
_REASON: Final = Field("reason", hint="why, for those who come after", required=True)
#: A reason that may be left out.
MAYBE: Final = Field("reason", hint="why; may be empty")
#: What kinds of thing can be suspended by their name, as `kind:name`.
_NAMED: Final = tuple(kind for kind in get_args(Kind) if kind not in WHOLE)
_LISTED_FOR: Final = re.compile("[a-z][a-z0-9-]{0,39}", re.ASCII)


@dataclass(frozen=True)
class About:
    """What the cursor is on: a recipient and its destination, a destination alone, or a row of a list (`pane` says which one).
    `suspended` is the suspension of that destination, if there is one."""

    recipient: str = ""
    destination: str = ""
    pane: str = ""
    row: Suppression | Suspension | HoldRule | AuditRow | None = None
    suspended: Suspension | None = None


#: From what the cursor is on to what is asked; a text is why nothing can be done.
Asks = Callable[[About], Form | str]


def lasts(text: str) -> timedelta:
    """`1h`, `1d12h`, `90m`. Wrong."""
    try:
        return timedelta(seconds=times.lasting(text.replace(" ", "")))
    except times.TimeError as error:
        raise Wrong(str(error)) from None


def reroute(routes: str, selection: Sequence[str]) -> Form:
    """By which route; `routes` names those there are, "" when that is not known. `selection` is what goes that way, as words."""

    def build(values: Mapping[str, str]) -> Order:
        return order(api.Reroute(to=values["to"]), "reroute", "--to", values["to"], *selection)

    field = Field("to", hint=routes or "mx, or a configured host[:port]", required=True)
    return Form("Reroute", "reroute", (field,), build, plans=True)


def suppress(about: About) -> Form:
    """An address, or a whole domain, that gets no mail any more."""
    entry = about.recipient or (f"@{about.destination}" if about.destination else "")
    domain = f"@{entry.rpartition('@')[2]}" if entry else "@domain"
    fields = (
        Field("entry", entry, f"an address, or {domain} for all of it", required=True),
        Field("reason", MANUAL, "a class: manual, no-such-user, complaint …", required=True),
        Field("for", "", "30d, never; empty: as its reason has it"),
        Field("note", "", "why, for those who come after"),
    )
    return Form("Suppress", "suppress", fields, _suppressed, ("Mail to it is not sent any more.",))


def _suppressed(values: Mapping[str, str]) -> Order:
    entry, reason, ends, note = (values[name] for name in ("entry", "reason", "for", "note"))
    if not _LISTED_FOR.fullmatch(reason):
        raise Wrong("a reason here is a class: letters a-z, digits and -, such as no-such-user")
    until = UNSET if not ends else None if ends == "never" else datetime.now(UTC) + lasts(ends)
    words = [*given("--reason", "" if reason == MANUAL else reason), *given("--for", ends.replace(" ", ""))]
    return order(SuppressAdd(entry, reason, until, note), "suppress add", *words, *given("--note", note), *_last(entry))


def pause(about: About) -> Form | str:
    """Suspend the destination under the cursor, or resume it when it is suspended."""
    if isinstance(about.row, Suspension):
        return resume(about.row)
    if about.suspended is not None:
        return resume(about.suspended)
    return suspend(about.destination) if about.destination else "no destination is under the cursor"


def suspend(what: str) -> Form:
    """A destination (or `site:NAME`, `delivery`, ...) that gets nothing for a while."""
    fields = (
        Field("what", what, "a destination; site:N, sender:N, user:N, delivery, intake", required=True),
        Field("for", "1h", f"30m, 2h, 1d12h, until 18:00; or: {_FOREVER}", required=True),
        _REASON,
    )
    return Form("Suspend", "suspend", fields, _suspended, ("What waits for it stays in the queue, untried.",))


def _suspended(values: Mapping[str, str]) -> Order:
    what, ends, reason = values["what"], values["for"], values["reason"]
    kind, name = thing(what)
    until, words = _end(ends)
    return order(Suspend(kind, reason, name, until), "suspend", *words, "--reason", reason, *_called(kind, name))


def _end(text: str) -> tuple[datetime | None, tuple[str, str]]:
    """When a suspension ends, None when somebody resumes it; and the option that says so. Wrong."""
    if not text.startswith("until"):
        return datetime.now(UTC) + lasts(text), ("--for", text.replace(" ", ""))
    said = text.removeprefix("until").strip()
    if said == "resumed":
        return None, ("--until", said)
    try:
        at = datetime.fromtimestamp(times.coming(said, datetime.now(UTC).timestamp()), UTC)
    except times.TimeError as error:
        raise Wrong(f"{error}, or {_FOREVER}") from None
    return at, ("--until", said)


def resume(one: Suspension) -> Form:
    """End a suspension."""

    def build(values: Mapping[str, str]) -> Order:
        reason = values["reason"]
        words = (*given("--reason", reason), *_called(one.kind, one.name))
        return order(Resume(one.kind, one.name, reason), "resume", *words)

    facts = [f"Resume {named(one.kind, one.name)}, suspended by {one.actor}: {one.reason or 'no reason was given'}"]
    if one.kind in STOPS_DELIVERY:
        facts.append(f"It keeps back {plural(one.waiting, 'recipient')}; they go out a little at a time.")
    return Form("Resume", "resume", (MAYBE,), build, tuple(facts))


def hold_rule(about: About) -> Form:
    """New mail to hold."""
    fields = (
        Field("filter", "", "from: to: domain: user: client: subject: size: …", required=True),
        Field("for", "", "2h, until 18:00; empty: until the rule is removed"),
        _REASON,
    )
    return Form("Hold rule", "add", fields, _ruled, ("New mail that this finds is held until it is released.",))


def _ruled(values: Mapping[str, str]) -> Order:
    filter, ends, reason = values["filter"], values["for"].replace(" ", ""), values["reason"]
    until = ends.removeprefix("until") if ends.startswith("until") else ""
    ends = "" if until else ends
    if ends:
        lasts(ends)
    words = (*given("--for", ends), *given("--until", until), "--reason", reason, *_last(filter))
    return order(HoldRuleAdd(filter, ends, until, reason), "holdrule add", *words)


def add(about: About) -> Form | str:
    """One more row in the list that has the cursor."""
    match about.pane:
        case "suspensions":
            return suspend("")
        case "rules":
            return hold_rule(about)
        case _:
            return suppress(About())


def remove(about: About) -> Form | str:
    """The row under the cursor out of its list."""
    match about.row:
        case Suspension() as one:
            return resume(one)
        case HoldRule() as rule:
            return _unruled(rule)
        case Suppression() as entry:
            return _unsuppressed(entry)
        case _:
            return "no row is under the cursor"


def _unsuppressed(one: Suppression) -> Form:
    def build(values: Mapping[str, str]) -> Order:
        words = (*given("--reason", values["reason"]), *_last(one.entry))
        return order(SuppressRemove((one.entry,), values["reason"], 1), "suppress remove", *words)

    facts = (f"{one.entry} gets mail again. It stands there for {one.reason}, by {one.source}.", one.evidence)
    return Form("Remove from the suppression list", "remove", (MAYBE,), build, tuple(filter(None, facts)))


def _unruled(one: HoldRule) -> Form:
    def build(values: Mapping[str, str]) -> Order:
        words = (*given("--reason", values["reason"]), str(one.rule))
        return order(HoldRuleRemove(one.rule, values["reason"]), "holdrule remove", *words)

    facts: tuple[str, ...] = (f"Rule {one.rule} holds no more new mail of: {one.filter}",)
    if one.held:
        facts += (
            f"It held {plural(one.held, 'recipient')}; `mailtui release rule:{one.rule}` gives back what still is.",
        )
    return Form("Remove hold rule", "remove", (MAYBE,), build, facts)


def undo(about: About) -> Form | str:
    """Take back the action under the cursor, whoever did it."""
    row = about.row
    if not isinstance(row, AuditRow):
        return "no action is under the cursor"
    if row.undone:
        return f"action {row.action} was undone already"
    if row.state == "open":
        return f"action {row.action} is still being applied"

    def build(values: Mapping[str, str]) -> Order:
        return order(
            api.Undo(action=row.action, reason=values["reason"]),
            *("undo", *given("--reason", values["reason"]), str(row.action)),
        )

    facts: tuple[str, ...] = (
        f"Undo action {row.action}: {row.verb} by {row.actor}, {row.done:,} of {row.matched:,} changed.",
    )
    if row.filter:
        facts += (row.filter,)
    return Form("Undo", "undo", (MAYBE,), build, facts)


# --- commands


def order(request: object, verb: str, *words: str) -> Order:
    """An order and its command."""
    return Order(cast("Request[object]", request), shlex.join(["mailtui", *verb.split(), *words]))


def given(option: str, value: str) -> tuple[str, ...]:
    """An option with its value, unless there is none."""
    return (option, value) if value else ()


def _last(word: str) -> tuple[str, ...]:
    """A word that may look like an option."""
    return ("--", word) if word.startswith("-") else (word,)


def thing(text: str) -> tuple[Kind, str]:
    """`example.org`, `site:mx.example.org`, `delivery` as kind and name."""
    if text in WHOLE:
        return text, ""
    kind, colon, name = text.partition(":")
    return (cast(Kind, kind), name) if colon and kind in _NAMED else ("destination", text)


def _called(kind: Kind, name: str) -> tuple[str, ...]:
    if kind in WHOLE:
        return (f"--{kind}",)
    return _last(name) if kind == "destination" else (f"--{kind}", name)
