"""How values look in few characters: ages, sizes, times, numbers, and the cells a text takes on a terminal.

Owned here: pure functions from values to text, the current moment and the width passed in. Text of strangers goes through `safe_text`
first. What a screen or a table says is decided elsewhere.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Final

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def age(seconds: float) -> str:
    """The two largest units: `45s`, `2h13m`, `3d4h`; under a second `0s`."""
    left = max(int(seconds), 0)
    for index, (unit, size) in enumerate(_UNITS):
        if left >= size and index + 1 < len(_UNITS):
            minor, minor_size = _UNITS[index + 1]
            rest = left % size // minor_size
            return f"{left // size}{unit}{rest}{minor}" if rest else f"{left // size}{unit}"
    return f"{left}s"


def size(octets: int) -> str:
    """In units of 1024 with two digits at least: `512`, `4.1K`, `25M`."""
    number = float(octets)
    for unit in ("", "K", "M", "G", "T"):
        if round(number) < 1024 or unit == "T":
            break
        number /= 1024
    return f"{number:.1f}{unit}" if unit and number < 9.95 else f"{number:.0f}{unit}"


def clock(moment: datetime | None, now: datetime) -> str:
    """Local time, with the day unless it is today; "" for None. `now` is any aware moment."""
    if moment is None:
        return ""
    local, today = moment.astimezone(), now.astimezone().date()
    if local.date() == today:
        return f"{local:%H:%M:%S}"
    return f"{local:%b %d %H:%M}" if local.year == today.year else f"{local:%Y-%m-%d %H:%M}"


def rate(per_minute: float) -> str:
    """A rate per minute, without pretended precision."""
    return f"{per_minute:.0f}" if per_minute >= 10 else f"{per_minute:.1f}"


def plural(count: int, noun: str) -> str:
    """`1 recipient`, `1,204 recipients`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def width(text: str) -> int:
    """Terminal cells of safe text: wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, cells: int) -> str:
    """Safe text in at most `cells`, an ellipsis where it was cut."""
    if width(text) <= cells:
        return text
    taken, used = [], 0
    for character in text:
        used += _cells(character)
        if used > cells - 1:
            break
        taken.append(character)
    return "".join(taken) + "…" if cells > 0 else ""
