"""Tasks that nobody waits for are held, heard of when they fail, and ended."""

from __future__ import annotations

import asyncio
import time

from mailtui.events import Notice
from mailtui.queue.work import Work


async def test_a_failure_is_told_and_an_end_is_forgotten() -> None:
    told: list[Notice] = []
    work = Work("a slot", told.append)

    async def fail() -> None:
        raise ValueError("x")

    work.spawn(fail())
    work.spawn(asyncio.sleep(0))
    await work.drain(lambda: 5.0, 5.0)
    assert work.tasks == set()
    assert [(notice.level, notice.text) for notice in told] == [("error", "a slot failed: ValueError: x")]


async def test_what_does_not_end_in_time_is_broken_off() -> None:
    told: list[Notice] = []
    work = Work("a slot", told.append)
    work.spawn(asyncio.sleep(60))
    patience = iter((10.0, 0.0))
    began = time.monotonic()
    await work.drain(lambda: next(patience), 0.05)
    assert time.monotonic() - began < 5
    assert work.tasks == set() and told == []
