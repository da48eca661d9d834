"""Lines of toned text: what every screen is drawn with, and boxes, columns and sparklines made of them.

Owned here: `Piece`, `Line` and how they are padded, cut, joined and framed. A tone is a word ("dim", "bad", ...); what colour it has is the
theme's business. Text of strangers passes `safe_text` in `piece`, the only maker of pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

from mailtui.display import cut, width
from mailtui.text import safe_text

Tone = Literal[
    "", "dim", "strong", "line", "title", "ok", "warn", "bad", "held", "accent", "key", "bar", "env", "cursor", "input"
]
#: Every tone there is, for the style sheet.
TONES: Final[tuple[Tone, ...]] = (
    *("dim", "strong", "line", "title", "ok", "warn", "bad", "held"),
    *("accent", "key", "bar", "env", "cursor", "input"),
)
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"


class Piece(NamedTuple):
    """Some cells of a line in one tone."""

    text: str
    tone: Tone = ""


Line = tuple[Piece, ...]
#: What lines are written from: a text, or a text and its tone.
Part = str | tuple[str, Tone]
BLANK: Final[Line] = ()


def piece(text: str, tone: Tone = "") -> Piece:
    """A piece of any text, made harmless."""
    return Piece(safe_text(text), tone)


def line(*parts: Part) -> Line:
    """A line from texts and (text, tone) pairs."""
    return tuple(piece(part) if isinstance(part, str) else piece(*part) for part in parts)


def cells(whole: Line) -> int:
    """The cells a line takes."""
    return sum(width(part.text) for part in whole)


def fit(whole: Line, room: int) -> Line:
    """A line in exactly `room` cells: cut with an ellipsis, or padded with blanks."""
    used = cells(whole)
    if used <= room:
        return (*whole, Piece(" " * (room - used))) if used < room else whole
    kept: list[Piece] = []
    for part in whole:
        here = width(part.text)
        if here >= room:
            short = cut(part.text, room) if here > room or part is not whole[-1] else part.text
            kept.append(Piece(short + " " * (room - width(short)), part.tone))
            break
        kept.append(part)
        room -= here
    return tuple(kept)


def pad(text: str, room: int, right: bool = False) -> str:
    """Safe text in exactly `room` cells, at the left edge or the right one."""
    text = cut(safe_text(text), max(room, 0))
    blanks = " " * (room - width(text))
    return blanks + text if right else text + blanks


def wrap(text: str, room: int) -> list[str]:
    """Any text as safe lines of at most `room` cells, broken between words where that is possible."""
    lines: list[str] = []
    left, room = safe_text(text), max(room, 2)  # a character may take two
    while width(left) > room:
        head = left[: max(room, 1)]
        while width(head) > room and len(head) > 1:
            head = head[:-1]
        space = head.rfind(" ")
        at = space if space > room // 2 else len(head)
        lines.append(left[:at])
        left = left[at:].lstrip(" ")
    return [*lines, left]


def middle(text: str, room: int) -> str:
    """An address in at most `room` cells: cut in its middle, where it says least."""
    text = safe_text(text)
    if width(text) <= room or room < 5 or width(text) != len(text):
        return cut(text, room)
    tail = (room - 1) // 2
    return f"{text[: room - 1 - tail]}…{text[-tail:]}"


def toned(whole: Line, tone: Tone) -> Line:
    """The same text, all in one tone."""
    return tuple(Piece(part.text, tone) for part in whole)


def edges(left: Line, right: Line, room: int) -> Line:
    """Two lines on one: at the left edge and at the right one, which is never cut."""
    return fit((*fit(left, max(room - cells(right), 0)), *right), room)


def box(title: str, body: Iterable[Line], room: int, height: int, note: str = "", tone: Tone = "title") -> list[Line]:
    """Lines in a frame of exactly `room` by `height` cells, its title on the upper edge and a note on the lower one."""
    inner = [fit(whole, room - 4) for whole in body][: height - 2]
    inner += [fit(BLANK, room - 4)] * (height - 2 - len(inner))
    heading = cut(safe_text(title), max(room - 6, 0))
    foot = cut(safe_text(note), max(room - 6, 0))
    top = line(("╭─ ", "line"), (heading, tone), (" " + "─" * (room - 5 - width(heading)) + "╮", "line"))
    if not heading:
        top = line(("╭" + "─" * (room - 2) + "╮", "line"))
    bottom = line(("╰" + "─" * (room - 5 - width(foot)) + " ", "line"), (foot, "dim"), (" ─╯", "line"))
    if not foot:
        bottom = line(("╰" + "─" * (room - 2) + "╯", "line"))
    side = Piece("│", "line")
    return [top, *((side, Piece(" "), *row, Piece(" "), side) for row in inner), bottom]


def beside(*blocks: Sequence[Line]) -> list[Line]:
    """Blocks of lines next to each other; each must have lines of equal width, and all the same height."""
    return [tuple(part for row in rows for part in row) for rows in zip(*blocks, strict=True)]


def spark(values: Sequence[float], room: int, top: float = 0.0) -> str:
    """Values as eighth blocks over a base of zero, the last `room` of them; `top` (or the largest value) is a whole block."""
    shown = list(values)[-room:]
    full = max([top, *shown], default=0.0)
    if full <= 0:
        return ("▁" * len(shown)).rjust(room)
    return "".join(_BLOCKS[max(1, min(8, round(8 * value / full)))] for value in shown).rjust(room)
