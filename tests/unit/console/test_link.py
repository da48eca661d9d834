"""The rhythm of questions, by a clock of our own, and what is said when nobody answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mailtui.console.link import BUSY, QUIET, Link, State, Trouble
from mailtui.control.api import Status


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_quiet_is_slow_and_frozen_is_never() -> None:
    clock = Clock()
    link = Link(Path("/nowhere"), clock)
    assert link.due()
    assert not link.due()
    clock.now += BUSY
    assert not link.due()  # nothing happened
    clock.now += QUIET - BUSY
    assert link.due()
    link.freeze()
    clock.now += 100
    assert not link.due() and link.state is State.FROZEN
    link.freeze()
    assert link.due()


async def test_nobody_there_is_an_answer(tmp_path: Path) -> None:
    link = Link(tmp_path / "none.sock")
    following = asyncio.create_task(link.run())
    try:
        answer = await link.ask(Status())
        assert isinstance(answer, Trouble) and "no relay answers" in answer.text
        assert link.state is State.OFFLINE
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
