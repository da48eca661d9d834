"""What a terminal shows, cell by cell, and the least that has to be sent so that it shows something else.

Owned here: cells, pens and the difference between two pictures as control sequences; pure. Where pictures come from and when they are
sent is `output`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style

from mailtui.display import width

#: Attributes of a style, the code that begins each, and the one that ends it.
_ATTRIBUTES: Final = {
    "bold": ("1", "22"),
    "dim": ("2", "22"),
    "italic": ("3", "23"),
    "underline": ("4", "24"),
    "blink": ("5", "25"),
    "reverse": ("7", "27"),
    "conceal": ("8", "28"),
    "strike": ("9", "29"),
    "overline": ("53", "55"),
}
_ENDS: Final = dict(_ATTRIBUTES.values())
#: Those that can be seen on a blank.
_ON_BLANKS: Final = frozenset({"4", "7", "9", "53"})
#: Cells that are sent again rather than jumped over: a jump takes four octets.
_NEAR: Final = 4
#: How far a list may have moved, and how many of its rows must have, that the terminal is asked to move them.
_STEPS, _MOVED = (1, -1, 3, -3), 5


class Pen(NamedTuple):
    """How a cell is drawn: codes of its attributes, its ink and its ground. Without ink it is for blanks."""

    attributes: tuple[str, ...] = ()
    ink: str = "39"
    ground: str = "49"


PLAIN: Final = Pen()
#: What the terminal shows is not known: equal to nothing.
_UNKNOWN: Final = "\0"


@lru_cache(4096)
def pen(style: Style | None, system: ColorSystem) -> Pen:
    """The pen of a style, in the colours there are. Links and what a click means are not drawn."""
    if style is None:
        return PLAIN
    codes = tuple(code for name, (code, _) in _ATTRIBUTES.items() if getattr(style, name))
    return Pen(codes, _colour(style.color, system, True), _colour(style.bgcolor, system, False))


def _colour(colour: Color | None, system: ColorSystem, ink: bool) -> str:
    if colour is None:
        return "39" if ink else "49"
    return ";".join(colour.downgrade(system).get_ansi_codes(foreground=ink))


@lru_cache(4096)
def split(text: str) -> tuple[str, ...]:
    """A text as cells: a wide character is followed by an empty one, a combining mark is with what it is on."""
    if text.isascii():
        return tuple(text)
    found: list[str] = []
    for character in text:
        cells = width(character)
        if cells:
            found += [character, *[""] * (cells - 1)]
        elif found:
            found[-1 if found[-1] else -2] += character
    return tuple(found)


class Cells:
    """A picture of `columns` by `rows` cells, blank at first."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.texts = [[" "] * columns for _ in range(rows)]
        self.pens = [[PLAIN] * columns for _ in range(rows)]

    def put(self, x: int, y: int, segments: Iterable[Segment], system: ColorSystem) -> int:
        """Draw from a cell on to the right, as far as there is room; where it ended."""
        for segment in segments:
            if segment.control or y >= self.rows:
                continue
            cells = split(segment.text)[: max(self.columns - x, 0)]
            drawn = pen(segment.style, system)
            if not segment.text.strip(" ") and not _ON_BLANKS.intersection(drawn.attributes):
                drawn = Pen((), "", drawn.ground)
            self.texts[y][x : x + len(cells)] = cells
            self.pens[y][x : x + len(cells)] = [drawn] * len(cells)
            x += len(cells)
        return x

    def forget(self) -> None:
        """What is shown is not known any more."""
        self.texts = [[_UNKNOWN] * self.columns for _ in range(self.rows)]

    def take(self, other: Cells) -> None:
        """Show what the other one shows; it has the same size."""
        self.texts = [list(row) for row in other.texts]
        self.pens = [list(row) for row in other.pens]


