"""What is said where the past is looked at: the places it is not kept in, and the numbers that are; pure.

Owned here: those lines. Which moment it is stands in the title.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from mailtui.display import plural
from mailtui.findings import MomentRow

from .line import BLANK, Line, Part, Tone, box, line, pad, wrap
from .trend import waiting

#: Why a place says nothing of the past, and what does.
UNKEPT: Final = {
    "queue": "Which mail waited then is not kept: mail is kept as it is now. How much of it waited is on the overview (1), what failed "
    "where in domains (3), and what was unusual in incident (4).",
    "live": "Events are kept for a short while only, and not by time. What failed then is in domains (3) and incident (4), what operators "
    "did in the audit (7).",
    "suppress": "Lists, suspensions and rules are kept as they are now. What was changed in them until then is in the audit (7).",
}
_STATES: Final[tuple[tuple[str, Tone], ...]] = (
    ("queued", ""),
    ("sending", "accent"),
    ("deferred", "warn"),
    ("held", "held"),
)


def moment(samples: Sequence[MomentRow], end: datetime) -> MomentRow | None:
    """The sample that speaks of a moment: the last one, unless the relay did not run any more then. Its row covers a minute or an hour."""
    if not samples:
        return None
    step = timedelta(hours=1) if any(row.minutes > 1 for row in samples) else timedelta(minutes=1)
    return samples[-1] if end - samples[-1].at <= step + timedelta(minutes=2) else None


def unkept(kind: str, at: str, sample: MomentRow | None, room: int, height: int) -> list[Line]:
    """In place of a screen that knows no past."""
    body = [BLANK, *(line((text, "strong")) for text in wrap(UNKEPT.get(kind, "This is not kept."), room - 4)), BLANK]
    if kind == "queue":
        body += [line(*depth(sample)), BLANK]
    body.append(
        line((".", "key"), (" is now, ", "dim"), ("<", "key"), (" ", ""), (">", "key"), (" earlier, later", "dim"))
    )
    return box(f"{kind.capitalize()} AT {at}: not kept", body, room, height, tone="held")


def depth(sample: MomentRow | None) -> list[Part]:
    """How much waited, by state."""
    if sample is None:
        return [("no sample of that moment: the relay did not run, or it is no longer kept", "warn")]
    parts: list[Part] = [(f"{plural(waiting(sample), 'recipient')} waited: ", "")]
    for name, tone in _STATES:
        parts += [(f"{name} ", "dim"), (f"{getattr(sample, name):,}  ", tone)]
    return parts


def health(samples: Sequence[MomentRow], sample: MomentRow | None, seconds: int, room: int, height: int) -> list[Line]:
    """What is known of the relay itself in a past range."""
    ran = sum(row.minutes for row in samples)
    whole = max(seconds // 60, 1)
    refused = sum(row.refused_4xx + row.refused_5xx for row in samples)
    peak = max((row.peak for row in samples), default=0)
    body = [
        line(("relay   ", "dim"), (f"ran {min(ran, whole):,} of {whole:,} min", "" if ran + 1 >= whole else "warn")),
        line(("intake  ", "dim"), f"{sum(row.accepted for row in samples):,} taken, {refused:,} refused"),
        line(("peak    ", "dim"), f"{peak:,} waited"),
        line(("delivery", "dim"), f" {_delays(sample)}"),
        line(("disk    ", "dim"), ("not kept", "dim")),
    ]
    return box("Health then", body, room, height)


def _delays(sample: MomentRow | None) -> str:
    if sample is None or sample.p50 is None:
        return "nothing was delivered"
    return f"p50 {sample.p50:.1f} s  p95 {sample.p95 or 0.0:.1f} s"


def counts(sample: MomentRow | None, trend: str, name: str, room: int, height: int) -> list[Line]:
    """The queue of a past moment by state, and its depth over the range."""
    half = (room - 4) // 2
    body = [line(*depth(sample))]
    if sample is not None:
        cells: list[tuple[Part, Part, Part]] = [
            ((pad(state, 9), "dim"), (pad(f"{getattr(sample, state):,}", half - 11, True), tone), "  ")
            for state, tone in _STATES
        ]
        body = [line(*cells[0], *cells[1]), line(*cells[2], *cells[3])]
    body.append(line(("oldest and due are not kept", "dim")))
    body.append(line((pad(f"depth {name}", 10), "dim"), trend))
    return box(f"Queue {waiting(sample):,}" if sample else "Queue: not known", body, room, height)
