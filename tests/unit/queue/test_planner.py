"""Lanes and where they lead, over a real queue: filed under their sites, bounced, or deferred and put off while DNS fails."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.unit.queue.desk import Desk
from tests.unit.queue.office import BODY, incoming

from mailtui.config import Config, Limits, Relay
from mailtui.model import (
    Claim,
    Delivery,
    Disposition,
    Obstacle,
    Reply,
    Verdict,
)
from mailtui.queue.breakers import Breakers
from mailtui.queue.crew import Crew
from mailtui.queue.lanes import DueLane
from mailtui.queue.planner import Planner
from mailtui.queue.recorder import Recorder
from mailtui.queue.runner import Runner
from mailtui.queue.sites import LaneState

LIMITS = Limits(3, 100)


class Way(msgspec.Struct, frozen=True):
    site: str


class Roads:
    """What DNS says of every destination; nothing is ever carried."""

    awaiting_verdicts = 0

    def __init__(self) -> None:
        self.leads: Way | Obstacle = Way("mx.one.test")
        self.asked = 0

    async def plan(self, destination: str, key: str) -> Way | Obstacle:
        self.asked += 1
        return self.leads

    async def deliver(self, claim: Claim, plan: Way, signature: bytes) -> Delivery:
        raise AssertionError("no slot is begun here")

    def limits(self, site: str) -> Limits:
        return LIMITS

    def part(self, site: str) -> None: ...


def fails(disposition: Disposition) -> Obstacle:
    return Obstacle(Reply(450, "4.4.3", "no answer"), Verdict("dns-failure", "them", disposition, "DNS fails."))


class Bench:
    """A planner for a real runner that stands still, and the tasks it starts."""

    def __init__(self, folder: Path) -> None:
        self.desk, self.roads = Desk(folder), Roads()
        config = Config(relay=Relay(data_dir=folder, hostname="relay.example"))
        store, tell = self.desk.store, self.desk.events.append
        self.crew = Crew(tell)
        self.runner: Runner[Way] = Runner(config, store, self.roads, self._sign, lambda attempt: "x", tell)
        self.runner.paused = True
        breakers = Breakers(config, store, tell, self.crew.spawn, self.runner.poke)
        recorder = Recorder(config, store, lambda attempt: "x", tell)
        self.planner = Planner(store, self.roads, recorder, breakers, self.crew.spawn, self.runner)

    async def _sign(self, claim: Claim) -> object:
        raise AssertionError("nothing is delivered here")

    async def due(self) -> DueLane:
        """Three messages to one destination; their lane."""
        for n in range(3):
            message = incoming(self.desk.store.new_number(), f"a{n}@one.test", at=time.time())
            await self.desk.store.accept(message, 0, BODY)
        (lane,) = await self.desk.store.due(time.time(), 10, [])
        return lane

    async def states(self) -> list[object]:
        return [state for (state,) in await self.desk.rest("SELECT state FROM recipient ORDER BY id")]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    found = Bench(tmp_path)
    await found.desk.start()
    yield found
    await found.crew.finish(lambda: 5.0)
    await found.desk.close()


async def test_a_lane_is_filed_under_its_site_once(bench: Bench) -> None:
    state = LaneState(await bench.due())
    site = await bench.planner.place(state)
    assert site is not None and (site.name, site.limits) == ("mx.one.test", LIMITS)
    assert (state.site, state.plan, state.lane.site) == (site, Way("mx.one.test"), "mx.one.test")
    assert [lane.site for lane in await bench.desk.store.due(time.time(), 10, [])] == ["mx.one.test"]
    assert await bench.planner.place(state) is site is bench.runner.known("mx.one.test")

    bench.roads.leads = Way("mx.two.test")
    moved = await bench.planner.place(state)
    assert moved is not None and moved is not site and state.lane.site == "mx.two.test"


async def test_what_leads_nowhere_for_good_is_bounced_to_the_last(bench: Bench) -> None:
    bench.roads.leads = fails(Disposition.BOUNCED)
    assert await bench.planner.place(LaneState(await bench.due())) is None
    assert (await bench.states())[:3] == ["bounced"] * 3


async def test_while_dns_fails_one_is_tried_and_the_others_wait(bench: Bench) -> None:
    bench.roads.leads = fails(Disposition.DEFERRED)
    lane = await bench.due()
    bench.planner.begin(LaneState(lane))
    await bench.crew.finish(lambda: 5.0)
    assert bench.planner.puts_off(lane, time.time())
    assert sorted(map(str, await bench.states())) == ["deferred", "queued", "queued"]
    assert await bench.desk.store.due(time.time(), 10, []) == []

    assert not bench.planner.puts_off(lane, time.time() + 86400)
    bench.planner.now_due([lane])
    assert not bench.planner.puts_off(lane, time.time())


async def test_nothing_is_claimed_any_more_while_the_runner_ends(bench: Bench) -> None:
    bench.roads.leads = fails(Disposition.BOUNCED)
    lane = await bench.due()
    await bench.runner.drain(0.0, 0.0)
    assert await bench.planner.place(LaneState(lane)) is None
    assert await bench.states() == ["queued"] * 3
