from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from tests.unit.queue.desk import Desk
from tests.unit.queue.office import NOW, Office

from mailtui.events import Changed
from mailtui.queue import actions
from mailtui.queue.actions import CannotUndo
from mailtui.queue.audit import Wanted, audit
from mailtui.queue.filter import FilterError, parse
from mailtui.queue.operate import BATCH, NotRunning, Operator, TooMany, Unexpected
from mailtui.queue.plans import STANDS, StalePlan
from mailtui.queue.prune import Keep
from mailtui.queue.pruner import Pruner
from mailtui.queue.selection import Everything, Planned, select
from mailtui.queue.verbs import Verb

MANY = 3 * BATCH


@pytest.fixture
async def desk(office: Office) -> AsyncIterator[Desk]:
    """Fifteen messages of a hundred recipients each."""
    for i in range(15):
        office.message(*(f"u{i}-{n}@one.example" for n in range(100)), age=1000 - i)
    office.close()
    desk = Desk(office.path.parent)
    await desk.start()
    yield desk
    await desk.close()


async def test_a_plan_is_exactly_what_was_looked_at(desk: Desk) -> None:
    plan = (await desk.operator.preview(Verb.HOLD, parse("to:u0-*"))).plan
    other = await desk.operator.act(Verb.PURGE, parse("to:u0-1@*"), "root")
    changed = await desk.operator.preview(Verb.HOLD, Planned(plan))
    assert (changed.plan, changed.filter, changed.matched, changed.done, changed.failed) == (
        plan,
        "to:u0-*",
        100,
        99,
        1,
    )
    with pytest.raises(Unexpected, match="99 recipients"):
        await desk.operator.act(Verb.HOLD, Planned(plan), "root", expect=100)
    done = await desk.operator.act(Verb.HOLD, Planned(plan), "root", expect=99)
    assert (done.matched, done.done, done.failed) == (100, 99, 1)
    assert [(share.name, share.count) for share in done.reasons] == [("purged", 1)]
    (row, _) = await audit(desk.reader)
    assert (row.filter, row.args) == ("to:u0-*", {"plan": plan, "expect": 99})
    with pytest.raises(StalePlan, match=f"no plan {plan}"):
        await desk.operator.act(Verb.HOLD, Planned(plan), "root")
    assert other.done == 1


async def test_a_stale_plan_or_one_for_another_verb_does_nothing(desk: Desk) -> None:
    plan = (await desk.operator.preview(Verb.HOLD, Everything())).plan
    with pytest.raises(StalePlan, match="is one to hold, not to purge"):
        await desk.operator.act(Verb.PURGE, Planned(plan), "root")
    desk.now += STANDS
    with pytest.raises(StalePlan, match="stands for 15 minutes"):
        await desk.operator.act(Verb.HOLD, Planned(plan), "root")
    with pytest.raises(FilterError, match="a plan has its recipients already"):
        select((), "domain:x.example", plan=plan)
    assert await desk.rest("SELECT count(*) FROM action") == [(0,)]


async def test_limits_are_kept(desk: Desk) -> None:
    with pytest.raises(TooMany, match=f"purge would change {MANY} recipients, the limit is 10"):
        await desk.operator.act(Verb.PURGE, Everything(), "root", most=10)
    with pytest.raises(Unexpected):
        await desk.operator.preview(Verb.PURGE, Everything(), expect=7)
    assert await desk.rest("SELECT DISTINCT state FROM recipient") == [("queued",)]
    assert await desk.rest("SELECT count(*) FROM action") == [(0,)]


async def test_two_operators_on_the_same_set_share_it(desk: Desk) -> None:
    plans = [Planned((await desk.operator.preview(verb, Everything())).plan) for verb in (Verb.HOLD, Verb.PURGE)]
    hold, purge = await asyncio.gather(
        desk.operator.act(Verb.HOLD, plans[0], "ana"), desk.operator.act(Verb.PURGE, plans[1], "ben")
    )
    assert (hold.matched, purge.matched) == (MANY, MANY)
    assert hold.done + hold.failed == MANY and hold.done >= BATCH and purge.done == MANY
    early = await desk.operator.undo(hold.action, "root")
    assert (early.done, early.skipped) == (0, hold.done)
    assert [share.name for share in early.reasons] == [f"changed by action {purge.action} since"]
    assert (await desk.operator.undo(purge.action, "root")).done == MANY
    assert await desk.rest("SELECT count(*) FROM recipient WHERE state = 'held'") == [(hold.done,)]


