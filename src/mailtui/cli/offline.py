"""The verbs for the queue file itself: check-queue, backup, prune. They go through a relay that runs, and work without one.

Owned here: that choice. Whoever holds the relay's lock is the only writer; without a relay these verbs take it for their time.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailtui.control.api import Backup, Prune
from mailtui.control.results import BackedUp, Pruned
from mailtui.errors import EX_DATAERR, QueueError, RelayNotRunning
from mailtui.text import safe_text

from . import context, verbs
from .context import Context, json_option, pass_context, yes_option

if TYPE_CHECKING:
    from mailtui.config import Config

_reason_option = click.option("--reason", default="", help="Why, for the audit.")


def queue_file(config: Config) -> Path:
    """The queue file. QueueError when there is none."""
    from mailtui.queue.database import FILE

    path = config.relay.data_dir / FILE
    if not path.exists():
        raise QueueError(f"{path}: there is no queue yet; it is made when a relay first starts")
    return path


@contextmanager
def locked(config: Config) -> Iterator[Path]:
    """The queue file, ours alone. RelayRunning, QueueError."""
    from mailtui.queue.database import Lock

    path = queue_file(config)
    lock = Lock(config.relay.data_dir)
    try:
        yield path
    finally:
        lock.release()


@click.command(help=Backup.__doc__)
@click.argument("path", type=click.Path(path_type=Path))
@_reason_option
@yes_option
@json_option
@pass_context
def backup(here: Context, path: Path, reason: str, yes: bool, as_json: bool) -> None:
    target = path.absolute()
    try:
        done = here.ask(Backup(str(target), reason))
    except RelayNotRunning:
        from mailtui.queue.backup import copy_queue

        with locked(here.load(files=False)) as file:
            done = BackedUp(str(target), copy_queue(file, target))
    verbs.show(done, as_json)


@click.command(help=Prune.__doc__)
@_reason_option
@yes_option
@json_option
@pass_context
def prune(here: Context, reason: str, yes: bool, as_json: bool) -> None:
    try:
        done = here.ask(Prune(reason))
    except RelayNotRunning:
        config = here.load(files=False)
        with locked(config) as file:
            done = asyncio.run(_prune(config, file, reason))
    verbs.show(done, as_json)


async def _prune(config: Config, file: Path, reason: str) -> Pruned:
    """The same without a relay, noted in the audit too."""
    from mailtui.control import claims, peer
    from mailtui.queue.actions import Entry, at_once
    from mailtui.queue.database import open_writer
    from mailtui.queue.prune import Keep
    from mailtui.queue.pruner import Offline, Pruner

    connection = open_writer(file)
    try:
        keep = Keep(config.queue.history, config.queue.history_size, config.queue.trash)
        offline = Offline(file, connection)
        swept = await Pruner(offline, keep, lambda: None).sweep(time.time())
        actor = claims.described(peer.user_name(os.getuid()), claims.own(os.environ))
        args: dict[str, int | str | bool] = {"messages": swept.messages, "bodies": swept.bodies, "freed": swept.freed}
        await offline.run(lambda db: at_once(db, Entry(time.time(), actor, Prune.name, reason=reason, args=args)))
        return Pruned(swept.messages, swept.bodies, swept.freed)
    finally:
        connection.close()


@click.command("check-queue")
@click.option("--recover", type=click.Path(path_type=Path), help="Save what can be read into this new file.")
@json_option
@pass_context
def check_queue(here: Context, recover: Path | None, as_json: bool) -> None:
    """Is the queue file sound, do its counts agree with its rows? It is only read; exit 65 when something is wrong."""
    config = here.load(files=False)
    if recover is not None:
        _recover(config, recover.absolute(), as_json)
        return
    from mailtui.queue.check import check_queue as check

    findings = check(queue_file(config))
    if as_json:
        context.say_json(findings)
    else:
        lines = [f"{'HARM' if finding.harm else 'count'}  {safe_text(finding.text)}" for finding in findings]
        context.say(lines or ["sound: the file is whole and its counts agree"])
    if findings:
        sys.exit(EX_DATAERR)


def _recover(config: Config, target: Path, as_json: bool) -> None:
    from mailtui.queue.salvage import recover

    with locked(config) as file:
        saved = recover(file, target)
    if as_json:
        context.say_json([saved])
        return
    rows = ", ".join(f"{count:,} of {table}" for table, count in saved.rows.items() if count)
    context.say([f"{target}: saved {rows or 'nothing'}"])
    if saved.damaged:
        context.say([f"not read to their end: {', '.join(saved.damaged)}"])
    context.say([f"held because their body is not whole: {saved.held:,}; lost with their message: {saved.lost:,}"])
    context.say([f"to use it: move {file} and its -wal and -shm away, and {target.name} in its place"])
