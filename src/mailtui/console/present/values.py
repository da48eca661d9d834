"""The words and letters values have on the screen: states, counts, sizes, moments.

Owned here: pure functions from one value to a short text or piece, the same in every screen. State is a letter first and a tone second.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec import UnsetType

from mailtui.display import age

from .line import Piece, Tone

#: The letter and tone of every state of a recipient.
STATES: Final[dict[str, tuple[str, Tone]]] = {
    "queued": ("Q", ""),
    "sending": ("S", "accent"),
    "deferred": ("D", "warn"),
    "held": ("H", "held"),
    "delivered": ("✓", "ok"),
    "bounced": ("B", "bad"),
    "suppressed": ("X", "bad"),
    "purged": ("P", "dim"),
}


#: Seconds an answer may be old without saying so.
_RECENT: Final = 2.0


def state(name: str) -> Piece:
    """The letter of a state."""
    letter, tone = STATES.get(name, ("?", "dim"))
    return Piece(letter, tone)


def short(count: float) -> str:
    """A count in at most four characters: `812`, `1.6k`, `11k`, `4.2M`."""
    for unit in ("", "k", "M", "G"):
        if count < 999.5 or unit == "G":
            break
        count /= 1000
    return f"{count:.1f}{unit}" if unit and count < 9.95 else f"{count:.0f}{unit}"


def until(moment: datetime | None, now: datetime) -> str:
    """How long it is until then: `now` when it has passed, `-` for never."""
    if moment is None:
        return "-"
    left = (moment - now).total_seconds()
    return "now" if left < 1 else age(left)


def since(moment: datetime | None, now: datetime) -> str:
    """How long ago that was; "" for None."""
    return "" if moment is None else age((now - moment).total_seconds())


def counted(as_of: datetime | UnsetType | None, now: datetime) -> str:
    """`counted 4s ago` of an answer that was not made just now; "" of one that was."""
    if not isinstance(as_of, datetime) or (now - as_of).total_seconds() <= _RECENT:
        return ""
    return f"counted {since(as_of, now)} ago"


def reply(code: int, enhanced: str, text: str) -> str:
    """A reply on one line; some servers repeat the enhanced code in the text."""
    rest = " ".join(text.split())
    if enhanced and rest.startswith(enhanced):
        rest = rest[len(enhanced) :].lstrip()
    return " ".join(part for part in (str(code) if code else "", enhanced, rest) if part)
