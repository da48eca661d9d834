"""Tasks with an owner: a failure is told, the end waits for them, and work takes turns."""

from __future__ import annotations

import asyncio

from mailtui.events import AnyEvent, Notice
from mailtui.queue.crew import Crew, Turns


async def test_a_failure_is_told() -> None:
    told: list[AnyEvent] = []
    crew = Crew(told.append)

    async def fails() -> None:
        raise ValueError("oh")

    crew.spawn(fails())
    await crew.finish(lambda: 5.0)
    assert [event.text for event in told if isinstance(event, Notice)] == ["a delivery slot failed: ValueError: oh"]


async def test_the_end_waits_as_long_as_it_may_and_cancels_then() -> None:
    crew, ended = Crew(lambda event: None), []

    async def works(name: str, until: asyncio.Event) -> None:
        try:
            await until.wait()
        finally:
            ended.append(name)

    soon = asyncio.Event()
    crew.spawn(works("soon", soon))
    asyncio.get_running_loop().call_later(0.05, soon.set)
    await crew.finish(lambda: 5.0)
    assert ended == ["soon"] and repr(crew) == "0 tasks at work"

    crew.spawn(works("never", asyncio.Event()))
    await asyncio.sleep(0)
    await crew.finish(lambda: 0.0)
    assert ended == ["soon", "never"]


async def test_no_more_than_so_many_at_once() -> None:
    crew, most, now, done = Crew(lambda event: None), 0, 0, 0
    turns = Turns(crew.spawn, 3)

    async def work() -> None:
        nonlocal most, now, done
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        done += 1
        if done == 5:
            raise ValueError("its turn is over all the same")

    for _ in range(20):
        turns.add(work)
    await crew.finish(lambda: 5.0)
    assert (most, done, repr(turns)) == (3, 20, "0 under way, 0 wait")
