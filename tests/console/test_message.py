"""The message screen: what is shown on request alone, where it went wrong, and its neighbours."""

from __future__ import annotations

import pytest
from tests.kit.relay import Relay

from mailtui.console.screens.message import Message

from .conftest import Opened, put, settled

MAIL = "Subject: papers\r\nX-Note: \x1b[31m[/foo]\r\n\r\nthe secret \x1b]52;c;aGk=\x07 of the body\r\n"


@pytest.fixture(scope="module")
def mail(relay: Relay) -> str:
    queue_id = put(relay, "ana@paper.test", "bob@paper.test", body=MAIL)
    settled(relay, f"id:{queue_id}", "deferred")
    relay.post("hold", ids=[f"{queue_id}.1"], reason="a loop?")
    return queue_id


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
async def test_header_body_and_history_are_shown_on_request(
    console: Opened, mail: str, columns: int, rows: int
) -> None:
    async with console(columns, rows) as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.1")
        await screen.press("enter")
        await screen.sees("Attempt 1 of 1")
        message = screen.app.query_one(Message)
        assert not message.lower.octets and "secret" not in screen.text
        await screen.press("m")
        await screen.sees("Header as it is sent")
        await screen.sees("Received: from")
        assert "secret" not in screen.text and "Attempt 1 of 1" not in screen.text
        await screen.press("G")
        await screen.sees("X-Note: \\x1b[31m[/foo]")
        await screen.press("M")
        await screen.sees("Body: private")
        await screen.sees("! private:")
        await screen.sees("the secret \\x1b]52;c;aGk=\\x07 of the body")
        await screen.press("M")
        await screen.sees("Attempt 1 of 1")
        assert "secret" not in screen.text
        await screen.press("i")
        await screen.sees("History: who did what")
        await screen.sees("attempt 1 deferred by relay")
        await screen.press("G")
        await screen.sees("a loop?")


async def test_another_message_is_not_revealed(console: Opened, mail: str) -> None:
    async with console() as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.1")
        await screen.press("enter")
        await screen.sees("Attempt 1 of 1")
        await screen.press("M")
        await screen.sees("the secret")
        await screen.press("right_square_bracket")
        await screen.sees(f"> {mail}.2")
        await screen.sees("Attempt 1 of 1")
        assert "secret" not in screen.text and not screen.app.query_one(Message).lower.octets
        await screen.press("left_square_bracket")
        await screen.sees(f"> {mail}.1")


async def test_why_it_is_still_here_and_where_it_failed(console: Opened, mail: str) -> None:
    async with console() as screen:
        await screen.press("2")
        await screen.sees(f"{mail}.1")
        await screen.press("j", "enter")
        await screen.sees("why   next ")
        await screen.sees("Attempt 1 of 1")
        message = screen.app.query_one(Message)
        await screen.press("e")
        await screen.until(lambda: message.lower.dialogue.active, "the cursor in the dialogue")
        assert message.lower.dialogue.rows.current is not None and message.lower.dialogue.rows.current.failing
        await screen.press("tab", "Z")
        await screen.until(lambda: message.recipients.active, "the cursor among the recipients")
