"""What every verb shares: where the relay is, one question to it, and the two ways to print an answer.

Owned here: the options in front of the verb and the road to standard output. What an answer looks like is `screens`' business.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

if TYPE_CHECKING:
    from mailtui.config import Config
    from mailtui.control.request import Request

R = TypeVar("R")


@dataclass(frozen=True)
class Context:
    """The options before the verb."""

    config_path: Path | None
    socket: Path | None

    def load(self, *, files: bool) -> Config:
        """The configuration; with `files`, the files it names are checked too. ConfigError."""
        from mailtui import config

        return config.load(self.config_path, os.environ, files=files)

    def socket_path(self, *, tell: bool = True) -> Path:
        """Where the relay listens for operators. One that runs is reached although its file is wrong now, which is told. ConfigError."""
        from mailtui import config
        from mailtui.errors import ConfigError

        if self.socket:
            return self.socket
        try:
            return self.load(files=False).relay.socket
        except ConfigError as error:
            with suppress(ConfigError):
                if (socket := config.load_socket(self.config_path, os.environ)).is_socket():
                    if tell:
                        click.echo(f"mailtui: {error}; the relay goes on with what it read before", err=True)
                    return socket
            raise

    def ask(self, request: Request[R]) -> R:
        """One request, one answer. RelayNotRunning, ControlError, Unavailable."""
        from mailtui.control.client import call

        return call(self.socket_path(tell=request.name != "reload"), request)  # that is its answer to a reload


pass_context = click.make_pass_decorator(Context)
yes_option = click.option("--yes", "-y", is_flag=True, help="Accepted like everywhere; nothing is asked.")
json_option = click.option("--json", "as_json", is_flag=True, help="JSON, one object a line.")


def say(lines: Iterable[str]) -> None:
    """Lines to standard output."""
    for line in lines:
        sys.stdout.write(line + "\n")


def say_json(values: Iterable[object]) -> None:
    """One JSON object a line. What a terminal would obey or hide is written as \\u escapes: the same values, harmless to look at."""
    for value in values:
        say([_harmless(msgspec.json.encode(value).decode())])


def _harmless(line: str) -> str:
    return line if line.isascii() and line.isprintable() else "".join(_json_escapes(line))


def _json_escapes(line: str) -> Iterator[str]:
    for character in line:
        if character.isprintable():
            yield character
        else:
            units = character.encode("utf-16-be")
            yield "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def columns() -> int | None:
    """Cells to fit into: the terminal's; None when standard output is none and nothing should be cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def asks() -> bool:
    """Whether there is a person to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()
