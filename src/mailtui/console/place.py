"""Where the operator is: a kind of screen and what it shows, and the way back.

Owned here: places as values and the trail of them. Opening the screen of a place is the app's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: The tabs: kinds of places that a number key opens.
TABS: Final = ("overview", "queue", "domains", "incident", "live", "suppress", "audit")


@dataclass(frozen=True)
class Place:
    """A screen and its subject: the filter of a queue, the id of a message, the name of a domain; "" is the whole of it."""

    kind: str
    subject: str = ""

    @property
    def title(self) -> str:
        """What the breadcrumb calls it."""
        return self.subject or self.kind


class Trail:
    """The places that led here. A tab begins a new trail; what is opened from a place lies behind it."""

    def __init__(self, start: Place) -> None:
        self._places = [start]

    @property
    def here(self) -> Place:
        """The place that is shown."""
        return self._places[-1]

    @property
    def tab(self) -> str:
        """The tab one is in: the last of the trail."""
        return next((place.kind for place in reversed(self._places) if place.kind in TABS), self._places[0].kind)

    @property
    def titles(self) -> tuple[str, ...]:
        """The breadcrumb."""
        return tuple(place.title for place in self._places)

    def open(self, place: Place) -> None:
        """Go on to a place, or begin anew there when it is a whole tab."""
        if place.kind in TABS and not place.subject:
            self._places = [place]
        elif place.kind == self.here.kind:
            self._places[-1] = place  # another filter, or the next message, is no step further
        else:
            self._places.append(place)

    def back(self) -> bool:
        """Return to the place before; False at the beginning."""
        if len(self._places) == 1:
            return False
        self._places.pop()
        return True
