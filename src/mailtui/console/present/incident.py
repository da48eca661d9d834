"""What fails now that usually does not, what ended, and whether it is us: rows, and one of them in full; pure.

Owned here: what that screen says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from mailtui.display import clock, plural
from mailtui.findings import IncidentRow

from .groups import CHANGES, incident
from .line import Line, Part, Tone, box, line, middle, pad, wrap
from .values import short, since

_WIDE: Final = 110
_CHANGE, _SINCE, _CLASS = 6, 8, 17
#: What a change means, said in full.
_MEANS: Final = {
    "OURS": "the cause is on our side",
    "NEW": "not met in the 24 h before",
    "UP": "several times as often as usual",
    "GONE": "not met any more, and nothing is delivered there",
    "RECOVERED": "not met any more, and mail is taken",
}


def heading(room: int) -> Line:
    """The titles of the columns."""
    name, number, text = _columns(room)
    titles = pad("", _CHANGE) + pad("site", name) + (pad("class", _CLASS) if room >= _WIDE else "")
    numbers = pad("usual", number, True) + pad("now", number, True)
    return line((f"{titles}{pad('what it means', text)}{numbers}  {pad('first', _SINCE)}", "dim"))


def row(one: IncidentRow, room: int, now: datetime) -> Line:
    """`NEW  gmail.com  The site takes our mail slowly …  0  38,114  08:31:12`."""
    name, number, text = _columns(room)
    word, tone = CHANGES.get(one.change, (one.change, ""))
    ours = one.change == "OURS"
    parts: list[Part] = [
        (pad(word, _CHANGE), tone),
        pad(middle(one.site or "this relay", name - 1), name),
    ]
    if room >= _WIDE:
        parts.append((pad(one.class_, _CLASS - 1) + " ", "dim"))
    what = one.sentence or one.sample or one.fingerprint
    if one.change == "RECOVERED":
        what = f"{one.delivered:,} delivered since; was: {what}"
    parts += [
        (pad(what, text - 1) + " ", "strong" if ours else ""),
        (pad("" if ours else short(one.usual), number, True), "dim"),
        (pad(_count(one.count, number) if one.count or not ours else "", number, True), tone),
        ("  " + pad(since(one.first_seen, now), _SINCE), "dim"),
    ]
    return line(*parts)


def _count(count: int, room: int) -> str:
    whole = f"{count:,}"
    return whole if len(whole) < room else short(count)


def _columns(room: int) -> tuple[int, int, int]:
    """Cells of the site, of a number, and of the text."""
    name, number = (24, 8) if room >= _WIDE else (19, 7)
    rest = room - _CHANGE - name - 2 * number - 2 - _SINCE - (_CLASS if room >= _WIDE else 0)
    return name, number, max(rest, 10)


def detail(one: IncidentRow | None, now: datetime, room: int, height: int, minutes: int = 15) -> list[Line]:
    """A row in full: what it means, since when, a reply as it was received, and the filter that finds its mail."""
    if one is None:
        return box("", [], room, height)
    word, tone = CHANGES.get(one.change, (one.change, ""))
    sentence = wrap(one.sentence or one.fingerprint, room - 4)[:2]
    body = [
        *(line((text, "strong")) for text in sentence),
        line((f"{word} ", tone), (f"{_MEANS.get(one.change, '')}   ", "dim"), _times(one, now)),
        line(("class  ", "dim"), one.class_ or "-", ("   ", "dim"), *_spread(one, minutes)),
    ]
    found = incident(one)
    for name, value, tone in (("reply", one.sample, _reply_tone(one)), ("filter", found, "")):
        left = height - 2 - len(body) - (1 if name == "reply" and found else 0)
        told = wrap(value, room - 11)[: max(left, 0)] if value else []
        body += [line((pad(name if text is told[0] else "", 7), "dim"), (text, tone)) for text in told]
    title = one.site or "this relay"
    return box(title, body, room, height, note="enter shows its messages" if found else "")


def _reply_tone(one: IncidentRow) -> Tone:
    return "dim" if one.change in ("GONE", "RECOVERED") else "warn"


def _times(one: IncidentRow, now: datetime) -> str:
    first, last = clock(one.first_seen, now), clock(one.last_seen, now)
    return f"first {first}   last {last}" if first else ""


def _spread(one: IncidentRow, minutes: int) -> list[Part]:
    parts: list[Part] = []
    window = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
    if one.change != "OURS":
        parts += [f"{one.count:,} in {window}", (f", usual {one.usual:,.1f}   ", "dim")]
    elif one.count:
        parts.append(f"{plural(one.count, 'attempt')} in {window}   ")
    parts.append(f"{one.delivered:,} delivered   {plural(one.destinations, 'destination')}")
    return parts


def note(rows: Sequence[IncidentRow], asked: bool, window: str = "last 15m", past: bool = False) -> Line:
    """For the breadcrumb: how many of each, and what is compared; whether everything was unreachable in the past is not kept."""
    parts: list[Part] = []
    for change, (word, tone) in CHANGES.items():
        if count := sum(row.change == change for row in rows):
            parts.append((f"{count} {word}   ", tone))
    if asked and not rows:
        parts.append(("all as usual   ", "ok"))
    parts.append((f"{window} against 24 h before{', no outage kept' if past else ''}", "dim"))
    return line(*parts)
