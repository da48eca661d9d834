"""Dear answers: made once for many, given again for a moment, never after a change, and not made for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mailtui.queue.kept import MOST, OLDEST, STALE, Given, Kept


class Scene:
    """Answers that count how often they were made, take as long as is said, and may have to wait."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.made = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.ended = False
        self.kept = Kept(clock=lambda: self.now)

    def make(self, cost: float) -> Callable[[], Awaitable[int]]:
        async def answer() -> int:
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.ended = True
                raise
            self.now += cost
            self.made += 1
            return self.made

        return answer

    async def ask(self, cost: float = 0.3, key: str = "ages") -> Given[int]:
        return await self.kept.ask(key, self.make(cost))


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def renewed(scene: Scene) -> None:
    """Until what is being made has been filed."""
    await asyncio.wait([making.task for making in scene.kept._makings.values()])
    await asyncio.sleep(0)


async def test_what_is_quick_is_made_for_everybody(scene: Scene) -> None:
    assert [await scene.ask(0.09) for _ in range(3)] == [Given(1, 0.0), Given(2, 0.0), Given(3, 0.0)]


async def test_what_is_dear_is_given_again_with_its_age(scene: Scene) -> None:
    assert await scene.ask() == Given(1, 0.0)
    scene.now += 1.0
    again = await scene.ask()
    assert (again.value, again.age) == (1, pytest.approx(1.3)), "it was true when making it began"
    assert await scene.ask(key="reasons") == Given(2, 0.0)


async def test_later_it_is_given_once_more_and_renewed(scene: Scene) -> None:
    await scene.ask()
    scene.now += 3.0
    assert (await scene.ask()).value == 1
    await renewed(scene)
    again = await scene.ask()
    assert (again.value, again.age) == (2, pytest.approx(0.3))


async def test_the_dearest_is_renewed_in_time(scene: Scene) -> None:
    await scene.ask(cost=3.0)
    scene.now += STALE - 3.0
    assert (await scene.ask(cost=3.0)).value == 1
    await renewed(scene)
    assert (await scene.ask()).value == 2


async def test_what_is_too_old_is_not_given(scene: Scene) -> None:
    await scene.ask()
    scene.now += OLDEST
    assert await scene.ask() == Given(2, 0.0)


async def test_many_askers_wait_for_one(scene: Scene) -> None:
    scene.gate.clear()
    asking = [asyncio.create_task(scene.ask()) for _ in range(5)]
    await asyncio.sleep(0)
    scene.gate.set()
    assert await asyncio.gather(*asking) == [Given(1, 0.0)] * 5


async def test_it_ends_with_the_last_asker_and_not_before(scene: Scene) -> None:
    scene.gate.clear()
    first, second = (asyncio.create_task(scene.ask()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    await asyncio.sleep(0)
    assert not scene.ended
    second.cancel()
    await asyncio.wait([second])
    await asyncio.sleep(0)
    assert scene.ended
    scene.gate.set()
    assert await scene.ask() == Given(1, 0.0)


async def test_after_a_change_nobody_is_told_how_it_was(scene: Scene) -> None:
    await scene.ask()
    scene.kept.forget()
    assert await scene.ask() == Given(2, 0.0)


async def test_what_began_before_a_change_is_not_kept(scene: Scene) -> None:
    scene.gate.clear()
    early = asyncio.create_task(scene.ask())
    await asyncio.sleep(0)
    scene.kept.forget()
    late = asyncio.create_task(scene.ask())
    await asyncio.sleep(0)
    scene.gate.set()
    assert {(await early).value, (await late).value} == {1, 2}
    assert (await scene.ask()).value == (await late).value


async def test_an_error_is_for_those_who_asked(scene: Scene) -> None:
    async def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await scene.kept.ask("ages", fail)
    assert await scene.ask() == Given(1, 0.0)


async def test_only_so_many_are_kept(scene: Scene) -> None:
    for n in range(MOST + 5):
        await scene.ask(cost=0.2, key=str(n))
    assert len(scene.kept._answers) == MOST
