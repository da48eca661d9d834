"""A list longer than any window: pages at both ends, and the cursor where it was put."""

from __future__ import annotations

import pytest
from tests.kit.relay import Relay

from mailtui.console.screens.queue import Queue
from mailtui.console.screens.window import PAGE

from .conftest import Opened, put

MANY = 3 * PAGE


@pytest.fixture(scope="module", autouse=True)
def ids(relay: Relay) -> list[str]:
    """Ids as they are listed; held, so that nothing moves."""
    for batch in range(MANY // 100):
        put(relay, *(f"r{n}@long{batch}.test" for n in range(100)))
    relay.post("hold", everything=True)
    return [row["id"] for row in relay.get("queue.list?limit=10000")["rows"]]


async def test_to_the_end_and_back_and_down_by_pages(console: Opened, ids: list[str]) -> None:
    async with console() as screen:
        await screen.press("2")
        await screen.sees(ids[0])
        rows = screen.app.query_one(Queue).table.rows
        await screen.press("G")
        await screen.sees(f"row {MANY} of {MANY}")
        assert rows.current is not None and rows.current.id == ids[-1]
        for _ in range(3):
            await screen.press("pageup")
        at = MANY - 3 * rows.height
        await screen.sees(f"row {at} of {MANY}")
        assert rows.current.id == ids[at - 1]
        await screen.press("g")
        await screen.sees(f"row 1 of {MANY}")
        while rows.position != MANY:
            before = rows.position
            await screen.press("pagedown")
            await screen.until(lambda before=before: rows.position != before, "the next page")
        assert [row.id for row in rows.items] == ids


async def test_the_end_of_a_window_is_found_from_behind_too(console: Opened, ids: list[str]) -> None:
    async with console() as screen:
        await screen.press("2", "G")
        rows = screen.app.query_one(Queue).table.rows
        await screen.sees(f"row {MANY} of {MANY}")
        while rows.position != 1:
            before = rows.position
            await screen.press("pageup")
            await screen.until(lambda before=before: rows.position != before, "the page before")
        assert [row.id for row in rows.items] == ids
