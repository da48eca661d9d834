"""A picture of the console as text: every cell that is drawn, and how it is drawn in each theme.

Owned here: taking one, and writing it so that people can review a change of it: below the text stands a letter for each of its cells, and
below that what the letters look like in each theme. When and of what a picture is taken is the test's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, cast

from rich.color import Color as RichColor
from rich.color import ColorType
from rich.style import Style
from textual._compositor import LayoutUpdate

from mailtui.console.app import Console

#: The characters of a picture with their styles, line by line.
Cells = Sequence[Sequence[tuple[str, str]]]

LETTERS: Final = ".abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_FLAGS: Final = ("bold", "dim", "italic", "underline", "reverse", "strike")


def taken(app: Console) -> Cells:
    """What the terminal would show now."""
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    return [
        [(character, styled(piece.style)) for part in row for piece in part for character in piece.text]
        for row in cast(LayoutUpdate, update).strips
    ]


def styled(style: Style | None) -> str:
    """`#d0d0d0 on #101010 bold`."""
    if style is None:
        return ""
    flags = [flag for flag in _FLAGS if getattr(style, flag)]
    return " ".join([coloured(style.color), "on", coloured(style.bgcolor), *flags])


def coloured(colour: RichColor | None) -> str:
    """`#5fafff`, `ansi 4`, `default`."""
    if colour is None or colour.type is ColorType.DEFAULT:
        return "default"
    if colour.type is ColorType.TRUECOLOR and colour.triplet is not None:
        return colour.triplet.hex
    return f"ansi {colour.number}"


def written(views: Mapping[str, Cells], steady: Mapping[str, str]) -> str:
    """One picture in all themes. `steady` replaces, at the same width, what is another in every run."""
    first = next(iter(views.values()))
    text = "\n".join("".join(character for character, _ in row).rstrip() for row in first)
    for pattern, instead in steady.items():
        text = re.sub(pattern, lambda found, instead=instead: instead.ljust(len(found[0])), text)
    kinds: dict[tuple[str, ...], str] = {}
    marks = []
    for y, row in enumerate(first):
        looks = [tuple(cells[y][x][1] for cells in views.values()) for x in range(len(row))]
        marks.append("".join(kinds.setdefault(look, LETTERS[len(kinds)]) for look in looks))
    width = max(map(len, views))
    legend = [
        f"{letter} {name:<{width}}  {style}"
        for look, letter in kinds.items()
        for name, style in zip(views, look, strict=True)
    ]
    return "\n".join([text, "", *marks, "", *legend, ""])
