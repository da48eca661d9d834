"""Where something leaves the console: the clipboard, a pager, a file.

Owned here: these three ways out, and what is said about each. What leaves was made harmless for a terminal before (`text`), but for files
of rows: JSON lines keep every character as it is, escaped.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from mailtui.display import plural, size
from mailtui.text import safe_text

#: Octets of text that terminals take by OSC 52.
MOST: Final = 74_000
_TMUX: Final = ("tmux", "load-buffer", "-w", "-")
_PATIENCE: Final = 5.0
#: What a file may be: rows for programs, rows for people, what is seen, a message as it is sent.
KINDS: Final = (".csv", ".jsonl", ".md", ".txt", ".eml")
#: Octets of a message that is written into a file.
WHOLE: Final = 256 * 1024 * 1024
#: What Markdown would take for markup.
_MARKUP: Final = re.compile(r"[\\`*_\[\]<>|&#~!]")
#: What a spreadsheet would take for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def text(lines: Iterable[str]) -> str:
    """Lines of strangers as one text."""
    return "".join(f"{safe_text(line).rstrip()}\n" for line in lines)


async def copy(what: str, content: str, environ: Mapping[str, str], send: Callable[[str], None]) -> tuple[str, bool]:
    """Put a text where one can paste from; what became of it, and whether that is known to be good. `send` is the terminal's OSC 52."""
    octets = len(content.encode())
    if octets > MOST:
        return f"{what} is {size(octets)}, a clipboard takes {size(MOST)}: | shows it, W writes it", False
    amount = plural(octets, "octet")
    if environ.get("TMUX"):
        if not (reason := await _to_tmux(content)):
            return (
                f"{what} copied ({amount}): in tmux's buffer, and its terminal's clipboard where that is allowed",
                True,
            )
        send(content)
        return f"{what} sent to the terminal ({amount}); tmux did not take it: {reason}", False
    send(content)
    return f"{what} sent to the terminal's clipboard ({amount}); not every terminal takes it", True


async def _to_tmux(content: str) -> str:
    """Why not; "" when it is there."""
    try:
        async with asyncio.timeout(_PATIENCE):
            process = await asyncio.create_subprocess_exec(
                *_TMUX, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            _, said = await process.communicate(content.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        return "no answer"
    except OSError as error:
        return error.strerror or "it cannot be started"
    return "" if process.returncode == 0 else safe_text(said.decode(errors="replace").strip())[:80] or "it failed"


def pager(environ: Mapping[str, str]) -> list[str]:
    """The command of the user's pager; empty when there is none."""
    try:
        wanted = shlex.split(environ.get("PAGER", ""))
    except ValueError:
        wanted = []
    found = (command for command in (wanted, ["less"], ["more"]) if command and shutil.which(command[0]))
    return next(found, [])


def page(command: Sequence[str], content: str) -> str:
    """Let a pager show a text until it is left; why it could not, or "". Ctrl-C is the pager's meanwhile."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        done = subprocess.run(command, input=content.encode(), check=False)
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    finally:
        signal.signal(signal.SIGINT, before)
    return f"{command[0]} ended with {done.returncode}" if done.returncode not in (0, 2, 130) else ""


def unwritable(name: str) -> str:
    """Why nothing can be written there, as far as can be told before; "" when it may be."""
    path = Path(name).expanduser()
    if path.suffix not in KINDS:
        return f"the name must end in {', '.join(KINDS[:-1])} or {KINDS[-1]}"
    if path.exists() or path.is_symlink():
        return f"it is there already, nothing is overwritten: {path}"
    return "" if path.parent.is_dir() else f"there is no directory {path.parent}"


class NewFile:
    """A file that was not there before, for its owner alone (0600). OSError when there is one, or it cannot be made."""

    def __init__(self, name: str) -> None:
        self.path = Path(name).expanduser()
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(fd, "wb")
        self.octets = 0

    def write(self, content: str | bytes) -> None:
        """More of it."""
        octets = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
        self.octets += len(octets)
        self._file.write(octets)

    def close(self) -> None:
        """It is whole."""
        self._file.close()

    def discard(self) -> None:
        """It will not be: nothing is left of it."""
        self._file.close()
        self.path.unlink(missing_ok=True)


class Table:
    """Rows as lines of CSV, JSON or Markdown: values as the API gives them, nested ones as `ages.m5`. Headings come from the first row."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._headings: list[str] = []

    def lines(self, rows: Iterable[msgspec.Struct]) -> str:
        """These rows, with the headings before the first ones."""
        if self._kind == "jsonl":
            return "".join(f"{msgspec.json.encode(row).decode()}\n" for row in rows)
        drawn = io.StringIO()
        writer = csv.writer(drawn, lineterminator="\n")
        for row in rows:
            values = _flat(msgspec.to_builtins(row))
            if not self._headings:
                self._headings = list(values)
                if self._kind == "md":
                    drawn.write(_cells(self._headings) + _cells(["---"] * len(self._headings)))
                else:
                    writer.writerow(self._headings)
            if self._kind == "md":
                drawn.write(_cells(values.get(name) for name in self._headings))
            else:
                writer.writerow([_harmless(values.get(name, "")) for name in self._headings])
        return drawn.getvalue()


def _cells(values: Iterable[object]) -> str:
    """A row of a Markdown table: nothing in a cell ends it or is markup."""
    told = ("" if value is None else safe_text(str(value)) for value in values)
    return "| " + " | ".join(_MARKUP.sub(r"\\\g<0>", one) for one in told) + " |\n"


def _flat(value: Mapping[str, object], before: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            flat |= _flat(inner, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = json.dumps(inner) if isinstance(inner, list | tuple) else inner
    return flat


def _harmless(value: object) -> object:
    """A cell that no spreadsheet calculates and no terminal obeys."""
    if not isinstance(value, str):
        return value
    clean = safe_text(value)
    return f"'{clean}" if clean.startswith(_FORMULA) else clean
