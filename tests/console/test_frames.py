"""What is sent to a terminal, seen as a terminal shows it: the same with and without leaving out, whole after a stall."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pyte
import pytest
from tests.kit.processes import rss, wait_until
from tests.kit.relay import MAILTUI, Relay
from tests.kit.terminal import Terminal

from .conftest import put, settled

SIZE = 100, 30
#: Pressed one after the other, and what is on the screen then.
KEYS = (
    ("2", "[2 Queue]"),
    ("j", "row 2"),
    ("?", "Help: queue"),
    ("\x1b", "row 2"),
    ("3", "[3 Domains]"),
    ("1", "[1 Overview]"),
)


@pytest.fixture(scope="module", autouse=True)
def mail(relay: Relay) -> None:
    queue_id = put(relay, "ana@look.test", "bob@look.test", sender="news@list.example")
    relay.post("retry", ids=[queue_id])
    settled(relay, f"id:{queue_id}", "deferred")


def console(relay: Relay, home: Path, *options: str, **env: str) -> Terminal:
    command = [*MAILTUI, "--config", str(relay.config), "attach", *options]
    return Terminal(*command, home=home, size=SIZE, env={"COLORTERM": "truecolor", **env})


class Seen:
    """What a terminal that was sent all this shows; without the title, which has the time."""

    def __init__(self, terminal: Terminal) -> None:
        self.screen = pyte.Screen(*SIZE)
        self._stream, self._terminal, self._fed = pyte.ByteStream(self.screen), terminal, 0

    def rows(self) -> list[str]:
        sent = self._terminal.read()
        self._stream.feed(sent[self._fed :])
        self._fed = len(sent)
        return [row.rstrip() for row in self.screen.display[1:]]

    def until(self, text: str) -> list[str]:
        wait_until(lambda: any(text in row for row in self.rows()), f"{text!r} in {self.screen.display}", 20)
        return self.rows()

    def still(self) -> list[str]:
        """Once nothing comes for a moment but the clock."""
        self._terminal.read_for(0.4)
        return self.rows()

    def colours(self) -> list[list[tuple[str, str]]]:
        cells = [[self.screen.buffer[y][x] for x in range(SIZE[0])] for y in range(1, SIZE[1])]
        return [[(one.fg if one.data != " " else "", one.bg) for one in row] for row in cells]


def test_what_is_left_out_was_there(relay: Relay, tmp_path: Path) -> None:
    """Frozen, so that both consoles show one moment."""
    pictures, sent = [], []
    for env in ({}, {"MAILTUI_DRAW": "whole"}):
        with console(relay, tmp_path, **env) as terminal:
            seen, shown = Seen(terminal), []
            seen.until("look.test")
            for key, text in KEYS:
                terminal.type(key)
                seen.until(text)
                shown.append((numberless(seen.still()), seen.colours()[:2]))
            pictures.append(shown)
            sent.append(len(terminal.sent))
            terminal.type("q")
            assert terminal.ended() == 0
    assert pictures[0] == pictures[1]
    assert sent[0] < sent[1] / 2


def numberless(rows: list[str]) -> list[str]:
    """Without what goes on between two looks."""
    return ["".join("0" if one.isdigit() else one for one in row) for row in rows]


def test_a_repaint_shows_what_was_there(relay: Relay, tmp_path: Path) -> None:
    with console(relay, tmp_path) as terminal:
        seen = Seen(terminal)
        seen.until("look.test")
        terminal.type("2")
        before = seen.until("> ")
        before, colours = seen.still(), seen.colours()
        seen.screen.reset()
        terminal.type("\x0c")
        assert numberless(seen.until("> ")) == numberless(before)
        assert seen.colours() == colours


def test_a_terminal_that_does_not_read_is_waited_for(relay: Relay, tmp_path: Path) -> None:
    """The picture is left out while it does not, the console goes on, and then everything is there."""
    with console(relay, tmp_path) as terminal:
        seen = Seen(terminal)
        seen.until("look.test")
        pid = terminal.process.pid
        before, sockets = rss(pid), relay.status()["totals"]["accepted"]
        deadline = time.monotonic() + 20
        while not blocked(pid):
            terminal.type("12\x0c")
            time.sleep(0.02)
            assert time.monotonic() < deadline, "the terminal is never full"
        put(relay, "late@stall.test")
        wait_until(lambda: relay.status()["totals"]["accepted"] == sockets + 1, "the relay to take mail")
        terminal.type("2")
        assert rss(pid) - before < 10_000_000
        rows = seen.until("late@stall.test")
        assert len([row for row in rows if "late@stall.test" in row]) >= 1
        whole = seen.still()
        seen.screen.reset()
        terminal.type("\x0c")
        seen.until("late@stall.test")
        assert numberless(seen.still()) == numberless(whole)
        assert "SLOW" in seen.screen.display[0]


def test_a_signal_ends_it_though_nobody_reads(relay: Relay, tmp_path: Path) -> None:
    with console(relay, tmp_path) as terminal:
        terminal.sees("look.test")
        while not blocked(terminal.process.pid):
            terminal.type("12\x0c")
            time.sleep(0.02)
        terminal.process.terminate()
        assert terminal.process.wait(10) == 143


def blocked(pid: int) -> bool:
    """Whether a thread of it waits for the terminal to read."""
    waits = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            waits.append(Path(f"/proc/{pid}/task/{task}/wchan").read_text())
        except FileNotFoundError:
            continue
    return any("write" in one or "tty" in one for one in waits)
