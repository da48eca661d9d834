"""Secrets: read from a file or the environment, carried in a wrapper that no log, traceback or repr can open.

Owned here: `Secret`, and the rule that a file others can read is refused. Which key names the file is not known here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mailtui.errors import ConfigError

MAX_SECRET: Final = 4096


class Secret:
    """A password. Shows itself as `***`; `reveal()` gives the plain value at the one place that needs it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not serialised")


def unreadable(path: Path) -> str:
    """Why `path` cannot be read ("" when it can): missing, not a regular file, no permission."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"{path}: {error.strerror}"
    if not stat.S_ISREG(mode):
        return f"{path} is not a file"
    return "" if os.access(path, os.R_OK) else f"{path}: Permission denied"


def exposed(path: Path) -> str:
    """Why `path` cannot hold a secret ("" when it can): unreadable, or open to every user of the machine."""
    if problem := unreadable(path):
        return problem
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"{path} is open to every user of this machine (mode {mode:04o}), chmod o= it" if mode & 0o007 else ""


def read_secret(file: Path | None, env: str, environ: Mapping[str, str] = os.environ) -> Secret | None:
    """The secret in `file` (its first line) or in the environment variable `env`; None when neither is named.

    ConfigError when the file is unreadable, readable by everyone, or the secret is missing or empty.
    """
    if file is None and not env:
        return None
    if file is None:
        value = environ.get(env, "")
    else:
        if problem := exposed(file):
            raise ConfigError(problem)
        try:
            with file.open(encoding="utf-8") as stream:
                value = stream.readline(MAX_SECRET).rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file}: not readable as text: {type(error).__name__}") from None
    if not value:
        raise ConfigError(f"{file or '$' + env} is empty or not set")
    return Secret(value)
