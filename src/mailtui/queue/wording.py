"""How times and replies stand in the sentences the queue writes for people.

Owned here: spellings, pure. Moments are told in UTC, because the same sentence is read on a screen, in JSON and in a ticket; layout
is the business of those who show it.
"""

from __future__ import annotations

from typing import Final

from mailtui.views import moment

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
#: Characters of a reply within a sentence.
_REPLY: Final = 200


def span(seconds: float) -> str:
    """The two largest units of a duration: `45s`, `2h13m`, `3d4h`."""
    left = max(round(seconds), 0)
    for i, (unit, size) in enumerate(_UNITS[:-1]):
        if left >= size:
            minor, minor_size = _UNITS[i + 1]
            rest = left % size // minor_size
            return f"{left // size}{unit}" + (f"{rest}{minor}" if rest else "")
    return f"{left}s"


def clock(at: float, now: float) -> str:
    """A moment, with its day unless that is today's: `14:18:20 UTC`."""
    then = moment(at)
    return f"{then:%H:%M:%S} UTC" if then.date() == moment(now).date() else f"{then:%Y-%m-%d %H:%M:%S} UTC"


def ahead(at: float, now: float) -> str:
    """A moment and how far it is: `14:18:20 UTC (in 5m)`, `now` when it is past."""
    return f"{clock(at, now)} (in {span(at - now)})" if at > now else "now"


def ago(at: float, now: float) -> str:
    """A moment that is past: `14:13:20 UTC (5m ago)`."""
    return f"{clock(at, now)} ({span(now - at)} ago)"


def count(n: int, noun: str) -> str:
    """`1 recipient`, `1,204 recipients`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def said(text: str) -> str:
    """A reply on one line, cut to what a sentence can bear."""
    line = " ".join(text.split())
    return line if len(line) <= _REPLY else f"{line[: _REPLY - 1]}…"
