"""What is done over and beside the screens: help.

Owned here: what happens when one of these actions is performed. What is said stands in `present`, keys and typing in `screens`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .actions import Action
from .present import help as helps
from .screens.help import Help

if TYPE_CHECKING:
    from .app import Console


class Tools:
    """The tools of a console."""

    def __init__(self, app: Console) -> None:
        self._app = app

    def perform(self, action: Action) -> bool:
        """Do an action of the table; False when it is none of these."""
        match action.id:
            case "app.help":
                self._help()
            case _:
                return False
        return True

    def _help(self) -> None:
        app = self._app
        kind, now = app.trail.here.kind, app.standing
        app.push_screen(Help(f"Help: {kind}", lambda room: helps.page(kind, app.keys, now, room)))
