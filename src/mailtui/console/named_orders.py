"""The forms of changes whose object is named instead of being under the cursor, as in a line behind `:`; pure.

Owned here: those forms. The others, and how an order is written as a command, stand in `orders`.
"""

from __future__ import annotations

from collections.abc import Mapping

from mailtui.control import api
from mailtui.control.api_holdrules import HoldRuleRemove
from mailtui.control.api_suppress import SuppressRemove

from .forms import Field, Form, Order, Wrong
from .orders import MAYBE, About, given, order, resume, suspend


def number(text: str) -> int:
    """The number of an action or rule. Wrong."""
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:20]) < 1 << 63):
        raise Wrong(f'"{text[:30]}" is no number')
    return int(text)


def suspending(about: About) -> Form:
    """Something that is named gets nothing for a while."""
    return suspend(about.destination)


def resuming(about: About) -> Form | str:
    """The suspension of what is named ends."""
    return resume(about.suspended) if about.suspended else f"{about.destination} is not suspended"


def unsuppressing(about: About) -> Form:
    """Entries that are named get mail again."""

    def build(values: Mapping[str, str]) -> Order:
        entries, reason = tuple(values["entries"].split()), values["reason"]
        return order(
            SuppressRemove(entries=entries, reason=reason), "suppress remove", *given("--reason", reason), *entries
        )

    fields = (Field("entries", hint="addresses or @domains, with blanks between them", required=True), MAYBE)
    return Form("Remove from the suppression list", "remove", fields, build, ("Mail to them goes again.",))


def unruling(about: About) -> Form:
    """A hold rule that is named ends."""

    def build(values: Mapping[str, str]) -> Order:
        rule, reason = number(values["rule"]), values["reason"]
        return order(HoldRuleRemove(rule=rule, reason=reason), "holdrule remove", *given("--reason", reason), str(rule))

    fields = (Field("rule", hint="the number of a rule", required=True), MAYBE)
    facts = ("It holds no more new mail; what it held stays held until it is released.",)
    return Form("Remove hold rule", "remove", fields, build, facts)


def undoing(about: About) -> Form:
    """An action that is named is taken back, whoever did it."""

    def build(values: Mapping[str, str]) -> Order:
        action, reason = number(values["action"]), values["reason"]
        return order(api.Undo(action=action, reason=reason), "undo", *given("--reason", reason), str(action))

    fields = (Field("action", hint="the number of an action, as the audit has it", required=True), MAYBE)
    return Form("Undo", "undo", fields, build, ("What it changed is as it was before, but for what has moved on.",))
