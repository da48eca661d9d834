"""Every screen and every dialog at both sizes and in every theme, as the pictures beside this file have them.

The relay is a real one on a day that stands still (`tests/kit/scene.py`), asked over its control socket. After a wanted change of what is
shown `MAILTUI_PICTURES=take python -m pytest tests/console/test_pictures.py` takes the pictures anew; the difference is what is reviewed.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import time_machine
from tests.kit.relay import Relay
from tests.kit.scene import CLOCK, day
from textual.widgets import Input

from mailtui.console import link, themes
from mailtui.console.app import VIEWS, Console
from mailtui.console.launch import Options

from .conftest import Screen
from .pictures import Cells, taken, written

FOLDER: Final = Path(__file__).parent / "pictures"
SIZES: Final = ((80, 24), (120, 40))
TAKE: Final = os.environ.get("MAILTUI_PICTURES") == "take"
#: What is to be seen, how one gets there from the screen in the list before it (a new console for each block), and what is waited for.
SIGHTS: Final = {
    "overview": (("1",), "full.test"),
    "help-overview": (("question_mark",), "Help: overview"),
    "queue": (("escape", "2"), "row 1 of"),
    "queue-marked": (("space", "space", "j"), "2 marked"),
    "filter-wrong": (("backslash", "slash", *"stat:x"), "did you mean"),
    "choose-filter": (("escape", "equals_sign"), "Only this"),
    "choose-copy": (("escape", "y"), "Copy"),
    "confirm-number": (("escape", "asterisk", "D"), "Type the number"),
    "confirm": (("escape", "backslash", "g", "space", "space", "space", "H"), "Press y"),
    "form-suspend": (("escape", "backslash", "g", "P"), "is wanted"),
    "form-reroute": (("escape", "R"), "Reroute"),
    "command": (("escape", "colon", *"que"), "que"),
    "command-wrong": (("ctrl+u", *"hodl", "enter"), "did you mean"),
    "export": (("escape", "W"), ".csv"),
    "message": (("escape", "g", "enter"), "Attempt"),
    "message-history": (("i",), "History"),
    "message-header": (("i", "m"), "Header as it is sent"),
    "message-body": (("m", "M"), "private"),
    "domains": (("3",), "slow.test"),
    "domain": (("enter",), "Top senders"),
    "incident": (("4",), "NEW"),
    "live": (("5",), "hold"),
    "suppress": (("6",), "old@gone.test"),
    "suppress-entry": (("enter",), "when it is removed"),
    "audit": (("escape", "7"), "hold"),
    "audit-entry": (("enter",), "to be looked at"),
    "palette": (("escape", "ctrl+p"), ""),
    "leave": (("escape", "q"), "Leave"),
}
#: What is another in every run, and what stands in the pictures instead.
STEADY: Final = {
    r"LIVE \d+s": "LIVE 0s",
    r"\bp-[0-9a-f]{8}\b": "p-00000000",
    r"pid \d+ +up \w+ *": "pid 1  up 0s",
    r"disk +\d+% used of [\d.]+\w *": "disk    50% used of 100G",
    r"queue +[\d.]+\w? +wal +[\d.]+\w? *": "queue   300K  wal 600K",
}
#: What is taken in every theme: together they have every tone. The others are taken in the default theme; tones are the same everywhere.
COLOURED: Final = {
    *("overview", "queue-marked", "filter-wrong", "confirm-number", "form-suspend", "message", "live", "help-overview")
}


@pytest.fixture
def relay() -> Iterator[Relay]:
    """One for each size: what is looked at leaves numbers behind."""
    with day() as running:
        yield running


@pytest.fixture
def console(relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], object]:
    monkeypatch.setattr(link, "RATE", 1000.0)  # nobody is waited for: the relay is ours alone
    monkeypatch.setattr(link, "BURST", 1000.0)

    @asynccontextmanager
    async def opened(columns: int, rows: int) -> AsyncIterator[Screen]:
        with time_machine.travel(CLOCK, tick=False):
            app = Console(Options(relay.socket, home=tmp_path, leaves="ask"))
            async with app.run_test(size=(columns, rows)) as pilot:
                for field in app.query(Input):
                    field.cursor_blink = False
                yield Screen(app, pilot)

    return opened


async def settled(screen: Screen) -> None:
    """Until another look at the relay changes nothing any more."""
    before: Cells = []
    for _ in range(20):
        screen.app.link.hurry()
        screen.app._tick()
        await screen.until(lambda: not screen.app._refreshing, "the answers")
        await screen._pilot.pause()
        now = taken(screen.app)
        if now == before:
            return
        before, moved = now, [y for y, (old, new) in enumerate(zip(before, now, strict=False)) if old != new]
    raise AssertionError(f"the picture does not come to rest in lines {moved}:\n{screen.text}")


async def in_themes(screen: Screen, every: bool) -> dict[str, Cells]:
    """The picture in the default theme, or in each that is shipped."""
    if not every:
        return {themes.DEFAULT: taken(screen.app)}
    views = {}
    for name in sorted(path.stem for path in themes.SHIPPED.glob("*.toml")):
        screen.app.theme = name
        await screen._pilot.pause()
        views[name] = taken(screen.app)
    screen.app.theme = themes.DEFAULT
    await screen._pilot.pause()
    return views


@pytest.mark.parametrize(("columns", "rows"), SIZES)
async def test_what_is_seen_is_what_the_pictures_have(
    console: Callable[[int, int], object], relay: Relay, columns: int, rows: int
) -> None:
    steady = STEADY | {rf"\b{relay.port}\b": "25252"}
    other = []
    async with console(columns, rows) as screen:
        for name, (keys, sight) in SIGHTS.items():
            screen.app.say("")
            await screen.press(*keys)
            if sight:
                await screen.sees(sight)
            await settled(screen)
            path = FOLDER / f"{name}-{columns}x{rows}.txt"
            picture = written(await in_themes(screen, rows == SIZES[0][1] and name in COLOURED), steady)
            if TAKE:
                path.parent.mkdir(exist_ok=True)
                path.write_text(picture, encoding="utf-8")
            elif not path.exists() or path.read_text(encoding="utf-8") != picture:
                other.append(difference(path, picture))
    assert not other, "\n".join(other)


def difference(path: Path, picture: str) -> str:
    """The lines that are others now."""
    from difflib import unified_diff

    before = path.read_text(encoding="utf-8") if path.exists() else ""
    return "\n".join(unified_diff(before.splitlines(), picture.splitlines(), path.name, "now", "", "", 0, ""))


def test_every_screen_has_its_pictures() -> None:
    shown = {f"{name}-{columns}x{rows}.txt" for name in SIGHTS for columns, rows in SIZES}
    assert {path.name for path in FOLDER.iterdir()} == shown
    assert {view.kind for view in VIEWS} <= SIGHTS.keys()
