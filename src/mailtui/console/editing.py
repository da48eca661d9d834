"""One line while somebody types in it: its text, where the cursor is, and what editing keys do to both; pure.

Owned here: that. Fields of a form are lines like this one (`forms`), and so is what stands behind `:` (`screens.prompt`).
"""

from __future__ import annotations

from typing import Final

#: Characters of a line: as many as a reason may have, and as a filter that somebody pastes.
SHORT: Final = 500
LONG: Final = 20_000


class Editor:
    """A line of at most `longest` characters; at first the cursor is behind its last one."""

    def __init__(self, text: str = "", longest: int = SHORT) -> None:
        self.text = text
        self.at = len(text)
        self._longest = longest

    def put(self, text: str) -> None:
        """Another text in its place."""
        self.text, self.at = text, len(text)

    def insert(self, text: str) -> None:
        """Characters at the cursor; what is no character of a line is left out, and a line end is a blank."""
        taken = "".join(character for character in " ".join(text.splitlines()) if character.isprintable())
        if len(self.text) + len(taken) <= self._longest:
            self.text = self.text[: self.at] + taken + self.text[self.at :]
            self.at += len(taken)

    def key(self, name: str) -> bool:
        """What an editing key does; False when it is none."""
        text, at = self.text, self.at
        match name:
            case "left" | "right":
                self.at = max(0, min(at + (1 if name == "right" else -1), len(text)))
            case "home" | "ctrl+a":
                self.at = 0
            case "end" | "ctrl+e":
                self.at = len(text)
            case "backspace" | "ctrl+h":
                self._cut(max(at - 1, 0), at)
            case "delete" | "ctrl+d":
                self._cut(at, at + 1)
            case "ctrl+u":
                self._cut(0, at)
            case "ctrl+k":
                self._cut(at, len(text))
            case "ctrl+w":
                self._cut(len(text[:at].rstrip().rpartition(" ")[0]), at)
            case _:
                return False
        return True

    def _cut(self, low: int, high: int) -> None:
        self.text = self.text[:low] + self.text[high:]
        self.at = low
