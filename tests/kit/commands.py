"""A person at a terminal of 80 columns: a command on a pseudo-terminal, what it showed, and how long that took.

Owned here: the terminal and the typing of answers to prompts. What is typed and what is made of it is each test's own.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

COLUMNS: Final = 80
_LINES: Final = 24


class Shown(NamedTuple):
    """What a command put on the screen (as it stands at the end: what a carriage return overwrote is gone), its exit code, and seconds."""

    text: str
    code: int
    seconds: float

    @property
    def lines(self) -> list[str]:
        """The screen, line by line."""
        return self.text.splitlines()

    @property
    def too_wide(self) -> list[str]:
        """Lines that a terminal would wrap."""
        return [line for line in self.lines if len(line) > COLUMNS]


def run(
    command: Sequence[str],
    answers: Mapping[str, str] | None = None,
    timeout: float = 120.0,
    env: Mapping[str, str] | None = None,
) -> Shown:
    """Run a command with all three streams on a terminal; each of `answers` is typed once, when its key was asked for."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, COLUMNS, 0, 0))
    quiet = termios.tcgetattr(slave)
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, quiet)
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, close_fds=True, start_new_session=True,
        env={**environment, **(env or {})},
    )  # fmt: skip
    os.close(slave)
    try:
        octets = _converse(master, dict(answers or {}), began + timeout)
        code = process.wait(max(0.1, began + timeout - time.monotonic()))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(master)
    return Shown(_screen(octets.decode("utf-8", "replace")), code, time.monotonic() - began)


def _converse(master: int, answers: dict[str, str], deadline: float) -> bytes:
    octets = b""
    while time.monotonic() < deadline:
        if not select.select([master], [], [], 1.0)[0]:
            continue
        try:
            piece = os.read(master, 65536)
        except OSError:  # EIO: nobody has the other side any more
            break
        if not piece:
            break
        octets += piece
        for asked in [asked for asked in answers if asked.encode() in octets]:
            os.write(master, answers.pop(asked).encode() + b"\n")
    return octets


def _screen(text: str) -> str:
    """The lines that remain: a line rewritten after a carriage return shows its last writing."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(_last(line) for line in lines)


def _last(line: str) -> str:
    shown = ""
    for piece in line.split("\r"):
        shown = piece + shown[len(piece) :]
    return shown.rstrip()
