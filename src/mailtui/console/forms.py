"""What is asked before a change that needs words: fields, what they make, and typing in them; pure.

Owned here: those values and the editing of a field. Which forms there are stands in `orders`, how one looks in `present.form`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mailtui.control.request import Request

#: Characters in one field: as many as a reason may have.
LONGEST: Final = 500


class Wrong(ValueError):
    """What was typed makes no order; the text says why."""


@dataclass(frozen=True)
class Field:
    """One word or sentence that is asked for: what it is called, what stands there at first, what may be written."""

    name: str
    value: str = ""
    hint: str = ""
    required: bool = False


@dataclass(frozen=True)
class Order:
    """A change as it is asked of the relay, and the same as a command."""

    request: Request[object]
    command: str


@dataclass(frozen=True)
class Form:
    """Fields, and `build`, which makes an order of their values or raises `Wrong`. `facts` are sentences about what is changed.

    `plans`: the order is shown as a plan of its own before anything happens, so the form itself needs no `y`.
    """

    title: str
    verb: str
    fields: tuple[Field, ...]
    build: Callable[[Mapping[str, str]], Order]
    facts: tuple[str, ...] = ()
    plans: bool = False

    def order(self, values: Mapping[str, str]) -> Order:
        """What the values ask for. Wrong."""
        clean = {name: value.strip() for name, value in values.items()}
        for field in self.fields:
            if field.required and not clean.get(field.name):
                raise Wrong(f"{field.name} is wanted")
        return self.build(clean)


@dataclass(frozen=True)
class Filled:
    """A form that somebody confirmed."""

    values: Mapping[str, str]
    order: Order


class Typing:
    """The fields of a form while somebody types: their texts, which one is typed in, and where."""

    def __init__(self, form: Form, values: Mapping[str, str] | None = None) -> None:
        self._names = [field.name for field in form.fields]
        self.values = {field.name: (values or {}).get(field.name, field.value) for field in form.fields}
        missing = (i for i, field in enumerate(form.fields) if field.required and not self.values[field.name])
        self.active = next(missing, 0)
        self.at = len(self.text)

    @property
    def last(self) -> bool:
        """Whether the field that is typed in is the last one."""
        return self.active + 1 >= len(self._names)

    @property
    def text(self) -> str:
        """The text of the field that is typed in."""
        return self.values[self._names[self.active]] if self._names else ""

    def insert(self, text: str) -> None:
        """Characters at the place of the cursor; what is no character of a line is left out."""
        taken = "".join(character for character in text if character.isprintable())
        if self._names and len(self.text) + len(taken) <= LONGEST:
            self._put(self.text[: self.at] + taken + self.text[self.at :])
            self.at += len(taken)

    def key(self, name: str) -> bool:
        """What an editing key does; False when it is none."""
        text, at = self.text, self.at
        match name:
            case "tab" | "down" | "shift+tab" | "up":
                step = 1 if name in ("tab", "down") else -1
                self.active = (self.active + step) % max(len(self._names), 1)
                self._end()
            case "left" | "right":
                self.at = max(0, min(at + (1 if name == "right" else -1), len(text)))
            case "home" | "ctrl+a":
                self.at = 0
            case "end" | "ctrl+e":
                self._end()
            case "backspace" if at:
                self._put(text[: at - 1] + text[at:])
                self.at -= 1
            case "delete":
                self._put(text[:at] + text[at + 1 :])
            case "ctrl+u":
                self._put(text[at:])
                self.at = 0
            case _:
                return False
        return True

    def _put(self, text: str) -> None:
        if self._names:
            self.values[self._names[self.active]] = text

    def _end(self) -> None:
        self.at = len(self.text)
