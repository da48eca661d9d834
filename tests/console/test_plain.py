"""Where there is no screen: lines, and every way to end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.kit.processes import wait_until
from tests.kit.relay import MAILTUI, Relay
from tests.kit.terminal import Terminal

from .conftest import put


@contextmanager
def plain(relay: Relay, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`attach --plain` with its lines in a file."""
    said = folder / "said"
    command = [*MAILTUI, "--config", str(relay.config), "attach", "--plain", "--interval", "1"]
    with said.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            yield process, said
        finally:
            process.kill()


def test_it_says_what_there_is_and_then_what_changes(relay: Relay, tmp_path: Path) -> None:
    with plain(relay, tmp_path) as (process, said):
        wait_until(lambda: "relay.test" in said.read_text(), "the first line")
        put(relay, "ana@plain.test")
        wait_until(lambda: "1 accepted" in said.read_text(), "the change")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        text = said.read_text()
    assert "Traceback" not in text and "\x1b" not in text
    assert len(text.splitlines()) == len(set(text.splitlines()))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it(relay: Relay, tmp_path: Path, number: int, code: int) -> None:
    with plain(relay, tmp_path) as (process, said):
        wait_until(lambda: "relay.test" in said.read_text(), "the first line")
        process.send_signal(number)
        assert process.wait(10) == code
        assert "Traceback" not in said.read_text()


def test_it_ends_when_nobody_reads_any_more(relay: Relay) -> None:
    command = [*MAILTUI, "--config", str(relay.config), "attach"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:  # type: ignore[call-overload]
        assert b"relay.test" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) == 141
        assert process.stderr.read() == b"mailtui: there is no terminal: lines about what changes, as with --plain\n"


def test_a_terminal_that_cannot_be_drawn_on_gets_lines(relay: Relay, tmp_path: Path) -> None:
    arguments = [*MAILTUI, "--config", str(relay.config), "attach"]
    with Terminal(*arguments, home=tmp_path, env={"TERM": "dumb"}) as screen:
        screen.sees("relay.test, up")
        os.kill(screen.process.pid, signal.SIGINT)
        assert screen.ended() == 0
        assert b"\x1b" not in screen.sent and b"(TERM=dumb)" in screen.sent
