"""The console without a screen: a line per interval when something changed, for a screen reader, a serial line, a file or a pipe.

Owned here: the rhythm, what is asked, and how it ends. What is said is in `present.plain`. Textual is not known here.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from mailtui.control.api import Incidents, Status
from mailtui.control.api_suspend import Suspensions

from .link import Link, Trouble
from .present.plain import Seen, after, lines

T = TypeVar("T")

#: Seconds between two looks unless told otherwise, and for which an answer about incidents is good enough.
INTERVAL: Final = 5.0
_INCIDENTS: Final = 15.0
_BROKEN_PIPE: Final = 141
#: Seconds between two looks whether somebody still reads.
_READS: Final = 1.0


def follow(socket: Path, interval: float = INTERVAL) -> int:
    """Say what changes until a signal comes or nobody reads; the exit code."""
    before = {number: signal.signal(number, _ended) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        return asyncio.run(_follow(socket, interval, _say))
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ended(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def _follow(socket: Path, interval: float, say: Callable[[str], None]) -> int:
    link = Link(socket)
    events = asyncio.create_task(link.run())
    seen: Seen | None = None
    try:
        while True:
            new = await look(link)
            for text in lines(seen, new, datetime.now(UTC)):
                say(text)
            seen = after(seen, new)
            left = interval
            while left > 0:
                if not _read_by_somebody():
                    return _BROKEN_PIPE
                await asyncio.sleep(min(left, _READS))
                left -= _READS
    finally:
        events.cancel()
        with suppress(asyncio.CancelledError):
            await events


async def look(link: Link) -> Seen:
    """One look at everything that is told."""
    status = await link.ask(Status())
    if isinstance(status, Trouble):
        return Seen(offline=link.offline or status.text)
    incidents = await link.ask(Incidents(limit=50), _INCIDENTS)
    suspended = await link.ask(Suspensions())
    return Seen(status, "", _known(incidents), _known(suspended))


def _known(answer: T | Trouble) -> T | None:
    return None if isinstance(answer, Trouble) else answer


def _read_by_somebody() -> bool:
    """Whether the other end of standard output is open, as far as one can know."""
    with suppress(OSError, ValueError):
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return not any(flags & (select.POLLERR | select.POLLHUP) for _, flags in poll.poll(0))
    return True
