"""The screen of `mailtui show`: envelope, recipients with state and why, attempts, and on request the dialogues.

Owned here: pure layout of a `MessageView`. Every text in it came from strangers and goes through `cell`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from mailtui.display import age, clock, plural, size
from mailtui.model import Stage, TranscriptLine
from mailtui.text import decoded
from mailtui.views import AttemptView, EnvelopeView, EventView, MessageView, RecipientView

from .format import cell

_COMMANDS = {
    "EHLO": Stage.HELO,
    "HELO": Stage.HELO,
    "STARTTLS": Stage.STARTTLS,
    "AUTH": Stage.AUTH,
    "MAIL": Stage.MAIL,
    "RCPT": Stage.RCPT,
    "DATA": Stage.DATA,
    "QUIT": Stage.QUIT,
}


def message_screen(message: MessageView, now: datetime, transcript: bool = False) -> Iterator[str]:
    """Everything known of a message; with `transcript` every line of every dialogue."""
    yield from _envelope(message.id, message.envelope, now)
    for recipient in message.recipients:
        yield ""
        yield from _recipient(recipient, now, transcript)
    if message.events:
        yield ""
        yield from _events(message.events, now)


def _envelope(id_: str, envelope: EnvelopeView, now: datetime) -> Iterator[str]:
    waited = age((now - envelope.received).total_seconds())
    yield f"{id_}  {size(envelope.size)}, received {clock(envelope.received, now)} ({waited} ago)"
    yield f"  sender      <{cell(envelope.sender)}>"
    by = f" as {cell(envelope.user)}" if envelope.user else ""
    tls = f", {cell(envelope.tls)}" if envelope.tls else ""
    yield f"  client      {cell(envelope.client)} ({cell(envelope.helo)}){by}, {cell(envelope.protocol)}{tls} on {cell(envelope.listener)}"
    for name, value in (
        ("from", envelope.from_),
        ("subject", decoded(envelope.subject)),
        ("message-id", envelope.message_id),
        ("signed", envelope.signed),
        ("envid", envelope.envid),
        ("report on", envelope.about),
        ("tag", envelope.tag),
    ):
        if value:
            yield f"  {name:<10}  {cell(value)}"


def _recipient(recipient: RecipientView, now: datetime, transcript: bool) -> Iterator[str]:
    yield f"{recipient.id}  {recipient.state}  <{cell(recipient.recipient)}>"
    if recipient.last_code or recipient.last_text:
        yield f"  {_reply(recipient.last_code, recipient.last_enhanced, recipient.last_text)}"
    facts = [f"class {recipient.class_}"] if recipient.class_ else []
    if recipient.next_attempt:
        facts.append(f"next attempt {clock(recipient.next_attempt, now)}")
    if recipient.state in ("queued", "sending", "deferred", "held"):
        facts.append(f"expires {clock(recipient.expires, now)}")
    facts.append(f"site {cell(recipient.site)}" if recipient.site else f"destination {cell(recipient.destination)}")
    yield f"  {', '.join(facts)}; {plural(len(recipient.attempts), 'attempt')}"
    for number, attempt in enumerate(recipient.attempts, 1):
        yield from _attempt(number, attempt, now, transcript)


def _attempt(number: int, attempt: AttemptView, now: datetime, transcript: bool) -> Iterator[str]:
    address = f" [{cell(attempt.address)}]" if attempt.address else ""
    host = f"{cell(attempt.host)}{address}" if attempt.host else "no host"
    took = f"{sum(attempt.timings.values())} ms" if attempt.timings else ""
    where = ", ".join(part for part in (host, cell(attempt.tls), f"at {attempt.stage}", took) if part)
    yield f"  {number}. {clock(attempt.started, now)}  {attempt.disposition}  {where}"
    yield f"     {_reply(attempt.code, attempt.enhanced, attempt.text)}" + (
        f"  ({attempt.class_})" if attempt.class_ else ""
    )
    if transcript:
        yield from _dialogue(attempt.transcript)


def _dialogue(lines: Iterable[TranscriptLine]) -> Iterator[str]:
    """Each line with its milliseconds, and the stage where that changes."""
    stage, shown = Stage.GREETING, ""
    for line in lines:
        if line.dir == ">":
            stage = _COMMANDS.get(line.line[:8].partition(" ")[0].upper(), stage)
        elif line.dir == "*" and stage is Stage.DATA:
            stage = Stage.FINAL_DOT
        name = "" if stage.value == shown else stage.value
        shown = stage.value
        yield f"       {line.ms:>7} ms  {name:<9}  {line.dir} {cell(line.line)}"


def _reply(code: int, enhanced: str, text: str) -> str:
    return cell(" ".join(part for part in (str(code) if code else "", enhanced, text) if part)) or "no reply"


def _events(events: Iterable[EventView], now: datetime) -> Iterator[str]:
    for event in events:
        about = f" {event.recipient}" if event.recipient else ""
        text = f": {cell(event.text)}" if event.text else ""
        yield f"  {clock(event.at, now)}  {cell(event.kind)}{about} by {cell(event.actor)}{text}"
