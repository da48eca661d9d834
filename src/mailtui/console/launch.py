"""Opening the console on a terminal: whether there is one, what Textual must be told before it is loaded, and how it ended.

Owned here: `Options` and `open_console`. Textual is imported inside, so that reading this module costs nothing; which relay is meant, and
whether it was started for the occasion, is the command line's business.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: Read by Textual when it is imported.
_SETTINGS: Final = {"TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0", "ESCDELAY": "50"}


def home(environ: Mapping[str, str]) -> Path:
    """Where the user keeps keys and themes."""
    base = environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "mailtui"


@dataclass(frozen=True)
class Options:
    """How the console is opened. `slow` is for a line on which octets count; `plain` prints lines, one look in `interval` seconds.
    `leaves` is what happens to the relay when it is left: "" it was there before, "ask" it was started by `run`, "stop" it is the
    demo's."""

    socket: Path
    theme: str = ""
    ascii: bool = False
    read_only: bool = False
    slow: bool = False
    plain: bool = False
    interval: float = 5.0
    leaves: str = ""
    hint: str = ""
    mouse: bool = True
    home: Path = field(default_factory=lambda: home(os.environ))


@dataclass(frozen=True)
class Ended:
    """How it ended: an exit code, and whether the relay that was started goes on."""

    code: int = 0
    relay_goes_on: bool = False


def unfit(environ: Mapping[str, str]) -> str:
    """Why no screen can be drawn here; "" when it can."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return "there is no terminal"
    if environ.get("TERM", "") in ("dumb", "unknown", ""):
        return f"the terminal cannot be drawn on (TERM={environ.get('TERM', '')})"
    return ""


def open_console(options: Options) -> Ended:
    """Draw, or print lines, until the operator leaves. ConfigError for a wrong theme or keymap."""
    problem = unfit(os.environ)
    if options.plain or problem:
        if not options.plain:
            sys.stderr.write(f"mailtui: {problem}: lines about what changes, as with --plain\n")
        from .plain import follow

        return Ended(follow(options.socket, options.interval))
    os.environ.update({name: value for name, value in _SETTINGS.items() if name not in os.environ})
    for name in ("COLUMNS", "LINES"):  # where a shell exports them, they would be the size for ever
        os.environ.pop(name, None)
    gc.disable()  # what a start makes stays
    from .app import Console

    console = Console(options)
    ended = console.run(mouse=options.mouse and not options.slow)
    return ended if isinstance(ended, Ended) else Ended(console.return_code or 0)
