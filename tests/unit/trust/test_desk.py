"""The thread that signs: every answer reaches its asker, also the bad ones, and nobody waits for a closed desk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from mailtui.trust.desk import GROUP, Desk


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    opened = Desk()
    yield opened
    opened.close()


async def test_answers_come_to_their_askers_in_any_number(desk: Desk) -> None:
    answers = await asyncio.gather(*(desk.submit(lambda n=n: b"%d" % n) for n in range(5 * GROUP + 3)))

    assert answers == [b"%d" % n for n in range(5 * GROUP + 3)]


async def test_work_is_done_beside_the_loop(desk: Desk) -> None:
    where: list[str] = []

    await desk.submit(lambda: where.append(threading.current_thread().name) or b"")  # type: ignore[func-returns-value]

    assert where == ["dkim"]


async def test_one_failure_is_one_asker_s(desk: Desk) -> None:
    def fail() -> bytes:
        raise ValueError("no")

    good, bad, after = desk.submit(lambda: b"1"), desk.submit(fail), desk.submit(lambda: b"2")

    assert (await good, await after) == (b"1", b"2")
    with pytest.raises(ValueError, match="no"):
        await bad


async def test_an_asker_that_went_away_disturbs_nobody(desk: Desk) -> None:
    gate = threading.Event()
    first = desk.submit(lambda: b"x" if gate.wait(10) else b"")
    gone = desk.submit(lambda: b"gone")
    gone.cancel()
    last = desk.submit(lambda: b"last")
    gate.set()

    assert (await first, await last) == (b"x", b"last")


async def test_a_closed_desk_ends_its_thread() -> None:
    desk = Desk()
    await desk.submit(lambda: b"")
    desk.close()

    await asyncio.to_thread(desk._thread.join, 10)
    assert not desk._thread.is_alive()
