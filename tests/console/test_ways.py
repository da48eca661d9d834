"""What a screen gives away and where it leads: trash, what an action changed, values, traces, differences, the mouse, a wide terminal."""

from __future__ import annotations

import pytest
from tests.kit.relay import Relay

from mailtui.console.place import Place
from mailtui.console.screens.detail import Detail
from mailtui.console.screens.live import Live
from mailtui.console.screens.message import Message
from mailtui.console.screens.queue import Queue

from .conftest import Opened, Screen, put, settled


@pytest.fixture(scope="module", autouse=True)
def mail(relay: Relay) -> str:
    queue_id = put(relay, "ana@ways.test", "bob@ways.test", "cleo@ways.test", sender="news@ways.example")
    for tried in (1, 2):
        relay.post("retry", ids=[queue_id])
        settled(relay, f"id:{queue_id}%20tries:{tried}%2B", "deferred")
    return queue_id


def column(screen: Screen, name: str, text: str) -> int:
    """Where in a line of the frame a text stands."""
    canvas = screen.app.query_one(f"#{name}")
    return "".join(part.text for part in canvas.lines[0]).index(text)  # type: ignore[attr-defined]


async def test_a_purge_is_in_the_trash_and_shows_what_it_took(console: Opened, relay: Relay, mail: str) -> None:
    purged = relay.post("purge", ids=[f"{mail}.3"], reason="a test")["action"]
    async with console() as screen:
        await screen.press("7")
        await screen.sees("trash 24h")
        await screen.press("enter")
        await screen.until(lambda: isinstance(screen.app.screen, Detail), "the action")
        await screen.sees(f"P {mail}.3")
        assert "then the content goes" in screen.text and "cleo@ways.test" in screen.text
        await screen.press("enter")
        await screen.until(lambda: screen.app.trail.here == Place("queue", f"action:{purged}"), "what was changed")
        await screen.until(lambda: f"{mail}.3" in screen.text and f"{mail}.1" not in screen.text, "only that")
        await screen.press("escape", "equals_sign", "a")
        await screen.until(lambda: screen.app.trail.here.subject == f"action:{purged}", "by its value")
        await screen.press("7", "u")
        await screen.sees("Undo action")
    relay.post("undo", action=purged)


async def test_values_of_destinations_incidents_and_lists(console: Opened, relay: Relay, mail: str) -> None:
    relay.post("suppress.add", entry="gone@ways.test")
    async with console() as screen:
        await screen.press("3")
        await screen.sees("ways.test")
        await screen.until(lambda: screen.app.view.offers().words, "a destination")
        await screen.press("equals_sign", "d")
        await screen.until(lambda: screen.app.trail.here.subject.startswith("domain="), "its mail")
        await screen.press("6")
        await screen.sees("gone@ways.test")
        await screen.press("y", "a")
        await screen.sees("address sent to the terminal's clipboard")
        assert screen.app.clipboard == "gone@ways.test"
        await screen.press("equals_sign", "d")
        await screen.until(lambda: screen.app.trail.here == Place("queue", "domain=ways.test"), "mail of its domain")
        await screen.press("6")
        await screen.sees("gone@ways.test")
        await screen.press("slash", *"gone@ways.test", "enter")
        await screen.until(lambda: isinstance(screen.app.screen, Detail), "what keeps its mail")
        await screen.press("escape", "4")
        await screen.until(lambda: screen.app.view.offers().words, "a group")
        await screen.press("exclamation_mark", "f")
        await screen.until(lambda: screen.app.trail.here.subject.startswith("not ("), "all but the group")
        await screen.press("5")
        await screen.until(lambda: screen.app.view.offers().texts, "an event")
    relay.post("suppress.remove", entries=["gone@ways.test"])


async def test_a_destination_is_traced_and_only_its_next_attempt(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as screen:
        await screen.press("3")
        await screen.until(lambda: screen.app.view.about().destination, "a destination")
        name = screen.app.view.about().destination
        await screen.press("T")
        await screen.until(lambda: screen.app.trail.here == Place("live", f"domain={name}"), "its trace")
        await screen.press("T")
        await screen.sees("stands still after the next attempt")
        live = screen.app.query_one(Live)
        relay.post("retry", filter=f"domain:{name}")
        await screen.sees("that was its next attempt")
        assert not live.following and live.table.rows.current is not None
        assert live.table.rows.current.address.endswith(f"@{name}")
        await screen.press("ctrl+x")
        await screen.until(lambda: screen.app.trail.here == Place("live"), "everything")


async def test_two_attempts_are_compared_and_failures_found_backwards(console: Opened, mail: str) -> None:
    async with console() as screen:
        screen.app.open(Place("message", f"{mail}.1"))
        await screen.sees("Attempt ")
        await screen.press("d")
        await screen.sees("what differs")
        await screen.sees("to the letter")
        await screen.press("d", "E")
        message = screen.app.query_one(Message)
        await screen.until(lambda: message.lower.dialogue.active, "the failure")
        await screen.press("w")
        assert message.lower.dialogue.rows.items


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 60)])
async def test_the_mouse_finds_tabs_footer_and_rows(console: Opened, mail: str, columns: int, rows: int) -> None:
    async with console(columns, rows) as screen:
        await screen.sees("ways.test")
        await screen.click("#tabs", (column(screen, "tabs", "Queue"), 0))
        await screen.sees(f"{mail}.2")
        table = screen.app.query_one(Queue).table
        await screen.click(table, (5, 2))
        await screen.until(lambda: table.rows.cursor == 1, "the second row")
        assert screen.app.view.kind == "queue"
        await screen.click(table, (5, 1), 2)
        await screen.sees("Attempt ")
        await screen.click("#footer", (column(screen, "footer", "esc back") + 5, 0))
        await screen.until(lambda: screen.app.view.kind == "queue", "the queue again")


async def test_a_wide_terminal_shows_the_preview_at_the_right(console: Opened, mail: str) -> None:
    async with console(200, 60) as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.1")
        preview, table = screen.app.query_one("#preview"), screen.app.query_one(Queue).table
        await screen.until(lambda: preview.region.x >= table.region.right > 100, "two columns")
        await screen.until(lambda: table.region.height > 45 and preview.region.height > 45, "all of the height")
        await screen.sees("subject")
        screen.app.open(Place("message", f"{mail}.1"))
        await screen.sees("Attempt ")
        lower = screen.app.query_one(Message)
        await screen.until(lambda: lower.lower.dialogue.region.x >= lower.recipients.region.right, "side by side")
