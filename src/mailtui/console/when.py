"""Which stretch of time is looked at: how long, and whether it ends now or at a moment of the past.

Owned here: that value, stepping through it, how it is written and what is asked of the relay for it; pure, the current moment is passed
in. Moments are POSIX seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

#: The lengths that are offered, and the one trends have until one is chosen.
SPANS: Final = (("15m", 900), ("1h", 3600), ("6h", 21_600), ("24h", 86_400), ("7d", 604_800))
USUAL: Final = 3600
#: Seconds for which the relay keeps hours, and a window that is compared at most and at least.
KEPT: Final = 90 * 86_400
COMPARED: Final = (60, 86_400)
_SHORTEST: Final = 300
#: Steps through the past: the longest of them of which a third of the range has room for one.
_STEPS: Final = (60, 300, 900, 1800, 3600, 21_600, 86_400)
_UNITS: Final = {"d": 86_400, "h": 3600, "m": 60}
_LASTS: Final = re.compile("".join(rf"(?:([0-9]{{1,5}}){unit})?" for unit in _UNITS), re.ASCII)
_CLOCK: Final = re.compile(r"(?:([0-9]{4}-[0-9]{2}-[0-9]{2})[T ])?([0-9]{1,2}:[0-9]{2})", re.ASCII)


@dataclass(frozen=True)
class When:
    """`span` is its length in seconds, 0 while nobody has chosen one: then every view has its own, but for the past, where all have the
    same. `at` is its end, None for now."""

    span: int = 0
    at: float | None = None

    def seconds(self, usual: int = USUAL) -> int:
        """How long it is, where `usual` is the view's own length."""
        return self.span or (usual if self.at is None else USUAL)

    def name(self, usual: int = USUAL) -> str:
        """How long it is, in words: `15m`, `24h`, `3d12h`."""
        return lasts(self.seconds(usual))

    @property
    def compared(self) -> int:
        """The window that is compared with the day before it."""
        return max(COMPARED[0], min(self.seconds(900), COMPARED[1]))

    @property
    def stride(self) -> int:
        """Seconds of a step."""
        return max((step for step in _STEPS if step * 3 <= self.seconds()), default=_STEPS[0])

    def earlier(self, now: float) -> When:
        """A step back; itself where nothing is kept any more."""
        at = _floor((now if self.at is None else self.at) - 1, self.stride)
        return self if at < now - KEPT else replace(self, at=at)

    def later(self, now: float) -> When:
        """A step forward; past now it is the present again."""
        if self.at is None:
            return self
        at = _floor(self.at, self.stride) + self.stride
        return replace(self, at=None if at >= now else at)

    def bounds(self, now: float, usual: int = USUAL) -> tuple[str, str]:
        """From when until when, as the relay is asked, with an end at `now` when it has none of its own."""
        end = now if self.at is None else self.at
        return asked(end - self.seconds(usual)), asked(end)


def _floor(at: float, step: int) -> float:
    """The last moment of a local clock that is a multiple of `step`."""
    offset = datetime.fromtimestamp(at).astimezone().utcoffset() or timedelta()
    shift = offset.total_seconds()
    return (at + shift) // step * step - shift


def asked(at: float) -> str:
    """A moment as it is written in a question."""
    return f"{datetime.fromtimestamp(int(at), UTC):%Y-%m-%dT%H:%M:%SZ}"


def lasts(seconds: int) -> str:
    """`90m` as `1h30m`; up to a day in hours."""
    if seconds == _UNITS["d"]:
        return "24h"
    parts = []
    for unit, size in _UNITS.items():
        count, seconds = divmod(seconds, size)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0m"


def hour(at: float, now: float) -> str:
    """`03:10`, with the day unless it is today's; local time."""
    moment, today = datetime.fromtimestamp(at), datetime.fromtimestamp(now)
    if moment.date() == today.date():
        return f"{moment:%H:%M}"
    return f"{moment:%b %d %H:%M}" if moment.year == today.year else f"{moment:%Y-%m-%d %H:%M}"


def stretch(when: When, now: float, usual: int = USUAL) -> str:
    """`last 1h`, or `02:10 to 03:10`."""
    if when.at is None:
        return f"last {when.name(usual)}"
    begin, end = hour(when.at - when.seconds(usual), now), hour(when.at, now)
    day, _, clock = end.rpartition(" ")
    return f"{begin} to {clock if begin.startswith(day) else end}"


def read(text: str, when: When, now: float) -> When | str:
    """What an operator writes: a length (`90m`), a past moment (`03:10`, `2026-11-21 03:10`), or both; `now` is the present. A text is
    what is wrong with it."""
    text = text.strip()
    span, _, rest = text.partition(" ")
    if text == "now":
        return replace(when, at=None)
    if not (found := _LASTS.fullmatch(span)) or not span:
        return _read_moment(text, when, now)
    seconds = sum(int(count) * size for count, size in zip(found.groups("0"), _UNITS.values(), strict=True))
    if not _SHORTEST <= seconds <= KEPT:
        return f"a range is {lasts(_SHORTEST)} at least and {lasts(KEPT)} at most"
    longer = replace(when, span=seconds)
    return _read_moment(rest.strip(), longer, now) if rest.strip() else longer


def _read_moment(text: str, when: When, now: float) -> When | str:
    found = _CLOCK.fullmatch(text)
    wrong = f'a range is written like 90m or 1d12h, a past moment like 03:10 or 2026-11-21 03:10, not "{text}"'
    if found is None:
        return wrong
    today = datetime.fromtimestamp(now)
    try:
        at = datetime.fromisoformat(f"{found[1] or today.date()}T{found[2]:0>5}")
        if not found[1] and at > today:
            at -= timedelta(days=1)
        moment = at.timestamp()
    except (ValueError, OverflowError, OSError):
        return wrong
    if moment >= now:
        return f"{text} has not been yet"
    return replace(when, at=moment) if moment > now - KEPT else f"hours are kept for {lasts(KEPT)}"
