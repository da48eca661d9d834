"""What is typed in one burst, or pasted, arrives where it was meant; and the footer always says how one goes back and ends."""

from __future__ import annotations

import asyncio

import pytest
from tests.kit.relay import Relay
from textual import events

from mailtui.console.app import VIEWS
from mailtui.console.place import Place
from mailtui.console.screens.confirm import GUARD, Confirm
from mailtui.console.screens.prompt import Prompt
from mailtui.console.widgets.canvas import Canvas

from .conftest import Opened, Screen, put, rows, settled


@pytest.fixture(scope="module", autouse=True)
def mail(relay: Relay) -> str:
    queue_id = put(relay, "ana@typed.test", "bob@typed.test")
    relay.post("retry", ids=[queue_id])
    settled(relay, f"id:{queue_id}", "deferred")
    return queue_id


def burst(screen: Screen, *keys: str) -> None:
    """Keys as a terminal sends what was typed ahead: all of them before the first is looked at."""
    for key in keys:
        name = {"/": "slash", ":": "colon", " ": "space", ".": "full_stop"}.get(key, key)
        screen.app.post_message(events.Key(name, key if len(key) == 1 else "\r" if key == "enter" else None))


async def test_a_dialog_is_deaf_until_nobody_types(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.2")
        await screen.press("asterisk", "H")
        await screen.until(lambda: isinstance(screen.app.screen, Confirm), "the dialog")
        for _ in range(7):  # longer than the guard, with shorter gaps
            burst(screen, "y")
            await asyncio.sleep(GUARD / 4)
        assert isinstance(screen.app.screen, Confirm)
        await screen.press("escape")
        await screen.sees("nothing was changed")
        assert not rows(relay, "SELECT 1 FROM recipient WHERE state = 'held'")


async def test_a_line_in_one_burst(console: Opened, mail: str) -> None:
    async with console() as screen:
        await screen.sees("typed.test")
        burst(screen, *":queue to:bob@*", "enter")
        await screen.until(lambda: f"{mail}.2" in screen.text and f"{mail}.1" not in screen.text, "only bob")
        assert screen.app.trail.here == Place("queue", "to:bob@*")


@pytest.mark.parametrize("start", ["1", "2", "3"])
async def test_a_filter_in_one_burst_changes_nothing(console: Opened, relay: Relay, mail: str, start: str) -> None:
    async with console() as screen:
        await screen.press(start)
        await screen.sees("typed.test")
        burst(screen, *"/to:BOB@*HDL", "backspace", "backspace", "backspace", "enter")
        await screen.until(lambda: screen.app.trail.here == Place("queue", "to:BOB@*"), "the filter")
        await screen.until(lambda: f"{mail}.2" in screen.text and f"{mail}.1" not in screen.text, "only bob")
    assert relay.get(f"queue.count?filter=id:{mail}%20state:deferred")["recipients"] == 2


async def test_the_name_of_a_file_in_one_burst(console: Opened, mail: str) -> None:
    async with console() as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.1")
        burst(screen, "W", "ctrl+u", *"/no/such/file.csv", "enter")
        await screen.sees("there is no directory /no/such")


async def test_a_paste_behind_the_colon_is_text(console: Opened, mail: str) -> None:
    async with console() as screen:
        await screen.sees("typed.test")
        burst(screen, ":")
        screen.app.post_message(events.Paste("hold --all\r\nqueue"))
        await screen.sees("hold --all queue")
        prompt = screen.app.screen
        assert isinstance(prompt, Prompt) and prompt.value == "hold --all queue"
        await screen.press("escape")
        screen.app.post_message(events.Paste("qqHD"))
        await screen.press("2")
        await screen.sees(f"{mail}.1")


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
async def test_the_way_back_and_the_end_are_always_told(console: Opened, mail: str, columns: int, rows: int) -> None:
    subjects = {"message": f"{mail}.1", "domain": "typed.test"}
    async with console(columns, rows) as screen:
        await screen.sees("typed.test")
        for view in VIEWS:
            screen.app.open(Place(view.kind, subjects.get(view.kind, "")))
            await screen.until(lambda kind=view.kind: screen.app.view.kind == kind, view.kind)
            await screen.until(lambda: "esc back" in footer(screen), f"the way back in {view.kind}")
            assert "? help" in footer(screen) and "q quit" in footer(screen) and len(footer(screen)) == columns


def footer(screen: Screen) -> str:
    """The last line."""
    canvas = screen.app.query_one("#footer", Canvas)
    return "".join(part.text for part in canvas.lines[0])
