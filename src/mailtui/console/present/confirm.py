"""The dialog before a change, and what is said while and after it is made; pure.

Owned here: every word of plans, progress and results.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from mailtui.console.actions import Scope, Tier
from mailtui.control.results import BackedUp, Draining, Flushed, Pruned, Reloaded
from mailtui.display import clock, plural, size
from mailtui.holdrules import HoldRule
from mailtui.shapes import Lifted
from mailtui.suppressions import ListChange
from mailtui.suspensions import Suspended, named
from mailtui.views import Affected, AuditRow, Preview, Share

from .line import BLANK, Line, Part, box, edges, line, middle, wrap

#: What a verb has done, as a participle.
DONE: Final = {
    "retry": "retried",
    "hold": "held",
    "release": "released",
    "purge": "purged",
    "bounce": "bounced",
    "reroute": "rerouted",
    "undo": "undone",
}
#: After a change was asked for and no answer came.
UNKNOWN: Final = "the answer was lost, whether it was made is not known: look at the audit (7)"
WIDTH: Final = 74
#: Cells of a name in the status line.
_NAME: Final = 34
_LARGE: Final = "too large to be kept: the number is checked"


def dialog(
    verb: str, scope: Scope, plan: Preview, tier: Tier, typed: str, command: str, room: int, hint: str = ""
) -> list[Line]:
    """The plan with its exact counts, what it needs to be confirmed, and the same as a command."""
    what = f"{verb.capitalize()} {plural(plan.done, 'recipient')} of {plural(plan.messages, 'message')}"
    left = [
        f"{plan.skipped:,} being sent" if plan.skipped else "",
        f"{plan.failed:,} it does not apply to" if plan.failed else "",
    ]
    rest = ", ".join(text for text in left if text)
    body: list[Line] = [
        BLANK,
        line((what, "strong"), ("   " + size(plan.bytes), "dim")),
        BLANK,
        line(("filter  ", "dim"), plan.filter or ", ".join(scope.ids)),
        line(("plan    ", "dim"), f"{plan.plan}, fixed now: later mail is not touched" if plan.plan else _LARGE),
        *([line(("route   ", "dim"), plan.to)] if isinstance(plan.to, str) else []),
        line(("skipped ", "dim"), (rest, "warn") if rest else "none"),
        line(("states  ", "dim"), shares(plan.by_state)),
        line(("to      ", "dim"), shares(plan.by_destination)),
        line(("from    ", "dim"), shares(plan.by_sender)),
        *(line((text, "warn")) for sentence in plan.irreversible for text in wrap(sentence, room - 4)),
        BLANK,
        _question(plan, tier, typed),
        line((hint or " ", "accent")),
        edges(line((" Cancel (esc) ", "cursor")), line(*_confirms(verb, plan, tier, typed)), room - 4),
        BLANK,
        line(("the same: ", "dim"), (command, "dim")),
    ]
    return box(f"{verb.capitalize()} by {scope.title}", body, room, len(body) + 2, tone="strong")


def _question(plan: Preview, tier: Tier, typed: str) -> Line:
    if not plan.done:
        return line(("There is nothing to change.", "warn"))
    if tier < 2:
        return line("Press y to go on.")
    return line(f"Type the number of recipients, {plan.done:,}, then y: ", (f" {typed}_ ", "input"))


def _confirms(verb: str, plan: Preview, tier: Tier, typed: str) -> list[Part]:
    ready = plan.done > 0 and (tier < 2 or typed == str(plan.done))
    return [(f" {verb.capitalize()} (y) ", "key" if ready else "dim")]


def shares(rows: Sequence[Share]) -> str:
    """`deferred 38,054   held 60   +2 others`."""
    told = "   ".join(f"{row.name or '<>'} {row.count:,}" for row in rows[:3])
    return told + (f"   +{len(rows) - 3} more" if len(rows) > 3 else "")


def progress(row: AuditRow) -> str:
    """How far a change is."""
    over = row.done + row.skipped + row.failed
    return f"{row.verb} {over:,} of {row.matched:,}   esc stops"


def result(done: Affected, noun: str = "recipient") -> str:
    """What a change came to: nothing is said that was not counted; `noun` is what was."""
    parts = [f"{DONE.get(done.verb, done.verb)} {done.done:,} of {plural(done.matched, noun)}"]
    if done.skipped:
        parts.append(f"{done.skipped:,} {'moved on since' if done.verb == 'undo' else 'being sent'}")
    if done.failed:
        parts.append(f"{done.failed:,} {'too late' if done.verb == 'undo' else 'did not apply'}")
    if rest := done.matched - done.done - done.skipped - done.failed:
        parts.append(f"{rest:,} untouched: stopped")
    if done.done and done.verb != "undo":
        parts.append("u undoes")
    return "   ".join(parts)


def ordered(done: ListChange | Suspended | HoldRule | Lifted, now: datetime) -> str:
    """What a change that needed words came to; how it is undone stands beside it."""
    if isinstance(done, Lifted):
        what = middle(done.site, _NAME)
        return f"{what}: {', '.join(done.rules)} lifted" if done.done else f"{what}: no rule had done anything to it"
    if isinstance(done, ListChange):
        return _listed(done)
    if isinstance(done, HoldRule):
        ends = f" until {clock(done.ends, now)}" if done.ends else ""
        return f"hold rule {done.rule} {'stands' + ends if done.state == 'standing' else done.state}: {done.filter}"
    what = middle(done.name if done.kind == "destination" else named(done.kind, done.name), _NAME)
    if done.verb == "resume":
        return f"{what} resumed, {done.waiting:,} waiting"
    ends = f"until {clock(done.until, now)}" if done.until else "until it is resumed"
    known = done.known or done.kind not in ("destination", "site")
    return f"{what} suspended {ends}, {done.waiting:,} waiting{'' if known else '; no mail for it was ever taken'}"


def of_the_relay(done: object) -> str:
    """What a change of the relay as a whole came to."""
    match done:
        case Reloaded(applied=applied, needs_restart=later):
            waits = f"; {', '.join(later)} when it is restarted" if later else ""
            return f"read again: {', '.join(applied) or 'nothing'} changed{waits}"
        case Draining(in_flight=sending):
            return f"nothing new is taken; {plural(sending, 'recipient')} being sent"
        case Flushed(answers=answers):
            return f"{plural(answers, 'answer')} of the DNS forgotten"
        case Pruned(messages=messages, bodies=bodies, freed=freed):
            return f"removed {plural(messages, 'message')} and the content of {bodies:,}, {size(freed)} given back"
        case BackedUp(path=path, size=octets):
            return f"{middle(path, _NAME)} written, {size(octets)}, checked"
        case AuditRow(action=action, state=state):
            return f"action {action}: {state}"
    return "done"


def _listed(done: ListChange) -> str:
    names = ", ".join(middle(row.entry, _NAME) for row in done.entries[:3]) or "the suppression list"
    if not done.done:
        return f"{names}: nothing changed"
    return f"{names} {'gets mail again' if done.verb.endswith('remove') else 'gets no more mail'}"
