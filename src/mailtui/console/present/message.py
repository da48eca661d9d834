"""A message: why it is still here, its envelope and its recipients; pure.

Owned here: what the upper half of that screen says; the lower one is `transcript` and `papers`.
"""

from __future__ import annotations

from datetime import datetime

from mailtui.display import age, clock, cut, size
from mailtui.findings import WhyView
from mailtui.text import decoded
from mailtui.views import MessageView, QueueRow

from .line import Line, Tone, box, line, middle, pad, wrap
from .values import reply, state, until


def envelope(message: MessageView | None, why: WhyView | None, now: datetime, room: int, height: int) -> list[Line]:
    """From, subject, where it came from, and why it is still here."""
    if message is None:
        return box("Message", [line(("asking …", "dim"))], room, height)
    mail = message.envelope
    who = f" as {mail.user}" if mail.user else ""
    facts = [
        line(
            ("from  ", "dim"),
            (f"<{mail.sender}>", "strong"),
            f"   {size(mail.size)}   received {clock(mail.received, now)} from {mail.client}{who}",
        ),
        line(("subj  ", "dim"), decoded(mail.subject) or "-", (f"   tag {mail.tag}" if mail.tag else "", "dim")),
    ]
    reasons = [] if why is None else _why(why, now, room - 10, max(height - 2 - len(facts), 1))
    body = [*reasons, *facts]
    return box(f"Message {message.id}", body, room, height)


def _why(why: WhyView, now: datetime, room: int, most: int) -> list[Line]:
    """Why it is still here: the next attempt first, then the reason as far as there is room."""
    tone: Tone = "warn" if why.state in ("deferred", "held") else ""
    upcoming = f"next {clock(why.next_attempt, now)} ({until(why.next_attempt, now)}): " if why.next_attempt else ""
    said = wrap(f"{upcoming}{why.answer}", room)
    if len(said) > most:
        said[most - 1] = cut(f"{said[most - 1]} {said[most]}", room)
    return [line(("      " if part else "why   ", "dim"), (text, tone)) for part, text in enumerate(said[:most])]


def recipient(one: QueueRow, room: int) -> Line:
    """An address, its state, tries and last reply."""
    name = min(max(room * 4 // 10, 18), 44)
    return line(
        pad(middle(one.recipient, name - 1), name),
        (state(one.state).text, state(one.state).tone),
        pad(str(one.attempts), 5, True) + "  ",
        (reply(one.last_code, one.last_enhanced, one.last_text) or "not tried yet", "dim"),
    )


def recipients_heading(room: int) -> Line:
    """The titles of the columns."""
    return line((pad("recipient", min(max(room * 4 // 10, 18), 44)) + "S tries  last reply", "dim"))


def note(row: QueueRow | None, now: datetime) -> Line:
    """For the breadcrumb: state and next try of the recipient under the cursor."""
    if row is None:
        return ()
    letter = state(row.state)
    upcoming = f", next {until(row.next_attempt, now)}" if row.next_attempt else ""
    return line((letter.text, letter.tone), f" {row.state}{upcoming}, age {age(row.age_seconds)}")
