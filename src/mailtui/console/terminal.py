"""What reaches the terminal: the net under everything that is sent to it, and what is left on it after a crash.

Owned here: those two. The net is the second line of defence: all text is made harmless where a line is made, and whatever was forgotten
there becomes a dot here.
"""

from __future__ import annotations

import os
import time
import unicodedata
from functools import lru_cache
from pathlib import Path
from traceback import extract_tb
from typing import Final

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

#: What `--ascii` draws instead of what it has not.
_ASCII: Final = str.maketrans(
    "╭╮╰╯─│├┤┬┴┼▁▂▃▄▅▆▇█✓…·▏▌↑↓→←▲▼►◄●○",
    "++++-|+++++" + "_..--==#" + "+~.||^v><^v><*o",
)


class Net(LineFilter):
    """Lets no control, bidirectional or invisible character through; with `ascii`, nothing but ASCII."""

    def __init__(self, ascii: bool = False) -> None:
        super().__init__()
        self._ascii = ascii

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Every segment with harmless text, the same number of characters."""
        harmless = _plain if self._ascii else _harmless
        return [
            segment
            if segment.control or (text := harmless(segment.text)) is segment.text
            else Segment(text, segment.style)
            for segment in segments
        ]


@lru_cache(4096)
def _harmless(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        "·" if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") else character
        for character in text
    )


@lru_cache(4096)
def _plain(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    drawn = text.translate(_ASCII)
    return "".join(_one(character) for character in drawn)


def _one(character: str) -> str:
    """One character as ASCII that takes as many cells."""
    if character.isascii() and character.isprintable():
        return character
    if unicodedata.category(character) in ("Mn", "Me"):
        return ""
    return "??" if unicodedata.east_asian_width(character) in "WF" else "?"


def record_crash(error: BaseException, folder: Path) -> str:
    """Keep where an error came from in a new file of its own (0600): places in the source only, neither values nor the error's text,
    which may be a stranger's. One line for the person."""
    frames = extract_tb(error.__traceback__)
    lines = [f"{os.path.basename(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames]
    what = f"the console ended by a bug: {type(error).__name__}"
    path = folder / f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            file.write("\n".join([what, *lines]) + "\n")
    except OSError:
        return f"{what} at {lines[-1] if lines else 'nowhere'}; the relay goes on"
    return f"{what}; where, is in {path}; the relay goes on"
