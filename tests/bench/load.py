"""The load of the benchmarks: Postfix's `smtp-source` and `smtp-sink`, in processes of their own.

Owned here: running one and counting with the other. The sink tells each message as it comes, so a run ends when the last one has
arrived, not when somebody looked.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from typing import Final, NamedTuple, Self

from tests.kit.processes import free_port, program, wait_for_port

SENDER: Final = "a@src.test"
RECIPIENT: Final = "b@dst.test"
_COUNT: Final = re.compile(rb"mesg=(\d+)\r")


class Sink:
    """`with Sink() as sink:` accepts and drops everything on `sink.port`. `options` go to smtp-sink as they are."""

    def __init__(self, *options: str, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host = host
        self.port = port or free_port(host)
        self._options = options
        self._count = 0
        self._last = 0.0
        self._grown = threading.Condition()

    def __enter__(self) -> Self:
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [program("smtp-sink"), *user, "-c", *self._options, f"{self.host}:{self.port}", "1000"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_for_port(self.port, self.host)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._reader.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def count(self) -> int:
        """Messages taken so far."""
        return self._count

    def wait_for(self, count: int, timeout: float) -> float:
        """Until it has taken `count` messages in all; the `time.monotonic` of the last of them. TimeoutError says how many came."""
        with self._grown:
            if not self._grown.wait_for(lambda: self._count >= count, timeout):
                raise TimeoutError(f"the sink has {self._count} of {count} messages after {timeout:g} s")
            return self._last

    def _read(self) -> None:
        assert self._process.stdout is not None
        tail = b""
        while data := self._process.stdout.read(65536):
            now = time.monotonic()
            tail += data
            found = _COUNT.findall(tail)
            tail = tail[-64:]
            with self._grown:
                if found and int(found[-1]) > self._count:
                    self._count, self._last = int(found[-1]), now
                    self._grown.notify_all()


class Load(NamedTuple):
    """What smtp-source is to send: messages of `size` octets over `sessions` parallel sessions, one connection per message or
    `kept` ones."""

    messages: int
    size: int = 4096
    sessions: int = 20
    kept: bool = False
    recipient: str = RECIPIENT
    sender: str = SENDER

    def command(self, port: int, host: str = "127.0.0.1") -> list[str]:
        """The program and its arguments."""
        kept = ["-d"] if self.kept else []
        numbers = ["-s", str(self.sessions), "-m", str(self.messages), "-l", str(self.size)]
        envelope = ["-f", self.sender, "-t", self.recipient, "-M", "client.test"]
        return [program("smtp-source"), *kept, *numbers, *envelope, f"{host}:{port}"]

    def start(self, port: int, host: str = "127.0.0.1") -> subprocess.Popen[str]:
        """Begin; the process ends when the last message has its answer."""
        return subprocess.Popen(self.command(port, host), stderr=subprocess.PIPE, text=True)

    def run(self, port: int, host: str = "127.0.0.1", timeout: float = 600.0) -> float:
        """Send everything; the seconds it took. RuntimeError when the other side refused something."""
        began = time.monotonic()
        finish(self.start(port, host), timeout)
        return time.monotonic() - began


def finish(source: subprocess.Popen[str], timeout: float = 600.0) -> None:
    """Wait for an smtp-source. RuntimeError with its complaint when it failed."""
    try:
        _, complaint = source.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        source.kill()
        source.communicate()
        raise
    if source.returncode:
        raise RuntimeError(f"smtp-source ended with {source.returncode}: {complaint[-500:]}")
