"""Changes that need words: forms from the cursor, nothing without `y`, the same by the command shown, and the lists they end up in."""

from __future__ import annotations

import asyncio
import shlex
from typing import Any

import pytest
from tests.kit.relay import Relay

from mailtui.console.forms import Form
from mailtui.console.screens.confirm import GUARD, Confirm
from mailtui.console.screens.detail import Detail
from mailtui.console.screens.form import Ask

from .conftest import Opened, Screen, put, settled


@pytest.fixture(scope="module", autouse=True)
def mail(relay: Relay) -> str:
    queue_id = put(relay, *(f"r{n}@words.test" for n in range(3)))
    relay.post("retry", ids=[queue_id])
    settled(relay, f"id:{queue_id}", "deferred")
    return queue_id


async def form(screen: Screen, title: str) -> Form:
    """Until a form hears."""
    await screen.until(lambda: isinstance(screen.app.screen, Ask), "a form")
    await screen.sees(title)
    await asyncio.sleep(GUARD + 0.1)  # the guard is a time: nothing else shows that it is over
    assert isinstance(screen.app.screen, Ask)
    return screen.app.screen._form


async def write(screen: Screen, *texts: str) -> None:
    """Each of the texts into a field, and on to the next; behind the last one only `y` is missing."""
    for text in texts:
        await screen.press("ctrl+u", *(_key(character) for character in text), "enter")


def _key(character: str) -> str:
    names = {" ": "space", "@": "at", ".": "full_stop", "-": "minus", ":": "colon"}
    return names.get(character, character)


async def confirm(screen: Screen) -> None:
    """`y`, once it is heard."""
    await screen.sees("Press y to go on.")
    await asyncio.sleep(GUARD + 0.1)
    await screen.press("y")


def actions(relay: Relay) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = relay.get("audit")
    return found


def suspended(relay: Relay) -> list[tuple[str, str, str]]:
    return [(row["kind"], row["name"], row["reason"]) for row in relay.get("suspensions")]


def listed(relay: Relay) -> list[str]:
    return [row["entry"] for row in relay.get("suppress.list")["rows"]]


