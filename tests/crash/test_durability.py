"""The order of things around a 250, seen by strace: the message is in the log file, that file is synced, then the reply leaves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.crash.process import SENDER, crash_relay, routes, settings
from tests.kit.ledger import message
from tests.kit.processes import program

from mailtui.lab.client import SmtpClient
from mailtui.lab.remote import RemoteServer
from mailtui.queue.database import LOCK

MESSAGES = 20
_CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed>)(.*)$")


class Call(NamedTuple):
    """One line of strace: `begun` has the arguments, `ended` the result; a call that was not interrupted is both."""

    thread: str
    name: str
    text: str
    begun: bool
    ended: bool


@pytest.fixture
def strace(tmp_path: Path) -> list[str]:
    """The command to trace a relay with; its output goes to tmp_path/strace."""
    tracer = program("strace")
    if not tracer:
        pytest.skip("strace is not installed")
    allowed = subprocess.run([tracer, "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if allowed.returncode:
        pytest.skip(f"tracing is not permitted here: {allowed.stderr.strip()[-200:]}")
    calls = "trace=fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg"
    return [tracer, "-f", "-y", "-s", "9000", "-e", calls, "-e", "signal=none", "-o", str(tmp_path / "strace")]


def _calls(trace: Path) -> Iterator[Call]:
    for line in trace.read_text(encoding="latin-1").splitlines():
        if found := _CALL.match(line):
            resumed, unfinished = " resumed>" in line[:60], line.endswith("<unfinished ...>")
            yield Call(found[1], found[2], found[3], not resumed, not unfinished)


async def test_fsync_before_every_250(strace: list[str], tmp_path: Path) -> None:
    async with RemoteServer() as sink, crash_relay(settings(routes(rest=sink))) as relay:
        relay.kill()
        await relay.up(strace)
        async with SmtpClient(("127.0.0.1", relay.port)) as client:
            for n in range(MESSAGES):
                content = message(f"durable{n:02}", SENDER, ["user@dst.test"], 600)
                assert (await client.send(SENDER, ("user@dst.test",), content)).accepted
        os.kill(int((relay.data / LOCK).read_text()), signal.SIGTERM)  # strace would not pass it on
        assert await relay.ended() == 0

    written: dict[str, int] = {}  # message -> commits synced when its last octet went to the log file
    syncing: set[str] = set()
    synced = promised = 0
    for call in _calls(tmp_path / "strace"):
        if call.name == "pwrite64" and call.begun and "queue.sqlite3-wal" in call.text[:200]:
            for test_id in re.findall(r"X-Test-ID: (durable\d\d)", call.text):
                written.setdefault(test_id, synced)
        if call.name in ("fdatasync", "fsync"):
            if call.begun and "queue.sqlite3-wal" in call.text:
                syncing.add(call.thread)
            if call.ended and call.thread in syncing:
                syncing.discard(call.thread)
                assert call.text.rstrip().endswith("= 0")
                synced += 1
        if call.begun and "250 2.0.0 queued as" in call.text:
            test_id = f"durable{promised:02}"
            assert test_id in written, f"250 for {test_id} before it was in the log file"
            assert synced > written[test_id], f"250 for {test_id} before its commit was synced"
            promised += 1
    assert promised == MESSAGES
