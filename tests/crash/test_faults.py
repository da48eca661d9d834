"""A machine that fails under the relay: a full disk, a locked queue file, an fsync that fails, a log nobody can write.

The promise is the same in all of them: a clear 4yz or a deferral, nothing acknowledged is lost, and mail flows again by itself.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp

import pytest
from tests.crash.conftest import SyncFault
from tests.crash.process import SENDER, CrashRelay, crash_relay, routes, send, settings, until
from tests.kit.ledger import body_hash, message
from tests.kit.processes import Waited

from mailtui.errors import EX_IOERR
from mailtui.lab.client import Outcome, SmtpClient
from mailtui.lab.personality import FINE, Act, Personality, Then
from mailtui.lab.remote import RemoteServer
from mailtui.model import Stage
from mailtui.queue.database import BALLAST

#: Large enough for the ballast (the relay wants four times its size to be free), small enough to fill.
TMPFS_SIZE = "96m"


@pytest.fixture
async def sink() -> AsyncIterator[RemoteServer]:
    """A remote that takes everything, until a test changes its character."""
    async with RemoteServer() as remote:
        yield remote


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A directory whose `data` is a file system of its own that can be filled."""
    root = Path(mkdtemp(prefix="mt-"))
    data = root / "data"
    data.mkdir(mode=0o750)
    command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_SIZE}", "mailtui-test", str(data)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting a tmpfs is not permitted here: {mounted.stderr.strip()}")
    try:
        yield root
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True)
        subprocess.run(["rm", "-r", str(root)], check=True)


def fill(directory: Path) -> Path:
    """Take every free block; the file that holds them."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass
    assert os.statvfs(directory).f_bavail == 0
    return filler


async def attempt(relay: CrashRelay, test_id: str, recipient: str, size: int = 2000) -> Outcome:
    """One message, whatever the relay says to it."""
    async with SmtpClient(("127.0.0.1", relay.port)) as client:
        return await client.send(SENDER, (recipient,), message(test_id, SENDER, [recipient], size))


async def test_disk_full(sink: RemoteServer, small_disk: Path) -> None:
    """Mail is refused for now, deliveries under way are recorded out of the ballast, and all is well when space comes back."""
    sink.personality = Personality(hooks={Stage.FINAL_DOT: Act("250 2.0.0 at last", delay=2.5)})
    # More than the ballast, as in any real configuration: what it gives back must not be taken by new mail.
    limits = {"min_free_disk": "24MB"}
    async with crash_relay(settings(routes(rest=sink), intake=limits), root=small_disk, keep=True) as relay:
        ballast = relay.data / BALLAST
        assert ballast.exists()
        for n in range(3):
            await send(relay, f"full{n}", f"u{n}@dst.test")
        await until(lambda: len(sink.mailbox) >= 2, "deliveries to be under way")
        under_way = len(sink.mailbox)
        filler = fill(relay.data)

        answers = [await attempt(relay, f"refused{n}", "r@dst.test", 200_000) for n in range(3)]
        await until(lambda: "452 4.3.1" in _greeted(relay.port), "MAIL to be refused", 5)
        for answer in answers:
            assert not answer.accepted
            assert (answer.code, answer.text[:5]) == (452, "4.3.1")
        await until(
            lambda: sum(state == "delivered" for state in relay.states().values()) >= under_way,
            "what was under way",
            20,
        )
        assert not ballast.exists()
        assert relay.running

        filler.unlink()
        sink.personality = FINE
        await until(lambda: _greeted(relay.port).startswith("250"), "mail to be welcome again", 5)
        await send(relay, "after", "after@dst.test")
        await until(lambda: set(relay.states().values()) == {"delivered"}, "everything to be delivered", 20)
        assert sorted(mail.test_id for mail in sink.mailbox) == ["after", "full0", "full1", "full2"]
        await until(ballast.exists, "the ballast to be taken aboard again", 5)
        relay.check()
        assert "Traceback" not in relay.said()


def _greeted(port: int) -> str:
    """The reply to MAIL, to a client that comes just now."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
        replies = connection.makefile("rb")
        replies.readline()
        for command in ("HELO full.test", f"MAIL FROM:<{SENDER}>"):
            connection.sendall(f"{command}\r\n".encode())
            reply = replies.readline()
    return reply.decode()


