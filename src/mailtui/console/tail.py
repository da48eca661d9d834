"""The end of a stream that is looked at: what is shown, and what came since that stands still.

Owned here: both, each of them bounded, and the count of what was let go. It knows neither terminal nor relay.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

#: Lines that are kept, and as many that wait.
RING: Final = 2000


class Tail(Generic[T]):
    """The last lines of a stream: `shown`, and `newer` that came since. `skipped` makes the line that stands for some that are not kept."""

    def __init__(self, skipped: Callable[[int], T], keep: int = RING) -> None:
        self._skipped = skipped
        self.shown: deque[T] = deque(maxlen=keep)
        self._later: deque[T] = deque(maxlen=keep)
        self.newer = 0

    def heard(self, line: T) -> None:
        """A line came; it waits."""
        self._later.append(line)
        self.newer += 1

    def take(self) -> bool:
        """Show what waits; False when nothing does."""
        lost = self.newer - len(self._later)
        if lost:  # more came than can be kept: one line stands for those, and for the one in whose place it is
            self._later[0] = self._skipped(lost + 1)
        self.shown.extend(self._later)
        taken, self.newer = bool(self._later), 0
        self._later.clear()
        return taken

    def clear(self) -> None:
        """Another stream follows."""
        self.shown.clear()
        self._later.clear()
        self.newer = 0
