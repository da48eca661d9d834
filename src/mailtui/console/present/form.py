"""A form as lines: its facts, its fields, what is wrong, and the same as a command; pure.

Owned here: every word of it that is not the form's own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from mailtui.console.forms import Field, Form, Typing
from mailtui.display import cut, width
from mailtui.text import safe_text

from .line import BLANK, Line, box, edges, fit, line, wrap

WIDTH: Final = 74
_LABEL: Final = 8


class Said(NamedTuple):
    """What stands around the fields: the command, what is wrong; the word that must be typed before `y`, and what of it is."""

    command: str
    error: str = ""
    word: str = ""
    typed: str = ""


def dialog(form: Form, typing: Typing, confirming: bool, said: Said, room: int = WIDTH) -> list[Line]:
    """The whole dialog: while fields are typed in, and (`confirming`) when only `y` is missing."""
    inner = room - 4
    values = typing.values
    body: list[Line] = [BLANK]
    body += [line(text) for fact in form.facts for text in wrap(fact, inner)[:3]]
    if form.facts and form.fields:
        body.append(BLANK)
    for index, field in enumerate(form.fields):
        here = index == typing.active and not confirming
        body += _field(field, values[field.name], typing.at if here else None, inner)
    body.append(BLANK)
    wrong = [line((text, "bad")) for text in wrap(said.error, inner)[:3]] if said.error else []
    body += wrong or [_asked(form, typing, confirming, said)]
    ready = confirming and said.typed == said.word
    go = line((f" {form.verb.capitalize()} (y) ", "key" if ready else "dim"))
    cancel = line((" Back (esc) " if confirming and form.fields else " Cancel (esc) ", "cursor"))
    body.append(edges(cancel, BLANK if form.plans else go, inner))
    body += [BLANK, *(line((text, "dim")) for text in wrap(f"the same: {said.command}", inner)[:3])]
    return box(form.title, body, room, len(body) + 2, tone="strong")


def _asked(form: Form, typing: Typing, confirming: bool, said: Said) -> Line:
    if confirming and said.word:
        return line(f"Type the environment, {said.word}, then y: ", (f" {said.typed}_ ", "input"))
    if confirming:
        return line("Press y to go on.")
    ready = "enter shows what would be changed" if form.plans else "enter goes on, then y confirms"
    return line((ready if typing.last else "enter or tab: the next field", "dim"))


def _field(field: Field, value: str, at: int | None, room: int) -> list[Line]:
    label = line((f"{field.name:<{_LABEL}}", "strong" if at is not None else "dim"))
    if at is None:
        return [fit((*label, *(line(value) if value else line(("-", "dim")))), room)]
    return [fit((*label, *typed(value, at, room - _LABEL)), room), line((" " * _LABEL + field.hint, "dim"))]


def typed(text: str, at: int, room: int) -> Line:
    """A text that is typed in `room` cells: as much of it around the cursor as there is room for."""
    left = window(text[:at], room - 2)
    right = cut(safe_text(text[at:]), max(room - width(left) - 1, 0))
    return line((left, "input"), ("_", "accent"), (right, "input"))


def window(text: str, room: int) -> str:
    """The end of a text that is typed: its last `room` cells."""
    shown = safe_text(text)
    while width(shown) > room:
        shown = shown[1:]
    return shown
