"""A row in full: facts with their labels in a box; pure.

Owned here: that layout. Which facts there are is said where the row is.
"""

from __future__ import annotations

from typing import Final

from .line import BLANK, Line, box, line, pad, wrap

WIDTH: Final = 74
_LABEL: Final = 10


def told(title: str, facts: list[tuple[str, str]], room: int, most: int = 4) -> list[Line]:
    """Facts with their labels; long ones go on for some lines, empty ones are left out."""
    body: list[Line] = [BLANK]
    for label, text in facts:
        for index, part in enumerate(wrap(text, room - 4 - _LABEL)[:most] if text else ()):
            body.append(line((pad("" if index else label, _LABEL), "dim"), part))
    return box(title, [*body, BLANK], room, len(body) + 3, "esc closes", "strong")
