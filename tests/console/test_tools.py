"""Help, command line, palette, and what can be taken out of the console."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.kit.relay import Relay
from textual.command import CommandPalette
from textual.widgets import OptionList

from mailtui.console.place import Place

from .conftest import Opened, Screen, put, settled


@pytest.fixture(scope="module", autouse=True)
def mail(relay: Relay) -> str:
    queue_id = put(relay, "ana@tools.test", "bob@tools.test", sender="news@list.example")
    settled(relay, f"id:{queue_id}", "deferred")
    return queue_id


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
async def test_help_is_about_where_one_is(console: Opened, mail: str, columns: int, rows: int) -> None:
    async with console(columns, rows) as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.1")
        await screen.press("question_mark")
        await screen.sees("Help: queue")
        await screen.press("G")
        await screen.sees("The filter")
        await screen.press("g", "H")
        await screen.sees("Moving")
        await screen.press("escape")
        await screen.until(lambda: "Help" not in screen.text, "the queue")
        await screen.press("1", "question_mark")
        await screen.sees("Help: overview")
        assert " invert " not in screen.text


async def test_a_line_finds_changes_and_is_remembered(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as screen:
        await screen.sees("tools.test")
        await screen.press("colon", *"queue to:bob@*", "enter")
        await screen.until(lambda: f"{mail}.2" in screen.text and f"{mail}.1" not in screen.text, "only bob")
        await screen.press("colon", *f"hold id:{mail}.1", "enter")
        await screen.sees("held 1 of 1 recipient")
        assert relay.get(f"queue.count?filter=id:{mail}%20state:held")["recipients"] == 1
        await screen.press("u")
        await screen.sees("undone 1 of 1")
        await screen.press("colon", "up", "up", "enter")
        await screen.press("colon", *"theme ansi-light", "enter")
        await screen.until(lambda: screen.app.theme == "ansi-light", "another theme")


async def test_what_is_wrong_in_a_line_is_pointed_at(console: Opened, mail: str) -> None:
    async with console() as screen:
        await screen.sees("tools.test")
        await screen.press("colon", *"hodl", "enter")
        await screen.sees("did you mean hold?")
        assert "^^^^" in screen.text
        await screen.press("escape")
        await screen.press("colon", *"que", "tab", *"stat:x", "enter")
        await screen.sees('unknown field "stat", did you mean "state"?')
        await screen.press("escape", "colon", *"overview", "enter")
        await screen.sees("Waiting by age")


async def test_who_may_only_read_changes_nothing_by_a_line(console: Opened, relay: Relay, mail: str) -> None:
    async with console(read_only=True) as screen:
        await screen.sees("tools.test")
        await screen.press("colon", *"hold --all", "enter")
        await screen.sees("hold: this console is read-only")


async def test_the_palette_finds_actions_places_and_themes_and_nothing_else(console: Opened, mail: str) -> None:
    async with console() as screen:
        await screen.sees("tools.test")
        await screen.press("ctrl+p")
        await screen.until(lambda: CommandPalette.is_open(screen.app), "the palette")
        await screen.press(*"the queue scr")
        await screen.until(lambda: len(prompts(screen)) == 1, "one hit")
        assert "queue" in prompts(screen)[0] and "2" in prompts(screen)[0]
        await screen.press("enter")
        await screen.sees(f"{mail}.1")
        await screen.press("ctrl+p", *"theme ansi-dark")
        await screen.until(lambda: len(prompts(screen)) == 1, "one hit")
        await screen.press("enter")
        await screen.until(lambda: screen.app.theme == "ansi-dark", "another theme")
        await screen.press("ctrl+p", *"screenshot")
        await screen.until(lambda: len(prompts(screen)) < 5, "few hits")
        assert not any("screenshot" in prompt.lower() for prompt in prompts(screen))


def prompts(screen: Screen) -> list[str]:
    """What the palette offers."""
    listed = screen.app.screen.query(OptionList)
    return [str(option.prompt) for found in listed for option in found.options]


async def test_a_value_of_the_row_narrows_the_filter(console: Opened, mail: str) -> None:
    async with console() as screen:
        await screen.sees("tools.test")
        await screen.press("equals_sign", "d")
        await screen.sees("domain=tools.test")
        await screen.sees(f"{mail}.2")
        await screen.press("exclamation_mark")
        await screen.sees("Not this")
        await screen.press("t")
        await screen.until(lambda: f"{mail}.2" in screen.text and f"{mail}.1" not in screen.text, "only bob")
        assert "domain=tools.test not to=ana@tools.test" in screen.text
        await screen.press("enter")
        await screen.sees("Recipients (2)")
        await screen.press("equals_sign", "escape")
        await screen.press("equals_sign", "s")
        wanted = "domain=tools.test not to=ana@tools.test state=deferred"
        await screen.until(lambda: screen.app.trail.here == Place("queue", wanted), "a third word")


async def test_an_address_and_a_transcript_are_copied(
    console: Opened, mail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    async with console() as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.1")
        await screen.press("y", "a")
        await screen.sees("address sent to the terminal's clipboard (14 octets)")
        assert screen.app.clipboard == "ana@tools.test"
        await screen.press("y", "t")
        await screen.sees("transcript sent to the terminal's clipboard")
        assert "Connection refused" in screen.app.clipboard and screen.app.clipboard.startswith("Attempt 1 of")


async def test_the_whole_list_is_written_into_a_new_file(console: Opened, mail: str, tmp_path: Path) -> None:
    wanted = tmp_path / "list.jsonl"
    async with console() as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.1")
        await screen.press("W", "ctrl+u", *str(wanted), "enter")
        await screen.sees("wrote 2 rows, ")
        await screen.press("W", "ctrl+u", *str(wanted), "enter")
        await screen.sees("it is there already, nothing is overwritten")
        await screen.press("escape")
        letter = tmp_path / "one.eml"
        await screen.press("W", "ctrl+u", *str(letter), "enter")
        await screen.sees(f"for you alone (0600): {letter}"[:40])
        await screen.until(letter.exists, "the message to be written")
    assert [json.loads(line)["id"] for line in wanted.read_text().splitlines()] == [f"{mail}.1", f"{mail}.2"]
    assert letter.read_bytes().startswith(b"Received: ") and b"Subject: hello\r\n" in letter.read_bytes()
