"""Changes from cursor, marks and filter: nothing without its confirmation, exactly what was shown, and back again."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from tests.kit.relay import Relay

from mailtui.console.screens.confirm import GUARD, Confirm

from .conftest import Opened, Screen, put, settled


@pytest.fixture(scope="module", autouse=True)
def mail(relay: Relay) -> str:
    queue_id = put(relay, *(f"r{n}@change.test" for n in range(4)))
    relay.post("retry", ids=[queue_id])
    settled(relay, f"id:{queue_id}", "deferred")
    return queue_id


def states(relay: Relay) -> Counter[str]:
    return Counter(row["state"] for row in relay.get("queue.list?history=true&filter=domain:change.test")["rows"])


async def at_the_queue(screen: Screen, mail: str) -> None:
    await screen.press("2")
    await screen.sees(f"{mail}.4")


async def dialog(screen: Screen) -> None:
    """Until the dialog hears."""
    await screen.until(lambda: isinstance(screen.app.screen, Confirm), "the dialog")
    await asyncio.sleep(GUARD + 0.1)  # the guard is a time: nothing else shows that it is over


async def test_one_recipient_is_held_at_once_and_taken_back(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as screen:
        await at_the_queue(screen, mail)
        await screen.press("H")
        await screen.sees("held 1 of 1 recipient")
        assert states(relay) == {"deferred": 3, "held": 1}
        await screen.press("u")
        await screen.sees("undone 1 of 1 recipient")
        assert states(relay) == {"deferred": 4}


async def test_marked_ones_are_held_and_released(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as screen:
        await at_the_queue(screen, mail)
        await screen.press("space", "space", "H")
        await dialog(screen)
        assert "Hold by 2 marked" in screen.text and "Hold 2 recipients of 1 message" in screen.text
        assert f"mailtui hold {mail}.1 {mail}.2" in screen.text
        await screen.press("enter")
        await screen.sees("nothing was changed")
        assert states(relay) == {"deferred": 4}
        await screen.press("H")
        await dialog(screen)
        await screen.press("y")
        await screen.sees("held 2 of 2 recipients")
        assert states(relay) == {"deferred": 2, "held": 2}
        await screen.press("asterisk", "L")
        await dialog(screen)
        assert "Release by filter" in screen.text and "Release 2 recipients" in screen.text
        await screen.press("y")
        await screen.sees("released 2 of 2 recipients")
        assert states(relay) == {"deferred": 4}


async def test_a_purge_wants_its_number(console: Opened, relay: Relay, mail: str) -> None:
    async with console(120, 40) as screen:
        await at_the_queue(screen, mail)
        await screen.press("asterisk", "D")
        await dialog(screen)
        for wrong in (["y"], ["3", "y"], ["enter"], ["backspace", "5", "y", "backspace"]):
            await screen.press(*wrong)
            assert isinstance(screen.app.screen, Confirm)
        await screen.press("4", "y")
        await screen.sees("purged 4 of 4 recipients")
        assert states(relay) == {"purged": 4}
        await screen.press("u")
        await screen.sees("undone 4 of 4")
        assert states(relay) == {"deferred": 4}


async def test_keys_typed_ahead_confirm_nothing(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as screen:
        await at_the_queue(screen, mail)
        await screen.press("asterisk", "H", "y", "y", "enter", "y")
        await screen.until(lambda: isinstance(screen.app.screen, Confirm), "the dialog")
        await screen.press("y")
        assert isinstance(screen.app.screen, Confirm)
        await screen.press("escape")
        await screen.sees("nothing was changed")
    assert states(relay) == {"deferred": 4}


async def test_retry_from_a_message(console: Opened, relay: Relay, mail: str) -> None:
    made = len(relay.get(f"show?id={mail}.1")["recipients"][0]["attempts"])
    async with console() as screen:
        await at_the_queue(screen, mail)
        await screen.press("enter")
        await screen.sees(f"Attempt {made} of {made}")
        await screen.press("r")
        await screen.sees("retried 1 of 1")
        await screen.sees(f"Attempt {made + 1} of {made + 1}")
        await screen.press("left_curly_bracket")
        await screen.sees(f"Attempt {made} of {made + 1}")


async def test_who_may_only_read_changes_nothing(console: Opened, relay: Relay, mail: str) -> None:
    async with console(read_only=True) as screen:
        await at_the_queue(screen, mail)
        await screen.press("K", "H")
        await screen.sees("hold: this console is read-only")
        assert "RO" in screen.text and "H hold" not in screen.text
    assert states(relay) == {"deferred": 4}
