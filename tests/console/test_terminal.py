"""The console as a program in a terminal of its own: how it ends, and what it never sends."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.kit.processes import Waited, wait_until
from tests.kit.relay import MAILTUI, Relay

_OUT, _ALTERNATE, _RESTORED = 65536, b"\x1b[?1049h", b"\x1b[?1049l"


class Terminal:
    """A pseudo-terminal of 80x24 with a program on it."""

    def __init__(self, *command: str, home: Path, **environ: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.sent = b""
        environment = {**os.environ, "TERM": "xterm-256color", "XDG_CONFIG_HOME": str(home), **environ}
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=environment
        )
        os.close(slave)

    def read(self) -> bytes:
        """Everything sent so far."""
        while select.select([self._master], [], [], 0)[0]:
            try:
                piece = os.read(self._master, _OUT)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            self.sent += piece
        return self.sent

    def sees(self, text: str, timeout: float = 20.0) -> None:
        """Until a text was sent."""
        wait_until(lambda: text.encode() in self.read(), f"{text!r} in {self.sent[-300:]!r}", timeout, 0.05)

    def type(self, keys: str) -> None:
        """Keys."""
        os.write(self._master, keys.encode())

    def ended(self, timeout: float = 20.0) -> int:
        """Its exit code, once it has ended; what it sends meanwhile is read, or it would wait for us."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            self.read()
            if time.monotonic() > deadline:
                raise Waited("the console did not end")
            time.sleep(0.02)
        self.read()
        return self.process.returncode

    def close(self) -> None:
        """Whatever is left of it."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)


@contextmanager
def terminal(*command: str, home: Path, **environ: str) -> Iterator[Terminal]:
    made = Terminal(*command, home=home, **environ)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def attach(relay: Relay) -> tuple[str, ...]:
    return (*MAILTUI, "--config", str(relay.config), "attach")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_gives_the_terminal_back(attach: tuple[str, ...], tmp_path: Path, number: int, code: int) -> None:
    with terminal(*attach, home=tmp_path) as screen:
        screen.sees("relay.test")
        assert _ALTERNATE in screen.sent
        screen.process.send_signal(number)
        assert screen.ended() == code
        assert screen.sent.rindex(_RESTORED) > screen.sent.rindex(_ALTERNATE)
        assert b"Traceback" not in screen.sent


def test_q_ends_it(attach: tuple[str, ...], tmp_path: Path) -> None:
    with terminal(*attach, home=tmp_path) as screen:
        screen.sees("relay.test")
        screen.type("q")
        assert screen.ended() == 0


def test_without_colour_none_is_sent_and_ascii_is_ascii(attach: tuple[str, ...], tmp_path: Path) -> None:
    with terminal(*attach, "--ascii", home=tmp_path, NO_COLOR="1") as screen:
        screen.sees("relay.test")
        screen.type("q")
        assert screen.ended() == 0
        assert screen.sent.isascii()
        assert not re.search(rb"\x1b\[[0-9;]*(?:3[0-7]|4[0-7]|9[0-7]|[34]8;[25])[0-9;]*m", screen.sent)


@pytest.mark.parametrize("command", [["attach"], ["run"], ["demo"]], ids=" ".join)
def test_what_cannot_be_drawn_on_is_told_so(relay: Relay, tmp_path: Path, command: list[str]) -> None:
    none = subprocess.run(
        [*MAILTUI, "--config", relay.config, *command], capture_output=True, text=True, timeout=30, check=False
    )
    assert none.returncode == 69
    assert "the console needs a terminal" in none.stderr
    with terminal(*MAILTUI, "--config", str(relay.config), *command, home=tmp_path, TERM="dumb") as screen:
        assert screen.ended() == 69
        assert b"cannot draw on this terminal (TERM=dumb)" in screen.sent


def test_run_does_not_start_a_second_relay(relay: Relay, tmp_path: Path) -> None:
    with terminal(*MAILTUI, "--config", str(relay.config), "run", home=tmp_path) as screen:
        assert screen.ended() == 75
        assert b"`mailtui attach` opens a console for it" in screen.sent


def test_a_wrong_theme_is_named(attach: tuple[str, ...], tmp_path: Path) -> None:
    with terminal(*attach, "--theme", "nicht", home=tmp_path) as screen:
        assert screen.ended() == 78
        assert b"there is no theme nicht" in screen.sent


def test_a_host_is_reached_by_ssh_with_an_argument_list(tmp_path: Path) -> None:
    fake = tmp_path / "ssh"
    fake.write_text(f"#!{sys.executable}\nimport sys\nprint('|'.join(sys.argv[1:]))\n")
    fake.chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    for host, said in (("ops@relay.test", "-t|ops@relay.test|mailtui|attach|--read-only"), ("-oProxyCommand=x", "")):
        done = subprocess.run(
            [*MAILTUI, "attach", "--read-only", "--", host],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=environ,
        )
        assert done.stdout.strip() == said
        assert done.returncode == (0 if said else 64)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_of_a_demo(short_path: Path, number: int) -> None:
    """Killed outright it cannot remove its directory, but the relay ends."""
    with terminal(*MAILTUI, "demo", home=short_path, TMPDIR=str(short_path)) as screen:
        screen.sees("relay.shop.example")
        (folder,) = short_path.glob("mailtui-demo-*")
        screen.process.send_signal(number)
        screen.ended(60.0)
        wait_until(lambda: not speakers(folder), "the demo's relay to end", 30.0)
        assert number == signal.SIGKILL or not folder.exists()


def speakers(folder: Path) -> list[int]:
    """Processes with a directory in their command line."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if str(folder).encode() in Path(f"/proc/{entry}/cmdline").read_bytes():
                found.append(int(entry))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
