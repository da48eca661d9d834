"""A terminal without a screen: a pseudo-terminal of some size with a program on it, and all that the program sends.

Owned here: starting the program, typing, reading, and not reading. What was sent is octets; what it looks like is `pyte`'s business.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from tests.kit.processes import Waited, wait_until

_PIECE: Final = 65536


class Terminal:
    """`with Terminal("mailtui", "attach", home=tmp_path) as screen:`; `home` is where it looks for keys and themes."""

    def __init__(
        self, *command: str, home: Path, size: tuple[int, int] = (80, 24), env: Mapping[str, str] | None = None
    ) -> None:
        self._master, slave = pty.openpty()
        self.resize(*size)
        self.sent = b""
        self._reader: threading.Thread | None = None
        environment = {**os.environ, "TERM": "xterm-256color", "XDG_CONFIG_HOME": str(home), **(env or {})}
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=environment
        )
        self._name = os.ttyname(slave)
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def resize(self, columns: int, rows: int) -> None:
        """Another size; the program is told."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self) -> bytes:
        """Everything sent so far."""
        while self._readable(0):
            try:
                piece = os.read(self._master, _PIECE)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            self.sent += piece
        return self.sent

    def read_for(self, seconds: float) -> int:
        """Keep reading for so long; how many octets came."""
        before, until = len(self.sent), time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._readable(left):
                self.read()
        return len(self.sent) - before

    def answer(self, keys: str, settled: float = 0.25, patience: float = 5.0) -> tuple[float, float, int]:
        """Type, and read until nothing came for `settled` seconds: seconds to the first octet, to the last, and how many came."""
        self.read()
        before, began = len(self.sent), time.monotonic()
        self.type(keys)
        first = last = 0.0
        while self._readable(settled if first else patience):
            self.read()
            last = time.monotonic() - began
            first = first or last
        return first, last, len(self.sent) - before

    def _readable(self, seconds: float) -> bool:
        return bool(select.select([self._master], [], [], seconds)[0])

    def typed(self, keys: Sequence[str], gap: float) -> int:
        """Type one after the other, `gap` seconds apart, reading all the time; how many octets came until a moment after the last."""
        before = len(self.sent)
        for key in keys:
            self.type(key)
            self.read_for(gap)
        self.read_for(0.3)
        return len(self.sent) - before

    def start_reading(self) -> None:
        """Read in a thread from now on, until the program has ended."""
        self._reader = threading.Thread(target=self._read_on, daemon=True)
        self._reader.start()

    def _read_on(self) -> None:
        while self.process.poll() is None:
            self.read_for(0.1)

    @property
    def full(self) -> bool:
        """Whether nothing more can be written to it before something is read."""
        slave = os.open(self._name, os.O_WRONLY | os.O_NOCTTY)
        try:
            return not select.select([], [slave], [], 0)[1]
        finally:
            os.close(slave)

    def sees(self, text: str, timeout: float = 20.0, poll: float = 0.05) -> None:
        """Until a text was sent."""
        wait_until(lambda: text.encode() in self.read(), f"{text!r} in {self.sent[-300:]!r}", timeout, poll)

    def type(self, keys: str) -> None:
        """Keys; a lone surrogate is the octet it stands for (PEP 383)."""
        os.write(self._master, keys.encode(errors="surrogateescape"))

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
        if self._reader:
            self._reader.join()
        os.close(self._master)
