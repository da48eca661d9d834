"""Starts that must be refused, and starts on a queue file that somebody or something has damaged.

A relay either works, without the damaged item, or ends at once with one line that says what is wrong: never a traceback, never half
a message on the wire.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.crash.process import SENDER, CrashRelay, crash_relay, routes, send, settings, until
from tests.kit.ledger import Accepted, Ledger, Source, body_hash, message, reconcile, taken
from tests.kit.processes import is_open

from mailtui.errors import EX_CONFIG, EX_NOINPUT, EX_TEMPFAIL
from mailtui.lab.client import SmtpClient
from mailtui.lab.remote import RemoteServer

#: Messages in the queue that is damaged; every fifth is longer than one chunk.
MESSAGES = 25


@pytest.fixture
async def sink() -> AsyncIterator[RemoteServer]:
    """A remote that takes everything."""
    async with RemoteServer() as remote:
        yield remote


def one_line(relay: CrashRelay) -> tuple[int, str]:
    """A start that must be refused: its exit code, and the one line it says."""
    code, said = relay.refuses()
    (line,) = said.splitlines()
    assert line.startswith("mailtui: ")
    assert "this is a bug" not in line
    return code, line


async def test_second_relay_is_refused_with_the_pid_of_the_first(sink: RemoteServer) -> None:
    async with crash_relay(settings(routes(rest=sink))) as relay:
        code, line = one_line(relay)
        assert code == EX_TEMPFAIL
        assert re.search(rf"\bpid {relay.pid}\b", line)
        await send(relay, "undisturbed", "user@dst.test")
        await until(lambda: sink.mailbox, "delivery by the first")
        relay.kill()  # the lock of a dead process binds nobody
        await relay.up()


async def test_newer_schema_is_refused(sink: RemoteServer) -> None:
    async with crash_relay(settings(routes(rest=sink))) as relay:
        assert await relay.down() == 0
        with closing(sqlite3.connect(relay.queue)) as connection:
            connection.execute("PRAGMA user_version = 999")
        code, line = one_line(relay)
        assert code == EX_NOINPUT
        assert "newer mailtui" in line and "999" in line


async def test_configuration_error_is_one_line(sink: RemoteServer) -> None:
    async with crash_relay(settings(routes(rest=sink))) as relay:
        await relay.down()
        with relay.config.open("a") as file:
            file.write("\n[deliverry]\nper_site = 3\n")
        code, line = one_line(relay)
        assert code == EX_CONFIG
        assert "delivery" in line


async def test_port_in_use_is_one_line(sink: RemoteServer) -> None:
    async with crash_relay(settings(routes(rest=sink))) as relay, RemoteServer() as squatter:
        await relay.down()
        relay.port = squatter.address[1]
        relay.configure(settings(routes(rest=sink)))
        _, line = one_line(relay)
        assert "in use" in line


# --- damage


class Damage(NamedTuple):
    """A way to hurt a queue file that no relay has open."""

    name: str
    hurt: Callable[[Path], None]


def _garbage(path: Path, offset: int, octets: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * octets)


def _header(queue: Path) -> None:
    _garbage(queue, 0, 100)


def _truncated(queue: Path) -> None:
    with queue.open("r+b") as file:
        file.truncate(queue.stat().st_size // 2 // 8192 * 8192)


def _empty(queue: Path) -> None:
    queue.write_bytes(b"")


def _torn_wal(queue: Path) -> None:
    queue.with_name(queue.name + "-wal").write_bytes(b"\xa5" * 70_000)


def _page_of(name: str, kind: str = "leaf") -> Callable[[Path], None]:
    """Overwrite one page of a table or index, its first of that kind that is not its root if it has one."""

    def hurt(queue: Path) -> None:
        with closing(sqlite3.connect(queue)) as connection:
            pages = connection.execute(
                "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = ? ORDER BY path = '/', pageno", (name, kind)
            ).fetchall()
            size = connection.execute("PRAGMA page_size").fetchone()[0]
        _garbage(queue, (pages[0][0] - 1) * size, size)

    return hurt


def _lost_chunk(queue: Path) -> None:
    """The last chunk of one long message is gone, and all of a short one."""
    with closing(sqlite3.connect(queue)) as connection:
        connection.execute("DELETE FROM content WHERE id = (SELECT max(id) FROM content WHERE id & 4095 = 1)")
        connection.execute("DELETE FROM content WHERE id = (SELECT min(id) FROM content)")
        connection.commit()


DAMAGES = [
    Damage("header", _header),
    Damage("truncated", _truncated),
    Damage("torn-wal", _torn_wal),
    Damage("lost-chunk", _lost_chunk),
    *(
        Damage(f"{name}-{kind}", _page_of(name, kind))
        for name, kind in (
            ("content", "leaf"),
            ("content", "overflow"),
            ("message", "leaf"),
            ("recipient", "leaf"),
            ("recipient_due", "leaf"),
            ("lane", "leaf"),
            ("counter", "leaf"),
            ("attempt", "leaf"),
            ("transcript", "leaf"),
            ("sqlite_schema", "leaf"),
        )
    ),
]


class Backlog(NamedTuple):
    """A queue that waits, sound, and what is in it."""

    directory: Path
    accepted: list[Accepted]


@pytest.fixture(scope="module")
def backlog(tmp_path_factory: pytest.TempPathFactory) -> Backlog:
    """A queue file with mail that could not leave, closed properly."""
    directory = tmp_path_factory.mktemp("backlog")

    async def build() -> list[Accepted]:
        ledger = Ledger(directory / "ledger")
        async with RemoteServer() as nobody:
            await nobody.down()
            async with crash_relay(settings(routes(rest=nobody))) as relay:
                source = Source(
                    ("127.0.0.1", relay.port),
                    ledger,
                    sessions=2,
                    count=MESSAGES,
                    recipients=lambda n: (f"u{n}@{'ab'[n % 2]}.test",),
                    size=lambda n: 300_000 if n % 5 == 0 else 3_000,
                )
                await source.run()
                await until(lambda: "deferred" in relay.states().values(), "an attempt that failed")
                assert await relay.down() == 0
                shutil.copy(relay.queue, directory / "queue.sqlite3")
        ledger.close()
        return ledger.read()

    return Backlog(directory, asyncio.run(build()))


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
async def test_damaged_queue_file(damage: Damage, backlog: Backlog, sink: RemoteServer) -> None:
    """Refused with one line, or at work: then what leaves is whole, the damaged is held or waits, and new mail gets an answer."""
    relay = CrashRelay(settings(routes(rest=sink)))
    try:
        relay.data.mkdir(mode=0o750)
        shutil.copy(backlog.directory / "queue.sqlite3", relay.queue)
        damage.hurt(relay.queue)
        relay.launch()
        await until(lambda: is_open(relay.port) or not relay.running, "a start or a refusal", 20)
        if not relay.running:
            assert await relay.ended() in (EX_NOINPUT, EX_TEMPFAIL)
            (line,) = (line for line in relay.said().splitlines() if line.startswith("mailtui: "))
            assert str(relay.queue) in line or "queue file" in line
        else:
            await _works(relay, sink)
        assert "this is a bug" not in relay.said()
        assert "Traceback" not in relay.said()
        assert "slot failed" not in relay.said()
        whole = {line.test_id: line.sha256 for line in backlog.accepted}
        for mail in sink.mailbox:
            assert body_hash(mail.content) == whole.get(mail.test_id, body_hash(mail.content))
        if damage.name == "lost-chunk":
            await until(lambda: set(relay.states().values()) == {"delivered", "held"}, "all the others", 20)
            audit = reconcile(backlog.accepted, map(taken, sink.mailbox), relay.queue)
            assert audit.clean, audit
            assert audit.held == 2
    finally:
        relay.kill()
        shutil.rmtree(relay.root, ignore_errors=True)


async def _works(relay: CrashRelay, sink: RemoteServer) -> None:
    """New mail is answered, and what is accepted leaves (the lanes of the old mail may be hurt, not this one)."""
    content = message("new", SENDER, ["new@new.test"], 1000)
    async with SmtpClient(("127.0.0.1", relay.port)) as client:
        outcome = await client.send(SENDER, ("new@new.test",), content)
    if outcome.accepted:
        await until(lambda: any(mail.test_id == "new" for mail in sink.mailbox), "the new message")
    else:
        assert outcome.code // 100 == 4
    assert relay.running
