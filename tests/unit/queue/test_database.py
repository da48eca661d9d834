"""Opening the queue file: who may, how SQLite is set up, and what happens to older, newer and damaged files."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mailtui.errors import QueueError, RelayRunning
from mailtui.queue import database
from mailtui.queue.database import FILE, LOCK, Lock, migrate, migrations, open_reader, open_writer, prepare_directory

Open = Callable[[Path], sqlite3.Connection]


@pytest.fixture
def opened() -> Iterator[Open]:
    """`open_writer`, closed at the end."""
    connections: list[sqlite3.Connection] = []

    def open_(path: Path) -> sqlite3.Connection:
        connections.append(open_writer(path))
        return connections[-1]

    yield open_
    for connection in connections:
        connection.close()


def pragma(db: sqlite3.Connection, name: str) -> object:
    return db.execute(f"PRAGMA {name}").fetchone()[0]


@pytest.mark.parametrize("again", [False, True], ids=["fresh", "reopened"])
def test_pragmas_hold(opened: Open, tmp_path: Path, again: bool) -> None:
    if again:
        open_writer(tmp_path / FILE).close()

    db = opened(tmp_path / FILE)

    wanted = {
        "auto_vacuum": 2, "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0,
        "cell_size_check": 1, "mmap_size": 0,
    }  # fmt: skip
    assert {name: pragma(db, name) for name in wanted} == wanted
    assert {name: pragma(db, name) for name, _ in database._PRAGMAS} == dict(database._PRAGMAS)
    assert pragma(db, "user_version") == migrations()[-1][0]


def test_a_file_that_was_made_but_not_filled_is_filled(opened: Open, tmp_path: Path) -> None:
    """Killed between making the file and its first migration."""
    (tmp_path / FILE).touch(0o600)

    db = opened(tmp_path / FILE)

    assert (pragma(db, "auto_vacuum"), pragma(db, "user_version")) == (2, migrations()[-1][0])


def test_nobody_else_may_read_the_queue(opened: Open, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        db = opened(tmp_path / FILE)
        db.execute("INSERT INTO setting VALUES ('a', 'b')")
    finally:
        os.umask(old)

    files = sorted(tmp_path.iterdir())
    assert len(files) == 3, "the file, its log and its index"
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_foreign_keys_are_checked(opened: Open, tmp_path: Path) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        opened(tmp_path / FILE).execute("INSERT INTO lane (destination, route, site) VALUES ('d', 'mx', 99)")


@pytest.mark.parametrize(
    "content", [b"This is not a database at all. " * 100, b"SQLite format 3\0" + b"\xff" * 8176], ids=["text", "torn"]
)
def test_a_file_that_is_no_database_is_said_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)

    with pytest.raises(QueueError, match=r"queue\.sqlite3: not usable as a queue: .*check-queue"):
        open_writer(tmp_path / FILE)
    assert (tmp_path / FILE).read_bytes() == content


# ---------------------------------------------------------------------- migrations


def test_the_shipped_steps_count_from_one() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_newer_schema_is_refused_and_left_alone(opened: Open, tmp_path: Path) -> None:
    newer = migrations()[-1][0] + 1
    with closing(open_writer(tmp_path / FILE)) as db:
        db.execute(f"PRAGMA user_version = {newer}")

    with pytest.raises(QueueError, match=rf"newer mailtui \(schema {newer}, this one knows {newer - 1}\)"):
        open_writer(tmp_path / FILE)

    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        assert pragma(db, "user_version") == newer
    assert not list(tmp_path.glob("*.schema-*"))


def test_migrating_again_does_nothing(opened: Open, tmp_path: Path) -> None:
    db = opened(tmp_path / FILE)
    before = db.total_changes

    migrate(db, tmp_path / FILE)

    assert db.total_changes == before
    assert not list(tmp_path.glob("*.schema-*"))


@pytest.fixture
def next_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Ship one step more: its number."""

    def ship(script: str) -> int:
        steps = migrations()
        number = steps[-1][0] + 1
        monkeypatch.setattr(database, "migrations", lambda: [*steps, (number, script)])
        return number

    return ship


def test_an_older_file_is_copied_before_it_is_migrated(
    opened: Open, tmp_path: Path, next_step: Callable[[str], int]
) -> None:
    with closing(open_writer(tmp_path / FILE)) as db:
        db.execute("INSERT INTO setting VALUES ('kept', 'yes')")
    number = next_step("ALTER TABLE setting ADD COLUMN more TEXT NOT NULL DEFAULT 'new';")

    db = opened(tmp_path / FILE)

    assert db.execute("SELECT * FROM setting WHERE name = 'kept'").fetchall() == [("kept", "yes", "new")]
    (copy,) = tmp_path.glob("*.schema-*")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as old:
        assert pragma(old, "user_version") == number - 1
        assert old.execute("SELECT * FROM setting WHERE name = 'kept'").fetchall() == [("kept", "yes")]
        assert pragma(old, "integrity_check") == "ok"


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path, next_step: Callable[[str], int]) -> None:
    open_writer(tmp_path / FILE).close()
    number = next_step("CREATE TABLE half (a); CREATE TABLE half (a);")

    with pytest.raises(QueueError, match="half"):
        open_writer(tmp_path / FILE)

    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        assert pragma(db, "user_version") == number - 1
        assert not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'half'").fetchall()


# ---------------------------------------------------------------------- reading, the directory, the lock


def test_a_reader_cannot_write(opened: Open, tmp_path: Path) -> None:
    opened(tmp_path / FILE)

    with closing(open_reader(tmp_path / FILE)) as db, pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("INSERT INTO setting VALUES ('a', 'b')")


def test_there_is_nothing_to_read_before_the_first_start(tmp_path: Path) -> None:
    with pytest.raises(QueueError, match="there is no queue yet"):
        open_reader(tmp_path / FILE)
    assert not (tmp_path / FILE).exists()


def test_the_data_directory_is_made_and_may_be_there(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    prepare_directory(folder)
    prepare_directory(folder)

    assert stat.S_IMODE(folder.stat().st_mode) & 0o027 == 0


def test_a_file_in_the_place_of_the_data_directory(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    for path in (tmp_path / "data", tmp_path / "data" / "below"):
        with pytest.raises(QueueError, match="cannot create the data directory"):
            prepare_directory(path)


def test_a_second_relay_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    lock = Lock(tmp_path)

    with pytest.raises(RelayRunning, match=rf"already running there \(pid {os.getpid()}\).*mailtui stop") as caught:
        Lock(tmp_path)
    assert caught.value.pid == os.getpid()

    lock.release()
    Lock(tmp_path).release()


def test_the_lock_of_a_killed_relay_is_free(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from mailtui.queue.database import Lock;"
        f" l = Lock(Path({str(tmp_path)!r})); print('held', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RelayRunning) as caught:
            Lock(tmp_path)
        assert caught.value.pid == holder.pid
        holder.kill()
        holder.wait()

    Lock(tmp_path).release()


@pytest.mark.parametrize("content", [b"", b"nonsense\xff"])
def test_a_lock_whose_holder_has_not_said_its_pid_yet(tmp_path: Path, content: bytes) -> None:
    lock = Lock(tmp_path)
    (tmp_path / LOCK).write_bytes(content)

    with pytest.raises(RelayRunning, match="pid unknown") as caught:
        Lock(tmp_path)
    assert caught.value.pid == 0
    lock.release()
