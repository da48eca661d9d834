"""Help, command line, palette, and what can be taken out of the console."""

from __future__ import annotations

import pytest
from tests.kit.relay import Relay

from .conftest import Opened, put, settled


@pytest.fixture(scope="module", autouse=True)
def mail(relay: Relay) -> str:
    queue_id = put(relay, "ana@tools.test", "bob@tools.test", sender="news@list.example")
    relay.post("retry", ids=[queue_id])
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
        assert " range " not in screen.text
