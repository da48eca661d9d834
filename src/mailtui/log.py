"""The log: every event of the journal as one line, text or JSON, with the queue id where there is one.

Owned here: how a fact is worded for a log file. Which facts exist is decided in `events`; call sites cannot invent wording. Lines
go to standard error, for the service manager to keep.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TextIO

import msgspec

from mailtui.config import Log
from mailtui.events import (
    Accepted,
    AnyEvent,
    Attempted,
    Changed,
    Draining,
    Notice,
    Notified,
    Ready,
    Refused,
    SiteChanged,
    Stopping,
)
from mailtui.text import safe_text

_LEVELS: Final = {"debug": 0, "info": 1, "warning": 2, "error": 3}


def level_of(event: AnyEvent) -> str:
    """How much an event matters."""
    match event:
        case Notice(level=level):
            return level
        case Attempted(disposition="deferred" | "bounced") | SiteChanged(state="broken") | Refused():
            return "warning"
    return "info"


def sentence(event: AnyEvent) -> str:
    """The fact in one line, without time; texts of strangers still raw."""
    match event:
        case Ready():
            return f"ready listeners={','.join(event.listeners)} pid={event.pid}"
        case Stopping():
            return f"stopping: {event.reason}"
        case Draining():
            return f"draining, nothing new is taken: {event.reason}"
        case Refused():
            return f"refused client={event.client} from=<{event.sender}> to=<{event.recipient}> reply={event.code} {event.text}"
        case Accepted():
            user = f" user={event.user}" if event.user else ""
            return f"{event.id} accepted from=<{event.sender}> recipients={event.recipients} size={event.size} client={event.client}{user}"
        case Attempted():
            where = f" host={event.host}[{event.address}]" if event.host else ""
            later = f" next={_time(event.next_attempt)}" if event.next_attempt is not None else ""
            reply = " ".join(
                part for part in (str(event.code or ""), event.enhanced, event.text.replace("\n", " / ")) if part
            )
            return (
                f"{event.id} {event.disposition} to=<{event.recipient}>{where} class={event.class_} stage={event.stage}"
                f" delay={event.delay:.2f}{later} reply={reply}"
            )
        case Changed():
            return f"{event.verb} by={event.actor} recipients={event.recipients} ids={','.join(event.ids[:20])}"
        case Notified():
            return f"{event.id} dsn kind={event.kind} about={event.about} to=<{event.to}>"
        case SiteChanged():
            until = f" until={_time(event.until)}" if event.until is not None else ""
            return f"site {event.site} {event.state}{until} {event.reason}".rstrip()
        case Notice():
            return f"{event.id} {event.text}".strip()


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(4)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def sink(settings: Log, stream: TextIO | None = None) -> Callable[[AnyEvent], None]:
    """A journal sink that writes lines to `stream` (standard error)."""
    out = sys.stderr if stream is None else stream
    least = _LEVELS[settings.level]
    encode = msgspec.json.Encoder().encode

    pending: list[str] = []

    def put(line: str) -> None:
        """What happens in one turn of the loop is written at once: a system call a line costs more than wording it."""
        pending.append(line)
        if len(pending) == 1:
            try:
                asyncio.get_running_loop().call_soon(flush)
            except RuntimeError:
                flush()

    def flush() -> None:
        lines = "".join(pending)
        pending.clear()
        with suppress(
            OSError, ValueError
        ):  # a full disk under the log, or nobody reading it, is no reason to stop relaying
            out.write(lines)
            out.flush()

    def write_text(event: AnyEvent) -> None:
        level = level_of(event)
        if _LEVELS[level] >= least:
            stamp = _second(int(event.at))
            put(f"{stamp}.{int(event.at * 1000) % 1000:03d}Z {level} {safe_text(sentence(event))}\n")

    def write_json(event: AnyEvent) -> None:
        level = level_of(event)
        if _LEVELS[level] >= least:
            put(encode(event).decode() + "\n")

    return write_json if settings.format == "json" else write_text