def difference(old: Cells, new: Cells) -> str:
    """What to send to a terminal that shows `old` so that it shows `new`; "" when nothing differs."""
    moving, old = moved(old, new)
    sent = [moving] if moving else []
    held = PLAIN
    for y in range(new.rows):
        if new.texts[y] == old.texts[y] and new.pens[y] == old.pens[y]:
            continue
        at = -1
        for start, end in _runs(old, new, y):
            sent.append(f"\x1b[{start - at}C" if at >= 0 else f"\x1b[{y + 1};{start + 1}H")
            for text, drawn in zip(new.texts[y][start:end], new.pens[y][start:end], strict=True):
                if drawn is not held:
                    codes, held = change(held, drawn)
                    sent.append(codes)
                sent.append(text)
            at = end
    if held != PLAIN:
        sent.append("\x1b[0m")
    return "".join(sent)


def moved(old: Cells, new: Cells) -> tuple[str, Cells]:
    """Rows that are only at another height are moved by the terminal: what asks it to, and what it shows then."""
    for step in _STEPS:
        top, end = _block(old, new, step)
        if end - top < _MOVED:
            continue
        first, last = (top, end + step) if step > 0 else (top + step, end)
        shown = Cells(0, 0)
        shown.columns, shown.rows = old.columns, old.rows
        shown.texts, shown.pens = list(old.texts), list(old.pens)
        shown.texts[top:end] = old.texts[top + step : end + step]
        shown.pens[top:end] = old.pens[top + step : end + step]
        for y in range(end, last) if step > 0 else range(first, top):
            shown.texts[y] = [_UNKNOWN] * old.columns
        way = "M" if step > 0 else "L"
        return f"\x1b[{first + 1};{last}r\x1b[{first + 1};1H\x1b[{abs(step)}{way}\x1b[r", shown
    return "", old


def _block(old: Cells, new: Cells, step: int) -> tuple[int, int]:
    """The longest run of rows that stood `step` rows below; empty when most of them stand where they stood anyway."""
    best = (0, 0)
    start = -1
    for y in range(new.rows + 1):
        if y < new.rows and 0 <= y + step < old.rows and new.texts[y] == old.texts[y + step]:
            start = y if start < 0 else start
            continue
        if start >= 0 and y - start > best[1] - best[0]:
            best = (start, y)
        start = -1
    changed = sum(new.texts[y] != old.texts[y] for y in range(*best))
    return best if changed >= _MOVED else (0, 0)


def _runs(old: Cells, new: Cells, y: int) -> Iterator[tuple[int, int]]:
    """The stretches of a row to be sent. A row in which something is not one cell wide is sent whole: terminals do not agree on widths."""
    texts, pens, before, drawn = new.texts[y], new.pens[y], old.texts[y], old.pens[y]
    if any(len(text) != 1 for text in texts) or any(len(text) != 1 for text in before):
        yield 0, new.columns
        return
    start = end = -1
    for x in range(new.columns):
        if texts[x] == before[x] and pens[x] == drawn[x]:
            continue
        if end >= 0 and x - end > _NEAR:
            yield start, end
            start = x
        elif end < 0:
            start = x
        end = x + 1
    if end >= 0:
        yield start, end


@lru_cache(4096)
def change(held: Pen, wanted: Pen) -> tuple[str, Pen]:
    """What to send to draw with another pen, and the pen that is held then: on a blank only the ground can be seen."""
    if not wanted.ink:
        kept = () if _ON_BLANKS.intersection(held.attributes) else held.attributes
        wanted = Pen(kept, held.ink, wanted.ground)
    ended = {_ENDS[code] for code in held.attributes if code not in wanted.attributes}
    codes = sorted(ended)
    codes += [code for code in wanted.attributes if code not in held.attributes or _ENDS[code] in ended]
    codes += [new for old, new in zip(held[1:], wanted[1:], strict=True) if old != new]
    return (f"\x1b[{';'.join(codes)}m" if codes else ""), wanted
