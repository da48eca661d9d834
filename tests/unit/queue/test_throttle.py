"""Rules at work: what is counted, what fires, what is kept over a restart, and what ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.unit.queue.desk import Desk

from mailtui.config import Limits, ShapingRule
from mailtui.delivery import classify
from mailtui.events import Notice
from mailtui.model import Attempt, Delivery, Reply, Stage
from mailtui.queue.lanes import SiteRow
from mailtui.queue.sites import Site
from mailtui.queue.throttle import Alarm, Throttle

NOW = 1_790_000_000.0
RULE = ShapingRule(name="r", class_="throttled", threshold=3, window=60.0, slower=0.5, for_=600.0)
BUSY = Reply(421, "4.7.0", "too many messages, slow down")
FINE = Reply(250, "2.0.0", "ok")


class Rules:
    """A throttle on a real store, and the sites it speaks of."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder)
        self.tasks: set[asyncio.Future[None]] = set()
        self.changed: list[str] = []
        self.throttle = Throttle(self.desk.store, self.desk.events.append, self._spawn, self._change)
        self.site = Site(SiteRow("mx"), 20)
        self.limits = Limits(20, 50, rules=(RULE,))
        self._change("mx")

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _change(self, site: str) -> None:
        self.changed.append(site)
        if hasattr(self, "site"):
            self.site.shape(self.limits, self.throttle.of("mx"), time.time())

    def use(self, *rules: ShapingRule) -> None:
        self.limits = replace(self.limits, rules=rules)
        self._change("mx")

    def meet(self, *replies: Reply, now: float = NOW) -> None:
        attempts = [
            Attempt(7, now, now, Stage.MAIL, classify.classify(Stage.MAIL, reply), reply, "mx.one.example")
            for reply in replies
        ]
        self.throttle.watch(self.site, Delivery(tuple(attempts)), now)

    async def idle(self) -> None:
        while self.tasks:
            await asyncio.wait(set(self.tasks))


@pytest.fixture
async def rules(tmp_path: Path) -> AsyncIterator[Rules]:
    found = Rules(tmp_path)
    await found.desk.start()
    yield found
    await found.idle()
    await found.desk.close()


async def test_a_rule_fires_when_its_replies_are_enough_within_its_window(rules: Rules) -> None:
    rules.meet(BUSY, now=NOW)
    rules.meet(BUSY, now=NOW + 50)
    rules.meet(BUSY, now=NOW + 70)  # the first is out of the window
    assert rules.throttle.of("mx") == ()
    rules.meet(BUSY, now=NOW + 80)

    (found,) = rules.throttle.of("mx")
    assert (found.connections, found.count, found.since, found.until) == (1, 3, NOW + 80, NOW + 680)
    await rules.idle()
    (found,) = rules.throttle.of("mx")
    assert (found.id, found.action) == (1, 1)
    assert any(
        "slow down" in event.text and "action 1" in event.text
        for event in rules.desk.events
        if isinstance(event, Notice)
    )


async def test_a_message_of_many_recipients_is_one_reply(rules: Rules) -> None:
    rules.meet(*[BUSY] * 50)
    rules.meet(*[BUSY] * 50)
    assert rules.throttle.of("mx") == ()


async def test_success_and_other_failures_count_nothing(rules: Rules) -> None:
    for _ in range(9):
        rules.meet(FINE)
        rules.meet(Reply(550, "5.1.1", "no such user"))
    assert rules.throttle.of("mx") == () and "0 counted" in repr(rules.throttle)


async def test_what_was_under_way_when_it_fired_does_not_fire_it_again(rules: Rules) -> None:
    for _ in range(20):
        rules.meet(BUSY)
    assert [one.count for one in rules.throttle.of("mx")] == [3]
    for _ in range(3):
        rules.meet(BUSY, now=NOW + 61)
    (again,) = rules.throttle.of("mx")
    assert (again.count, again.since, again.until) == (6, NOW, NOW + 661)
    await rules.idle()
    assert await rules.desk.rest("SELECT count(*) FROM action") == [(1,)]


async def test_a_pause_is_in_force_at_once_and_over_a_restart(rules: Rules) -> None:
    rules.use(replace(RULE, threshold=1, pause=True))
    now = time.time()
    rules.meet(BUSY, now=now)
    assert rules.site.paused and rules.throttle.paused() == ["mx"]
    assert not rules.site.may_start(now) and not rules.site.takes(now)
    await rules.idle()

    again = Throttle(rules.desk.store, rules.desk.events.append, rules._spawn, rules.changed.append)
    await again.restore()
    assert again.of("mx") == rules.throttle.of("mx")
    assert again.sites() == ["mx"]


async def test_it_ends_when_its_time_is_over(rules: Rules) -> None:
    rules.use(replace(RULE, threshold=1, pause=True))
    now = time.time()
    rules.meet(BUSY, now=now - 700)
    assert rules.site.paused
    await rules.idle()
    rules.throttle.expire(now - 200)
    assert not rules.tasks, "not yet"

    rules.throttle.expire(now)
    rules.throttle.expire(now)
    await rules.idle()
    assert rules.throttle.of("mx") == () and not rules.site.paused
    assert await rules.desk.rest("SELECT count(*) FROM restraint WHERE ended_at IS NOT NULL") == [(1,)]
    rules.meet(BUSY, now=now)  # and begins anew
    assert rules.site.paused


async def test_one_that_an_operator_changed_is_taken_over(rules: Rules) -> None:
    rules.use(replace(RULE, threshold=1, pause=True))
    rules.meet(BUSY, now=time.time())
    await rules.idle()
    await rules.desk.store.run(lambda db: db.execute("UPDATE restraint SET until = 1"))
    rules.throttle.renew()
    await rules.idle()
    assert rules.throttle.of("mx") == () and not rules.site.paused


async def test_an_alarm_rings_once_for_each_site() -> None:
    rung: asyncio.Queue[str] = asyncio.Queue()
    alarm = Alarm(rung.put_nowait)
    for _ in range(5):
        alarm.at("mx", 0.0)
    alarm.at("other", 0.01)
    async with asyncio.timeout(5):
        assert [await rung.get(), await rung.get()] == ["mx", "other"]
        alarm.at("mx", 0.0)
        assert await rung.get() == "mx"
    assert rung.empty()
