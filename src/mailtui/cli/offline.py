"""The verbs for the queue file itself: check-queue, backup, prune. They go through a relay that runs, and work without one.

Owned here: that choice. Whoever holds the relay's lock is the only writer; without a relay these verbs take it for their time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mailtui.control.api import Backup
from mailtui.control.results import BackedUp
from mailtui.errors import QueueError, RelayNotRunning

from . import verbs
from .context import Context, json_option, pass_context


@contextmanager
def locked(data_dir: Path) -> Iterator[Path]:
    """The queue file of a data directory, ours alone. RelayRunning, QueueError."""
    from mailtui.queue.database import FILE, Lock

    path = data_dir / FILE
    if not path.exists():
        raise QueueError(f"{path}: there is no queue yet; it is made when a relay first starts")
    lock = Lock(data_dir)
    try:
        yield path
    finally:
        lock.release()


@click.command(help=Backup.__doc__)
@click.argument("path", type=click.Path(path_type=Path))
@json_option
@pass_context
def backup(here: Context, path: Path, as_json: bool) -> None:
    target = path.absolute()
    try:
        verbs.show(here.ask(Backup(str(target))), as_json)
        return
    except RelayNotRunning:
        pass
    from mailtui.queue import database

    with locked(here.load(files=False).relay.data_dir) as file:
        connection = database.open_reader(file)
        try:
            database.backup(connection, target)
        finally:
            connection.close()
    verbs.show(BackedUp(str(target), target.stat().st_size), as_json)
