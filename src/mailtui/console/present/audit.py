"""The audit: who changed what, as rows and one in full; pure.

Owned here: which columns there is room for and what a row says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailtui.display import age, clock
from mailtui.views import AuditRow, QueueRow

from .detail import WIDTH, told
from .line import Line, Tone, line, middle, pad
from .values import short, since, state

_WIDE = 100


def heading(room: int) -> Line:
    """The titles of the columns."""
    when, rest, why = _columns(room)
    titles = f"{pad('no', 5, True)}  {pad('when' if room >= _WIDE else 'ago', when)}{pad('who', 9)}{pad('verb', 16)}"
    titles += f"{pad('done', 5, True)}{pad('of', 6, True)} {pad('state', 10)}"
    return line((titles + pad("what", rest) + pad("why", why), "dim"))


def row(one: AuditRow, room: int, now: datetime) -> Line:
    """One action: when, who, verb, how many of how many changed, how it stands, on what, why."""
    when, rest, why = _columns(room)
    word, tone = standing(one, now)
    return line(
        pad(str(one.action), 5, True) + "  ",
        (pad(clock(one.at, now) if room >= _WIDE else since(one.at, now), when), "dim"),
        pad(pad(one.actor, 8), 9),
        (pad(pad(one.verb, 15), 16), "strong"),
        pad(short(one.done), 5, True) + pad(short(one.matched), 6, True) + " ",
        (pad(word, 10), tone),
        pad(middle(_what(one), rest - 1), rest),
        (pad(one.reason, why), "dim"),
    )


def _columns(room: int) -> tuple[int, int, int]:
    """Cells of the moment, of what was changed, and of why."""
    when = 14 if room >= _WIDE else 7
    left = max(room - 7 - when - 9 - 16 - 11 - 1 - 10, 2)
    return (when, left, 0) if room < _WIDE else (when, left * 3 // 5, left - left * 3 // 5)


def standing(one: AuditRow, now: datetime) -> tuple[str, Tone]:
    """How an action stands, in a word."""
    if one.undone:
        return "undone", "dim"
    if one.trash_until is not None and one.done and now < one.trash_until:
        return f"trash {_left((one.trash_until - now).total_seconds())}", "held"
    tones: dict[str, Tone] = {"open": "accent", "stopped": "warn"}
    return one.state, tones.get(one.state, "ok")


def _left(seconds: float) -> str:
    """`24h`, `40m`."""
    return f"{seconds / 3600:.0f}h" if seconds >= 5400 else f"{seconds / 60:.0f}m"


def _what(one: AuditRow) -> str:
    return one.filter or (f"action {one.undoes}" if one.undoes is not None else "")


def changed(one: AuditRow) -> str:
    """The filter that finds the recipients it changed; "" where it changed none."""
    of = one.undoes if one.verb == "undo" and one.undoes is not None else one.action
    return f"action:{of}" if one.messages else ""


def _trash(one: AuditRow, now: datetime) -> str:
    if one.trash_until is None or not one.done:
        return ""
    if one.trash_until <= now:
        return f"ended {clock(one.trash_until, now)}: the content may be gone"
    return f"until {clock(one.trash_until, now)}, {age((one.trash_until - now).total_seconds())} more; then the content goes"


def detail(one: AuditRow, now: datetime, recipients: Sequence[QueueRow] = (), room: int = WIDTH) -> list[Line]:
    """Everything there is about an action, in a box."""
    counts = f"{one.done:,} of {one.matched:,} recipients or entries changed, of {one.messages:,} messages"
    left = f"{one.skipped:,} skipped, {one.failed:,} did not apply" if one.skipped or one.failed else ""
    undone = f"by action {one.undone_by or '?'}" if one.undone else ""
    if one.undone and one.undone_at:
        undone += f", {clock(one.undone_at, now)}"
    facts = [
        ("who", one.actor),
        ("when", f"{one.at.astimezone():%Y-%m-%d %H:%M:%S %z}"),
        ("verb", one.verb),
        ("what", _what(one)),
        ("also said", ", ".join(f"{name} {value}" for name, value in one.args.items())),
        ("why", one.reason),
        ("came to", counts),
        ("left", left),
        ("state", one.state),
        ("undone", undone),
        ("trash", _trash(one, now)),
        ("command", "" if one.undone or one.state == "open" else f"mailtui undo {one.action}"),
    ]
    if recipients:
        more = f", and {one.done - len(recipients):,} more" if one.done > len(recipients) else ""
        shown = [f"{state(row.state).text} {row.id:<12} {middle(row.recipient, 40)}" for row in recipients]
        facts += [("changed" if not index else "", text) for index, text in enumerate(shown)]
        facts.append(("", f"enter lists them{more}"))
    return told(f"Action {one.action}", facts, room)
