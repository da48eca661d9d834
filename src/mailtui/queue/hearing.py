"""The filter language on events: which of what happens is meant.

Owned here: what each field means of an event, and the evaluation of a filter that was parsed by `filter`. Fields that only the queue
knows (schedule, subject, route) are an error, not a filter that finds nothing. Pure.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from mailtui import times
from mailtui.events import Accepted, AnyEvent, Attempted, Changed, Notice, Notified, Refused, SiteChanged
from mailtui.model import Disposition, Stage
from mailtui.queue import measures
from mailtui.queue.field_kinds import meant
from mailtui.queue.filter import And, Filter, FilterError, Node, Not, Or, Term

Heard = Callable[[AnyEvent], bool]

_COMPARE: Final[Mapping[str, Callable[[int, int], bool]]] = {
    ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le, "=": operator.eq,
}  # fmt: skip
_WORDS: Final = {"state": Disposition, "stage": Stage}


def heard(filter: Filter) -> Heard:
    """Whether an event is one of those a filter means. FilterError for a word that says nothing of events."""
    return _of(filter.root, filter)


def _of(node: Node, filter: Filter) -> Heard:
    match node:
        case Term():
            return _term(node, filter)
        case Not(part=part):
            inner = _of(part, filter)
            return lambda event: not inner(event)
        case And(parts=parts):
            every = [_of(part, filter) for part in parts]
            return lambda event: all(found(event) for found in every)
        case Or(parts=parts):
            some = [_of(part, filter) for part in parts]
            return lambda event: any(found(event) for found in some)


def _term(term: Term, filter: Filter) -> Heard:
    if not term.field:
        word = _small(term.values[0])
        return lambda event: any(word in _small(text) for text in _all_texts(event))
    if term.field == "since":
        begins = [times.latest(value, filter.now) for value in term.values]
        return lambda event: any(event.at >= begin for begin in begins)
    if term.field == "size":
        bounds = [measures.bound(term.operator, value, measures.size) for value in term.values]
        return lambda event: isinstance(event, Accepted) and any(_COMPARE[how](event.size, n) for how, n in bounds)
    if term.field == "tls":
        return lambda event: (
            isinstance(event, Attempted) and any(_tls(event.tls, term.operator, v) for v in term.values)
        )
    texts = _TEXTS.get(term.field)
    if texts is None:
        known = ", ".join(sorted((*_TEXTS, "since", "size", "tls")))
        raise _wrong(f"{term.field} says nothing of events, which have {known}", term, filter)
    return _texts(term, texts, filter)


def _texts(term: Term, texts: Callable[[AnyEvent], Sequence[str]], filter: Filter) -> Heard:
    how, values = term.operator, term.values
    if words := _WORDS.get(term.field):
        chosen = [found for value in values for found in meant(words, how, value)]
        if not chosen:
            raise _wrong(
                f"events have the states {', '.join(words)}" if term.field == "state" else "no such stage", term, filter
            )
        how, values = "=", tuple(chosen)
    if term.field == "code" and how == ":":
        values = tuple(map(measures.code_pattern, values))
    if term.field == "from":
        values = tuple("" if value == "<>" else value for value in values)
    return lambda event: any(matches(text, how, value) for text in texts(event) for value in values)


def _wrong(reason: str, term: Term, filter: Filter) -> FilterError:
    at = max(filter.text.lower().find(term.field), 0)
    return FilterError(reason, filter.text, at, len(term.field))


def _tls(version: str, how: str, value: str) -> bool:
    if how != "~" and value.lower() in ("yes", "no"):
        return bool(version) == (value.lower() == "yes")
    return matches(version, how, value)


# ---------------------------------------------------------------------- what events say


def _ids(event: AnyEvent) -> Sequence[str]:
    """Ids an event speaks of; a recipient's also as its message's."""
    match event:
        case Accepted(id=id) | Attempted(id=id) | Notice(id=id):
            found = [id]
        case Notified(id=id, about=about):
            found = [id, about]
        case Changed(ids=ids):
            found = ids
        case _:
            found = []
    return [spelled for id in found if id for spelled in {id, id.partition(".")[0]}]


def _senders(event: AnyEvent) -> Sequence[str]:
    return (event.sender,) if isinstance(event, Accepted | Refused) else ()


def _recipients(event: AnyEvent) -> Sequence[str]:
    match event:
        case Attempted(recipient=recipient) | Refused(recipient=recipient) | Notified(to=recipient):
            return (recipient,) if recipient else ()
    return ()


def _attempt(name: str) -> Callable[[AnyEvent], Sequence[str]]:
    return lambda event: (str(getattr(event, name)),) if isinstance(event, Attempted) else ()


def _codes(event: AnyEvent) -> Sequence[str]:
    match event:
        case Attempted(code=code, enhanced=enhanced):
            return str(code), enhanced
        case Refused(code=code):
            return (str(code),)
    return ()


_TEXTS: Final[dict[str, Callable[[AnyEvent], Sequence[str]]]] = {
    "id": _ids,
    "from": _senders,
    "to": _recipients,
    "domain": lambda event: [address.rpartition("@")[2] for address in _recipients(event)],
    "site": lambda event: (event.site,) if isinstance(event, SiteChanged) else (),
    "client": lambda event: (event.client,) if isinstance(event, Accepted | Refused) else (),
    "user": lambda event: (event.user,) if isinstance(event, Accepted) else (),
    "msgid": lambda event: (event.message_id, event.message_id.strip("<>")) if isinstance(event, Accepted) else (),
    "state": _attempt("disposition"),
    "class": _attempt("class_"),
    "stage": _attempt("stage"),
    "code": _codes,
    "reply": lambda event: (event.text,) if isinstance(event, Attempted | Refused) else (),
    "host": _attempt("host"),
    "mx": _attempt("address"),
}


def _all_texts(event: AnyEvent) -> Sequence[str]:
    """Everything an event says in words."""
    values = msgspec.structs.astuple(event)
    return [
        text for value in values for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)
    ]


# ---------------------------------------------------------------------- text


def matches(text: str, how: str, value: str) -> bool:
    """Whether a text is as the operator says: `~` contains, `=` is, `:` matches with * and ?. ASCII letters in either case."""
    text, value = _small(text), _small(value)
    if how == "~":
        return value in text
    return _like(text, value) if how == ":" else text == value


def _like(text: str, pattern: str) -> bool:
    """A match with wildcards, in time that no pattern can make long: only the last * is ever taken back."""
    at = here = 0
    star = back = -1
    while at < len(text):
        if here < len(pattern) and pattern[here] == "*":
            star, back = here, at
            here += 1
        elif here < len(pattern) and pattern[here] in ("?", text[at]):
            at, here = at + 1, here + 1
        elif star >= 0:
            back += 1
            at, here = back, star + 1
        else:
            return False
    return not pattern[here:].strip("*")


def _small(text: str) -> str:
    return (
        text.lower()
        if text.isascii()
        else text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
    )
