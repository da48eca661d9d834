"""What operators are told of shaping: what rules did to each site, trouble only for what stands still, and the way back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.kit.relays import until

from mailtui import config as settings
from mailtui.config import Config, Rate, Shaping
from mailtui.errors import ControlError
from mailtui.queue import restraints
from mailtui.queue.restraints import LIFT, THROTTLE
from mailtui.queue.shape import Restraint
from mailtui.relay import Relay
from mailtui.shaping_desk import ShapingDesk, inverses
from mailtui.views import moment

NOW = time.time()
PAUSED = Restraint("b.example", "theirs", NOW - 60, NOW + 86_400, 2, "421 busy", "throttled", "mx", paused=True)
SLOWED = Restraint(
    "a.example", "ease", NOW - 60, NOW + 86_400, 3, "450 slow", connections=2, rate=Rate(20, 60), recipient=9 << 20 | 1
)


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    """A relay that is started and does nothing."""
    shaping = (Shaping(match="a.example", rate=Rate(5, 1), shipped=False),)
    found = Relay(Config(relay=settings.Relay(data_dir=tmp_path, hostname="relay.test"), shaping=shaping), paused=True)
    await found.start()
    yield found
    await found.close()


async def stands(relay: Relay, *found: Restraint) -> ShapingDesk:
    for one in found:
        await relay.store.run(lambda db, one=one: restraints.save(db, one, NOW))  # type: ignore[misc]
    await relay.runner.throttle.restore()
    return ShapingDesk(relay)


async def test_restrained_sites_are_shown_also_when_nothing_is_at_work_there(relay: Relay) -> None:
    desk = await stands(relay, PAUSED, SLOWED)
    slowed, paused = desk.sites("", False, 9)

    assert (slowed.site, slowed.max_connections, slowed.rate) == ("a.example", 2, "20/m")
    (row,) = slowed.restraints
    assert (row.does, row.id, row.action) == ("at most 20/m, at most 2 connections", "00000009.1", 2)
    assert (paused.site, paused.limit, paused.paused_until) == ("b.example", 0, moment(NOW + 86_400))
    assert paused.restraints[0].cause == "421 busy"
    assert desk.sites("", True, 9) == (slowed, paused)
    assert [shape.site for shape in desk.sites("b.", False, 9)] == ["b.example"]
    assert len(desk.sites("", False, 1)) == 1


async def test_a_pause_is_trouble_and_being_slower_is_not(relay: Relay) -> None:
    assert (await stands(relay, SLOWED)).trouble() == []
    (line,) = (await stands(relay, PAUSED)).trouble()
    assert line.startswith("rules paused b.example until ") and "mailtui shaping" in line
    many = [replace(PAUSED, site=f"s{n}.example") for n in range(9)]
    assert "and 7 more" in (await stands(relay, *many)).trouble()[0]


async def test_a_lift_ends_what_stands_and_nothing_else(relay: Relay) -> None:
    desk = await stands(relay, PAUSED, SLOWED)
    lifted = await desk.lift("b.example", "they called", "ana")

    assert (lifted.verb, lifted.done, lifted.rules) == (LIFT, 1, ("theirs",))
    with pytest.raises(ControlError, match=r"no rule restrains b\.example now"):
        await desk.lift("b.example", "", "ana")
    await until(lambda: relay.runner.throttle.sites() == ["a.example"], "the end to be written")


async def test_both_kinds_of_change_can_be_taken_back(relay: Relay) -> None:
    assert inverses(relay).keys() == {THROTTLE, LIFT}
