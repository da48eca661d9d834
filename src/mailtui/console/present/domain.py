"""One destination: its state, its last hour, its site and what that gets, what it answers, who sends to it; pure.

Owned here: what that screen says, and how answers about the same kind of reply are put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec import UNSET

from mailtui.display import age, clock
from mailtui.findings import DestinationMoment, FailureRow, IncidentRow
from mailtui.shapes import SiteShape
from mailtui.suspensions import Suspension, named
from mailtui.views import Counts, DestinationRow, ReasonRow

from . import domains, groups
from .line import BLANK, Line, Part, Tone, box, line, middle, pad, spark, wrap
from .trend import cells_for, folded
from .values import short, since, until

_WIDE: Final = 110


@dataclass(frozen=True)
class Facts:
    """What is known of a destination so far; None where no answer came yet. Its tries are those of the range that ends at `end` (None:
    now) and is called `when`; of the `past` nothing else is known."""

    name: str
    row: DestinationRow | None = None
    counts: Counts | None = None
    moments: tuple[DestinationMoment, ...] = ()
    shape: SiteShape | None = None
    suspensions: tuple[Suspension, ...] = ()
    end: datetime | None = None
    seconds: int = 3600
    span: str = "1h"
    when: str = "last 1h"
    past: bool = False

    @property
    def site(self) -> str:
        """The hosts behind it; "" while they are not known."""
        return self.row.site if self.row else ""

    @property
    def stopped(self) -> Suspension | None:
        """What suspends it."""
        names = {"destination": self.name, "site": self.site, "delivery": ""}
        return next((one for one in self.suspensions if names.get(one.kind) == one.name and one.kind in names), None)


# --- the boxes


def boxes(facts: Facts, now: datetime, room: int, height: int) -> list[list[Line]]:
    """State and flow; what the site gets in a box of its own where there is room for one."""
    title = facts.when[:1].upper() + facts.when[1:]
    if room < _WIDE:
        half = room // 2
        return [
            box("State", [*_state(facts, now), *_site(facts, now)], half, height),
            box(title, _flow(facts, now, room - half - 4), room - half, height),
        ]
    third = room // 3
    return [
        box("State", _state(facts, now), third, height),
        box(title, _flow(facts, now, third - 4), third, height),
        box("Site and limits", _site(facts, now, room - 2 * third - 4), room - 2 * third, height),
    ]


def _state(facts: Facts, now: datetime) -> list[Line]:
    if facts.row is None:
        return [line(("asking …", "dim"))]
    row = facts.row
    word, tone = domains.state(row, now)
    if facts.past:
        return [
            line(("state  ", "dim"), (word, tone), ("  by its tries", "dim")),
            line(("what waited is not kept,", "dim")),
            line(("nor are limits and suspensions", "dim")),
        ]
    by = facts.counts.by_state if facts.counts else None
    waits = by.queued + by.deferred + by.sending + by.held if by else row.waiting
    return [
        line(*_fact("waiting", f"{waits:,}", "strong"), *_fact("sending", f"{by.sending:,}" if by else "-", "accent")),
        line(
            *_fact("deferred", f"{by.deferred:,}" if by else "-", "warn"),
            *_fact("held", f"{by.held if by else row.held:,}", "held"),
        ),
        line(*_fact("oldest", age(row.oldest_seconds) if waits else "-", ""), ("state  ", "dim"), (word, tone)),
    ]


def _fact(name: str, value: str, tone: Tone) -> list[Part]:
    return [(pad(name, 9), "dim"), (pad(value, 7, True), "dim" if value in ("0", "-") else tone), "  "]


def _halt(facts: Facts, now: datetime) -> Line:
    """What suspends it: until when, by whom and why."""
    halt = facts.stopped
    if halt is None:
        return BLANK
    end = f"until {clock(halt.until, now)}" if halt.until else "until resumed"
    what = "suspended" if halt.kind == "destination" else f"{named(halt.kind, halt.name)} suspended"
    return line((f"{what} {end} by {halt.actor}: {halt.reason}", "held"))


def _site(facts: Facts, now: datetime, room: int = 0) -> list[Line]:
    """Its name, what stops it, its limits, and what slows it down; a rule on two lines of `room` cells where that is given."""
    lines = [line(("site    ", "dim"), facts.site or ("not known yet" if facts.row else ""))]
    if halt := _halt(facts, now):
        lines.append(halt)
    shape = facts.shape
    if shape is not None:
        grown = "" if shape.limit == shape.max_connections else f" (max {shape.max_connections})"
        parts = (f"{shape.in_use}/{shape.limit} conn{grown}", shape.rate, f"{shape.per_connection} msg")
        lines.append(line(("limits  ", "dim"), ", ".join(part for part in parts if part)))
        rule, tone = _restraint(shape, now)
        told = wrap(rule, room - 8)[:2] if room else [rule]
        lines += [line((pad("rule" if text is told[0] else "", 8), "dim"), (text, tone)) for text in told]
        lines.append(line(("from    ", "dim"), (", ".join(shape.sources), "dim")))
    return lines


def _restraint(shape: SiteShape, now: datetime) -> tuple[str, Tone]:
    if shape.restraints:
        one = shape.restraints[0]
        more = f" and {len(shape.restraints) - 1} more" if len(shape.restraints) > 1 else ""
        return f"until {clock(one.until, now)}: {one.does} ({one.rule}){more}", "warn"
    if shape.paused_until is not None:
        return f"paused for {until(shape.paused_until, now)}", "warn"
    return "none slows it down", "dim"


def _flow(facts: Facts, now: datetime, room: int) -> list[Line]:
    """Attempts by disposition over the hour, and what failed most."""
    kinds: tuple[tuple[str, Tone, list[tuple[datetime, float]]], ...] = (
        ("ok", "ok", [(moment.at, moment.delivered) for moment in facts.moments]),
        ("defer", "warn", [(moment.at, moment.deferrals) for moment in facts.moments]),
        ("bounce", "bad", [(moment.at, moment.bounced) for moment in facts.moments]),
    )
    cells = cells_for(facts.seconds, min(max(room - 16, 10), 30), 60 if facts.seconds <= 86_400 else 3600)
    lines: list[Line] = []
    for name, tone, values in kinds:
        trend = folded(values, facts.end or now, facts.seconds, cells)
        total = sum(value for _, value in values)
        lines.append(
            line(
                (pad(name, 7), "dim"),
                pad(_count(int(total), 7), 7, True),
                "  ",
                (spark(trend, cells), tone if total else "dim"),
            )
        )
    if facts.row is not None:
        row = facts.row
        tries = zip(("ok", "defer", "bounce"), (row.delivered_15m, row.deferred_15m, row.bounced_15m), strict=True)
        if not facts.past:
            lines.append(line(("15 min ", "dim"), "  ".join(f"{name} {_count(n, 6)}" for name, n in tries)))
        lines.append(line(("mostly ", "dim"), (row.top_class or "-", "warn" if row.top_class else "dim")))
    return lines


# --- what it answers


@dataclass(frozen=True)
class Response:
    """A kind of reply of the destination: attempts in the range, recipients that wait for it now, and what changed. `class_` and
    `fingerprint` are "" of the first row, which is all that waits."""

    class_: str
    fingerprint: str
    sample: str
    sentence: str
    attempts: int
    waiting: int | None
    first: datetime | None
    last: datetime | None
    change: str = ""

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return f"{self.class_} {self.fingerprint}"


def responses(
    facts: Facts, failed: Sequence[FailureRow], waiting: Sequence[ReasonRow], incidents: Sequence[IncidentRow]
) -> list[Response]:
    """All that waits, then a row a kind of reply: what failed in the range, and what waits for it."""
    none = None if facts.past else 0  # what waited then is not known
    stands = {(row.class_, row.fingerprint): row for row in waiting}
    site = facts.site or facts.name
    changes = {(row.class_, row.fingerprint): row.change for row in incidents if row.site == site}
    found = [
        Response(
            *(row.class_, row.fingerprint, row.sample, row.sentence, row.count),
            stands[row.class_, row.fingerprint].count if (row.class_, row.fingerprint) in stands else none,
            *(row.first_seen, row.last_seen, changes.get((row.class_, row.fingerprint), "")),
        )
        for row in failed
    ]
    known = {(row.class_, row.fingerprint) for row in failed}
    found += [
        Response(
            row.class_, row.fingerprint, row.fingerprint, row.sentence, 0, row.count, row.first_seen, row.last_seen
        )
        for key, row in stands.items()
        if key not in known
    ]
    found.sort(key=lambda one: (-max(one.attempts, one.waiting or 0), one.key))
    waits = none if facts.past else facts.row.waiting if facts.row else 0
    whole = "all that was tried in vain" if facts.past else "all that waits"
    return [Response("", "", "", whole, sum(one.attempts for one in found), waits, None, None), *found]


def responses_heading(room: int, span: str = "1h") -> Line:
    """The titles of the columns."""
    wide = room >= _WIDE
    left = (
        pad("", 5)
        + pad("waiting", 9, True)
        + pad(f"tries/{span}"[:8], 9, True)
        + "  "
        + (pad("first", 10) if wide else "")
    )
    return line((left + pad("last", 8) + (pad("class", 17) if wide else "") + "response", "dim"))


def response(one: Response, room: int, now: datetime) -> Line:
    """`NEW  38,114  41,002  12s  421 4.7.28 unusual rate …`."""
    wide = room >= _WIDE
    word, tone = groups.CHANGES.get(one.change, ("", ""))
    parts: list[Part] = [
        (pad(word, 5), tone),
        (pad("?" if one.waiting is None else _count(one.waiting, 9), 9, True), "strong" if one.waiting else "dim"),
        (pad(_count(one.attempts, 9), 9, True), "" if one.attempts else "dim"),
        "  ",
    ]
    if wide:
        parts.append((pad(since(one.first, now), 10), "dim"))
    parts.append((pad(since(one.last, now), 8), "dim"))
    if wide:
        parts.append((pad(one.class_, 16) + " ", "dim"))
    rest = room - 25 - 8 - (27 if wide else 0)
    text = one.fingerprint or one.sentence
    parts.append((pad(text, rest), "dim" if not one.fingerprint else ""))
    return line(*parts)


def meaning(one: Response | None) -> str:
    """What the reply under the cursor means; of the row that is all, what enter does."""
    if one is None:
        return ""
    return one.sentence if one.fingerprint else "enter shows its messages"


def found_by(name: str, one: Response) -> str:
    """The filter for the mail of a row."""
    kind = groups.kind(one.class_, one.fingerprint, one.sample) if one.fingerprint or one.class_ else ""
    return f"{groups.word('domain', name)} {kind}".strip()


# --- who sends


@dataclass(frozen=True)
class Sender:
    """An envelope sender, its recipients that wait after a failure, and the oldest of them."""

    address: str
    waiting: int
    oldest_seconds: int
    share: float


def senders(rows: Sequence[ReasonRow]) -> list[Sender]:
    """Groups of failures by sender, put together; the most first."""
    counts: dict[str, int] = {}
    oldest: dict[str, int] = {}
    for row in rows:
        name = "" if row.sender is UNSET else row.sender
        counts[name] = counts.get(name, 0) + row.count
        oldest[name] = max(oldest.get(name, 0), row.oldest_seconds)
    whole = sum(counts.values()) or 1
    order = sorted(counts, key=lambda name: (-counts[name], name))
    return [Sender(name, counts[name], oldest[name], counts[name] / whole) for name in order]


def sender(one: Sender, room: int) -> Line:
    """`billing@shop.example   37,990  99.0%  oldest 3h12m`."""
    tail = 9 + 8 + 2 + 14
    return line(
        pad(middle(one.address or "<>", room - tail - 1), room - tail),
        (pad(_count(one.waiting, 9), 9, True), "strong"),
        pad(f"{100 * one.share:.1f}%", 8, True),
        ("  " + pad(f"oldest {age(one.oldest_seconds)}", 14), "dim"),
    )


def sent_by(name: str, one: Sender) -> str:
    """The filter for the mail of a sender."""
    return f"{groups.word('domain', name)} {groups.word('from', one.address or '<>')}"


def note(facts: Facts) -> Line:
    """For the breadcrumb."""
    held: list[Part] = [("suspended   ", "held")] if facts.stopped else []
    return line(*held, ("[ ] previous, next destination", "dim"))


def _count(count: int, room: int) -> str:
    whole = f"{count:,}"
    return whole if len(whole) < room else short(count)
