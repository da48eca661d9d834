"""Opening the queue file: who may own it, how SQLite is set up, and bringing its schema up to date.

Owned here: the lock on the data directory, the pragmas (each read back), the numbered migrations of `sql/`. No statement about
mail lives here.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from importlib import resources
from pathlib import Path
from typing import Final

from mailtui.errors import QueueError, RelayRunning

FILE: Final = "queue.sqlite3"
LOCK: Final = "relay.lock"
BALLAST: Final = "ballast"
BALLAST_SIZE: Final = 16 * 1024 * 1024

#: Wanted value of each pragma as it reads back. `auto_vacuum` and `page_size` only take before the first table exists.
_PRAGMAS: Final = (
    ("page_size", 4096),
    ("auto_vacuum", 2),  # incremental: freed pages go back in small steps
    ("journal_mode", "wal"),
    ("synchronous", 2),  # FULL: an fsync before every commit returns, so 250 means durable
    ("foreign_keys", 1),
    ("busy_timeout", 5000),
    ("temp_store", 2),
    ("trusted_schema", 0),
    ("cell_size_check", 1),
    ("mmap_size", 0),
    ("journal_size_limit", 64 * 1024 * 1024),
    ("wal_autocheckpoint", 4000),
    ("cache_size", -16000),
)


class Lock:
    """The right to be the one relay of a data directory: an flock held as long as the process lives."""

    def __init__(self, data_dir: Path) -> None:
        """Take the lock. RelayRunning names the pid of the holder."""
        self.path = data_dir / LOCK
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            pid = int(text) if text.isdigit() else 0
            raise RelayRunning(
                f"{data_dir}: a relay is already running there (pid {pid or 'unknown'}); "
                "use `mailtui status`, or `mailtui stop` first",
                pid,
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next relay in. The file stays: removing it would race with one that waits."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)


def prepare_directory(data_dir: Path) -> None:
    """Create the data directory (0750) if it is missing. QueueError when that is impossible."""
    try:
        data_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise QueueError(f"{data_dir}: cannot create the data directory: {error.strerror}") from error
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        raise QueueError(f"{data_dir}: no permission to read and write the data directory")


def open_writer(path: Path) -> sqlite3.Connection:
    """The one read-write connection, pragmas set and read back, schema current. QueueError says what is wrong with the file."""
    fresh = not path.exists()
    if fresh:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    try:
        for name, value in _PRAGMAS:
            connection.execute(f"PRAGMA {name} = {value}")
        for name, value in _PRAGMAS:
            found = connection.execute(f"PRAGMA {name}").fetchone()
            if found is None or (found[0] != value and name not in ("page_size", "auto_vacuum")):
                raise QueueError(f"{path}: PRAGMA {name} is {found and found[0]!r}, needed {value!r}")
        migrate(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise unusable(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def unusable(path: Path, error: sqlite3.Error) -> QueueError:
    """What an operator is told of a file SQLite cannot work with."""
    return QueueError(
        f"{path}: not usable as a queue: {error}; `mailtui check-queue` tells more, `check-queue --recover NEW` saves what can be read"
    )


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection for one-off look-ups while no relay need be running."""
    if not path.exists():
        raise QueueError(f"{path}: there is no queue yet; it is made when a relay first starts")
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.execute("PRAGMA busy_timeout = 5000")
    return connection


def migrations() -> list[tuple[int, str]]:
    """The numbered schema steps shipped with the package: (number, SQL), in order."""
    folder = resources.files(__package__) / "sql"
    steps = [
        (int(entry.name[:3]), entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name[:3].isdigit()
    ]
    return sorted(steps)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to the newest step, each in a transaction of its own, after a backup of what was there.

    QueueError on a schema newer than this program: an older relay must not guess.
    """
    current: int = connection.execute("PRAGMA user_version").fetchone()[0]
    steps = migrations()
    newest = steps[-1][0]
    if current > newest:
        raise QueueError(
            f"{path}: made by a newer mailtui (schema {current}, this one knows {newest}); install that version or restore a backup"
        )
    todo = [step for step in steps if step[0] > current]
    if not todo:
        return
    if current:
        before = path.with_name(f"{path.name}.schema-{current:03d}")
        if not before.exists():  # made by a start that did not get through: that one is the older truth
            backup(connection, before)
    for number, script in todo:
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")


def backup(connection: sqlite3.Connection, target: Path) -> None:
    """A consistent copy of the queue by SQLite's online backup, checked before it gets its name. QueueError when it fails."""
    partial = target.with_name(target.name + ".part")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_EXCL, 0o600))
    copy = sqlite3.connect(partial, isolation_level=None)
    checked = False
    try:
        connection.backup(copy, pages=4096, sleep=0.001)
        verdict = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise QueueError(f"{target}: the copy is damaged: {verdict}")
        checked = True
    except sqlite3.DatabaseError as error:
        raise QueueError(f"{target}: backup failed: {error}") from error
    finally:
        copy.close()
        if not checked:
            partial.unlink(missing_ok=True)
    os.replace(partial, target)
