"""Every action of the table in every place it is valid in: somebody does it, and a change only asks before `esc` leaves it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.kit.relay import Relay
from textual.command import CommandPalette

from mailtui.console.actions import ACTIONS, LISTS, Action
from mailtui.console.screens.confirm import Confirm
from mailtui.console.screens.form import Ask

from .conftest import Opened, Screen, put, rows, settings, settled

#: How a place is reached, and what is seen once it has something to show.
WAYS = {
    "overview": (("1",), "keys.test"),
    "queue": (("2",), ".3"),
    "message": (("2", "enter"), "Attempt "),
    "domains": (("3",), "row 1 of 1"),
    "domain": (("3", "enter"), "ana@sender.test"),
    "incident": (("4",), "Connection refused"),
    "live": (("5",), "accepted"),
    "suppress": (("6",), "row@list.test"),
    "audit": (("7",), "by somebody"),
}
#: What leaves the console or the place itself, and is tested by name elsewhere: the program's terminal, `q`, the pager.
ELSEWHERE = {"app.suspend", "app.quit", "app.back", "out.pager"}
_NAMES = {"]": "right_square_bracket", "[": "left_square_bracket", "}": "right_curly_bracket", "{": "left_curly_bracket",
          "/": "slash", "*": "asterisk", "\\": "backslash", "=": "equals_sign", "!": "exclamation_mark", "|": "vertical_line",
          "?": "question_mark", ":": "colon"}  # fmt: skip


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    """Of production, where nothing is done without being asked."""
    with Relay({**settings(), "relay": {"environment": "prod"}}) as running:
        queue_id = put(running, *(f"r{n}@keys.test" for n in range(3)), sender="ana@sender.test")
        running.post("retry", ids=[queue_id])
        settled(running, f"id:{queue_id}", "deferred")
        running.post("suppress.add", entry="row@list.test")
        running.post("hold", ids=[f"{queue_id}.3"], reason="by somebody")
        yield running


def begun(screen: Screen) -> object:
    """Whether something came of a change: a dialog, or that there is nothing to change."""
    return isinstance(screen.app.screen, Confirm | Ask) or screen.app.frame.said


@pytest.mark.parametrize("place", WAYS)
async def test_a_change_asks_first_wherever_it_is_begun(console: Opened, relay: Relay, place: str) -> None:
    before = rows(relay, "SELECT count(*), max(id) FROM action")
    way, sight = WAYS[place]
    async with console(120, 40) as screen:
        for key in way:
            await screen.press(key)
            await screen.sees(sight if key == way[-1] else ".3" if key == "2" else "row 1")
        for action in (action for action in ACTIONS if action.group == "change" and place in action.where):
            screen.app.say("")
            await screen.press(action.keys)
            await screen.until(lambda: begun(screen), f"{action.id} to ask")
            dialog = screen.app.screen
            if action.verb is not None:
                assert isinstance(dialog, Confirm | Ask), (action.id, screen.app.frame.said)
                assert action.verb.name in screen.text.lower()
            elif action.id == "app.undo":
                assert "nothing was changed from here" in screen.app.frame.said
            else:
                assert isinstance(dialog, Ask) or "under the cursor" in screen.app.frame.said, action.id
            if dialog is not screen.app.screen_stack[0]:
                await screen.press("escape")
                await screen.until(lambda: "nothing was changed" in screen.app.frame.said, "the dialog to be left")
        assert screen.app.trail.here.kind == place
    assert rows(relay, "SELECT count(*), max(id) FROM action") == before


@pytest.mark.parametrize("place", WAYS)
async def test_somebody_does_what_a_key_says(console: Opened, relay: Relay, place: str) -> None:
    """None of the keys that are valid in a place is answered with `not here`, and none ends the console."""
    way, sight = WAYS[place]
    async with console(120, 40) as screen:
        for action in ACTIONS:
            if place not in action.where or action.group == "change" or action.id in ELSEWHERE:
                continue
            await there(screen, place, way, sight)
            screen.app.say("")
            await screen.press(*keys_of(action))
            assert "not here" not in screen.app.frame.said, action.id
            assert screen.app.is_running, action.id
            if action.id == "view.freeze":
                await screen.press("z")
            if screen.app.times.at:
                await screen.press(".")
            if action.id == "filter.edit":  # what is typed next is a filter, on the queue's screen
                await screen.press("escape")
            while len(screen.app.screen_stack) > 1 or CommandPalette.is_open(screen.app):
                await screen.press("escape")
    assert WAYS.keys() == LISTS


async def there(screen: Screen, place: str, way: tuple[str, ...], sight: str) -> None:
    """At the place, if a key led away."""
    if screen.app.trail.here.kind == place and sight in screen.text:
        return
    for key in way:
        await screen.press(key)
        await screen.sees(sight if key == way[-1] else ".3" if key == "2" else "row 1")


def keys_of(action: Action) -> list[str]:
    """Its first key, as it is called."""
    first = action.keys.split(",")[0]
    return [_NAMES.get(first, first)]
