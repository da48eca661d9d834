"""A copy of the queue file that can be put in its place, made while mail flows or while no relay runs.

Owned here: what may be written where. How SQLite copies, and that the copy is sound, is `database`'s.
"""

from __future__ import annotations

import os
from pathlib import Path

from mailtui.errors import EX_CANTCREAT, ControlError
from mailtui.queue.database import backup, open_reader


def copy_queue(path: Path, target: Path) -> int:
    """Copy the queue file to a new file (0600); its size. ControlError `cannot-create`, QueueError when the copy fails."""
    if target.exists() or target.is_symlink():
        raise ControlError("cannot-create", f"{target} is there already", "name a new file", EX_CANTCREAT)
    if not os.access(target.parent, os.W_OK | os.X_OK):
        hint = "it must be a directory that the user of the relay may write to"
        raise ControlError("cannot-create", f"no file can be made in {target.parent}", hint, EX_CANTCREAT)
    connection = open_reader(path)
    try:
        backup(connection, target)
    except OSError as error:
        raise ControlError("cannot-create", f"{target}: {error.strerror}", exit_code=EX_CANTCREAT) from None
    finally:
        connection.close()
    return target.stat().st_size
