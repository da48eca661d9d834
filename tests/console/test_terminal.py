"""The console as a program in a terminal of its own: how it ends, and what it never sends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.kit.processes import wait_until
from tests.kit.relay import MAILTUI, Relay
from tests.kit.terminal import Terminal

_ALTERNATE, _RESTORED = b"\x1b[?1049h", b"\x1b[?1049l"


@contextmanager
def terminal(*command: str, home: Path, **environ: str) -> Iterator[Terminal]:
    with Terminal(*command, home=home, env=environ) as made:
        yield made


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


def test_octets_that_are_no_characters_and_pasted_escapes_are_no_keys(attach: tuple[str, ...], tmp_path: Path) -> None:
    with terminal(*attach, home=tmp_path) as screen:
        screen.sees("relay.test")
        screen.type("\udcff\udce42/\x1b[200~sub\x1b[31mject~\x1b\x1b\rq\nq\x1b[201~")
        screen.sees("sub[31mject~")
        screen.typed(["\x1b", "q", "q"], 0.2)  # out of the filter, the queue, the console
        assert screen.ended() == 0
        assert b"Traceback" not in screen.sent


def test_without_colour_none_is_sent_and_ascii_is_ascii(attach: tuple[str, ...], tmp_path: Path) -> None:
    with terminal(*attach, "--ascii", home=tmp_path, NO_COLOR="1") as screen:
        screen.sees("relay.test")
        screen.type("q")
        assert screen.ended() == 0
        assert screen.sent.isascii()
        assert not re.search(rb"\x1b\[[0-9;]*(?:3[0-7]|4[0-7]|9[0-7]|[34]8;[25])[0-9;]*m", screen.sent)


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
    for host, said in (
        ("ops@relay.test", "-t|ops@relay.test|mailtui|attach|--read-only|--slow"),
        ("-oProxyCommand=x", ""),
    ):
        done = subprocess.run(
            [*MAILTUI, "attach", "--read-only", "--slow", "--", host],
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
