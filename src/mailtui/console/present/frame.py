"""The frame around every screen: title bar, tabs, breadcrumb, footer.

Owned here: pure functions from what the app knows to one line each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mailtui.console.place import TABS
from mailtui.control.results import StatusView
from mailtui.display import age, width

from .line import Line, Part, Tone, cells, edges, fit, line

#: The smallest terminal.
COLUMNS, ROWS = 80, 24
_LINK: Final[dict[str, Tone]] = {"LIVE": "ok", "STALE": "warn", "FROZEN": "held", "AT": "held", "OFFLINE": "bad"}
#: What keys are called, where their name in the table is longer.
KEY_NAMES: Final = {"escape": "esc", "pagedown": "pgdn", "pageup": "pgup"}


@dataclass(frozen=True)
class Bar:
    """What the title bar tells: the relay as last heard of, the state of the link and the age of the data, who may write; the moment of
    the past that is shown, and recipients that came since the picture was frozen (`missed`: or more). On a `slow` terminal nothing in it
    moves by the second."""

    status: StatusView | None
    state: str
    seconds: float
    frozen_at: datetime | None
    read_only: bool
    now: datetime
    at: str = ""
    came: int = 0
    missed: bool = False
    slow: bool = False


def title(bar: Bar, room: int) -> Line:
    """` relay1.example.net  PROD  RW  up 3d4h      q 102,418  LIVE 1s  09:41:07`, on a ground of its own."""
    left: list[Part] = [" "]
    right: list[Part] = []
    if bar.status is not None:
        up = age((bar.now - bar.status.started).total_seconds())
        left += [(bar.status.hostname, "strong"), "  "]
        if bar.status.environment:
            left += [(f" {bar.status.environment.upper()} ", "env"), "  "]
        queue = bar.status.queue
        waiting = queue.queued + queue.sending + queue.deferred + queue.held
        right += [] if bar.at else [f"q {waiting:,}  "]
    else:
        left += [("mailtui", "strong"), "  "]
        up = ""
    left += [("RO" if bar.read_only else "RW", "held" if bar.read_only else "dim")]
    if up and room >= 100:
        left += [(f"  up {up}", "dim")]
    if bar.slow:
        right += [("SLOW", "warn"), "  "]
    local = bar.now.astimezone()
    right += [_link(bar), f"  {local:%H:%M} " if bar.slow else f"  {local:%H:%M:%S} "]
    return _grounded(edges(line(*left), line(*right), room))


def _grounded(whole: Line) -> Line:
    """On the ground of the title bar, wherever no other tone stands."""
    return tuple(part._replace(tone=part.tone or "bar") for part in whole)


def _link(bar: Bar) -> Part:
    if bar.status is None and bar.state in ("LIVE", "STALE"):
        return "asking", "dim"
    said = bar.state
    if bar.state == "STALE" or (bar.state == "LIVE" and not bar.slow):
        said += f" {age(bar.seconds)}"
    elif bar.frozen_at is not None:
        said += f" {bar.frozen_at.astimezone():%H:%M:%S} (+{bar.came:,}{' or more' if bar.missed else ''})"
    elif bar.state == "AT":
        return f"AT {bar.at}", _LINK["AT"]
    return (f"AT {bar.at}  {said}" if bar.at else said), _LINK[bar.state]


def tabs(current: str, there: frozenset[str], room: int, range: str = "") -> Line:
    """`[1 Overview] 2 Queue  3 Domains ...`; those that are not there are dim. At the right the range of time, where it was chosen."""
    parts: list[Part] = [" "]
    for number, kind in enumerate(TABS, 1):
        name = f"{number} {kind.capitalize()}"
        if kind == current:
            parts.append((f"[{name}]", "strong"))
        else:
            parts.append((f" {name} ", "" if kind in there else "dim"))
    return edges(line(*parts), line((range, "accent")), room) if range else fit(line(*parts), room)


def crumb(titles: Sequence[str], note: Line, room: int) -> Line:
    """`queue > gmail.com > 8f3a0219`, and a note of the screen at the right."""
    parts: list[Part] = [" "]
    for index, name in enumerate(titles):
        if index:
            parts.append((" > ", "dim"))
        parts.append((name, "strong" if index + 1 == len(titles) else "dim"))
    return edges(line(*parts), (*line(" "), *note, *line(" ")), room)


def footer(keys: Sequence[tuple[str, str, int]], room: int) -> Line:
    """Keys with their labels, in order; those of the highest rank where there is no room for all."""
    shown = list(keys)
    while shown and cells(_keys(shown)) > room:
        shown.remove(min(reversed(shown), key=lambda key: key[2]))
    return fit(_keys(shown), room)


def _keys(keys: Sequence[tuple[str, str, int]]) -> Line:
    parts: list[Part] = []
    for key, label, _ in keys:
        parts += ["  " if parts else " ", (KEY_NAMES.get(key, key), "key"), (f" {label}", "dim")]
    return line(*parts)


def key_at(whole: Line, cell: int) -> str:
    """The name of the key of a footer that is in a cell, with its label; "" where none is."""
    key = ""
    for part in whole:
        key = part.text if part.tone == "key" else key
        cell -= width(part.text)
        if cell < 0:
            return key if part.text.strip() else ""
    return ""


def tab_at(whole: Line, cell: int) -> str:
    """The tab in a cell of the line of tabs; "" where none is."""
    for part in whole:
        cell -= width(part.text)
        if cell < 0:
            number = part.text.strip("[] ").partition(" ")[0]
            return TABS[int(number) - 1] if number.isdecimal() else ""
    return ""


def fits(room: int, height: int) -> bool:
    """Whether there is room for everything."""
    return room >= COLUMNS and height >= ROWS


def too_small(room: int, height: int) -> list[Line]:
    """Instead of everything, on a terminal too small."""
    return [
        fit(line((f"{COLUMNS}x{ROWS} needed (now {room}x{height})", "warn")), room),
        fit(line("mailtui status prints lines"), room),
    ]
