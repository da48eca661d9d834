"""The queue: its rows, the preview of one, and the note of what is shown; pure.

Owned here: which columns there is room for and what a row says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from mailtui.display import age, size
from mailtui.text import decoded
from mailtui.views import Counts, QueueRow

from .line import Line, Part, box, line, middle, pad, wrap
from .values import reply, short, state, until

_WIDE = 100
#: Lines from which on a preview has all of a row.
_STANDS: Final = 14
#: Cells of a row in a pager.
_PAGED = 240


def heading(room: int) -> Line:
    """The titles of the columns."""
    left = f"{pad('id', 13)}S  {pad('age', 6)} {pad('tries', 5, True)} {pad('next', 6)} "
    sender, recipient, tail = _rest(room)
    texts = pad("from", sender) + pad("to" if room >= _WIDE else "to domain", recipient)
    return line((left + texts + pad("size", 5, True) + ("  last reply" if tail else ""), "dim"))


def row(one: QueueRow, room: int, now: datetime) -> Line:
    """One recipient: id, state, age, tries, next try, from, to, size; the last reply where there is room."""
    sender, recipient, tail = _rest(room)
    where = one.recipient if room >= _WIDE else one.destination
    parts: list[Part] = [
        pad(one.id, 13),
        (state(one.state).text, state(one.state).tone),
        f"  {pad(age(one.age_seconds), 6)} {pad(str(one.attempts), 5, True)} ",
        pad(until(one.next_attempt, now), 6) + " ",
        pad(middle(one.sender or "<>", sender - 1), sender),
        pad(middle(where, recipient - 1), recipient),
        (pad(size(one.size), 5, True), "dim"),
    ]
    if tail:
        parts.append(("  " + pad(reply(one.last_code, one.last_enhanced, one.last_text), tail - 2), "dim"))
    return line(*parts)


def page(rows: Sequence[QueueRow], now: datetime) -> list[str]:
    """Rows for a pager, as wide as they are."""
    lines = [heading(_PAGED), *(row(one, _PAGED, now) for one in rows)]
    return ["".join(part.text for part in whole) for whole in lines]


def _rest(room: int) -> tuple[int, int, int]:
    """Cells of sender, recipient and last reply."""
    left = room - 13 - 3 - 7 - 6 - 7 - 5
    if room < _WIDE:
        return left - left * 2 // 5, left * 2 // 5, 0
    return left * 3 // 10, left * 3 // 10, left - 2 * (left * 3 // 10)


def preview(one: QueueRow | None, room: int, height: int, now: datetime) -> list[Line]:
    """A row in full: who to whom, what, and the last reply."""
    if one is None:
        return box("Preview", [], room, height)
    facts = f"tries {one.attempts}   next {until(one.next_attempt, now)}   {one.state}"
    body = [
        line(("to    ", "dim"), (one.recipient, "strong"), f"   {facts}"),
        line(("from  ", "dim"), one.sender or "<>", ("   subject ", "dim"), decoded(one.subject)),
        line(
            (
                reply(one.last_code, one.last_enhanced, one.last_text) or "not tried yet",
                "warn" if one.last_code else "dim",
            )
        ),
    ]
    if height >= _STANDS:
        body = _standing(one, room - 4, now)
    return box(f"Preview {one.id}", body, room, height, note="p hides it")


def _standing(one: QueueRow, room: int, now: datetime) -> list[Line]:
    """The same in a column of its own: all of it."""
    facts = [
        ("to", one.recipient),
        ("from", one.sender or "<>"),
        ("subject", one.subject),
        ("state", one.state),
        ("tries", str(one.attempts)),
        ("next", until(one.next_attempt, now)),
        ("age", age(one.age_seconds)),
        ("size", size(one.size)),
        ("site", one.site or one.destination),
        ("class", one.class_),
        ("reply", reply(one.last_code, one.last_enhanced, one.last_text) or "not tried yet"),
    ]
    body: list[Line] = []
    for label, text in facts:
        for index, part in enumerate(wrap(text, max(room - 9, 10)) if text else ()):
            body.append(
                line(
                    (pad("" if index else label, 9), "dim"),
                    (part, "warn" if label == "reply" and one.last_code else ""),
                )
            )
    return body


def answer(one: QueueRow) -> str:
    """The last reply, "" before the first."""
    return reply(one.last_code, one.last_enhanced, one.last_text)


def found(counts: Counts | None, waiting: int) -> str:
    """`38,114 of 102,418`; without a count yet, only the queue; of what is finished too, the count alone."""
    if counts is not None and counts.recipients > waiting:  # finished ones too
        return f"{counts.recipients:,} found"
    return f"{waiting:,}" if counts is None else f"{counts.recipients:,} of {waiting:,}"


def note(position: int | None, total: int, marked: str, newer: int, turned: bool = False) -> Line:
    """For the breadcrumb: what is marked, where the cursor is."""
    parts: list[Part] = []
    if newer:
        parts.append((f"+{newer} newer, order held   ", "accent"))
    if marked:
        parts.append((f"{marked} marked   ", "accent"))
    where = f"row {position:,} of {short(total) if total > 99_999 else f'{total:,}'}" if position else f"{total:,} rows"
    parts.append((f"{where}   {'newest' if turned else 'oldest'} first", "dim"))
    return line(*parts)


def error(text: str, room: int) -> list[Line]:
    """What is wrong with a filter, with its caret."""
    reason, *where = text.split("\n")[:3]
    return [line((" " + part, "bad")) for part in (*wrap(reason, max(room - 2, 20))[:2], *where)]