async def test_an_action_is_seen_while_it_runs_and_can_be_stopped(desk: Desk) -> None:
    second, gate = threading.Event(), threading.Event()
    looks: list[float] = []

    def clock() -> float:
        """The writer's second look at the time is that of the second batch: there it waits for us."""
        if threading.current_thread().name == "queue-writer":
            looks.append(NOW)
            if len(looks) == 2:
                second.set()
                gate.wait(20)
        return NOW

    operator = Operator(desk.store, desk.reader, desk.unblocked.extend, desk.events.append, clock)
    work = asyncio.ensure_future(operator.act(Verb.HOLD, Everything(), "root"))
    assert await asyncio.to_thread(second.wait, 20)
    (row,) = await audit(desk.reader)
    assert (row.state, row.matched, row.done) == ("open", MANY, BATCH)
    stopping = asyncio.ensure_future(operator.cancel(row.action))
    undoing = asyncio.ensure_future(operator.undo(row.action, "root"))
    await asyncio.sleep(0)  # both have said what they want
    gate.set()
    with pytest.raises(CannotUndo, match="still being applied; `mailtui cancel 1` stops it"):
        await undoing
    await stopping
    done = await work
    (row,) = await audit(desk.reader)
    assert (row.state, row.done, done.done, done.matched) == ("stopped", 2 * BATCH, 2 * BATCH, MANY)
    assert await desk.rest("SELECT count(*) FROM recipient WHERE state = 'held'") == [(done.done,)]
    assert [event.recipients for event in desk.events if isinstance(event, Changed)] == [done.done]
    with pytest.raises(NotRunning):
        await operator.cancel(row.action)
    assert (await operator.undo(row.action, "root")).done == done.done


async def test_what_ended_with_the_process_has_stopped_there(desk: Desk) -> None:
    entry = actions.Entry(NOW, "root", "hold", "--all")
    number = await desk.store.run(lambda db: actions.begin(db, entry, 10))
    await desk.store.run(lambda db: actions.count(db, number, (4, 0, 0, 2)))
    await desk.store.recover(NOW + 1)
    (row,) = await audit(desk.reader)
    assert (row.state, row.matched, row.done) == ("stopped", 10, 4)


async def test_one_that_fails_on_its_way_says_so(desk: Desk) -> None:
    late = "CREATE TRIGGER late BEFORE UPDATE OF state ON recipient WHEN NEW.address LIKE 'u9-%' BEGIN SELECT raise(ABORT, 'no'); END"
    await desk.store.run(lambda db: db.execute(late).rowcount)
    with pytest.raises(Exception, match="cannot take this"):
        await desk.operator.act(Verb.HOLD, Everything(), "root")
    await desk.rest("SELECT 1")
    (row,) = await audit(desk.reader)
    held = await desk.rest("SELECT count(*) FROM recipient WHERE state = 'held'")
    assert (row.state, [(row.done,)]) == ("stopped", held) and 0 < row.done < MANY


async def test_the_audit_pages_and_goes_with_the_history(desk: Desk) -> None:
    for n in range(4):
        desk.now = NOW + n
        await desk.operator.act(Verb.HOLD, parse(f"to:u{n}-*"), "ana", f"reason {n}")
    rows = await audit(desk.reader, Wanted(2))
    assert [(row.action, row.reason, row.actor, row.undone) for row in rows] == [
        (4, "reason 3", "ana", False),
        (3, "reason 2", "ana", False),
    ]
    assert [row.action for row in await audit(desk.reader, Wanted(10, before=3))] == [2, 1]
    pruner = Pruner(desk.store, Keep(1000.0, 1 << 40, 1000.0), desk.store.forget)
    await pruner.sweep(NOW + 1002)
    assert [row.action for row in await audit(desk.reader)] == [4, 3]
    assert await desk.rest("SELECT DISTINCT action FROM action_item ORDER BY 1") == [(3,), (4,)]
