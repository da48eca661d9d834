"""The rhythm of questions, by a clock of our own, and what is said when nobody answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mailtui.console.link import BUSY, QUIET, Link, State, Trouble
from mailtui.console.when import When
from mailtui.control.api import Entry, Gap, Status
from mailtui.events import Accepted


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
    link.hurry()  # another part of the picture is wanted
    assert link.due() and not link.due()
    link.freeze()
    assert link.due()


def test_the_past_is_asked_for_by_name_and_the_present_goes_on() -> None:
    link = Link(Path("/nowhere"), Clock())
    assert (link.range(), link.range(900), link.compared()) == (("3600s", ""), ("900s", ""), ("900s", ""))
    link.when = When(900, 1_790_000_000.0)
    then = ("2026-09-21T13:58:20Z", "2026-09-21T14:13:20Z")
    assert (link.range(), link.compared(), link.state) == (then, ("900s", then[1]), State.PAST)
    assert link.moment() == ("2026-09-21T14:08:20Z", then[1])
    link.when = When()
    link.freeze()
    until = link.now
    assert link.range()[1] == f"{until:%Y-%m-%dT%H:%M:%SZ}"


def test_what_comes_while_the_picture_stands_is_counted() -> None:
    link = Link(Path("/nowhere"), Clock())
    link.freeze()
    link.heard(Entry(1, Accepted(1.0, "1QHQZRES", "a@b.test", 412, 9, "127.0.0.1", "")))
    assert (link.came, link.missed) == (412, False)
    link.heard(Entry(2, Gap(1.0, 3)))
    assert link.missed
    link.freeze()
    link.freeze()
    assert (link.came, link.missed) == (0, False)


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
