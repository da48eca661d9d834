"""What is suspended, as the loop asks it: by the runner of a lane or a site, by intake of a sender and a user.

Owned here: those look-ups over a few values, made anew with every change. What stops a claim for certain is `suspension.Gate`; this
only saves the work that leads up to one. Pure, but for the lanes the runner files under their suspended site.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Final

from mailtui.queue.lanes import DueLane
from mailtui.queue.sites import LaneState, Site
from mailtui.queue.suspension import Halt
from mailtui.queue.wording import clock

#: Stars in a glob of senders: each multiplies what a hostile address can cost.
MAX_STARS: Final = 4


class Standstill:
    """What does not move now."""

    def __init__(self, halts: Iterable[Halt] = ()) -> None:
        self.halts = tuple(halts)
        self.delivery = any(halt.kind == "delivery" for halt in self.halts)
        self.intake = next((halt for halt in self.halts if halt.kind == "intake"), None)
        self.destinations = frozenset(halt.name for halt in self.halts if halt.kind == "destination")
        self.sites = frozenset(halt.name for halt in self.halts if halt.kind == "site")
        self.users = {halt.name: halt for halt in self.halts if halt.kind == "user"}
        self.senders = [(pattern(halt.name), halt) for halt in self.halts if halt.kind == "sender"]
        self._lanes: set[int] = set()

    def __repr__(self) -> str:
        return f"{len(self.halts)} suspensions"

    @property
    def asks_senders(self) -> bool:
        """Whether any sender or user is suspended: else nobody need ask."""
        return bool(self.users or self.senders)

    def keeps(self, lane: DueLane) -> bool:
        """Whether nothing is to be done for this lane."""
        if not self.halts:
            return False
        return self.delivery or lane.destination in self.destinations or lane.id in self._lanes

    def stops(self, lane: DueLane, site: str) -> bool:
        """The same of a lane whose site is known by now; it is remembered, because new mail for it names no site."""
        if site in self.sites:
            self._lanes.add(lane.id)
        return self.keeps(lane)

    def of(self, destination: str, site: str) -> tuple[Halt, ...]:
        """The suspensions that stop mail to a destination by a site."""
        wanted = {("delivery", ""), ("destination", destination), ("site", site)}
        return tuple(halt for halt in self.halts if (halt.kind, halt.name) in wanted)

    def until(self, destination: str, site: str) -> float | None:
        """When the last of them ends (POSIX seconds, `inf` when only an operator does that); None when there is none."""
        ends = [math.inf if halt.until is None else halt.until for halt in self.of(destination, site)]
        return max(ends, default=None)

    def refusal(self, sender: str, user: str) -> str:
        """Why no mail of this sender ("" is the null one, which no glob means) and user ("" for none) is taken; "" when it is."""
        halt = self.users.get(user) if user else None
        if halt is not None:
            return _sentence("of this user", halt)
        if sender:
            for found, halt in self.senders:
                if found.fullmatch(sender):
                    return _sentence("from this sender", halt)
        return ""


def let_go(was: Standstill, now: Standstill, sites: Mapping[str, Site], lanes: dict[int, LaneState]) -> None:
    """What the runner has at hand and must not, or is given back later, leaves `lanes`; sites that may go on begin slowly again,
    those of single destinations too if nothing is under way there."""
    everything, some = was.delivery or now.delivery, bool(was.destinations - now.destinations)
    changed = was.sites | now.sites
    for site in sites.values():
        if everything or site.name in was.sites or (some and not site.in_use):
            site.restart()
    for number, state in list(lanes.items()):
        home = state.site  # one whose site is not known yet is looked at when it is
        if home is not None and (everything or home.name in changed or now.keeps(state.lane)):
            home.waiting.pop(number, None)
            del lanes[number]


def pattern(glob: str) -> re.Pattern[str]:
    """A glob of senders: `*` is any text, ASCII letters match in any case, and `@example.org` is everybody there. ValueError."""
    whole = f"*{glob}" if glob.startswith("@") else glob
    parts = [re.escape(part) for part in re.split(r"\*+", whole)]
    if len(parts) - 1 > MAX_STARS:
        raise ValueError(f"at most {MAX_STARS} stars")
    if "@" not in whole and whole != "*":
        raise ValueError("no @")
    return re.compile(".*".join(parts), re.IGNORECASE | re.ASCII | re.DOTALL)


def _sentence(whose: str, halt: Halt) -> str:
    until = "" if halt.until is None else f" until {clock(halt.until, halt.since)}"
    return f"mail {whose} is suspended{until}, try again later"
