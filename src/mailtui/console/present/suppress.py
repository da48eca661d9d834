"""The three lists of who gets no mail, what stands still, and which new mail is held: their rows, and one row in full; pure.

Owned here: which columns there is room for and what a row says.
"""

from __future__ import annotations

from datetime import datetime

from mailtui.display import clock, plural
from mailtui.holdrules import HoldRule
from mailtui.suppressions import Difference, Suppression
from mailtui.suspensions import STOPS_DELIVERY, Suspension, named

from .detail import WIDTH, told
from .line import Line, line, middle, pad
from .values import short, since, until


def entry_heading(room: int) -> Line:
    """The titles of the suppression list."""
    name, rest = _halves(room, 30)
    titles = f"{pad('entry', name)}{pad('reason', 14)}{pad('by', 8)}{pad('ends in', 8)}"
    return line((titles + pad("evidence", rest), "dim"))


def entry(one: Suppression, room: int, now: datetime) -> Line:
    """An address or domain: why, by whom, for how long, and what proved it."""
    name, rest = _halves(room, 30)
    proof = one.evidence or one.note
    return line(
        pad(middle(one.entry, name - 1), name),
        (pad(pad(one.reason, 13), 14), "warn"),
        (pad(pad(one.source, 7), 8), "dim"),
        pad(until(one.expires, now) if one.expires else "never", 8),
        (pad(" ".join(proof.split()), rest), "dim"),
    )


def suspension_heading(room: int) -> Line:
    """The titles of the suspensions."""
    name, rest = _halves(room, 33)
    titles = f"{pad('what', name)}{pad('waiting', 8, True)} {pad('since', 8)}{pad('ends in', 8)}{pad('by', 8)}"
    return line((titles + pad("why", rest), "dim"))


def suspension(one: Suspension, room: int, now: datetime) -> Line:
    """What stands still, what waits for it, since and until when, by whom and why."""
    name, rest = _halves(room, 33)
    waits = short(one.waiting) if one.kind in STOPS_DELIVERY else "-"
    return line(
        (pad(middle(called(one), name - 1), name), "held"),
        pad(waits, 8, True) + " ",
        pad(since(one.since, now), 8),
        pad(until(one.until, now) if one.until else "never", 8),
        (pad(pad(one.actor, 7), 8), "dim"),
        pad(one.reason, rest),
    )


def called(one: Suspension) -> str:
    """A destination by its name alone, the others by their kind too."""
    return one.name if one.kind == "destination" else named(one.kind, one.name)


def rule_heading(room: int) -> Line:
    """The titles of the hold rules."""
    name, rest = _halves(room, 27)
    titles = (
        f"{pad('rule', 4, True)}  {pad('new mail of', name)}{pad('held', 5, True)} {pad('ends in', 8)}{pad('by', 7)}"
    )
    return line((titles + pad("why", rest), "dim"))


def rule(one: HoldRule, room: int, now: datetime) -> Line:
    """Which new mail is held, how much was, until when, by whom and why."""
    name, rest = _halves(room, 27)
    return line(
        pad(str(one.rule), 4, True) + "  ",
        (pad(middle(one.filter, name - 1), name), "held"),
        pad(short(one.held), 5, True) + " ",
        pad(until(one.ends, now) if one.ends else "never", 8),
        (pad(pad(one.actor, 6), 7), "dim"),
        pad(one.reason, rest),
    )


def _halves(room: int, taken: int) -> tuple[int, int]:
    """What is left of a row for its name, and for the text at its end."""
    left = max(room - taken, 2)
    name = max(left * 3 // 4, 1) if room < 100 else left // 2
    return name, left - name


def difference(found: Difference) -> str:
    """`+ ana@example.org (no-such-user)`: what an import does to an entry."""
    sign = {"add": "+", "change": "~", "past": "!", "same": "="}[found.change]
    was = f", was {found.was.reason}" if found.was and found.was.reason != found.reason else ""
    return (
        f"{sign} {middle(found.entry, 44)} ({found.reason}{was}{', ended already' if found.change == 'past' else ''})"
    )


def detail(row: Suppression | Suspension | HoldRule, now: datetime, room: int = WIDTH) -> list[Line]:
    """Everything there is about a row, in a box."""
    match row:
        case Suppression():
            title, facts = "Suppressed", _entry_facts(row, now)
        case Suspension():
            title, facts = "Suspended", _suspension_facts(row, now)
        case HoldRule():
            title, facts = f"Hold rule {row.rule}", _rule_facts(row, now)
    return told(title, facts, room)


def _entry_facts(one: Suppression, now: datetime) -> list[tuple[str, str]]:
    ends = f"{clock(one.expires, now)}, in {until(one.expires, now)}" if one.expires else "never; when it is removed"
    return [
        ("entry", one.entry),
        ("reason", one.reason),
        ("by", f"{one.source}, {clock(one.created, now)}"),
        ("ends", ends),
        ("evidence", one.evidence),
        ("said by", one.host),
        ("seen", clock(one.seen, now)),
        ("recipient", one.id),
        ("note", one.note),
    ]


def _suspension_facts(one: Suspension, now: datetime) -> list[tuple[str, str]]:
    ends = f"{clock(one.until, now)}, in {until(one.until, now)}" if one.until else "when it is resumed"
    return [
        ("what", named(one.kind, one.name)),
        ("why", one.reason),
        ("by", f"{one.actor}, action {one.action}"),
        ("since", clock(one.since, now)),
        ("ends", ends),
        ("waiting", plural(one.waiting, "recipient") if one.kind in STOPS_DELIVERY else ""),
    ]


def _rule_facts(one: HoldRule, now: datetime) -> list[tuple[str, str]]:
    ends = f"{clock(one.ends, now)}, in {until(one.ends, now)}" if one.ends else "when it is removed"
    last = f", the last {clock(one.last_held, now)}" if one.last_held else ""
    return [
        ("filter", one.filter),
        ("why", one.reason),
        ("by", f"{one.actor}, action {one.action}"),
        ("since", clock(one.created, now)),
        ("ends", ends),
        ("held", plural(one.held, "recipient") + last),
    ]
