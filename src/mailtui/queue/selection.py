"""Which recipients a verb is for: named ids, a filter, or everything, said out loud.

Owned here: what may be selected and the errors of saying it wrong. Finding the recipients is `queries`' business, changing them
that of `verbs`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mailtui.errors import EX_DATAERR, EX_USAGE, MailtuiError
from mailtui.queue.filter import EVERYTHING, Filter, FilterError, Term, parse, show
from mailtui.queue.measures import wrong_id


class EmptySelection(MailtuiError):
    """A verb was not told what it is for."""

    exit_code = EX_USAGE


class UnknownId(MailtuiError):
    """Ids that are not in the queue file; nothing was done. `ids` are all of them."""

    exit_code = EX_DATAERR

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = tuple(ids)
        shown = ", ".join(self.ids[:5]) + (f" and {len(self.ids) - 5} more" if len(self.ids) > 5 else "")
        super().__init__(f"no such message or recipient: {shown}")


class Ids(msgspec.Struct, frozen=True):
    """These recipients and all recipients of these messages, as `<queue id>.<n>` and `<queue id>`."""

    values: tuple[str, ...]


class Everything(msgspec.Struct, frozen=True):
    """Whatever the verb applies to."""


class Planned(msgspec.Struct, frozen=True):
    """What a preview froze, by the id of its plan."""

    plan: str


Selection = Ids | Filter | Everything
Wanted = Selection | Planned


def select(
    ids: Sequence[str] = (), text: str = "", everything: bool = False, now: float = 0.0, plan: str = ""
) -> Wanted:
    """The selection that was asked for. EmptySelection when none was, FilterError when it cannot be understood or two ways of
    saying it are mixed. A text of ids alone is as good as `ids`: unknown ones are then an error and not an empty result.
    `now` is that of `filter.parse`."""
    ways = bool(ids) + bool(text.strip()) + everything + bool(plan)
    if not ways:
        raise EmptySelection("nothing is selected: give ids, filter words, or --all")
    if ways > 1 and plan:
        raise FilterError("a plan has its recipients already: no ids, filter words or --all beside it", "")
    if ways > 1:
        raise FilterError("ids, filter words and --all exclude each other; to narrow a filter to ids write id:A,B", "")
    if plan:
        return Planned(plan)
    if everything:
        return Everything()
    if ids:
        wrong = [problem for problem in map(_wrong_exact, ids) if problem]
        if wrong:
            raise FilterError(wrong[0], "")
        return Ids(tuple(ids))
    parsed = parse(text, verb=True, now=now)
    return _only_ids(parsed) or parsed


def _only_ids(parsed: Filter) -> Ids | None:
    root = parsed.root
    if not isinstance(root, Term) or root.field != "id":
        return None
    return None if any(map(_wrong_exact, root.values)) else Ids(root.values)


def _wrong_exact(value: str) -> str:
    return f'"{value}" is not a queue id' if value.endswith("*") else wrong_id(value)


def told(selection: Selection) -> str:
    """A selection as it was understood, in the words of the command line."""
    if isinstance(selection, Everything):
        return "--all"
    return f"id:{','.join(selection.values)}" if isinstance(selection, Ids) else show(selection.root)


def filter_of(selection: Selection) -> Filter:
    """The filter that finds a selection other than named ids."""
    return selection if isinstance(selection, Filter) else EVERYTHING
