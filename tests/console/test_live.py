"""The live screen against a relay: it follows, stands still and counts, filters, opens, and comes back after a lost link."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.control.conftest import put_deferred
from tests.kit.processes import free_port
from tests.kit.relay import Relay

from mailtui.console.app import Console
from mailtui.console.launch import Options
from mailtui.console.screens.live import Live

from .conftest import Opened, Screen, put


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
async def test_it_follows_and_stands_still_and_counts(console: Opened, relay: Relay, columns: int, rows: int) -> None:
    async with console(columns, rows) as screen:
        await screen.press("5")
        first = put(relay, "ana@live.test")
        await screen.sees(f"A {first}" if columns < 110 else f"accepted  {first}")
        assert "following" in screen.text
        second = put(relay, "bob@live.test")
        await screen.sees(second)
        await screen.press("k")
        await screen.sees("stopped")
        third = put(relay, "eve@live.test")
        live = screen.app.query_one(Live)
        await screen.until(lambda: live.tail.newer, "the news to be counted")
        await screen.sees(f"{live.tail.newer} newer, G goes on")
        assert second in screen.text and third not in screen.text
        await screen.press("G")
        await screen.sees(third)
        assert "following" in screen.text and live.tail.newer == 0
        await screen.press("F")
        await screen.sees("stopped")
        await screen.press("F")
        await screen.sees("following")


async def test_a_frozen_picture_counts_and_goes_on(console: Opened, relay: Relay) -> None:
    async with console() as screen:
        await screen.press("5")
        before = put(relay, "ana@frozen.test")
        await screen.sees(before)
        await screen.press("z")
        after = put(relay, "bob@frozen.test")
        live = screen.app.query_one(Live)
        await screen.until(lambda: live.tail.newer, "the news to be counted")
        assert after not in screen.text
        await screen.press("z")
        await screen.sees(after)


async def test_a_filter_is_the_relay_s_and_a_wrong_one_is_pointed_at(console: Opened, relay: Relay) -> None:
    async with console() as screen:
        await screen.press("5", "slash", *"to:bob@filter.test", "enter")
        await screen.sees("to:bob@filter.test")
        put_deferred(relay, "ana@filter.test", "bob@filter.test")
        live = screen.app.query_one(Live)
        await screen.until(lambda: live.tail.shown, "bob's attempt")
        assert {moment.address for moment in live.tail.shown} == {"bob@filter.test"}
        await screen.press("slash", "space", *"subject:x", "enter")
        await screen.sees("says nothing of events")
        assert "^^^^" in screen.text
        await screen.press("escape")
        await screen.until(lambda: "says nothing" not in screen.text, "the old filter to be back")
        await screen.press("ctrl+x")
        await screen.sees("ana@filter.test")


async def test_enter_opens_the_message_at_its_recipient_and_back_goes_on(console: Opened, relay: Relay) -> None:
    queue_id = put_deferred(relay, "one@open.test", "two@open.test")
    async with console() as screen:
        await screen.press("5", "slash", *"to:two@open.test", "enter")
        await screen.sees("two@open.test")
        live = screen.app.query_one(Live)
        await screen.until(lambda: live.tail.shown, "the attempt")
        await screen.press("k", "enter")
        await screen.sees(f"Message {queue_id}")
        await screen.sees(f"> {queue_id}.2")
        await screen.press("right_square_bracket")
        await screen.sees("that was the last one")
        await screen.until(lambda: live._listens_to is None, "the stream to be closed while nobody looks")
        await screen.press("escape")
        await screen.until(lambda: live._listens_to is not None, "the stream to be open again")
        assert live.tail.shown and "stopped" in screen.text


async def test_a_lost_link_is_said_and_it_comes_back(tmp_path: Path) -> None:
    settings = {"route": [{"to": f"127.0.0.1:{free_port()}"}], "intake": {"min_free_disk": "1MB"}}
    with Relay(settings) as relay:
        app = Console(Options(relay.socket, home=tmp_path))
        async with app.run_test(size=(80, 24)) as pilot:
            screen = Screen(app, pilot)
            await screen.press("5")
            first = put(relay, "ana@lost.test")
            await screen.sees(first)
            relay.stop()
            await screen.sees("trying again")
            relay.start()
            await screen.sees("the relay was started anew")
            await screen.sees("connected again")
            second = put(relay, "bob@lost.test")
            await screen.sees(second)
            assert "following" in screen.text
