"""How durations and moments are written, by everybody who writes them: configuration, filters, command line, console.

Owned here: that one grammar, from text to seconds. A duration has the units w, d, h, m, s, ms, each once and the longest first, such as
`90m` or `1d12h`; a moment is a time of day, a date, or both, with Z or an offset when it is not local. Pure: `now` is passed in (POSIX
seconds), what is wrong is a `TimeError` that says what would be right. How times are shown is `display`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

#: Ten years, in seconds: keeps every date that is computed printable.
LONGEST: Final = 3650 * 86_400.0
#: What is shown of a text that is wrong, in characters.
_SHOWN: Final = 50

_UNITS: Final = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}  # in milliseconds
_PART: Final = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,3}))?(ms|[wdhms])", re.ASCII | re.IGNORECASE)
_MOMENT: Final = re.compile(
    r"(?:([0-9]{4}-[0-9]{2}-[0-9]{2})(?:$|[T ](?=[0-9])))?"
    r"([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?",
    re.ASCII | re.IGNORECASE,
)
_DURATIONS: Final = "write 30m, 2h or 1d12h (units: w d h m s ms)"
_MOMENTS: Final = "write 18:00, 2026-11-22 or 2026-11-22T18:00 (local time; of UTC with a Z behind it)"


class TimeError(ValueError):
    """A duration or moment that is none: `reason` says so, `hint` how it would be right."""

    def __init__(self, text: str, reason: str, hint: str) -> None:
        self.reason = f'"{text[:_SHOWN]}" {reason}'
        super().__init__(f"{self.reason}: {hint}")
        self.hint = hint


class TooLong(TimeError):
    """A duration of more than `most` seconds."""

    def __init__(self, text: str, most: float) -> None:
        super().__init__(text, "is too long", f"at most {spelled(most)}")
        self.most = most


def duration(text: str, most: float = LONGEST) -> float:
    """Seconds of `90s`, `1.5h`, `1d12h`, `250ms`, at most so many. TimeError."""
    seconds = milliseconds(text) / 1000
    if seconds > most:
        raise TooLong(text, most)
    return seconds


def lasting(text: str, most: float = LONGEST) -> float:
    """The same of what must take some time. TimeError for none at all."""
    seconds = duration(text, most)
    if seconds <= 0:
        raise TimeError(text, "is no time at all", _DURATIONS)
    return seconds


def milliseconds(text: str) -> int:
    """A duration in milliseconds, however long. TimeError."""
    total, at, last = 0, 0, ""
    units = list(_UNITS)
    while found := _PART.match(text, at):
        whole, part, unit = found[1], found[2] or "", found[3].lower()
        if last and units.index(unit) <= units.index(last):
            raise TimeError(text, "is not a duration", f"each unit once, the longest first: {' '.join(units)}")
        total += int(whole) * _UNITS[unit] + int(f"{part:0<3}") * _UNITS[unit] // 1000
        at, last = found.end(), unit
    if at < len(text) or not text:
        raise TimeError(text, "is not a duration", _unit_missing(text, at) or _DURATIONS)
    return total


def _unit_missing(text: str, at: int) -> str:
    """`90` is nothing: whether minutes or hours were meant nobody knows."""
    rest = text[at:]
    return f"{_DURATIONS}; {rest[:9]} of what?" if rest.isascii() and rest.isdigit() else ""


def spelled(seconds: float) -> str:
    """A duration as `duration` reads it, exact to the millisecond: `1d12h`, `1s500ms`."""
    left, parts = round(seconds * 1000), []
    for unit, size in _UNITS.items():
        if unit != "w" and left >= size:  # nobody thinks of 521w
            parts.append(f"{left // size}{unit}")
            left %= size
    return "".join(parts) or "0s"


# ---------------------------------------------------------------------- moments


def latest(text: str, now: float) -> float:
    """The moment that is meant of the past: of a time of day the latest that is not after `now`. TimeError."""
    day, clock, zone = _parts(text)
    return _at(text, day, clock, zone) if day else max(at for at in _days(text, clock, zone, now) if at <= now)


def coming(text: str, now: float) -> float:
    """The moment that is meant of the future: of a time of day the next after `now`. A date may be past. TimeError."""
    day, clock, zone = _parts(text)
    return _at(text, day, clock, zone) if day else min(at for at in _days(text, clock, zone, now) if at > now)


def past(text: str, now: float) -> float:
    """A moment of the past, or how long ago: `2h`. TimeError."""
    return latest(text, now) if not _is_duration(text) else now - duration(text)


def ahead(text: str, now: float) -> float:
    """A moment of the future, or in how long: `2h`. TimeError, also for what is past already."""
    at = coming(text, now) if not _is_duration(text) else now + lasting(text)
    if at <= now:
        raise TimeError(text, "is past", _MOMENTS)
    return at


def _is_duration(text: str) -> bool:
    """Whether a duration was meant, right or wrong."""
    return _PART.match(text) is not None


def _parts(text: str) -> tuple[date | None, time, tzinfo | None]:
    """Day, time of day and zone; the day is None where only a time is given, the zone None where it is local."""
    found = _MOMENT.fullmatch(text) if text else None
    if found is None or not (found[1] or found[2]) or (found[3] and not found[2]):
        raise TimeError(text, "is not a moment", _MOMENTS)
    day, clock, zone = found.groups()
    try:
        offset = datetime.fromisoformat(f"2000-01-01T00:00{zone.upper()}").tzinfo if zone else None
        return date.fromisoformat(day) if day else None, time.fromisoformat(clock or "00:00"), offset
    except ValueError:
        raise TimeError(text, "is not a moment", f"there is no such date or time; {_MOMENTS}") from None


def _at(text: str, day: date, clock: time, zone: tzinfo | None) -> float:
    try:
        return datetime.combine(day, clock, zone).timestamp()
    except (OverflowError, OSError, ValueError):  # years the local calendar cannot tell
        raise TimeError(text, "is not a moment", "the calendar does not go that far") from None


def _days(text: str, clock: time, zone: tzinfo | None, now: float) -> Iterator[float]:
    """A time of day on the days around `now`; twice where clocks are set back over it."""
    today = datetime.fromtimestamp(now, zone).date()
    for days in range(-2, 3):
        day = today + timedelta(days)
        yield _at(text, day, clock, zone)
        again = _at(text, day, clock.replace(fold=1), zone)
        if (
            datetime.fromtimestamp(again, UTC).astimezone(zone).time() == clock
        ):  # not where they are set forward over it
            yield again
