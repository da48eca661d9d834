"""A line behind `:` changes what a key changes, by the same plan and the same `y`; what reads, shows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.kit.relay import Relay
from textual import events

from mailtui.console.app import Console
from mailtui.console.launch import Options
from mailtui.console.screens.confirm import GUARD, Confirm
from mailtui.console.screens.detail import Detail
from mailtui.console.screens.form import Ask
from mailtui.console.screens.prompt import Prompt

from .conftest import Opened, Screen, put, settled


@pytest.fixture(scope="module", autouse=True)
def mail(relay: Relay) -> str:
    queue_id = put(relay, "ana@lines.test", "bob@lines.test")
    relay.post("retry", ids=[queue_id])
    settled(relay, f"id:{queue_id}", "deferred")
    return queue_id


async def enters(screen: Screen, text: str) -> None:
    await screen.press("colon")
    screen.app.post_message(events.Paste(text))  # a key for each would take as long as a person
    await screen.press("enter")


async def says_yes(screen: Screen, kind: type[Confirm] | type[Ask]) -> None:
    await screen.until(lambda: isinstance(screen.app.screen, kind), kind.__name__)
    await asyncio.sleep(GUARD + 0.1)  # the guard is a time: nothing else shows that it is over
    await screen.press("y")


async def test_recipients_by_filter_and_by_id_with_a_reason(console: Opened, relay: Relay, mail: str) -> None:
    async with console() as screen:
        await screen.sees("lines.test")
        await enters(screen, "hold domain:lines.test --reason campaign")
        await says_yes(screen, Confirm)
        await screen.sees("held 2 of 2 recipients")
        assert relay.get("audit?limit=1")[0]["reason"] == "campaign"
        await enters(screen, f"release {mail}.1 {mail}.2")
        await screen.until(lambda: isinstance(screen.app.screen, Confirm), "the plan")
        assert "Release by 2 named" in screen.text
        await says_yes(screen, Confirm)
        await screen.sees("released 2 of 2 recipients")


async def test_a_suspension_with_all_its_words_wants_only_y(console: Opened, relay: Relay) -> None:
    async with console() as screen:
        await screen.sees("lines.test")
        await enters(screen, "suspend lines.test --for 2h --reason 'they asked'")
        await screen.sees("Press y to go on")
        await says_yes(screen, Ask)
        await screen.sees("lines.test suspended until")
        assert [(row["name"], row["reason"]) for row in relay.get("suspensions")] == [("lines.test", "they asked")]
        await enters(screen, "resume lines.test")
        await says_yes(screen, Ask)
        await screen.sees("lines.test resumed")
        await enters(screen, "resume lines.test")
        await screen.sees("lines.test is not suspended")
        await enters(screen, "suspend lines.test")
        await screen.sees("why, for those who come after")  # the form, at the word that is missing
        await screen.press("escape")


async def test_what_is_wrong_is_pointed_at_in_the_line(console: Opened, mail: str) -> None:
    async with console() as screen:
        await screen.sees("lines.test")
        await enters(screen, "hold --reason x stat:y")
        await screen.sees('unknown field "stat"')
        assert "   hold --reason x stat:y\n" + " " * 19 + "^^^^" in "\n".join(
            part.rstrip() for part in screen.text.split("\n")
        )
        await screen.press("ctrl+u", *"suspend lines.test --for 2x --reason y", "enter")
        await screen.sees('"2x" is not a duration')
        assert "^^" in screen.text and isinstance(screen.app.screen, Prompt)
        await screen.press("ctrl+u", *"suspend li", "tab")
        await screen.sees(": suspend lines.test ")


async def test_the_suppression_list_from_a_file_and_into_one(console: Opened, relay: Relay, tmp_path: Path) -> None:
    new, out = tmp_path / "new.txt", tmp_path / "out.csv"
    new.write_text("ida@lines.test\n@gone-lines.test\n", encoding="utf-8")
    async with console() as screen:
        await screen.sees("lines.test")
        await enters(screen, f"suppress import {new} --reason moved")
        await screen.sees("2 would be added, 0 changed")
        assert "+ ida@lines.test (manual)" in screen.text
        await says_yes(screen, Ask)
        await screen.sees("2 added, 0 changed")
        assert {row["entry"] for row in relay.get("suppress.list")["rows"]} == {"ida@lines.test", "@gone-lines.test"}
        await enters(screen, f"suppress import {new}")
        await screen.sees("changes nothing: 2 the same")
        await enters(screen, f"suppress export {out}")
        await screen.sees("wrote 2 entries")
        assert out.read_text(encoding="utf-8").splitlines()[0].startswith("entry,reason")
        await enters(screen, "suppress lookup somebody@gone-lines.test")
        await screen.until(lambda: isinstance(screen.app.screen, Detail), "the entry")
        assert "@gone-lines.test" in screen.text
        await screen.press("escape")
        await enters(screen, "suppress lookup ana@lines.test")
        await screen.sees("it gets its mail")
        await enters(screen, "suppress remove ida@lines.test @gone-lines.test")
        await says_yes(screen, Ask)
        await screen.until(lambda: not relay.get("suppress.list")["rows"], "an empty list")


async def test_a_report_and_the_relay_itself(console: Opened, relay: Relay, tmp_path: Path, mail: str) -> None:
    out = tmp_path / "report.md"
    async with console(read_only=True) as screen:
        await screen.sees("lines.test")
        await enters(screen, "reload")
        await screen.sees("this console is read-only")
        await enters(screen, f"report lines.test --window 2h --out {out}")
        await screen.sees("wrote the report about lines.test")
    assert out.read_text(encoding="utf-8").startswith("# ") and out.stat().st_mode & 0o777 == 0o600
    async with console() as screen:
        await screen.sees("lines.test")
        await enters(screen, "dns flush lines.test --reason moved")
        await says_yes(screen, Ask)
        await screen.sees("of the DNS forgotten")


async def test_where_care_is_wanted_a_form_wants_the_word(tmp_path: Path) -> None:
    with Relay({"relay": {"environment": "prod"}, "intake": {"min_free_disk": "1MB"}}) as careful:
        app = Console(Options(careful.socket, home=tmp_path))
        async with app.run_test(size=(80, 24)) as pilot:
            screen = Screen(app, pilot)
            await screen.sees("PROD")
            await enters(screen, "suppress add ana@prod.test")
            await says_yes(screen, Ask)
            await screen.sees("Type the environment, prod, then y")
            await screen.press(*"pry")
            assert isinstance(app.screen, Ask)
            await screen.press(*"od")
            await screen.press("y")
            await screen.sees("ana@prod.test gets no more mail")
