"""What is seen, and how one gets from the first look to the dialogue with a server."""

from __future__ import annotations

import pytest
from tests.kit.relay import Relay

from mailtui.console import themes

from .conftest import Opened, put, settled

EVIL = "Subject: \x1b[31mred\x1b]52;c;aGk=\x07 [/foo] [@click=app.quit]x[/]\r\n\r\nbody\r\n"


@pytest.fixture(scope="module", autouse=True)
def mail(relay: Relay) -> str:
    queue_id = put(relay, "ana@look.test", "bob@look.test", sender="news@list.example")
    settled(relay, f"id:{queue_id}", "deferred")
    return queue_id


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
async def test_from_the_first_look_to_the_dialogue_in_two_keys(
    console: Opened, mail: str, columns: int, rows: int
) -> None:
    async with console(columns, rows) as screen:
        await screen.sees("look.test")
        await screen.sees("LIVE")
        assert "Queue 2" in screen.text and "relay.test" in screen.text
        await screen.press("enter")
        await screen.sees(f"{mail}.1")
        await screen.sees("2 of 2")
        await screen.sees("overview > domain:look.test")
        await screen.press("enter")
        await screen.sees("Attempt 1 of 1")
        assert "ana@look.test" in screen.text and "bob@look.test" in screen.text
        assert "Connection refused" in screen.text
        await screen.press("escape", "escape")
        await screen.sees("Waiting by age")


async def test_a_filter_is_counted_while_it_is_typed_and_a_wrong_one_is_pointed_at(console: Opened, mail: str) -> None:
    async with console() as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.1")
        await screen.press("slash", *"to:bob@")
        await screen.press(*"*")
        await screen.sees("1 of 2")
        await screen.press("enter")
        await screen.until(lambda: f"{mail}.1" not in screen.text and f"{mail}.2" in screen.text, "only bob")
        await screen.press("slash", "space", *"stat:x")
        await screen.sees('unknown field "stat", did you mean "state"?')
        assert "^^^^" in screen.text
        await screen.press("escape")
        await screen.until(lambda: "unknown field" not in screen.text, "the old filter to be back")
        await screen.press("ctrl+x")
        await screen.sees(f"{mail}.1")


async def test_letters_typed_into_the_filter_do_nothing_else(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.1")
        await screen.press("slash", *"HDBq")
        await screen.sees("0 of 2")
        await screen.press("escape")
    assert {row["state"] for row in relay.get(f"queue.list?filter=id:{mail}")["rows"]} == {"deferred"}


async def test_hostile_text_is_shown_harmless(console: Opened, relay: Relay) -> None:
    evil = put(relay, '"[/foo]"@evil.test', body=EVIL)
    try:
        async with console(120, 40) as screen:
            await screen.press("2")
            await screen.sees(evil)
            await screen.press("end")
            await screen.sees("[@click=app.quit]x")
            await screen.press("enter")
            await screen.sees(f"Message {evil}")
            assert "\\x1b[31mred" in screen.text
            assert all(character.isprintable() for character in screen.text.replace("\n", ""))
    finally:
        relay.post("purge", ids=[evil])


async def test_a_terminal_too_small_says_so_and_recovers(console: Opened) -> None:
    async with console() as screen:
        await screen.sees("look.test")
        await screen.resize(72, 20)
        await screen.sees("80x24 needed (now 72x20)")
        await screen.resize(100, 30)
        await screen.until(lambda: "needed" not in screen.text and "look.test" in screen.text, "the overview")


async def test_a_frozen_picture_stands_still(console: Opened, relay: Relay) -> None:
    async with console() as screen:
        await screen.sees("Queue 2")
        await screen.press("z")
        await screen.sees("FROZEN")
        more = put(relay, "eve@frozen.test")
        await screen.press("z")
        await screen.sees("Queue 3")
        relay.post("purge", ids=[more])


async def test_a_user_s_keys_and_an_unknown_theme(console: Opened, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "keys.toml").write_text('[keys]\n"view.freeze" = "f5"\n')
    async with console(theme="relay-contrast") as screen:
        await screen.sees("f5 freeze")
        await screen.sees("LIVE")
        await screen.press("f5")
        await screen.sees("FROZEN")
        assert screen.app.theme == "relay-contrast"
        assert set(screen.app.available_themes) == set(themes.load(None))
