"""Child processes of the tests: starting, waiting for a fact, stopping by pid, and what they cost.

Owned here: the life of a `Child`, free ports, the one polling loop of the kit (`wait_until`), and the numbers of /proc. What the
programs are and how they are configured stands in `postfix`, `relay` and `dns`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self, TypeVar

T = TypeVar("T")

POLL: Final = 0.01
TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_SBIN: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")


class Waited(AssertionError):
    """What was waited for did not happen in time."""


def program(name: str) -> str:
    """The path of a program, also from the directories only root has in PATH; "" when it is not installed."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_SBIN])) or ""


def wait_until(fact: Callable[[], T], what: str, timeout: float = 10.0, poll: float = POLL) -> T:
    """Ask `fact` until its answer is true and return that; `Waited` names `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        answer = fact()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Waited(f"waited {timeout:g} s for {what}")
        time.sleep(poll)


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_open(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0


def wait_for_port(port: int, host: str = "127.0.0.1", timeout: float = 10.0) -> None:
    """Until somebody accepts connections there."""
    wait_until(lambda: is_open(port, host), f"{host}:{port} to listen", timeout)


class Child:
    """`with Child([program, ...], log) as child:` runs it in a process group of its own; leaving stops exactly that group."""

    def __init__(
        self, command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """`log` gets standard output and standard error; `env` is added to the environment."""
        self.command = list(command)
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id, also that of its group."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def said(self) -> str:
        """Everything it wrote so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_until(self, fact: Callable[[], T], what: str, timeout: float = 10.0) -> T:
        """As the function, but a child that ended first is an error at once, with what it said."""

        def checked() -> T | None:
            answer = fact()
            if not answer and not self.running:
                raise Waited(
                    f"{self.command[0]} ended with {self.process.returncode} before {what}:\n{self.said()[-2000:]}"
                )
            return answer

        answer = wait_until(checked, what, timeout)
        assert answer is not None
        return answer

    def stop(self, patience: float = 30.0) -> int:
        """SIGTERM, and SIGKILL for what is left of its group after `patience` seconds; the exit code."""
        if self.running:
            self.process.terminate()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            pass
        return self.kill()

    def kill(self) -> int:
        """kill -9 to its whole group; the exit code."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.process.wait()


# --- what processes cost


def rss(pid: int) -> int:
    """Resident memory in octets; 0 when the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (FileNotFoundError, ProcessLookupError):
        return 0


def peak_rss(pid: int) -> int:
    """The most resident memory it ever had, in octets; 0 when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def forget_peak(pid: int) -> None:
    """Let `peak_rss` begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of everything below it, those that ended and were waited for included."""
    return sum(_own_cpu(child) for child in [pid, *descendants(pid)])


def _own_cpu(pid: int) -> float:
    """Its own time and that of the children it has waited for."""
    fields = _stat(pid)
    return sum(int(field) for field in fields[11:15]) * TICK if fields else 0.0


def descendants(pid: int) -> list[int]:
    """Every process below `pid`, from one look at /proc."""
    parents = {
        int(entry): int(fields[1]) for entry in os.listdir("/proc") if entry.isdigit() and (fields := _stat(int(entry)))
    }
    found, generation = [], [pid]
    while generation:
        generation = [child for child, parent in parents.items() if parent in generation]
        found += generation
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name (which may hold spaces): state, parent, ...; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
