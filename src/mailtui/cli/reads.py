"""The reads with options of their own: status (with a verdict for monitoring), show (with the message itself), log.

Owned here: those three commands. The plain reads are made in `verbs`.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import msgspec

from mailtui import times
from mailtui.control.api import Content, Entry, Gap, Log, Show, Status
from mailtui.errors import EX_UNAVAILABLE, ControlError, MailtuiError, RelayNotRunning
from mailtui.text import safe_text

from . import context, verbs
from .context import Context, json_option, pass_context
from .message import message_screen
from .status import WORDS, Limits, judge

if TYPE_CHECKING:
    from pathlib import Path


def _seconds(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """A duration such as `90s` or `1h20m`."""
    try:
        return None if value is None else times.duration(value)
    except times.TimeError as error:
        raise click.BadParameter(str(error), ctx, parameter) from None


@click.command(help=Status.__doc__)
@click.option("--check", is_flag=True, help="One line and exit 0, 1 or 2, for monitoring.")
@click.option("--warn-queued", type=click.IntRange(0), help="With --check: 1 from this many recipients in the queue.")
@click.option("--crit-queued", type=click.IntRange(0), help="With --check: 2 from this many recipients in the queue.")
@click.option("--warn-oldest", callback=_seconds, help="With --check: 1 when the oldest is this old (30m, 4h).")
@click.option("--crit-oldest", callback=_seconds, help="With --check: 2 when the oldest is this old.")
@json_option
@pass_context
def status(
    here: Context,
    check: bool,
    warn_queued: int | None,
    crit_queued: int | None,
    warn_oldest: float | None,
    crit_oldest: float | None,
    as_json: bool,
) -> None:
    if check:
        sys.exit(_check(here, Limits(warn_queued, crit_queued, warn_oldest, crit_oldest)))
    verbs.show(here.ask(Status()), as_json)


def _check(here: Context, limits: Limits) -> int:
    """Print the verdict; 2 as well when no relay answers, which is what monitoring is for."""
    try:
        level, line = judge(here.ask(Status()), limits)
    except MailtuiError as error:
        level, line = (
            2,
            f"{WORDS[2]}: {error}" if isinstance(error, RelayNotRunning) else f"{WORDS[2]}: cannot ask: {error}",
        )
    context.say([line])
    return level


@click.command(help=Show.__doc__)
@click.argument("id")
@click.option("--headers", is_flag=True, help="The header of the message itself.")
@click.option("--raw", is_flag=True, help="The message itself, as it is sent.")
@click.option("--transcript", is_flag=True, help="Every dialogue, line by line, with milliseconds.")
@json_option
@pass_context
def show(here: Context, id: str, headers: bool, raw: bool, transcript: bool, as_json: bool) -> None:
    if headers + raw + transcript > 1 or (as_json and (headers or raw)):
        raise click.UsageError("--headers, --raw and --transcript exclude each other, and the first two are not JSON")
    if headers or raw:
        asyncio.run(_content(here.socket_path(), Content(id, headers)))
        return
    message = here.ask(Show(id))
    if as_json:
        context.say_json([message])
    else:
        context.say(message_screen(message, datetime.now(UTC), transcript))


async def _content(socket_path: Path, request: Content) -> None:
    """The octets as they are; on a terminal as lines of safe text."""
    from mailtui.control.client import Client

    rest = b""
    async with Client(socket_path) as client:
        async for piece in client.content(request):
            if not sys.stdout.isatty():
                sys.stdout.buffer.write(piece)
                continue
            *lines, rest = (rest + piece).split(b"\n")
            context.say(_shown(line) for line in lines)
    if rest:
        context.say([_shown(rest)])


def _shown(line: bytes) -> str:
    return safe_text(line.removesuffix(b"\r").decode("utf-8", "backslashreplace").replace("\t", "    "))


@click.command(help="What happened lately, the newest last; with filter words only what they mean.")
@click.argument("filter", nargs=-1, metavar="[FILTER]...")
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens, until interrupted.")
@click.option("--limit", "-n", type=click.IntRange(0, 10000), default=200, show_default=True, help="At most this many.")
@json_option
@pass_context
def log(here: Context, filter: tuple[str, ...], follow: bool, limit: int, as_json: bool) -> None:
    wanted = verbs.build(Log, {"filter": filter, "limit": limit, "follow": follow})
    asyncio.run(_log(here.socket_path(), wanted, as_json))


async def _log(socket_path: Path, request: Log, as_json: bool) -> None:
    from mailtui.control import wire
    from mailtui.control.client import Client

    async with Client(socket_path) as client:
        async for entry in client.events(request):
            if as_json:
                context.say_json([msgspec.Raw(wire.encode_entry(entry).rstrip())])
            else:
                context.say([_event_line(entry)])
            if request.follow:
                sys.stdout.flush()
    if request.follow:
        raise ControlError("ended", "the relay has stopped", exit_code=EX_UNAVAILABLE)


def _event_line(entry: Entry) -> str:
    from mailtui.log import sentence

    event = entry.event
    at = datetime.fromtimestamp(event.at, UTC).astimezone()
    text = f"{event.missed} events are missing here" if isinstance(event, Gap) else sentence(event)
    return f"{at:%b %d %H:%M:%S}  {safe_text(text)}"
