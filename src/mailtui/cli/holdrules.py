"""Hold rules as screens: what a change came to, and the list.

Owned here: pure layout of those values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from mailtui.display import clock, plural
from mailtui.holdrules import HoldRule
from mailtui.text import safe_text

from .format import Column, table


def hold_rule_screen(rule: HoldRule, now: datetime) -> Iterator[str]:
    """A rule that was just added or removed, and what can be done about it; with `dry_run`, that would be."""
    if rule.state == "standing":
        until = f"until {clock(rule.ends, now)}" if rule.ends else "until the rule is removed"
        if rule.dry_run and rule.rule:
            yield f"hold rule {rule.rule} would be removed: new mail of {safe_text(rule.filter)} would not be held any more"
            yield f"held by it now: {plural(rule.waiting, 'recipient')}, which would stay held"
            return
        if rule.dry_run:
            yield f"new mail of {safe_text(rule.filter)} would be held {until}"
            yield f"waiting now: {plural(rule.waiting, 'recipient')}, which would stay as they are"
            return
        yield f"hold rule {rule.rule}: new mail of {safe_text(rule.filter)} is held {until}"
    else:
        yield f"hold rule {rule.rule} {rule.state}: new mail of {safe_text(rule.filter)} is not held any more"
        if rule.held:
            yield f"it held {plural(rule.held, 'recipient')}; to give back what still is: mailtui release rule:{rule.rule}"
    yield f"to take it back: mailtui undo {rule.action}"


def hold_rules_screen(rules: Sequence[HoldRule], cells: int | None, now: datetime) -> Iterator[str]:
    """A line per rule."""
    columns = (
        *(Column("RULE", True), Column("SINCE", True), Column("WHO", least=4), Column("UNTIL", True)),
        *(Column("HELD", True), Column("LAST", True), Column("NEW MAIL OF", least=16)),
        Column("REASON", least=8, optional=True),
    )
    cells_of = (
        (
            *(rule.rule, clock(rule.created, now), rule.actor, _until(rule, now)),
            *(rule.held, clock(rule.last_held, now), rule.filter, rule.reason),
        )
        for rule in rules
    )
    yield from table(columns, cells_of, cells)


def _until(rule: HoldRule, now: datetime) -> str:
    if rule.state == "removed":
        return "(removed)"
    return clock(rule.ends, now) or "removed"
