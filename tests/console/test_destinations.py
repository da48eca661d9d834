"""Destinations, one of them, and incidents: from a row to its messages, and changes about all of them."""

from __future__ import annotations

import asyncio

import pytest
from tests.kit.processes import wait_until
from tests.kit.relay import Relay

from mailtui.console.screens.confirm import GUARD, Confirm

from .conftest import Opened, put, settled


@pytest.fixture(scope="module", autouse=True)
def mail(relay: Relay) -> dict[str, str]:
    """Two recipients that failed at one destination, one at another, one untried at a third."""
    many = put(relay, "ana@many.test", "bob@many.test", sender="news@list.example")
    one = put(relay, "eve@one.test", sender="app@list.example")
    for queue_id in (many, one):
        relay.post("retry", ids=[queue_id])
        settled(relay, f"id:{queue_id}", "deferred")
    wait_until(lambda: relay.get("incidents"), "the failures to be counted")
    return {"many": many, "one": one}


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
async def test_a_destination_is_opened_and_its_messages_from_there(
    console: Opened, mail: dict[str, str], columns: int, rows: int
) -> None:
    async with console(columns, rows) as screen:
        await screen.press("3")
        await screen.sees("one.test")
        await screen.sees("row 1 of 2")
        lines = screen.text.splitlines()
        many = next(line for line in lines if "many.test" in line)
        assert many.startswith("> many.test") and "fails" in many and "connection" in many
        await screen.press("enter")
        await screen.sees("domains > many.test")
        await screen.sees("all that waits")
        await screen.sees("NEW")
        await screen.sees("news@list.example")
        await screen.sees("(max 20), 50 msg")
        assert "fails" in screen.text and "127.0.0.1" in screen.text
        await screen.press("enter")
        await screen.sees(f"{mail['many']}.2")
        await screen.sees("domain:many.test")
        await screen.sees("2 of 3")
        await screen.press("escape")
        await screen.sees("Top senders")
        await screen.press("escape")
        await screen.sees("most waiting first")


async def test_the_reply_under_the_cursor_and_a_sender_find_their_mail(console: Opened, mail: dict[str, str]) -> None:
    async with console(120, 40) as screen:
        await screen.press("3")
        await screen.sees("one.test")
        await screen.press("enter")
        await screen.sees("NEW")
        await screen.sees("news@list.example")
        await screen.press("j")
        await screen.sees("mail waits until it")  # what the reply means
        await screen.press("enter")
        await screen.sees("class:connection")
        await screen.sees("2 of 3")
        await screen.press("escape")
        await screen.sees("Top senders")
        await screen.press("tab", "enter")
        await screen.sees("domain:many.test from:news@list.example")
        await screen.sees("2 of 3")


async def test_brackets_go_through_the_destinations(console: Opened, mail: dict[str, str]) -> None:
    async with console() as screen:
        await screen.press("3")
        await screen.sees("one.test")
        await screen.press("enter")
        await screen.sees("news@list.example")
        await screen.press("right_square_bracket")
        await screen.sees("domains > one.test")
        await screen.sees("app@list.example")
        assert "news@list.example" not in screen.text
        await screen.press("right_square_bracket")
        await screen.sees("that was the last one")
        await screen.press("left_square_bracket")
        await screen.sees("domains > many.test")
        await screen.press("left_square_bracket")
        await screen.sees("that was the first one")


async def test_a_suspended_destination_says_so_in_the_list_and_in_its_view(
    console: Opened, relay: Relay, mail: dict[str, str]
) -> None:
    relay.post("suspend", kind="destination", what="many.test", reason="\x1b[31masked to")
    try:
        async with console(120, 40) as screen:
            await screen.press("3")
            await screen.sees("susp 59m")
            await screen.sees("1 suspended")
            await screen.press("enter")
            await screen.sees("suspended until")
            assert "\x1b" not in screen.text
    finally:
        relay.post("resume", kind="destination", what="many.test")


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
async def test_an_incident_is_told_in_a_sentence_and_finds_its_mail(
    console: Opened, mail: dict[str, str], columns: int, rows: int
) -> None:
    async with console(columns, rows) as screen:
        await screen.press("4")
        await screen.sees("1 NEW")
        await screen.sees("not met in the 24 h before")
        await screen.sees("Connection refused")
        await screen.sees("enter shows its messages")
        await screen.press("enter")
        await screen.sees(f"{mail['many']}.1")
        await screen.sees(f"{mail['one']}.1")
        await screen.sees("3 of 3")


async def test_a_group_is_held_after_its_count_was_seen_and_taken_back(
    console: Opened, relay: Relay, mail: dict[str, str]
) -> None:
    async with console() as screen:
        await screen.press("3")
        await screen.sees("one.test")
        await screen.press("H")
        await screen.until(lambda: isinstance(screen.app.screen, Confirm), "the dialog")
        await screen.sees("Hold 2 recipients")
        await screen.sees("domain:many.test")
        await asyncio.sleep(GUARD + 0.1)  # the guard is a time: nothing else shows that it is over
        await screen.press("y")
        await screen.sees("held 2 of 2 recipients")
        assert relay.get("queue.count?filter=state:held")["recipients"] == 2
        await screen.press("u")
        await screen.sees("undone 2 of 2 recipients")
        assert relay.get("queue.count?filter=state:held")["recipients"] == 0