async def test_locked_queue_file(sink: RemoteServer) -> None:
    """Another program holds the file for about 10 s: clients are told to come back long before they lose patience.

    A long message is being sent at that moment; its content cannot be read, so it is deferred and sent later.
    """
    sink.personality = Personality(hooks={Stage.DATA: Act("354 go on", delay=0.5)})
    async with crash_relay(settings(routes(rest=sink))) as relay:
        content = await send(relay, "long", "long@dst.test", size=900_000)
        await until(lambda: relay.states().get("long@dst.test") == "sending" and sink.commands, "the long delivery")
        with closing(sqlite3.connect(relay.queue, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answers = await asyncio.gather(*(attempt(relay, f"locked{n}", f"l{n}@dst.test") for n in range(4)))
            for answer in answers:
                assert not answer.accepted
                assert answer.code in (451, 452)
            await until(lambda: "this relay failed" in relay.said(), "the long delivery to meet the lock")
            other.execute("ROLLBACK")
        sink.personality = FINE
        await send(relay, "after", "after@dst.test")
        await until(lambda: set(relay.states().values()) == {"delivered"}, "everything to be delivered", 20)
        assert sorted(mail.test_id for mail in sink.mailbox) == ["after", "long"]
        (long,) = (mail for mail in sink.mailbox if mail.test_id == "long")
        assert body_hash(long.content) == body_hash(content)
        assert (relay.data / BALLAST).exists()  # a lock is no reason to give up the reserve for a full disk
        assert "Traceback" not in relay.said() and "slot failed" not in relay.said()
        relay.check()


async def test_failed_fsync_ends_the_process(sink: RemoteServer, sync_fault: SyncFault) -> None:
    """After EIO Linux forgets the pages: a second fsync would lie. No 250, exit 74, and a clean start afterwards."""
    sink.personality = Personality(hooks={Stage.MAIL: Act(then=Then.HANG)})
    async with crash_relay(settings(routes(rest=sink)), env=sync_fault.env) as relay:
        await send(relay, "before", "before@dst.test")
        await until(
            lambda: relay.states().get("before@dst.test") == "sending" and sink.commands, "a delivery under way"
        )
        sync_fault.fail()
        try:
            outcome = await attempt(relay, "eio", "eio@dst.test")
        except OSError:
            pass  # the process was faster than its reply
        else:
            assert outcome.code // 100 == 4
        assert await relay.ended() == EX_IOERR
        assert sync_fault.hits
        (line,) = (line for line in relay.said().splitlines() if line.startswith("mailtui: "))
        assert "the disk under the queue failed" in line
        assert "Traceback" not in relay.said()
        sync_fault.heal()
        sink.personality = FINE
        await relay.up()
        relay.check()
        await until(lambda: relay.states()["before@dst.test"] == "delivered", "what was accepted before")
        await send(relay, "after", "after@dst.test")
        await until(lambda: relay.states()["after@dst.test"] == "delivered", "new mail")


async def test_failed_fsync_while_nothing_happens_outside(sink: RemoteServer, sync_fault: SyncFault) -> None:
    """The queue's own work meets the error, no client does: the end is the same."""
    await sink.down()
    async with crash_relay(settings(routes(rest=sink)), env=sync_fault.env) as relay:
        await send(relay, "waiting", "w@dst.test")
        await until(lambda: relay.states().get("w@dst.test") == "deferred", "a deferral")
        sync_fault.fail()
        assert await relay.ended() == EX_IOERR
        assert "this is a bug" not in relay.said()


async def test_start_on_a_failing_disk(sink: RemoteServer, sync_fault: SyncFault) -> None:
    """A start that cannot sync says so in one line, and the next one works."""
    async with crash_relay(settings(routes(rest=sink)), env=sync_fault.env) as relay:
        await send(relay, "before", "before@dst.test")
        await until(lambda: relay.states().get("before@dst.test") == "delivered", "delivery")
        sink.personality = Personality(hooks={Stage.MAIL: Act(then=Then.HANG)})
        await send(relay, "caught", "caught@dst.test")
        await until(lambda: relay.states().get("caught@dst.test") == "sending", "an attempt")
        relay.kill()
        sync_fault.fail()
        with pytest.raises((AssertionError, Waited)):
            await relay.up()
        assert await relay.ended() in (EX_IOERR, 66)
        assert "Traceback" not in relay.said() and "this is a bug" not in relay.said()
        sync_fault.heal()
        sink.personality = FINE
        await relay.up()
        await until(lambda: relay.states()["caught@dst.test"] == "delivered", "delivery")


async def test_a_log_that_cannot_be_written_stops_nothing(sink: RemoteServer) -> None:
    async with crash_relay(settings(routes(rest=sink))) as relay:
        relay.kill()
        await relay.up(["sh", "-c", 'exec "$@" 2>/dev/full', "sh"])
        await send(relay, "mute", "user@dst.test")
        await until(lambda: relay.states().get("user@dst.test") == "delivered", "delivery")
        assert len(sink.mailbox) == 1
        assert await relay.down() == 0
