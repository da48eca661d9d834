"""A file that can be given up when the disk is full, so that deliveries in flight can still be recorded.

Owned here: that file. When it is given up is decided by those who meet the full disk.
"""

from __future__ import annotations

import os
from pathlib import Path

from mailtui.queue.database import BALLAST, BALLAST_SIZE


class Ballast:
    """The file in a data directory."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / BALLAST

    def fill(self) -> None:
        """Make it, where it is not and there is room for several."""
        try:
            if self._path.exists() and self._path.stat().st_size >= BALLAST_SIZE:
                return
            free = os.statvfs(self._path.parent)
            if free.f_bavail * free.f_frsize < 4 * BALLAST_SIZE:
                return
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, BALLAST_SIZE)
            finally:
                os.close(fd)
        except OSError:
            pass  # a relay without ballast still works; `status` shows the disk

    def drop(self) -> bool:
        """Give it up; whether there was one."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True
