"""What is sent to the terminal: only what differs from what it shows, and nothing while it does not keep up.

Owned here: everything private of Textual that the console uses (`App._display`, the updates of its compositor, the queue of its writer),
behind a test at the start that leaves drawing to Textual when something is not as expected. Two pictures are kept: what is wanted, and
what the terminal was sent; while it does not read, frames are not queued but left out, and the next one that is sent has everything.
"""

from __future__ import annotations

import inspect
import os
import re
import select
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, cast

from rich.color import ColorSystem
from rich.console import Console, ConsoleRenderable, RenderableType
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import App
from textual.drivers._writer_thread import MAX_QUEUED_WRITES
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip

from .cells import Cells, difference

#: `whole` in it leaves drawing to Textual.
SWITCH: Final = "MAILTUI_DRAW"
#: Pieces that may wait to be written; a frame is up to three of them.
_WAITING: Final = MAX_QUEUED_WRITES // 3
#: Seconds between two looks whether the terminal reads again, that a frame may wait before the terminal is called slow, and for which
#: it is called so from then on.
_AGAIN, _LATE, _SLOW = 0.1, 1.0, 30.0
_CONTROL: Final = re.compile("\x1b\\[[0-9;]*[A-Za-z]|\n")
_SYSTEMS: Final = {
    "standard": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
    "windows": ColorSystem.WINDOWS,
}


class Drawn(CompositorUpdate):
    """Ready control sequences."""

    def __init__(self, sequences: str) -> None:
        self._sequences = sequences

    def render_segments(self, console: Console) -> str:
        """As they are."""
        return self._sequences


def read(update: CompositorUpdate, into: Cells, system: ColorSystem) -> bool:
    """Draw one of Textual's updates; False when it is none of those that are known."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in strips:
                x = into.put(x, y, strip, system)
    elif isinstance(update, ChopsUpdate):
        for y, left, right in update.spans:
            for end, (x, chop) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if chop is not None and x <= right and end > left:
                    into.put(x, y, chop.crop(0, end - x), system)
    else:
        return False
    return True


class Output:
    """Between an application and its driver. `frame` makes of an update what is to be sent, `slow` says whether the terminal is."""

    def __init__(self, app: App[Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._app, self._clock = app, clock
        self._wanted, self._sent = Cells(0, 0), Cells(0, 0)
        self._waits: float | None = None
        self._slow_until = float("-inf")
        known = all(hasattr(app, name) for name in ("_batch_count", "_closed", "_driver", "_running"))
        self.on = os.environ.get(SWITCH) != "whole" and known and as_expected()

    @property
    def slow(self) -> bool:
        """Whether a frame waits for long, or did not long ago, because the terminal does not read."""
        now = self._clock()
        if self._waits is not None and now - self._waits > _LATE:
            self._slow_until = now + _SLOW
        return now < self._slow_until

    @property
    def waits(self) -> bool:
        """Whether what is shown is not yet what should be."""
        return self._waits is not None

    def forget(self) -> None:
        """Something else may have been written on the terminal: the next frame is a whole one."""
        self._sent.forget()

    def frame(self, screen: Screen[object], update: RenderableType | None) -> RenderableType | None:
        """What to display instead of an update; None is nothing."""
        if not self.on or self._app.is_headless or not isinstance(update, CompositorUpdate):
            return update
        columns, rows = screen.size
        if (columns, rows) != (self._wanted.columns, self._wanted.rows):
            self._wanted, self._sent = Cells(columns, rows), Cells(columns, rows)
            self.forget()
        if not isinstance(update, Drawn) and not read(update, self._wanted, self._system):
            self.forget()
            return update
        if not self._app._running or self._app._closed:  # nothing would be written
            return None
        if self._app._batch_count or self._full():
            self._wait()
            return None
        self._waits = None
        sequences = difference(self._sent, self._wanted)
        self._sent.take(self._wanted)
        return Drawn(sequences) if sequences else None

    @property
    def _system(self) -> ColorSystem:
        return _SYSTEMS.get(self._app.console.color_system or "", ColorSystem.TRUECOLOR)

    # --- a terminal that does not read

    def _full(self) -> bool:
        """Whether what was sent before is not even in the kernel's hands yet."""
        writer = getattr(self._app._driver, "_writer_thread", None)
        if writer is not None and writer._queue.qsize() > _WAITING:
            return True
        stream = sys.__stderr__
        return stream is not None and not select.select([], [stream], [], 0)[1]

    def _wait(self) -> None:
        if self._waits is None:
            self._waits = self._clock()
            self._app.set_timer(_AGAIN, self._look)

    def _look(self) -> None:
        if self._waits is None:
            return
        if self._app._batch_count or self._full():
            self._app.set_timer(_AGAIN, self._look)
        else:
            self._app._display(self._app.screen, cast("ConsoleRenderable", Drawn("")))

    def give_up(self) -> None:
        """At the end: let nobody wait for a terminal that does not read; what it has not taken is lost."""
        if self._full() and sys.__stderr__ is not None:
            with suppress(OSError, termios.error):
                termios.tcflush(sys.__stderr__, termios.TCOFLUSH)


def as_expected() -> bool:
    """Whether this Textual makes updates as this module reads them: drawn both ways, the same text must come out."""
    system, console = ColorSystem.TRUECOLOR, Console(color_system="truecolor")
    try:
        strips = [Strip([Segment("ab", Style(bold=True)), Segment("漢", Style(color="red"))]), Strip([Segment("z")])]
        ends = [[4, 5], [4, 5]]
        layout = LayoutUpdate([strips, strips], Region(0, 0, 5, 2))
        chops = ChopsUpdate(
            [dict(zip((0, 4), strips, strict=True)), {0: None, 4: strips[1]}], [(0, 0, 5), (1, 4, 5)], ends
        )
        for update, rows in ((layout, ["ab漢z", "ab漢z"]), (chops, ["ab漢z", "    z"])):
            drawn = Cells(5, 2)
            theirs = _CONTROL.sub("", update.render_segments(console))
            if not read(update, drawn, system) or theirs != "".join(rows).replace(" ", ""):
                return False
            if ["".join(row) for row in drawn.texts] != rows:
                return False
        return list(inspect.signature(App._display).parameters) == ["self", "screen", "renderable"]
    except Exception:  # whatever it is that has changed, Textual draws as it always did
        return False
