"""What is sent to a terminal, seen as a terminal shows it: the same with and without leaving out, whole after a stall."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pyte
import pytest
from tests.kit.processes import rss, wait_until
from tests.kit.relay import MAILTUI, Relay
from tests.kit.terminal import Terminal

from .conftest import put, settled

SIZE = 100, 30
_MOVES = re.compile(r"\d[\d,.smhd]*|[▁▂▃▄▅▆▇█]+")
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
        self._terminal.read_for(0.2)
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
    """Without what goes on between two looks: numbers, how long something waits, sparklines."""
    return [" ".join(_MOVES.sub("0", row).split()) for row in rows]


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
        terminal.type("2")  # what a screen needs to be there is not counted
        seen.until("[2 Queue]")
        terminal.type("1")
        seen.until("[1 Overview]")
        pid = terminal.process.pid
        before, sockets = rss(pid), relay.status()["totals"]["accepted"]
        stall(terminal)
        put(relay, "late@stall.test")
        wait_until(lambda: relay.status()["totals"]["accepted"] == sockets + 1, "the relay to take mail")
        terminal.type("2")
        began = time.monotonic()
        wait_until(lambda: relay.status() and time.monotonic() - began > 2.0, "the console to call it slow", 5, 0.1)
        assert rss(pid) - before < 30_000_000  # once: it does not grow with the time that nobody reads
        seen.until("[2 Queue]")
        seen.until("stall.test")
        whole = seen.still()
        seen.screen.reset()
        terminal.type("\x0c")
        seen.until("stall.test")
        assert numberless(seen.still()) == numberless(whole)
        assert "SLOW" in seen.screen.display[0]


def test_a_signal_ends_it_though_nobody_reads(relay: Relay, tmp_path: Path) -> None:
    with console(relay, tmp_path) as terminal:
        terminal.sees("look.test")
        stall(terminal)
        terminal.process.terminate()
        assert terminal.process.wait(10) == 143


def stall(terminal: Terminal) -> None:
    """Let it be drawn on until it takes nothing more."""

    def full() -> bool:
        terminal.type("12\x0c")
        return terminal.full

    wait_until(full, "the terminal to be full", 20, 0.02)
