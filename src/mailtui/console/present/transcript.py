"""The dialogue of an attempt: lines with their offset, what a pipelined reply answers, long replies folded; pure.

Owned here: how a transcript reads. The order is that of the wire: nothing is moved, replies to several commands at once say which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from mailtui.display import clock, cut, plural, width
from mailtui.model import TranscriptLine
from mailtui.text import safe_text
from mailtui.views import AttemptView

from .line import Line, Part, Tone, line, pad, wrap
from .values import reply

_DIRECTIONS: Final[dict[str, tuple[str, Tone]]] = {"<": ("<", ""), ">": (">", "accent"), "*": ("=", "dim")}
#: Cells of the time and direction in front of what was said.
SPOKEN: Final = 11
#: Cells in which no line is broken.
UNBROKEN: Final = 1_000_000


class Spoken(NamedTuple):
    """A line as it is shown and its number, which tells equal lines apart. `direction` is "" where a line goes on; `answers` is the
    command a reply is to, where that is not the line above; `failing` says that this is where it went wrong."""

    number: int
    ms: int
    direction: str
    text: str
    tone: Tone = ""
    answers: str = ""
    failing: bool = False


class _Said(NamedTuple):
    """A line of the transcript, or several that are one reply; `more` of them are folded away."""

    line: TranscriptLine
    answers: str
    more: int = 0


def attempt_title(attempts: Sequence[AttemptView], index: int, now: datetime) -> str:
    """`Attempt 9 of 9, 09:38:02, 0.66 s, mx.example [192.0.2.27], 421 deferred`."""
    if not attempts:
        return "No attempt yet"
    one = attempts[index]
    seconds = sum(one.timings.values()) / 1000
    where = f"{one.host} [{one.address}]" if one.address else one.host or "no host"
    return f"Attempt {index + 1} of {len(attempts)}, {clock(one.started, now)}, {seconds:.2f} s, {where}, {one.disposition}"


def dialogue(attempts: Sequence[AttemptView], index: int, room: int, folded: bool = True) -> list[Spoken]:
    """The lines of an attempt in `room` cells; what is known of one whose transcript is gone."""
    if not attempts:
        return []
    one = attempts[index]
    lines = one.transcript or (
        TranscriptLine(0, "*", f"no transcript kept; {reply(one.code, one.enhanced, one.text)}"),
    )
    said = list(_answered(lines))
    if folded:
        said = list(_folded(said))
    refused = any(_refusal(each.line) for each in said)
    shown: list[Spoken] = []
    for number, each in enumerate(said):
        last = number + 1 == len(said)
        failing = _refusal(each.line) or (last and not refused and one.disposition != "delivered")
        tone = _tone(each.line, failing)
        if number and each.line.ms < said[number - 1].line.ms:
            shown.append(
                Spoken(len(shown), each.line.ms, "*", "connected; the transaction, on a clock of its own", "dim")
            )
        for part, (text, answers) in enumerate(_wrapped(each, room)):
            direction = "" if part else each.line.dir
            shown.append(Spoken(len(shown), each.line.ms, direction, text, tone, answers, failing and not part))
    return shown


def _refusal(said: TranscriptLine) -> bool:
    return said.dir == "<" and said.line[:1] in ("4", "5") and said.line[:3].isdigit()


def _tone(said: TranscriptLine, failing: bool) -> Tone:
    if failing:
        return "bad" if said.line.startswith("5") and said.dir == "<" else "warn"
    return _DIRECTIONS.get(said.dir, ("?", "dim"))[1]


def _answered(lines: Sequence[TranscriptLine]) -> Iterator[_Said]:
    """Which command each reply is to (RFC 2920: in their order), told where several were under way at once."""
    waiting: list[str] = []
    pipelined = False
    for said in lines:
        answers = ""
        if said.dir == ">":
            pipelined = bool(waiting)
            waiting.append(said.line)
        elif said.dir == "<" and said.line[3:4] != "-" and waiting:
            command = waiting.pop(0)
            answers = _command(command, said.line) if pipelined else ""
            pipelined = pipelined and bool(waiting)
        yield _Said(said, answers)


def _command(command: str, answer: str) -> str:
    """`RCPT ana@site.example`, or the verb alone where the reply names the address or there is none."""
    verb, _, rest = command.partition(" ")
    address = rest.partition("<")[2].partition(">")[0]
    return f"{verb} {address}" if verb.upper() == "RCPT" and address and address not in answer else verb


def _folded(said: Sequence[_Said]) -> Iterator[_Said]:
    """Replies of several lines in one; one that refuses is told in full."""
    at = 0
    while at < len(said):
        end, line = at, said[at].line
        while (
            line.dir == "<"
            and said[end].line.line[3:4] == "-"
            and end + 1 < len(said)
            and said[end + 1].line.dir == "<"
        ):
            end += 1
        if end > at and not _refusal(line):
            yield _Said(line, said[end].answers, end - at)
            at = end + 1
        else:
            yield said[at]
            at += 1


def _wrapped(said: _Said, room: int) -> Iterator[tuple[str, str]]:
    """What was said in lines, and behind the last one what it answers; on a line of its own where there is no room."""
    fold = f" (+{plural(said.more, 'line')}, Z unfolds)" if said.more else ""
    *lines, last = wrap(
        cut(safe_text(said.line.line), max(room - len(fold), 9)) + fold if fold else said.line.line, room
    )
    yield from ((text, "") for text in lines)
    answers = cut(safe_text(f"({said.answers})"), room) if said.answers else ""
    if width(last) + width(answers) + 2 <= room or not answers:
        yield last, answers
    else:
        yield last, ""
        yield "", answers


def spoken(said: Spoken, room: int) -> Line:
    """`0.041 < 220 mx.example ESMTP`: seconds, direction, what was said, what it answers; refusals are toned."""
    parts: list[Part] = [" " * SPOKEN]
    if said.direction:
        glyph, tone = _DIRECTIONS.get(said.direction, ("?", "dim"))
        parts = [(pad(f"{said.ms / 1000:.3f}", SPOKEN - 3, True), "dim"), (f" {glyph} ", tone)]
    parts.append((said.text, said.tone))
    if said.answers:
        parts.append((f"  {said.answers}" if said.text else said.answers, "dim"))
    return line(*parts)


def next_failure(lines: Sequence[Spoken], cursor: int, by: int = 1) -> int | None:
    """The index of the next line that fails behind the cursor, or with -1 before it, from the other end again after the last; None when
    none does."""
    failing = [index for index, one in enumerate(lines) if one.failing][::by]
    return next((index for index in failing if (index - cursor) * by > 0), failing[0] if failing else None)


def whole(attempts: Sequence[AttemptView], now: datetime) -> list[str]:
    """The dialogues of all attempts, as text."""
    lines: list[str] = []
    for index in range(len(attempts)):
        told = ("".join(part.text for part in spoken(one, 0)) for one in dialogue(attempts, index, UNBROKEN, False))
        lines += [attempt_title(attempts, index, now), *told, ""]
    return lines
