"""What is shown of a message on request: its history, its header, its body, what two attempts differ in; pure.

Owned here: these as bounded lines of safe text. A body says on its first line that it is private.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from difflib import SequenceMatcher
from typing import Final, Literal, NamedTuple

from mailtui.display import clock, plural, size
from mailtui.text import safe_text
from mailtui.views import AttemptView, MessageView

from .line import Line, Tone, line, pad, wrap
from .values import STATES, reply

Paper = Literal["", "history", "headers", "body", "differences"]
#: Octets that are asked for, lines that are shown, and characters of one.
MOST: Final[dict[Paper, int]] = {"headers": 64 * 1024, "body": 128 * 1024}
_LINES, _LINE = 3000, 2000
#: Lines of a dialogue that are compared: the time that takes grows with their square.
_COMPARED: Final = 400


class Written(NamedTuple):
    """A line and its number, which tells equal lines apart."""

    number: int
    line: Line


def row(written: Written, room: int) -> Line:
    """The line itself."""
    return written.line


def title(paper: Paper, id: str) -> str:
    """Of the box."""
    return {"history": "History: who did what", "headers": "Header as it is sent", "body": "Body: private"}.get(
        paper, ""
    ) + f", {id}"


def history(message: MessageView, now: datetime, room: int) -> list[Written]:
    """Who did what with a message, first to last: received, tried, changed."""
    mail = message.envelope
    user = f" as {mail.user}" if mail.user else ""
    told: list[tuple[datetime, str, Tone, str]] = [
        (mail.received, "A", "", f"received from {mail.client}{user}, {size(mail.size)}")
    ]
    for recipient in message.recipients:
        for number, attempt in enumerate(recipient.attempts, 1):
            letter, tone = STATES.get(attempt.disposition, ("?", "dim"))
            told.append((attempt.started, letter, tone, _attempt(number, attempt)))
    for event in message.events:
        about = f" {event.recipient}" if event.recipient else ""
        told.append(
            (
                event.at,
                "C",
                "accent",
                f"{event.kind}{about} by {event.actor}" + (f": {event.text}" if event.text else ""),
            )
        )
    told.sort(key=lambda one: one[0])
    lines: list[Line] = []
    for at, letter, tone, text in told[-_LINES:]:
        moment = pad(clock(at, now), 13)
        for part, words in enumerate(wrap(text[:_LINE], max(room - 16, 20))):
            lines.append(line((" " * 13 if part else moment, "dim"), (" " if part else letter, tone), " ", words))
    return _numbered(lines)


def _attempt(number: int, attempt: AttemptView) -> str:
    where = f" at {attempt.host}" if attempt.host else ""
    answer = reply(attempt.code, attempt.enhanced, attempt.text) or attempt.class_
    return f"attempt {number} {attempt.disposition} by relay{where}: {answer}"


def differences(attempts: Sequence[AttemptView], index: int, room: int) -> list[Written]:
    """An attempt and the one before it: what both said is dim, what the one before said has `-`, what this one said `+`."""
    if index < 1:
        return _numbered([line(("there is no attempt before this one", "dim"))])
    before, here = (_dialogue(attempts[at]) for at in (index - 1, index))
    if before == here:
        return _numbered([line(("both went the same way, to the letter", "dim"))])
    tones: dict[str, Tone] = {"-": "warn", "+": "accent", " ": "dim"}
    parts: list[tuple[str, str]] = []
    for kind, low, high, start, end in SequenceMatcher(None, before, here, autojunk=False).get_opcodes():
        parts += [("-", text) for text in before[low:high] if kind in ("replace", "delete")]
        parts += [(" " if kind == "equal" else "+", text) for text in here[start:end]]
    lines: list[Line] = []
    for sign, text in parts:
        lines += [line((f"{sign} {told}", tones[sign])) for told in wrap(text[:_LINE], max(room - 2, 20))]
    return _numbered(lines[:_LINES])


def _dialogue(attempt: AttemptView) -> list[str]:
    """What was said, without its times, and how it ended."""
    said = [f"{one.dir} {safe_text(one.line)}" for one in attempt.transcript[:_COMPARED]]
    host = f"{attempt.host} [{attempt.address}] {attempt.tls}".strip()
    return [f"* {host}", *said, f"* {attempt.disposition} {attempt.class_} at {attempt.stage}"]


def content(paper: Paper, octets: bytes, room: int) -> list[Written]:
    """The header of a message, or what follows it; what is left out is said."""
    more = len(octets) > MOST[paper]
    octets = octets[: MOST[paper]]
    lines: list[Line] = []
    if paper == "body":
        _, end, octets = octets.partition(b"\r\n\r\n")
        lines.append(line(("! private: what the message says; M hides it again", "warn")))
        if not end:
            return _numbered([*lines, line(("the header is longer than what is shown", "warn"))])
    texts = octets.decode("utf-8", "backslashreplace").removesuffix("\r\n").split("\n")
    for text in texts:
        lines += _said(text.removesuffix("\r").replace("\t", "    "), room, paper)
        if len(lines) > _LINES:
            more = True
            break
    if more:
        lines = [*lines[:_LINES], line(("… there is more; `mailtui show --raw` has all of it", "warn"))]
    return _numbered(lines)


def _said(text: str, room: int, paper: Paper) -> list[Line]:
    kept = text[:_LINE]
    first, *others = wrap(kept, room - 4)
    name = safe_text(kept.partition(":")[0])
    if paper == "headers" and name and " " not in name and first.startswith(f"{name}:"):
        lines = [line((f"{name}:", "accent"), first[len(name) + 1 :]), *(line(f"    {other}") for other in others)]
    else:
        lines = [line(part) for part in (first, *others)]
    if len(text) > _LINE:
        lines.append(line((f"… and {plural(len(text) - _LINE, 'character')} more in this line", "dim")))
    return lines


def _numbered(lines: list[Line]) -> list[Written]:
    return [Written(number, one) for number, one in enumerate(lines)]
