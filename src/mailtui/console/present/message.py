"""A message: its envelope, its recipients, the attempts of one, and the dialogue of an attempt with its timing; pure.

Owned here: what that screen says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from mailtui.display import age, clock, size
from mailtui.findings import WhyView
from mailtui.model import TranscriptLine
from mailtui.views import AttemptView, MessageView, QueueRow

from .line import Line, Part, Tone, box, line, middle, pad, wrap
from .values import reply, state, until

_DIRECTIONS: Final[dict[str, tuple[str, Tone]]] = {"<": ("<", ""), ">": (">", "accent"), "*": ("=", "dim")}


def envelope(message: MessageView | None, why: WhyView | None, now: datetime, room: int, height: int) -> list[Line]:
    """From, subject, where it came from, and why it is still here."""
    if message is None:
        return box("Message", [line(("asking …", "dim"))], room, height)
    mail = message.envelope
    who = f" as {mail.user}" if mail.user else ""
    body = [
        line(
            ("from  ", "dim"),
            (f"<{mail.sender}>", "strong"),
            f"   {size(mail.size)}   received {clock(mail.received, now)} from {mail.client}{who}",
        ),
        line(("subj  ", "dim"), mail.subject or "-"),
    ]
    if why is not None:
        tone: Tone = "warn" if why.state in ("deferred", "held") else ""
        answer = enumerate(wrap(why.answer, room - 10))
        body += [line(("      " if part else "why   ", "dim"), (text, tone)) for part, text in answer]
    return box(f"Message {message.id}", body, room, height)


def recipient(one: QueueRow, room: int) -> Line:
    """An address, its state, tries and last reply."""
    name = min(max(room * 4 // 10, 18), 44)
    return line(
        pad(middle(one.recipient, name - 1), name),
        (state(one.state).text, state(one.state).tone),
        pad(str(one.attempts), 5, True) + "  ",
        (reply(one.last_code, one.last_enhanced, one.last_text) or "not tried yet", "dim"),
    )


def recipients_heading(room: int) -> Line:
    """The titles of the columns."""
    return line((pad("recipient", min(max(room * 4 // 10, 18), 44)) + "S tries  last reply", "dim"))


def attempt_title(attempts: Sequence[AttemptView], index: int, now: datetime) -> str:
    """`Attempt 9 of 9, 09:38:02, 0.66 s, mx.example [192.0.2.27], 421 deferred`."""
    if not attempts:
        return "No attempt yet"
    one = attempts[index]
    seconds = sum(one.timings.values()) / 1000
    where = f"{one.host} [{one.address}]" if one.address else one.host or "no host"
    return f"Attempt {index + 1} of {len(attempts)}, {clock(one.started, now)}, {seconds:.2f} s, {where}, {one.disposition}"


def transcript(attempts: Sequence[AttemptView], now: datetime) -> list[str]:
    """The dialogues of all attempts, as text."""
    lines: list[str] = []
    for index in range(len(attempts)):
        told = ("".join(part.text for part in spoken(one, 0)) for one in dialogue(attempts, index, _UNFOLDED))
        lines += [attempt_title(attempts, index, now), *told, ""]
    return lines


#: Cells in which no line is folded.
_UNFOLDED: Final = 1_000_000
#: The direction of a line that goes on.
_FOLDED: Final = " "
#: Cells of the time and direction in front of what was said.
SPOKEN: Final = 11


class Spoken(tuple[int, TranscriptLine]):
    """A line of a dialogue and its number, which tells equal lines apart."""

    __slots__ = ()


def dialogue(attempts: Sequence[AttemptView], index: int, room: int) -> list[Spoken]:
    """The lines of an attempt, folded into `room` cells; what is known of one whose transcript is gone."""
    if not attempts:
        return []
    one = attempts[index]
    lines = one.transcript or (
        TranscriptLine(0, "*", f"no transcript kept; {reply(one.code, one.enhanced, one.text)}"),
    )
    folded = [
        TranscriptLine(spoken.ms, _FOLDED if part else spoken.dir, text)
        for spoken in lines
        for part, text in enumerate(wrap(spoken.line, room))
    ]
    return [Spoken((number, spoken)) for number, spoken in enumerate(folded)]


def spoken(numbered: Spoken, room: int) -> Line:
    """`0.041 < 220 mx.example ESMTP`: seconds, direction, what was said; refusals are toned."""
    _, said = numbered
    if said.dir == _FOLDED:
        return line(" " * SPOKEN, said.line)
    glyph, tone = _DIRECTIONS.get(said.dir, ("?", "dim"))
    refused = said.dir == "<" and said.line[:1] in "45" and said.line[:3].isdigit()
    told: Tone = ("bad" if said.line.startswith("5") else "warn") if refused else tone
    parts: list[Part] = [
        (pad(f"{said.ms / 1000:.3f}", SPOKEN - 3, True), "dim"),
        (f" {glyph} ", tone),
        (said.line, told),
    ]
    return line(*parts)


def note(row: QueueRow | None, now: datetime) -> Line:
    """For the breadcrumb: state and next try of the recipient under the cursor."""
    if row is None:
        return ()
    letter = state(row.state)
    upcoming = f", next {until(row.next_attempt, now)}" if row.next_attempt else ""
    return line((letter.text, letter.tone), f" {row.state}{upcoming}, age {age(row.age_seconds)}")
