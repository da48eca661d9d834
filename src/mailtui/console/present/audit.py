"""The audit: who changed what, as rows and one in full; pure.

Owned here: which columns there is room for and what a row says.
"""

from __future__ import annotations

from datetime import datetime

from mailtui.display import clock
from mailtui.views import AuditRow

from .detail import WIDTH, told
from .line import Line, Tone, line, middle, pad
from .values import short, since

_WIDE = 100


def heading(room: int) -> Line:
    """The titles of the columns."""
    when, rest, why = _columns(room)
    titles = f"{pad('no', 5, True)}  {pad('when' if room >= _WIDE else 'ago', when)}{pad('who', 9)}{pad('verb', 16)}"
    titles += f"{pad('done', 5, True)}{pad('of', 6, True)} {pad('state', 8)}"
    return line((titles + pad("what", rest) + pad("why", why), "dim"))


def row(one: AuditRow, room: int, now: datetime) -> Line:
    """One action: when, who, verb, how many of how many changed, how it stands, on what, why."""
    when, rest, why = _columns(room)
    word, tone = standing(one)
    return line(
        pad(str(one.action), 5, True) + "  ",
        (pad(clock(one.at, now) if room >= _WIDE else since(one.at, now), when), "dim"),
        pad(pad(one.actor, 8), 9),
        (pad(pad(one.verb, 15), 16), "strong"),
        pad(short(one.done), 5, True) + pad(short(one.matched), 6, True) + " ",
        (pad(word, 8), tone),
        pad(middle(_what(one), rest - 1), rest),
        (pad(one.reason, why), "dim"),
    )


def _columns(room: int) -> tuple[int, int, int]:
    """Cells of the moment, of what was changed, and of why."""
    when = 14 if room >= _WIDE else 7
    left = max(room - 7 - when - 9 - 16 - 11 - 1 - 8, 2)
    return (when, left, 0) if room < _WIDE else (when, left * 3 // 5, left - left * 3 // 5)


def standing(one: AuditRow) -> tuple[str, Tone]:
    """How an action stands, in a word."""
    if one.undone:
        return "undone", "dim"
    tones: dict[str, Tone] = {"open": "accent", "stopped": "warn"}
    return one.state, tones.get(one.state, "ok")


def _what(one: AuditRow) -> str:
    return one.filter or (f"action {one.undoes}" if one.undoes is not None else "")


def detail(one: AuditRow, now: datetime, room: int = WIDTH) -> list[Line]:
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
        ("command", "" if one.undone or one.state == "open" else f"mailtui undo {one.action}"),
    ]
    return told(f"Action {one.action}", facts, room)