async def test_a_destination_is_suspended_resumed_and_both_are_undone(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.3")
        await screen.press("P")
        await form(screen, "what    words.test")
        await screen.press("enter")
        await screen.sees("reason is wanted")
        assert suspended(relay) == []
        await write(screen, "they asked")
        await screen.sees("mailtui suspend --for 1h --reason 'they asked' words.test")
        await confirm(screen)
        await screen.sees("words.test suspended until")
        await screen.sees("3 waiting")
        assert suspended(relay) == [("destination", "words.test", "they asked")]
        await screen.press("P")
        await form(screen, "Resume destination words.test, suspended by")
        await write(screen, "")
        await confirm(screen)
        await screen.sees("words.test resumed, 3 waiting")
        assert suspended(relay) == []
        await screen.press("u")
        await screen.sees("undone 1 of 1 change")
        assert suspended(relay) == [("destination", "words.test", "they asked")]
        await screen.press("u")
        await screen.until(lambda: suspended(relay) == [], "no suspension")
        await screen.until(lambda: not screen.app.changes.undoable, "nothing to undo")


async def test_a_recipient_is_suppressed_and_the_shown_command_does_the_same(
    console: Opened, relay: Relay, mail: str
) -> None:
    async with console() as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.3")
        await screen.press("X")
        asked = await form(screen, "entry   r0@words.test")
        given = {"entry": "@words.test", "reason": "complaint", "for": "30d", "note": "a word"}
        await write(screen, *given.values())
        await confirm(screen)
        await screen.sees("@words.test gets no more mail")
        assert listed(relay) == ["@words.test"]
        (by_console,) = relay.get("suppress.list")["rows"]
        await screen.press("u")
        await screen.until(lambda: listed(relay) == [], "an empty list")
        relay.cli(*shlex.split(asked.order(given).command)[1:])
        (by_command,) = relay.get("suppress.list")["rows"]
        same = ("entry", "reason", "source", "note")
        assert [by_console[name] for name in same] == [by_command[name] for name in same]
        relay.post("suppress.remove", entries=["@words.test"])


async def test_what_the_relay_refuses_is_said_in_the_form_and_can_be_mended(console: Opened, relay: Relay) -> None:
    async with console() as screen:
        await screen.press("6")
        await screen.sees("the list is empty")
        await screen.press("a")
        await form(screen, "Suppress")
        await write(screen, "no address", "manual", "", "")
        await confirm(screen)
        await screen.sees('"no address" is neither an address nor a domain')
        await form(screen, "Suppress")
        await write(screen, "fine@words.test", "manual", "", "")
        await confirm(screen)
        await screen.sees("fine@words.test gets no more mail")
        await screen.sees("Suppression list (1)")
        await screen.press("enter")
        await screen.until(lambda: isinstance(screen.app.screen, Detail), "the entry")
        await screen.sees("fine@words.test")
        await screen.press("escape", "D")
        await form(screen, "Remove from the suppression list")
        await write(screen, "again")
        await confirm(screen)
        await screen.sees("fine@words.test gets mail again")
        assert listed(relay) == []


async def test_hold_rules_and_suspensions_have_their_panes(console: Opened, relay: Relay) -> None:
    async with console(120, 40) as screen:
        await screen.press("6")
        await screen.sees("no rule holds new mail")
        await screen.press("tab", "a")
        await form(screen, "Suspend")
        await write(screen, "site:mx.words.test", "2h", "slow")
        await confirm(screen)
        await screen.sees("Suspensions (1)")
        assert suspended(relay) == [("site", "mx.words.test", "slow")]
        await screen.press("D")
        await form(screen, "Resume site mx.words.test")
        await write(screen, "")
        await confirm(screen)
        await screen.until(lambda: suspended(relay) == [], "no suspension")
        await screen.press("tab", "a")
        await form(screen, "Hold rule")
        await write(screen, "from:odd@words.test", "2h", "odd")
        await confirm(screen)
        await screen.sees("Hold rules (1)")
        put(relay, "held@words.test", sender="odd@words.test")
        await screen.until(lambda: relay.get("holdrule.list")[0]["held"] == 1, "a held recipient")
        await screen.press("D")
        await form(screen, "Remove hold rule")
        await write(screen, "")
        await confirm(screen)
        await screen.sees("hold rule 1 removed")
        assert relay.get("holdrule.list") == []


async def test_another_route_is_asked_for_planned_and_taken_back(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.3")
        await screen.press("R")
        await form(screen, "Reroute")
        assert "mx" in screen.text and "127.0.0.1" in screen.text
        await write(screen, "nowhere")
        await screen.sees('no route "nowhere" is configured')
        await form(screen, "Reroute")
        await write(screen, "mx")
        await screen.until(lambda: isinstance(screen.app.screen, Confirm), "the plan")
        await screen.sees(f"mailtui reroute --to mx {mail}.1")
        assert actions(relay)[0]["verb"] != "reroute"
        await confirm(screen)
        await screen.sees("rerouted 1 of 1 recipient")
        await screen.press("u")
        await screen.sees("undone 1 of 1 recipient")


async def test_the_audit_shows_and_takes_back(console: Opened, relay: Relay, mail: str) -> None:
    held = relay.post("hold", ids=[f"{mail}.2", f"{mail}.3"], reason="to be sure")["action"]
    async with console(120, 40) as screen:
        await screen.press("7")
        await screen.sees("to be sure")
        await screen.press("enter")
        await screen.sees(f"mailtui undo {held}")
        assert "2 of 2 recipients" in screen.text
        await screen.press("escape", "u")
        await form(screen, f"Undo action {held}: hold")
        await screen.press("escape")
        await screen.sees("nothing was changed")
        assert not actions(relay)[0]["undone"]
        await screen.press("u")
        await form(screen, f"Undo action {held}: hold")
        await write(screen, "a mistake")
        await confirm(screen)
        await screen.sees("undone 2 of 2 recipients")
        assert actions(relay)[0]["undoes"] == held and actions(relay)[0]["reason"] == "a mistake"
        await screen.sees(f"action {held}")
        await screen.press("g", "j", "u")
        await screen.sees(f"action {held} was undone already")


async def test_keys_typed_ahead_fill_and_confirm_nothing(console: Opened, relay: Relay, mail: str) -> None:
    before = len(actions(relay))
    async with console() as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.3")
        await screen.press("P", "x", "enter", "y")
        await form(screen, "Suspend")
        await write(screen, "why")
        await screen.sees("Press y to go on.")
        await screen.press("y")
        assert isinstance(screen.app.screen, Ask)
        await screen.press("escape", "escape")
        await screen.sees("nothing was changed")
    assert suspended(relay) == [] and len(actions(relay)) == before


async def test_who_may_only_read_is_asked_nothing(console: Opened, mail: str) -> None:
    async with console(read_only=True) as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.3")
        await screen.press("X")
        await screen.sees("suppress: this console is read-only")
        await screen.press("7", "u")
        await screen.sees("undo: this console is read-only")
