"""Long changes on a terminal: how far they are, and Ctrl-C that stops them where they are instead of leaving them behind.

Owned here: that line on standard error; on a pipe there is nothing of it. How far an action is stands in its audit row, which is found
by the plan it applies or by the action it undoes.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

import click
from msgspec.structs import replace

from mailtui.control.api import Action, Audit, Cancel, Undo
from mailtui.control.request import Request
from mailtui.display import plural
from mailtui.errors import ControlError
from mailtui.views import Affected, AuditRow, Preview

from . import context
from .context import Context

#: Seconds between two looks.
LOOK: Final = 0.2
_ROWS: Final = 20
_WIDTH: Final = 30

Change = Request[Affected | Preview]


def carried_out(here: Context, request: Action | Undo) -> Affected | Preview:
    """Ask for a change and wait for it, in sight of a person where there is one. After Ctrl-C the answer is the part done."""
    if not sys.stderr.isatty() or (isinstance(request, Action) and request.dry_run):
        return here.ask(cast("Change", request))
    if isinstance(request, Action) and not request.plan:
        preview = here.ask(replace(request, dry_run=True))
        if (
            not isinstance(preview, Preview) or not preview.plan
        ):  # too many to be kept: then there is no telling which row it is
            return here.ask(request)
        request = replace(request, ids=(), filter="", everything=False, plan=preview.plan)
    return asyncio.run(_watched(here.socket_path(), request))


def _row_of(request: Action | Undo) -> Callable[[AuditRow], bool]:
    if isinstance(request, Undo):
        return lambda row: row.undoes == request.action and row.state == "open"
    return lambda row: row.args.get("plan") == request.plan and row.state == "open"


async def _watched(socket_path: Path, request: Action | Undo) -> Affected | Preview:
    from mailtui.control.client import Client

    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    mine, drawn = _row_of(request), False
    async with Client(socket_path) as client, asyncio.TaskGroup() as group:
        answer: asyncio.Task[Affected | Preview] = group.create_task(client.call(cast("Change", request)))
        while not (await asyncio.wait({answer}, timeout=LOOK))[0]:
            rows = await client.call(Audit(limit=_ROWS))
            row = next((row for row in rows if mine(row)), None)
            if row is None:
                continue
            drawn = True
            click.echo(f"\r{bar(row)}", nl=False, err=True)
            if interrupted.is_set():
                with suppress(ControlError):  # it has just ended
                    await client.call(Cancel(row.action, "Ctrl-C"))
    if drawn:
        click.echo(f"\r{' ' * (context.columns() or 79)}\r", nl=False, err=True)
    result = answer.result()
    if isinstance(result, Affected) and (rest := left(result)):
        click.echo(f"stopped: {plural(rest, 'recipient')} of {result.matched:,} were not touched", err=True)
    return result


def left(result: Affected) -> int:
    """Recipients an action was stopped before."""
    return result.matched - result.done - result.skipped - result.failed


def bar(row: AuditRow) -> str:
    """How far an action is, on one line."""
    over = row.done + row.skipped + row.failed
    full = _WIDTH * over // max(row.matched, 1)
    return f"{row.verb} [{'#' * full}{'-' * (_WIDTH - full)}] {over:,} of {row.matched:,}; Ctrl-C stops"
