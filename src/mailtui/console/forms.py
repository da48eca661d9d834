"""What is asked before a change that needs words: fields, what they make, and typing in them; pure.

Owned here: those values and which field is typed in. How a line is edited stands in `editing`, which forms there are in `orders`, how one
looks in `present.form`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mailtui.control.request import Request

from .editing import Editor


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
    """The fields of a form while somebody types: their lines, and which one is typed in."""

    def __init__(self, form: Form, values: Mapping[str, str] | None = None) -> None:
        given = values or {}
        self._lines = {field.name: Editor(given.get(field.name, field.value)) for field in form.fields}
        self._names = list(self._lines)
        missing = (i for i, field in enumerate(form.fields) if field.required and not self._lines[field.name].text)
        self.active = next(missing, 0)

    @property
    def values(self) -> dict[str, str]:
        """What stands in the fields."""
        return {name: edited.text for name, edited in self._lines.items()}

    @property
    def last(self) -> bool:
        """Whether the field that is typed in is the last one."""
        return self.active + 1 >= len(self._names)

    @property
    def text(self) -> str:
        """What stands in the field that is typed in."""
        return self._line.text

    @property
    def at(self) -> int:
        """Where in the field the cursor is."""
        return self._line.at

    def insert(self, text: str) -> None:
        """Characters at the place of the cursor."""
        self._line.insert(text)

    def key(self, name: str) -> bool:
        """What an editing key does; False when it is none."""
        if name in ("tab", "down", "shift+tab", "up"):
            step = 1 if name in ("tab", "down") else -1
            self.active = (self.active + step) % max(len(self._names), 1)
            return self._line.key("end")
        return self._line.key(name)

    @property
    def _line(self) -> Editor:
        return self._lines[self._names[self.active]] if self._names else Editor()
