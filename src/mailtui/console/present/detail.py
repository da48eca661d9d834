"""A row in full: facts with their labels in a box; pure.

Owned here: that layout. Which facts there are is said where the row is.
"""

from __future__ import annotations

from typing import Final

from .line import BLANK, Line, box, line, pad, wrap

WIDTH: Final = 74
_LABEL: Final = 10
#: Lines of facts there is room for in 24 rows.
_LINES: Final = 20


def told(title: str, facts: list[tuple[str, str]], room: int) -> list[Line]:
    """Facts with their labels, empty ones left out; long ones go on for as many lines as all fit on the smallest terminal."""
    body = next((lines for most in (6, 4, 3, 2) if len(lines := _body(facts, room, most)) <= _LINES), None)
    body = (body or _body(facts, room, 1))[:_LINES]
    return box(title, [BLANK, *body, BLANK], room, len(body) + 4, "esc closes", "strong")


def _body(facts: list[tuple[str, str]], room: int, most: int) -> list[Line]:
    body: list[Line] = []
    for label, text in facts:
        for index, part in enumerate(wrap(text, room - 4 - _LABEL)[:most] if text else ()):
            body.append(line((pad("" if index else label, _LABEL), "dim"), part))
    return body
