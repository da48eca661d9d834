"""Changes of suspensions with their audit, taking them back, and ends that come by themselves; the clock is the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.unit.queue.desk import Desk
from tests.unit.queue.office import NOW, Office

from mailtui.queue.actions import CannotUndo
from mailtui.queue.operate import Operator
from mailtui.queue.standstill import Standstill
from mailtui.queue.suspender import NotSuspended, Suspender


class Bench:
    """A suspender on a store, what it told the runner, and an operator who can undo."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.stills: list[Standstill] = []
        self.suspender = Suspender(desk.store, desk.events.append, self.stills.append, lambda: desk.now)
        self.operator = Operator(
            desk.store,
            desk.reader,
            lambda sites: None,
            desk.events.append,
            lambda: desk.now,
            inverses=self.suspender.inverses,
        )

    async def standing(self) -> list[tuple[object, ...]]:
        return await self.desk.rest("SELECT kind, name, until FROM suspension ORDER BY id")

    async def run_until_quiet(self) -> None:
        """Its own task, until it has nothing more to do at this moment."""
        task = asyncio.create_task(self.suspender.run())
        async with asyncio.timeout(10):
            while await self._busy():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])

    async def _busy(self) -> bool:
        due = await self.desk.rest(f"SELECT 1 FROM suspension WHERE until <= {self.desk.now}")
        return bool(due or await self.desk.rest("SELECT 1 FROM resuming"))


@pytest.fixture
async def bench(office: Office) -> AsyncIterator[Bench]:
    office.message("a@d.test", age=100)
    office.close()
    desk = Desk(office.path.parent)
    await desk.start()
    yield Bench(desk)
    await desk.close()


async def test_memory_hears_of_a_change_before_the_operator(bench: Bench) -> None:
    answer = await bench.suspender.suspend("destination", "d.test", NOW + 60, "ana", "moving")
    assert (answer.waiting, answer.known, answer.former) == (1, True, None)
    assert bench.stills[-1].destinations == {"d.test"}
    assert (await bench.suspender.resume("destination", "d.test", "bob")).former is not None
    assert not bench.stills[-1].halts
    audit = await bench.desk.rest("SELECT verb, actor, filter, reason, done, state FROM action ORDER BY id")
    assert audit == [
        ("suspend", "ana", "destination:d.test", "moving", 1, "done"),
        ("resume", "bob", "destination:d.test", "", 1, "done"),
    ]


async def test_an_end_comes_by_itself_and_a_later_one_does_not(bench: Bench) -> None:
    await bench.suspender.suspend("destination", "d.test", NOW + 60, "ana", "x")
    await bench.suspender.suspend("user", "app", NOW + 600, "ana", "x")
    await bench.suspender.suspend("intake", "", None, "ana", "x")
    bench.desk.now = NOW + 61
    await bench.run_until_quiet()

    assert await bench.standing() == [("user", "app", NOW + 600), ("intake", "", None)]
    assert [lane.destination for lane in bench.desk.woken] == ["d.test"]
    rows = await bench.desk.rest("SELECT expires_at - (SELECT received_at FROM message), next_attempt FROM recipient")
    assert rows[0][0] == pytest.approx(432000 + 61, abs=0.01)


async def test_what_was_ended_meanwhile_is_not_resumed_twice(bench: Bench) -> None:
    await bench.suspender.suspend("site", "mx", NOW + 60, "ana", "x")
    await bench.suspender.resume("site", "mx", "bob")
    with pytest.raises(NotSuspended):
        await bench.suspender.resume("site", "mx", "bob")
    assert len(await bench.desk.rest("SELECT 1 FROM action")) == 2, "what did nothing leaves no row"


async def test_it_is_known_again_after_a_restart(bench: Bench) -> None:
    await bench.suspender.suspend("delivery", "", None, "ana", "x")
    other = Bench(bench.desk)
    await other.suspender.load()
    assert other.stills[-1].delivery and other.suspender.standstill is other.stills[-1]


async def test_an_undo_gives_back_the_end_there_was(bench: Bench) -> None:
    await bench.suspender.suspend("delivery", "", NOW + 60, "ana", "x")
    changed = await bench.suspender.suspend("delivery", "", None, "ana", "x")
    await bench.operator.undo(changed.action, "bob")
    assert await bench.standing() == [("delivery", "", NOW + 60)]
    assert bench.stills[-1].halts[0].until == NOW + 60


async def test_a_resume_whose_suspension_would_be_over_cannot_be_taken_back(bench: Bench) -> None:
    await bench.suspender.suspend("delivery", "", NOW + 60, "ana", "x")
    resumed = await bench.suspender.resume("delivery", "", "ana")
    bench.desk.now = NOW + 61
    undone = await bench.operator.undo(resumed.action, "bob")
    assert (undone.done, undone.skipped, undone.failed) == (0, 0, 1)
    assert await bench.standing() == []


async def test_a_resume_taken_back_counts_no_time_twice(bench: Bench) -> None:
    await bench.suspender.suspend("destination", "d.test", None, "ana", "x")
    bench.desk.now = NOW + 100
    resumed = await bench.suspender.resume("destination", "d.test", "ana")
    await bench.run_until_quiet()
    bench.desk.now = NOW + 150
    assert (await bench.operator.undo(resumed.action, "ana")).done == 1
    bench.desk.now = NOW + 200
    await bench.suspender.resume("destination", "d.test", "ana")
    await bench.run_until_quiet()

    ((longer,),) = await bench.desk.rest(
        "SELECT expires_at - (SELECT received_at FROM message) - 432000 FROM recipient"
    )
    assert longer == pytest.approx(150, abs=0.01)


async def test_an_undo_of_a_retry_keeps_the_lifetime_a_suspension_took(bench: Bench) -> None:
    from mailtui.queue.selection import Everything
    from mailtui.queue.verbs import Verb

    retried = await bench.operator.act(Verb.RETRY, Everything(), "ana")
    await bench.suspender.suspend("destination", "d.test", None, "ana", "x")
    bench.desk.now = NOW + 100
    await bench.suspender.resume("destination", "d.test", "ana")
    await bench.run_until_quiet()
    assert (await bench.operator.undo(retried.action, "ana")).done == 1

    ((longer,),) = await bench.desk.rest(
        "SELECT expires_at - (SELECT received_at FROM message) - 432000 FROM recipient"
    )
    assert longer == pytest.approx(100, abs=0.01)


async def test_what_nobody_remembers_is_not_undone(bench: Bench) -> None:
    answer = await bench.suspender.suspend("intake", "", None, "ana", "x")
    await bench.desk.store.run(lambda db: db.execute("DELETE FROM suspension_change"))
    with pytest.raises(CannotUndo, match="no longer known"):
        await bench.operator.undo(answer.action, "ana")
    await bench.desk.store.run(lambda db: db.execute("DELETE FROM action"))
