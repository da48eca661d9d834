"""What happens, a line each: moment, letter, word, id and the facts of an event; pure.

Owned here: the words of the live screen. A letter says what a tone says too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mailtui.control.api import Entry, Gap
from mailtui.display import age, plural, size
from mailtui.events import (
    Accepted,
    AnyEvent,
    Attempted,
    Changed,
    Draining,
    Notice,
    Notified,
    Ready,
    Refused,
    SiteChanged,
    Stopping,
)
from mailtui.text import safe_text

from .line import BLANK, Line, Tone, line, middle, pad, wrap
from .values import STATES, reply

#: Most characters of a text that are kept.
_KEPT: Final = 500
#: Cells of moment, letter and id.
_TIME, _ID, _TO = 8, 9, 26
_WIDE: Final = 110


@dataclass(frozen=True, slots=True)
class Moment:
    """An event as it is shown. `id` is the message it is about, "" for none, and `address` the recipient in it."""

    number: int
    at: float
    letter: str
    tone: Tone
    word: str
    id: str = ""
    address: str = ""
    text: str = ""


def told(entry: Entry, number: int) -> Moment:
    """The line of an event; its texts are made harmless and bounded here, before they are kept."""
    letter, tone, word, id, address, text = _said(entry.event)
    known = [safe_text(part[:_KEPT]) for part in (word, id, address, text)]
    return Moment(number, entry.event.at, letter, tone, *known)


def remark(text: str, number: int, at: float, tone: Tone = "warn") -> Moment:
    """A line of our own, about the stream."""
    return Moment(number, at, "!", tone, "stream", text=safe_text(text[:_KEPT]))


def _said(event: AnyEvent | Gap) -> tuple[str, Tone, str, str, str, str]:
    match event:
        case Attempted():
            letter, tone = STATES.get(event.disposition, ("?", "dim"))
            where = f" [{event.host}]" if event.host else ""
            text = (reply(event.code, event.enhanced, event.text) or event.class_) + where
            return letter, tone, event.disposition, event.id, event.recipient, text
        case Accepted():
            user = f" as {event.user}" if event.user else ""
            text = f"from <{event.sender}> {size(event.size)}, {plural(event.recipients, 'recipient')}, by {event.client}{user}"
            return "A", "", "accepted", event.id, "", text
        case Refused():
            return (
                "R",
                "warn",
                "refused",
                "",
                event.recipient,
                f"{event.code} {event.text}, from <{event.sender}> by {event.client}",
            )
        case Changed():
            first = event.ids[0].partition(".")[0] if event.ids else ""
            return "C", "accent", event.verb, first, "", f"{plural(event.recipients, 'recipient')}, by {event.actor}"
        case Notified():
            return "N", "", "notified", event.id, event.to, f"{event.kind} notice about {event.about}"
        case Gap(missed=missed):
            text = f"{missed:,} events are missing here" if missed else "the relay was started anew"
            return "!", "warn", "gap", "", "", text
    return _of_the_relay(event)


def _of_the_relay(event: SiteChanged | Ready | Stopping | Draining | Notice) -> tuple[str, Tone, str, str, str, str]:
    match event:
        case SiteChanged(state="broken"):
            return "!", "bad", "broken", "", "", f"{event.site} {event.reason}"
        case SiteChanged():
            return "+", "ok", event.state, "", "", f"{event.site} {event.reason}"
        case Ready():
            return "+", "ok", "ready", "", "", f"listens on {', '.join(event.listeners)}"
        case Stopping():
            return "!", "warn", "stopping", "", "", event.reason
        case Draining():
            return "!", "warn", "draining", "", "", event.reason
    tone: Tone = "bad" if event.level == "error" else "warn" if event.level == "warning" else "dim"
    return "!" if tone != "dim" else "-", tone, event.level, event.id, "", event.text


def row(moment: Moment, room: int) -> Line:
    """`14:08:50 D 1QJ6SQRF birch@grey.test  451 4.7.1 Greylisted`; on a wide screen the word too."""
    if not moment.id and moment.letter in "!+-":
        return line(
            (_clock(moment.at), "dim"),
            " ",
            (moment.letter, moment.tone),
            " ",
            (f"{moment.word}: {moment.text}", moment.tone),
        )
    wide = room >= _WIDE
    to = _TO + 10 if wide else _TO
    return line(
        (_clock(moment.at), "dim"),
        " ",
        (moment.letter, moment.tone),
        " ",
        pad(moment.word, 10) if wide else "",
        (pad(moment.id or "-", _ID), "dim"),
        pad(middle(moment.address, to - 1), to) if moment.address else "",
        (moment.text, "dim" if moment.letter == "✓" else ""),
    )


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC).astimezone():%H:%M:%S}"


def whole(moment: Moment | None, following: bool, room: int, height: int) -> list[Line]:
    """Under the list: all of the event under the cursor; while it is followed, what one can do."""
    if following or moment is None:
        return [BLANK, line((" following; going up stops, G or F goes on, enter opens the message", "dim"))][:height]
    to = f" <{moment.address}>" if moment.address else ""
    text = wrap(f"{moment.word}{to}: {moment.text}", max(room - 4, 20))
    return [
        line((" " + (moment.letter if not index else " "), moment.tone), " ", part) for index, part in enumerate(text)
    ][:height]


def note(following: bool, frozen: bool, newer: int, trouble: str, silent: float) -> Line:
    """For the breadcrumb: whether it goes on, what came meanwhile, and whether the link is lost."""
    if trouble:
        return line((f"no stream ({age(silent)}): trying again", "bad"))
    if frozen:
        return line((f"frozen, {newer:,} newer, z goes on", "held"))
    if following:
        return line(("following", "ok"))
    return line(("stopped", "warn"), f", {newer:,} newer, G goes on")


def dropped(missed: int) -> str:
    """What stands where lines were let go."""
    return f"{plural(missed, 'event')} came while this stood still and are not kept"
