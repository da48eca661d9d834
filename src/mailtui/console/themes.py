"""Colours: themes as TOML files, those shipped and the user's own, checked before anything is drawn with them.

Owned here: reading and checking. What a colour is used for is in the style sheet; every name it uses is one of `VARIABLES`.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from textual.color import Color, ColorParseError
from textual.theme import BUILTIN_THEMES, Theme

from mailtui.errors import ConfigError

SHIPPED: Final = Path(__file__).parent / "themes"
DEFAULT, COLOURLESS = "relay-dark", "ansi-dark"
_COLOURS: Final = (
    *("primary", "secondary", "warning", "error", "success", "accent"),
    *("foreground", "background", "surface", "panel", "boost"),
)
#: What the console draws with, beside Textual's own.
VARIABLES: Final = (
    *("mt-dim", "mt-strong", "mt-line", "mt-title", "mt-ok", "mt-warn", "mt-bad", "mt-held", "mt-accent", "mt-key"),
    *("mt-bar", "mt-bar-text", "mt-env", "mt-env-text", "mt-cursor", "mt-cursor-text", "mt-input"),
)
_STYLE: Final = "mt-cursor-style"


def load(folder: Path | None) -> dict[str, Theme]:
    """All themes by name; one of the user's folder takes the place of a shipped one of that name. ConfigError names file and key."""
    files = sorted(SHIPPED.glob("*.toml"))
    try:
        if folder is not None and folder.is_dir():
            files += sorted(folder.glob("*.toml"))
    except PermissionError:
        pass  # somebody else's home, as `sudo -u` may leave it to us
    themes = [read(path) for path in files]
    return {theme.name: theme for theme in themes}


def read(path: Path) -> Theme:
    """The theme of one file. ConfigError."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None


def parse(text: str, name: str) -> Theme:
    """A theme from its text; everything missing comes from the shipped dark one. ConfigError names file and key."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: {error}") from None
    for key in table:
        if key not in (*_COLOURS, "name", "dark", "ansi", "variables"):
            raise ConfigError(f"{name}: {key}: no such key{_nearest(key, _COLOURS)}")
    if not isinstance(table.get("name"), str) or not table["name"].isprintable():
        raise ConfigError(f"{name}: name: a name is wanted")
    for key in ("dark", "ansi"):
        if not isinstance(table.get(key, False), bool):
            raise ConfigError(f"{name}: {key}: true or false is wanted")
    variables = table.pop("variables", {})
    for key, value in variables.items():
        if key not in (*VARIABLES, _STYLE):
            raise ConfigError(f"{name}: variables.{key}: no such key{_nearest(key, VARIABLES)}")
        if key == _STYLE and value not in ("bold", "reverse", "none"):
            raise ConfigError(f"{name}: variables.{key}: bold, reverse or none is wanted")
        if key != _STYLE:
            _colour(name, f"variables.{key}", value)
    for key in _COLOURS:
        if key in table:
            _colour(name, key, table[key])
    if "primary" not in table:
        raise ConfigError(f"{name}: primary: a colour is wanted")
    if table.get("ansi"):  # Textual needs more of such a theme
        variables = {**BUILTIN_THEMES["ansi-dark" if table.get("dark", True) else "ansi-light"].variables, **variables}
    return Theme(**table, variables=variables)


def _colour(name: str, key: str, value: object) -> None:
    try:
        Color.parse(value if isinstance(value, str) else "")
    except ColorParseError:
        raise ConfigError(f'{name}: {key}: {str(value)[:30]!r} is no colour; one is "#5fafff" or "ansi_blue"') from None


def _nearest(key: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(key, known, 1)
    return f"; {near[0]}?" if near else ""
