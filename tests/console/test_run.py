"""Consoles and the relays they are for: started with one, stopped or left behind, or none there, closed, or of another version."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.control.conftest import put
from tests.kit import tmux
from tests.kit.processes import Child, wait_until
from tests.kit.relay import MAILTUI, Relay
from tests.kit.tmux import Tmux

from mailtui.console.screens.confirm import GUARD

pytestmark = pytest.mark.skipif(bool(tmux.missing()), reason=tmux.missing() or "tmux is there")

_OTHER = (
    "import sys, mailtui; mailtui.__version__ = '9.9.9'; from mailtui.__main__ import run; sys.exit(run(sys.argv[1:]))"
)


@pytest.fixture(scope="module")
def terminal() -> Iterator[Tmux]:
    with Tmux() as server:
        yield server


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A relay with a configuration, not started."""
    made = Relay({"intake": {"min_free_disk": "1MB"}})
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.root, ignore_errors=True)


def mailtui(relay: Relay, *words: str) -> list[str]:
    return [*MAILTUI, "--config", str(relay.config), *words]


def test_run_leaves_the_relay_or_stops_it(terminal: Tmux, relay: Relay, tmp_path: Path) -> None:
    with terminal.open(mailtui(relay, "run"), tmp_path) as screen:
        screen.sees("relay.test", "LIVE", timeout=30)
        pid = relay.status()["pid"]
        screen.press("q", "s")  # typed in one go: the question was not seen yet
        screen.sees("This console started the relay.")
        screen.press("Escape")
        screen.until(lambda shown: "This console started" not in shown, "to stay")
        screen.press("q")
        screen.sees("leave it running")
        wait_heard()
        screen.press("l")
        assert screen.ended() == 0
    assert relay.status()["pid"] == pid
    with terminal.open(mailtui(relay, "attach"), tmp_path) as screen:
        screen.sees("relay.test", "LIVE", timeout=30)
        os.kill(pid, signal.SIGTERM)
        screen.sees("OFFLINE", "no relay answers")
        screen.press("q")
        assert screen.ended() == 0
    wait_until(lambda: not relay.socket.exists(), "the relay to end")
    with terminal.open(mailtui(relay, "run"), tmp_path) as screen:
        screen.sees("relay.test", "LIVE", timeout=30)
        screen.press("q")
        screen.sees("stop it")
        wait_heard()
        screen.press("s")
        assert screen.ended() == 0
    assert not relay.socket.exists()
    assert not (relay.data / "relay.log").read_text().count("Traceback")


def wait_heard() -> None:
    """The guard is a time: nothing else shows that it is over."""
    time.sleep(GUARD + 0.4)


def test_a_console_for_a_relay_that_is_not_there_waits_for_it(terminal: Tmux, relay: Relay, tmp_path: Path) -> None:
    with terminal.open(mailtui(relay, "attach"), tmp_path) as screen:
        shown = screen.sees("OFFLINE", "no relay answers", timeout=30)
        assert "relay.test" not in shown
        assert (
            "asking …" in shown and "nothing waits" not in shown
        )  # nothing is claimed of a queue nobody was asked about
        for tab in "234567":
            screen.press(tab)
            screen.until(lambda shown, tab=tab: f"[{tab} " in shown, f"tab {tab}")  # type: ignore[misc]
        screen.press("1")
        relay.start()
        screen.sees("relay.test", "LIVE")
        relay.kill()  # its socket is left behind, and nobody listens there
        assert relay.socket.exists()
        screen.sees("OFFLINE", "no relay answers")
    with terminal.open(mailtui(relay, "attach"), tmp_path) as screen:
        screen.sees("OFFLINE", "no relay answers", timeout=30)
        screen.press("q")
        assert screen.ended() == 0


def test_a_socket_that_is_closed_to_the_user(terminal: Tmux, relay: Relay, tmp_path: Path) -> None:
    relay.start()
    command = [*MAILTUI, "--socket", str(relay.socket), "attach"]
    if os.getuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root is refused nothing, and there is no setpriv")
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *command]
    else:
        relay.socket.chmod(0)
    with terminal.open(command, tmp_path) as screen:
        screen.sees("OFFLINE", "is closed to this user", timeout=30)


def test_a_relay_of_another_version(terminal: Tmux, relay: Relay, tmp_path: Path) -> None:
    with Child(
        [sys.executable, "-c", _OTHER, "--config", str(relay.config), "serve"], relay.log, cwd=relay.root
    ) as other:
        other.wait_until(lambda: re.search("^ready", other.said(), re.MULTILINE), "the ready line", 20)
        with terminal.open(mailtui(relay, "attach"), tmp_path) as screen:
            shown = screen.sees("OFFLINE", "9.9.9", timeout=30)
            assert "0.1" in shown or "version" in shown
            screen.press("H")
            screen.press("q")
            assert screen.ended() == 0
        assert other.running


@pytest.mark.parametrize("verb", ["attach", "run"])
def test_a_wrong_configuration_is_named_before_anything_is_drawn(
    terminal: Tmux, relay: Relay, tmp_path: Path, verb: str
) -> None:
    relay.config.write_text("[relay]\nhostnane = 'x'\n")
    with terminal.open(mailtui(relay, verb), tmp_path) as screen:
        assert screen.ended() == 78
        shown = screen.printed
        assert "hostnane" in shown and "config.toml" in shown
        assert "Traceback" not in shown
        assert screen.told("#{alternate_on}") == "0"
    assert not relay.data.exists()


def test_a_terminal_that_goes_away_in_the_middle_of_a_change(terminal: Tmux, relay: Relay, tmp_path: Path) -> None:
    """The connection of an operator is lost while the relay is asked: it carries out what it was told, once, or nothing of it."""
    relay.configure({"route": [{"to": "127.0.0.1:1"}], "intake": {"min_free_disk": "1MB"}})
    relay.start()
    put(relay, *(f"r{n}@lost.test" for n in range(3)))
    wait_until(lambda: relay.status()["queue"]["deferred"] == 3, "all to be deferred")
    with terminal.open(mailtui(relay, "attach"), tmp_path) as screen:
        screen.sees("lost.test", "LIVE", timeout=30)
        screen.press("2")
        screen.sees("row 1 of 3")
        screen.press("*", "H")
        screen.sees("Hold 3 recipients")
        wait_heard()
        console = screen.pid
        relay.child.process.send_signal(signal.SIGSTOP)
        screen.press("y")
        screen.until(lambda shown: "Hold 3 recipients" not in shown, "the dialog to go")
        screen.close()
        wait_until(lambda: not Path(f"/proc/{console}").exists(), "the console to end")
        relay.child.process.send_signal(signal.SIGCONT)
    held = relay.status()["queue"]["held"]
    rows = relay.get("audit?limit=10")
    assert (held, [row["done"] for row in rows]) in ((3, [3]), (0, []))
    assert "error" not in relay.said().lower() and "Traceback" not in relay.said()
    done = subprocess.run(mailtui(relay, "hold", "--all"), capture_output=True, text=True, timeout=30, check=False)
    assert relay.status()["queue"]["held"] == 3, done.stderr
    assert sum(row["done"] for row in relay.get("audit?limit=10")) == 3
