"""The user's keys: a TOML file that gives actions other keys than the table does.

Owned here: reading and checking that file. Every error says file and key; unknown names come with the nearest known one.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from mailtui.errors import ConfigError

from .actions import ACTIONS, BY_ID

#: Keys that end up elsewhere in a terminal.
_TAKEN: Final = {"ctrl+i": "tab", "ctrl+m": "enter", "ctrl+h": "backspace", "ctrl+j": "enter"}


def load(path: Path) -> dict[str, str]:
    """Keys by the id of their action, as `[keys]` of a file says; nothing when there is no file for us. ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, PermissionError):  # also in somebody else's home, as `sudo -u` may leave it to us
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> dict[str, str]:
    """The keys a text gives. ConfigError names the file and the key."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: {error}") from None
    if strange := next((key for key in tables if key != "keys"), None):
        raise ConfigError(f"{name}: {strange}: only the table [keys] is known")
    keys = tables.get("keys", {})
    if not isinstance(keys, dict):
        raise ConfigError(f"{name}: keys: a table is wanted")
    for action, value in keys.items():
        _check(action, value, name)
    _unambiguous(keys, name)
    return {action: str(value).replace(" ", "") for action, value in keys.items()}


def _check(action: str, value: object, name: str) -> None:
    if action not in BY_ID:
        near = get_close_matches(action, BY_ID, 1)
        raise ConfigError(f"{name}: keys.{action}: no such action{f'; {near[0]}?' if near else ''}")
    if not isinstance(value, str) or not all(value.split(",")):
        raise ConfigError(f'{name}: keys.{action}: keys between commas are wanted, such as "R,f5"')
    for key in value.replace(" ", "").split(","):
        if key in _TAKEN:
            raise ConfigError(f"{name}: keys.{action}: a terminal sends {key} as {_TAKEN[key]}")


def _unambiguous(keys: dict[str, object], name: str) -> None:
    """No key may mean two actions in the same place."""
    for action in ACTIONS:
        for other in ACTIONS:
            if action is other or action.id not in keys or not action.where & other.where:
                continue
            mine = set(str(keys[action.id]).replace(" ", "").split(","))
            if both := mine & set(str(keys.get(other.id, other.keys)).split(",")):
                raise ConfigError(f"{name}: keys.{action.id}: {min(both)} is {other.id} already")
