"""A relay to be killed: the kit's process relay, with what only crash tests want of it.

Owned here: starting under another program (strace) or with a shim, measuring how long a start takes, starts that must fail, and
looks at the queue file from outside. What is done to the relay is each test's own.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final, TypeVar

from tests.kit import relay as kit
from tests.kit.ledger import message
from tests.kit.processes import Waited, is_open

from mailtui.lab.client import SmtpClient
from mailtui.lab.remote import RemoteServer
from mailtui.model import WAITING
from mailtui.queue.database import FILE

T = TypeVar("T")
Settings = Mapping[str, kit.Table | Sequence[kit.Table]]

SENDER: Final = "sender@src.test"
#: A start, from the fork to a listening port, is promised within this many seconds (issue "Bad input and faults").
PROMISED_START: Final = 2.0
_BALANCE: Final = "SELECT name, n FROM counter"
_COUNTED: Final = "SELECT state, count(*) FROM recipient GROUP BY state"


class CrashRelay(kit.Relay):
    """As the kit's, in a directory that outlives the process; `starts` has the seconds of every start to listening."""

    def __init__(self, settings: Settings | None = None, **more: Any) -> None:
        self.starts: list[float] = []
        self._prefix: tuple[str, ...] = ()
        super().__init__(settings, **more)

    async def up(self, prefix: Sequence[str] = ()) -> None:
        """Start, `prefix` in front of the command, and wait until the port listens; the test's loop goes on meanwhile."""
        began = time.monotonic()
        self._child = None
        command = [*prefix, *kit.MAILTUI, "--config", str(self.config), "serve"]
        self._child = kit.Child(command, self.log, env=self._env, cwd=self.root)
        await until(lambda: is_open(self.port) or not self.running, "the relay to listen", 20)
        self.starts.append(time.monotonic() - began)
        assert self.running, f"the relay ended with {self.child.process.returncode}:\n{self.said()[-2000:]}"

    async def down(self, patience: float = 60.0) -> int | None:
        """SIGTERM and the exit code, while the test's loop goes on."""
        return await asyncio.to_thread(self.stop, patience)

    async def ended(self, timeout: float = 20.0) -> int:
        """Wait until it ends by itself; the exit code."""
        process = self.child.process
        await until(lambda: process.poll() is not None, "the relay to end by itself", timeout)
        return int(process.returncode)

    def refuses(self, timeout: float = 20.0) -> tuple[int, str]:
        """A start that must fail: exit code and what it said. A traceback is never an answer."""
        command = [*kit.MAILTUI, "--config", str(self.config), "serve"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=self.root, check=False)
        return done.returncode, done.stdout + done.stderr

    # --- the queue file, from outside

    @property
    def queue(self) -> Path:
        """The queue file."""
        return self.data / FILE

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """A question to the queue file over a read-only connection."""
        with closing(sqlite3.connect(f"{self.queue.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            return connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: object) -> Any:
        """The first field of the first row; None when there is none."""
        rows = self.rows(sql, *values)
        return rows[0][0] if rows else None

    def states(self) -> dict[str, str]:
        """State by recipient address, our own reports left out."""
        return dict(
            self.rows(
                "SELECT r.address, r.state FROM recipient r JOIN message m ON m.id = r.id >> 20 WHERE m.about IS NULL"
            )
        )

    def check(self) -> None:
        """Integrity, and the counters against the rows they stand for."""
        assert self.rows("PRAGMA integrity_check") == [("ok",)]
        with closing(sqlite3.connect(f"{self.queue.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            connection.execute("BEGIN")  # one snapshot for both sides
            counters = dict(connection.execute(_BALANCE))
            counted = dict(connection.execute(_COUNTED))
            tallied = dict(connection.execute("SELECT state, sum(n) FROM tally GROUP BY state"))
            unfinished = connection.execute(
                "SELECT count(*) FROM message m WHERE phase = 'stored' AND unfinished <> (SELECT count(*) FROM recipient r"
                " WHERE r.id >> 20 = m.id AND r.state IN ('queued', 'sending', 'deferred', 'held'))"
            ).fetchone()[0]
        accepted = counters.pop("accepted")
        assert accepted == sum(counters.values()), counters
        for state, n in counters.items():  # finished rows may have been pruned, the counts of a life-time are not
            assert n == counted.get(state, 0) if state in WAITING else n >= counted.get(state, 0), (
                state,
                counters,
                counted,
            )
        assert {name: n for name, n in tallied.items() if n} == counted
        assert unfinished == 0


@asynccontextmanager
async def crash_relay(settings: Settings | None = None, **more: Any) -> AsyncIterator[CrashRelay]:
    """A relay that runs, in a directory that goes when the test is over."""
    relay = CrashRelay(settings, **more)
    try:
        await relay.up()
        yield relay
    finally:
        relay.kill()
        if not more.get("keep"):
            shutil.rmtree(relay.root, ignore_errors=True)


def routes(**remotes: RemoteServer) -> list[kit.Table]:
    """A `[[route]]` for every remote: `routes(a=one, b=two)` sends a.test to one and b.test to two, `rest` everything else."""
    tables: list[kit.Table] = []
    for name, remote in sorted(remotes.items(), key=lambda item: item[0] == "rest"):
        host, port = remote.address
        tables.append({"match": "*" if name == "rest" else f"{name}.test", "to": f"{host}:{port}", "tls": "off"})
    return tables


def settings(route: Sequence[kit.Table], **more: kit.Table) -> dict[str, Any]:
    """The configuration of the crash tests: a retry clock of a second, and little patience with a disk."""
    base: dict[str, Any] = {
        "route": route,
        "intake": {"min_free_disk": "1MB"},
        "retry": {"schedule": ["1s"], "jitter": 0.0},
        "log": {"level": "info"},
    }
    for name, table in more.items():
        base[name] = {**base.get(name, {}), **table}
    return base


async def until(fact: Callable[[], T], what: str, timeout: float = 15.0) -> T:
    """Wait in the loop until `fact` is true; its answer. `Waited` names what never came."""
    deadline = time.monotonic() + timeout
    while not (answer := fact()):
        if time.monotonic() > deadline:
            raise Waited(f"waited {timeout:g} s for {what}")
        await asyncio.sleep(0.01)
    return answer


async def send(relay: CrashRelay, test_id: str, *recipients: str, size: int = 2000, sender: str = SENDER) -> bytes:
    """One message that must be accepted; its content."""
    content = message(test_id, sender, recipients, size)
    async with SmtpClient(("127.0.0.1", relay.port)) as client:
        outcome = await client.send(sender, recipients, content)
    assert outcome.accepted, outcome
    return content


class Half:
    """A client that stops in the middle: MAIL, RCPT, DATA and as much content as it is told, without the final dot."""

    def __init__(self, relay: CrashRelay, *recipients: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", relay.port), timeout=10)
        self._file = self._socket.makefile("rb")
        self._reply()
        for line in ("EHLO half.test", f"MAIL FROM:<{SENDER}>", *(f"RCPT TO:<{r}>" for r in recipients), "DATA"):
            self._socket.sendall(f"{line}\r\n".encode())
            reply = self._reply()
            assert reply[:1] in (b"2", b"3"), reply

    def send(self, content: bytes) -> None:
        """Some content, as it is."""
        self._socket.sendall(content)

    def reply(self) -> bytes:
        """The next reply; empty when the relay is gone."""
        try:
            return self._reply()
        except OSError:
            return b""

    def close(self) -> None:
        """Go away."""
        self._file.close()
        self._socket.close()

    def _reply(self) -> bytes:
        line = self._file.readline()
        while line[3:4] == b"-":
            line = self._file.readline()
        return line


def log_events(relay: CrashRelay) -> list[dict[str, Any]]:
    """The log of a relay that writes JSON."""
    return [json.loads(line) for line in relay.said().splitlines() if line.startswith("{")]
