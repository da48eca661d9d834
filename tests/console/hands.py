"""What hands do with dialogs: wait until they are heard, fill fields, give the number, say yes.

Owned here: those movements; what is asked and what comes of it is each test's own.
"""

from __future__ import annotations

import time

from textual.events import Paste

from mailtui.console.screens.confirm import Confirm
from mailtui.console.screens.form import Ask

from .conftest import Screen


async def heard(screen: Screen, kind: type[Confirm] | type[Ask]) -> None:
    """Until a dialog of this kind is there and no longer deaf."""

    def hears() -> bool:
        shown = screen.app.screen
        return isinstance(shown, kind) and time.monotonic() >= shown._heard_from

    await screen.until(hears, f"{kind.__name__} to hear")


async def agree(screen: Screen, number: int = 0) -> None:
    """Yes to a plan; its number first, when it wants one."""
    await heard(screen, Confirm)
    await screen.press(*(str(number) if number else ""), "y")


async def fill(screen: Screen, *texts: str, plans: bool = False) -> None:
    """Each of the texts pasted into a field, on to the next, and yes; a form that `plans` shows its plan instead."""
    await heard(screen, Ask)
    for text in texts:
        await screen.press("ctrl+u")
        screen.app.screen.post_message(Paste(text))
        await screen.press("enter")
    if not plans:
        await screen.sees("Press y to go on.")
        await heard(screen, Ask)
        await screen.press("y")
