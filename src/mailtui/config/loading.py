"""Where the configuration file is, and one call from there to checked settings.

Owned here: the order of places (design 2.1), reading and TOML syntax, and the file's name in front of every error.
Nothing here knows a key, except `relay.data_dir`, whose default depends on the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from mailtui.errors import ConfigError

from .checks import check, check_files
from .reader import read
from .settings import Config, home_directory, state_directory

SYSTEM_FILE: Final = Path("/etc/mailtui/config.toml")


def locate(path: Path | None, environ: Mapping[str, str], system: Path = SYSTEM_FILE) -> Path | None:
    """The file to read, absolute: `path`, $MAILTUI_CONFIG, the system's if readable, the user's; None for the defaults.

    The first two are taken at their word: that they exist is for `load` to find out.
    """
    if path is not None:
        return path.absolute()
    if named := environ.get("MAILTUI_CONFIG"):
        return Path(named).absolute()
    if os.access(system, os.R_OK) and system.is_file():
        return system
    given = environ.get("XDG_CONFIG_HOME", "")
    base = Path(given) if given.startswith("/") else home_directory(environ) / ".config"
    user = base / "mailtui/config.toml"
    return user if user.is_file() else None


def load(path: Path | None, environ: Mapping[str, str], *, files: bool = True) -> Config:
    """The checked settings of the file `locate` finds, or the defaults. ConfigError, one line, at the first problem.

    `files=False` leaves out the files that keys name: for clients, who may not read the relay's keys.
    """
    found = locate(path, environ)
    try:
        config = read(_with_data_dir(_parse(found) if found else {}, environ))
        check(config)
        if files:
            check_files(config, environ)
    except ConfigError as error:
        raise ConfigError(_one_line(f"{found.name if found else 'default settings'}: {error}")) from None
    return msgspec.structs.replace(config, path=found)


def load_socket(path: Path | None, environ: Mapping[str, str]) -> Path:
    """Where the relay of that file listens for operators, if the file says so much: while somebody edits the rest of it, those who
    look after the relay must not be locked out. ConfigError."""
    found = locate(path, environ)
    raw = _parse(found) if found else {}
    return read(_with_data_dir({"relay": raw.get("relay", {})}, environ)).relay.socket


def _parse(path: Path) -> dict[str, object]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"not UTF-8 text (at line {line})") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not valid TOML: {error}") from None


def _with_data_dir(raw: dict[str, object], environ: Mapping[str, str]) -> dict[str, object]:
    """The default of `relay.data_dir` belongs to the given environment, not to this process's."""
    relay = raw.get("relay", {})
    if not isinstance(relay, dict):
        return raw
    return raw | {"relay": {"data_dir": str(state_directory(environ)), **relay}}


def _one_line(text: str) -> str:
    """Whatever a key, value or path holds, the error stays one line and sends nothing to a terminal but text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
