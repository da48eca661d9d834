"""What every screen is to the app: something that is entered at a place, refreshed, told actions, and asked what a change would be about.

Owned here: that contract, and the messages by which a screen asks the app for something. Screens do not know each other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import msgspec
from textual.message import Message
from textual.widget import Widget

from mailtui.console.actions import Scope
from mailtui.console.link import Link, Trouble
from mailtui.console.offers import Offers
from mailtui.console.orders import About
from mailtui.console.place import Place
from mailtui.console.present.line import BLANK, Line, Tone
from mailtui.console.widgets.canvas import Canvas
from mailtui.console.widgets.table import VirtualTable


@dataclass
class Shared:
    """What screens have in common: the filter of the queue and whether its newest mail stands first, and the list
    a message was opened from when that was not the queue."""

    filter: str = ""
    newest: bool = False
    ids: tuple[str, ...] = ()


class Open(Message):
    """A screen asks to go somewhere."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place


class Say(Message):
    """A screen has something for the status line."""

    def __init__(self, text: str, tone: Tone = "") -> None:
        super().__init__()
        self.text = text
        self.tone: Tone = tone


class View(Widget):
    """A screen. `kind` is that of the places it shows."""

    kind: ClassVar[str]
    #: Whether what it shows is kept for the past.
    kept: ClassVar[bool] = False

    def __init__(self, link: Link, shared: Shared) -> None:
        super().__init__(id=f"view-{self.kind}")
        self.as_of: datetime | None = None  # when what is shown was counted, where the relay says so
        self.link = link
        self.shared = shared
        self.place = Place(self.kind)

    @property
    def shown(self) -> bool:
        """Whether this is the screen that is looked at; an answer that comes later must lead nobody away."""
        return self.has_class("here")

    async def enter(self, place: Place) -> None:
        """Show this place from now on; `refreshed` follows."""
        self.place = place

    async def refreshed(self) -> None:
        """Ask for what is shown, and show it."""
        raise NotImplementedError

    def perform(self, action: str) -> bool:
        """Do an action of the table; False when it is none of this screen's."""
        raise NotImplementedError

    def scope(self) -> Scope:
        """What a change would be about now."""
        return Scope("cursor")

    def about(self) -> About:
        """What a change that needs words would be about: the recipient, destination or row under the cursor."""
        return About()

    def edit_filter(self, text: str) -> None:
        """Let somebody type a filter, beginning with this text; what is typed next is part of it."""

    def note(self) -> Line:
        """What stands at the right of the breadcrumb."""
        return BLANK

    def offers(self) -> Offers:
        """What the row under the cursor gives away."""
        return Offers()

    def text(self) -> Sequence[str]:
        """What is shown, for a pager."""
        drawn = [canvas for canvas in self.query(Canvas) if canvas.display]
        return ["".join(part.text for part in whole) for canvas in drawn for whole in canvas.lines]

    async def listing(self) -> AsyncIterator[Sequence[msgspec.Struct] | Trouble]:
        """The rows of the list that is shown, all of them, some at a time."""
        for table in self.query(VirtualTable):
            if table.active and table.display:
                yield [row for row in table.rows.items if isinstance(row, msgspec.Struct)]
