"""A person at a real terminal: a program in tmux, keys by name, and what the screen shows.

Owned here: one tmux server of our own (its socket in a directory of ours), its sessions, and the count of keys pressed. What is
pressed and what must be seen is each test's own.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from tests.kit.processes import Waited, program, wait_until

_NAME: Final = "mailtui-test"
#: Seconds between two looks at a screen.
_POLL: Final = 0.04


def missing() -> str:
    """Why there can be no such terminal here; "" when there can."""
    return "" if program("tmux") else "tmux is not installed"


class Session:
    """A terminal of the server with a program in it. `pressed` counts keys."""

    def __init__(self, server: Tmux, name: str) -> None:
        self._server, self._name = server, name
        self.pressed = 0

    def press(self, *keys: str) -> None:
        """Keys as tmux calls them: `Enter`, `Escape`, `C-z`, `j`. Each counts."""
        for key in keys:
            self._server.run("send-keys", "-t", self._name, *(["-l", "--", key] if len(key) == 1 else [key]))
        self.pressed += len(keys)

    def type(self, text: str) -> None:
        """Text, letter by letter, in one burst. Each letter counts."""
        self._server.run("send-keys", "-t", self._name, "-l", "--", text)
        self.pressed += len(text)

    @property
    def text(self) -> str:
        """What the screen shows, line by line."""
        return self._server.run("capture-pane", "-p", "-t", self._name)

    def sees(self, *texts: str, timeout: float = 15.0) -> str:
        """The screen, once it shows all of these."""
        return self.until(lambda shown: all(text in shown for text in texts), " and ".join(map(repr, texts)), timeout)

    @property
    def printed(self) -> str:
        """What a program without a screen of its own printed, what has scrolled away too."""
        return self._server.run("capture-pane", "-p", "-J", "-S", "-200", "-t", self._name)

    def until(self, fact: Callable[[str], object], what: str, timeout: float = 15.0) -> str:
        """The screen, once something is true of it."""
        shown = ""

        def so() -> bool:
            nonlocal shown
            shown = self.text
            return bool(fact(shown))

        try:
            wait_until(so, what, timeout, _POLL)
        except Waited as waited:
            raise Waited(f"{waited}; the screen was\n{shown}") from None
        return shown

    def resize(self, columns: int, rows: int) -> None:
        """Another size."""
        self._server.run("resize-window", "-t", self._name, "-x", str(columns), "-y", str(rows))

    def told(self, format: str) -> str:
        """What tmux knows of it: `#{alternate_on}`, `#{cursor_flag}`, `#{pane_pid}`."""
        return self._server.run("display-message", "-p", "-t", self._name, format).strip()

    @property
    def pid(self) -> int:
        """The program that was started in it."""
        return int(self.told("#{pane_pid}"))

    @property
    def restored(self) -> bool:
        """Whether the terminal is as a program found it: its own screen, a cursor, no mouse, no line it cannot read."""
        return self.told("#{alternate_on}#{cursor_flag}#{mouse_any_flag}#{bracket_paste_flag}") in ("0100", "010")

    def ended(self, timeout: float = 15.0) -> int:
        """The exit code of the program, once it has ended; the screen stays to be looked at."""
        pid, before = self.pid, self.text
        wait_until(lambda: self._code(pid) is not None, f"the program to end; the screen was\n{before}", timeout, _POLL)
        code = self._code(pid)
        assert code is not None
        return code

    def _code(self, pid: int) -> int | None:
        """From tmux, or from the process itself: now and then tmux does not fetch its dead before something else ends."""
        if status := self.told("#{pane_dead_status}"):
            return int(status)
        if number := self.told("#{pane_dead_signal}"):
            return -int(number)
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return os.waitstatus_to_exitcode(int(fields[-1])) if fields[0] == "Z" else None

    def close(self) -> None:
        """Hang up: the terminal goes away under the program."""
        self._server.run("kill-session", "-t", self._name)


class Tmux:
    """`with Tmux() as tmux: with tmux.open([program], home=...) as screen: ...`; leaving ends this server and no other."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mt-tmux-"))
        self._socket = self._folder / "s"
        self._sessions = 0

    def __enter__(self) -> Self:
        self.run("new-session", "-d", "-s", "keep", "sleep 1000")  # so that the server outlives its sessions
        self.run("set-option", "-g", "remain-on-exit", "on")
        self.run("set-option", "-g", "set-clipboard", "on")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.run("kill-server")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, *command: str) -> str:
        """What a tmux command prints."""
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), "-f", "/dev/null", *command],
            capture_output=True, text=True, timeout=20, check=False, env={**_environment(), "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(f"tmux {' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def pasted(self) -> str:
        """What would be pasted; "" when nothing was copied."""
        return self.run("show-buffer") if self.run("list-buffers") else ""

    @contextmanager
    def open(
        self,
        command: Sequence[str],
        home: Path,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str] | None = None,
    ) -> Iterator[Session]:
        """A terminal of that size with the program in it; `home` is where it keeps its settings."""
        self._sessions += 1
        name = f"{_NAME}-{self._sessions}"
        given = {"XDG_CONFIG_HOME": str(home), "PYTHONPATH": os.pathsep.join(_paths()), **(env or {})}
        words = [word for key, value in given.items() for word in ("-e", f"{key}={value}")]
        size = ["-x", str(columns), "-y", str(rows)]
        self.run("new-session", "-d", "-s", name, *size, *words, f"exec {shlex.join(command)}")
        session = Session(self, name)
        try:
            yield session
        finally:
            if name in self.run("list-sessions", "-F", "#{session_name}").split():
                session.close()


def _environment() -> dict[str, str]:
    """Ours, without what would tie the server to a tmux it is run in."""
    return {key: value for key, value in os.environ.items() if key not in ("TMUX", "TMUX_PANE")}


def _paths() -> list[str]:
    """Where Python finds us, made absolute."""
    return [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
