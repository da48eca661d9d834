"""A relay in a process of its own, for the console that is opened on it: started, waited for, and ended or left behind.

Owned here: the life of that child. It has a session of its own, so that keys and hang-ups of the terminal do not reach it, and its output
goes to a file. Nothing is left of a demo: its standard input ends with us, however we end.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mailtui.errors import EX_UNAVAILABLE, ControlError

#: Seconds a relay may take to start (it may check a large queue), and to finish what it is sending.
_START: Final = 60.0
_STOP: Final = 60.0
_LOOK: Final = 0.05


@contextmanager
def child(arguments: Sequence[str], control: Path, log: Path, goes_on: Callable[[], bool]) -> Iterator[None]:
    """`mailtui ARGUMENTS` from before `control` answers until the end; SIGTERM then, unless it `goes_on`. ControlError when it
    does not start."""
    command = [sys.executable, "-m", "mailtui", *arguments]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True)
    try:
        _wait(process, control, log)
        yield
    finally:
        if not goes_on():
            _end(process)


def _wait(process: subprocess.Popen[bytes], control: Path, log: Path) -> None:
    deadline = time.monotonic() + _START
    while not answers(control):
        if process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            said = lines[-1] if lines else "it said nothing"
            raise ControlError("start", f"the relay did not start: {said}", f"its log is {log}", EX_UNAVAILABLE)
        time.sleep(_LOOK)


def answers(control: Path) -> bool:
    """Whether somebody listens there."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(control)) == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    if process.stdin:
        process.stdin.close()
