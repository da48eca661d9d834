"""Fate and the console: the relay goes away and comes back, others change the same mail, the terminal shrinks. Nothing is done twice."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.control.conftest import put, put_deferred
from tests.kit.relay import Relay

from mailtui.console.screens.confirm import GUARD, Confirm
from mailtui.console.screens.form import Ask
from mailtui.queue.database import FILE

from .conftest import Opened, Screen

COUNT = 4


@pytest.fixture(autouse=True)
def mail(relay: Relay) -> Iterator[str]:
    """One message to four, held so that nothing but the test changes them."""
    if not relay.running:
        relay.start()
    queue_id = put_deferred(relay, *(f"r{n}@fault.test" for n in range(COUNT)))
    relay.post("hold", ids=[queue_id])
    yield queue_id
    if not relay.running:
        relay.start()
    relay.post("purge", everything=True)


def rows(relay: Relay, sql: str, *parameters: object) -> list[tuple[object, ...]]:
    """What the queue file says, whether the relay runs or not."""
    with closing(sqlite3.connect(f"file:{relay.data / FILE}?mode=ro", uri=True)) as db:
        return db.execute(sql, parameters).fetchall()


def states(relay: Relay) -> Counter[str]:
    """Recipients of the message by state."""
    newest = "(SELECT max(id) FROM message)"
    return Counter(str(state) for (state,) in rows(relay, f"SELECT state FROM recipient WHERE message = {newest}"))


def actions(relay: Relay) -> int:
    """How many changes there ever were."""
    ((count,),) = rows(relay, "SELECT count(*) FROM action")
    assert isinstance(count, int)
    return count


async def at_the_queue(screen: Screen, mail: str) -> None:
    await screen.press("2")
    await screen.sees(f"{mail}.{COUNT}")


async def dialog(screen: Screen, kind: type = Confirm) -> None:
    """Until a dialog hears."""
    await screen.until(lambda: isinstance(screen.app.screen, kind), "the dialog")
    await asyncio.sleep(GUARD + 0.1)  # the guard is a time: nothing else shows that it is over


async def test_a_relay_that_goes_away_is_said_and_comes_back_by_itself(
    console: Opened, relay: Relay, mail: str
) -> None:
    async with console() as screen:
        await at_the_queue(screen, mail)
        assert "D purge" in screen.text
        relay.kill()
        await screen.sees("OFFLINE")
        await screen.sees("offline: no relay answers; what is shown is")
        assert f"{mail}.1" in screen.text  # what was known is still there to be read
        assert "D purge" not in screen.text
        before = actions(relay)
        for key in ("r", "H", "L", "D", "B", "X", "u"):
            await screen.press(key)
            await screen.sees(": offline: no relay answers")
        await screen.press("j", "enter")
        await screen.sees(f"queue > {mail}.2")
        await screen.sees("asking …")  # it was never asked for: nothing is claimed about it
        assert "not tried yet" not in screen.text
        await screen.press("escape")
        await asyncio.to_thread(relay.start)
        await screen.sees("LIVE")
        await screen.sees("the relay answers again")
        assert "offline" not in screen.text.lower()
        assert actions(relay) == before
        await screen.press("L")
        await screen.sees("released 1 of 1")


async def test_until_the_cursor_is_moved_it_stays_on_the_worst(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as screen:
        await screen.sees("fault.test")
        put(relay, *(f"r{n}@worse.test" for n in range(COUNT + 2)))
        rows = screen.app.view.grid.rows  # type: ignore[attr-defined]
        await screen.until(lambda: len(rows.items) == 2 and rows.items[0].destination == "worse.test", "the worse one")
        assert rows.cursor == 0
        await screen.press("j")
        put(relay, *(f"r{n}@worst.test" for n in range(COUNT + 4)))
        await screen.until(lambda: len(rows.items) == 3, "the worst one")
        assert rows.current.destination == "fault.test"  # once it was moved, it stays with its row


async def test_a_relay_lost_behind_a_dialog_changes_nothing(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as screen:
        await at_the_queue(screen, mail)
        await screen.press("asterisk", "L")
        await dialog(screen)
        before = actions(relay)
        relay.kill()
        await screen.until(lambda: screen.app.link.offline, "the loss to be noticed")
        await screen.sees("no relay answers")  # in the dialog: the frame behind it stands still
        await screen.press("y")
        assert isinstance(screen.app.screen, Confirm)
        await asyncio.to_thread(relay.start)
        await screen.until(lambda: not screen.app.link.offline, "the relay to be back")
        await screen.press("y")  # its plan went with the relay that made it
        await screen.until(lambda: not isinstance(screen.app.screen, Confirm), "the dialog to go")
        await screen.sees("plan")
        assert states(relay) == {"held": COUNT}
        assert actions(relay) == before
        await screen.press("L")
        await dialog(screen)
        await screen.press("y")
        await screen.sees(f"released {COUNT} of {COUNT}")


async def test_a_relay_lost_while_it_is_asked_has_done_it_or_not(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as screen:
        await at_the_queue(screen, mail)
        await screen.press("asterisk", "L")
        await dialog(screen)
        before = actions(relay)
        relay.child.process.send_signal(19)  # it stands still: the question waits in the socket
        await screen.press("y")
        await screen.until(lambda: screen.app.changes.running, "the change to be asked for")
        await screen.press("L")
        await screen.sees("one change at a time")
        relay.kill()
        await screen.sees("whether it was made is not known")
        await asyncio.to_thread(relay.start)
        await screen.sees("LIVE")
        assert states(relay) == {"held": COUNT}
        assert actions(relay) == before


async def test_two_consoles_on_the_same_mail(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as one, console(120, 40) as other:
        await at_the_queue(one, mail)
        await at_the_queue(other, mail)
        await one.press("asterisk", "L")
        await dialog(one)
        await other.press("D")  # its first row: a purge has its dialog
        await dialog(other)
        await other.press("1", "y")
        await other.sees("purged 1 of 1")
        await one.press("y")
        await one.sees(f"released {COUNT - 1} of {COUNT} recipients   1 did not apply")
        assert states(relay)["purged"] == 1 and not states(relay)["held"]
        ((changed,),) = rows(relay, "SELECT count(*) FROM action_item WHERE action = (SELECT max(id) FROM action)")
        assert changed == COUNT - 1
        await other.press("u")
        await other.sees("undone 1 of 1")
        await one.press("u")
        await one.sees(f"undone {COUNT - 1} of {COUNT - 1}")
        assert states(relay) == {"held": COUNT}
        count = actions(relay)
        await one.press("u")
        await one.sees("nothing was changed from here")
        assert actions(relay) == count


async def test_what_another_console_has_undone_is_not_undone_twice(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as screen:
        await at_the_queue(screen, mail)
        await screen.press("L")
        await screen.sees("released 1 of 1")
        ((action,),) = rows(relay, "SELECT max(id) FROM action")
        relay.post("undo", action=action)
        await screen.press("u")
        await screen.sees("was undone already")
        assert states(relay) == {"held": COUNT}
        await screen.press("u")
        await screen.sees("nothing was changed from here")


async def test_a_dialog_that_cannot_be_seen_hears_nothing_but_escape(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as screen:
        await at_the_queue(screen, mail)
        await screen.press("asterisk", "L")
        await dialog(screen)
        await screen.resize(60, 12)
        await screen.sees("80x24 needed (now 60x12)")
        await screen.press("y", "enter")
        assert isinstance(screen.app.screen, Confirm)
        await screen.resize(80, 24)
        await screen.sees(f"Release {COUNT} recipients")
        await screen.press("y")
        await screen.sees(f"released {COUNT} of {COUNT}")
        await screen.press("P")
        await dialog(screen, Ask)
        await screen.resize(60, 12)
        await screen.sees("80x24 needed (now 60x12)")
        await screen.press("x", "enter", "escape")
        await screen.until(lambda: not isinstance(screen.app.screen, Ask), "the form to go")
        await screen.sees("80x24 needed (now 60x12)")
        await screen.resize(80, 24)
        await screen.sees(f"{mail}.{COUNT}")
