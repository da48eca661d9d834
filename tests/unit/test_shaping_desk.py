"""What operators are told of shaping: the terms of each site and why, and trouble only for what stands still."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import cast

from mailtui.config import Config, Rate, Shaping
from mailtui.delivery.shaping import Shaper
from mailtui.queue.live import Live, SiteLive
from mailtui.queue.restraints import LIFT, THROTTLE
from mailtui.queue.shape import Restraint
from mailtui.relay import Relay
from mailtui.shaping_desk import ShapingDesk, inverses
from mailtui.views import moment

NOW = time.time()
PAUSED = Restraint(
    "b.example", "theirs", NOW - 60, NOW + 600, 2, "421 busy", "throttled", "mx", paused=True, id=1, action=4
)
SLOWED = Restraint(
    "c.example", "ease", NOW - 60, NOW + 600, 3, "450 slow", connections=2, rate=Rate(20, 60), recipient=9 << 20 | 1
)


def desk(*standing: Restraint, live: dict[str, SiteLive] | None = None) -> ShapingDesk:
    """A desk of a relay that is nothing but what the desk asks: what the runner knows, and the settings."""
    found = {one.site: one for one in standing}
    throttle = SimpleNamespace(
        sites=lambda: list(found), of=lambda name: (found[name],) if name in found else (), renew=lambda: None
    )
    sites = live or {}
    runner = SimpleNamespace(
        throttle=throttle,
        sites=lambda: list(sites),
        live=lambda name: Live(site=sites.get(name), restraints=throttle.of(name)),
    )
    shaper = Shaper(Config(shaping=(Shaping(match="a.example", rate=Rate(5, 1), shipped=False),)))
    for name in ("a.example", "c.example"):
        shaper.meet(name, [name])
    return ShapingDesk(cast(Relay, SimpleNamespace(runner=runner, courier=shaper)))


def at_work(name: str, in_use: int = 1) -> SiteLive:
    return SiteLive(name, in_use, 5, 20, True, 0, 0.0, "", 1, Rate(5, 1) if name == "a.example" else None, NOW + 60)


def test_restrained_sites_come_first_also_when_nothing_is_at_work_there() -> None:
    shown = desk(PAUSED, SLOWED, live={"a.example": at_work("a.example"), "c.example": at_work("c.example", 2)}).sites(
        "", False, 9
    )

    assert [shape.site for shape in shown] == ["c.example", "b.example", "a.example"]
    slowed, paused, plain = shown
    assert (slowed.max_connections, slowed.rate, slowed.restraints[0].does) == (
        2,
        "20/m",
        "at most 20/m, at most 2 connections",
    )
    assert slowed.restraints[0].id == "00000009.1"
    assert (paused.limit, paused.paused_until, paused.restraints[0].action) == (0, moment(NOW + 600), 4)
    assert (plain.rate, plain.sources, plain.next_token) == ("5/s", ("[[shaping]] a.example",), moment(NOW + 60))


def test_sites_are_found_by_a_part_of_their_name_or_because_they_are_restrained() -> None:
    live = {"a.example": at_work("a.example"), "c.example": at_work("c.example")}
    assert [shape.site for shape in desk(PAUSED, live=live).sites("c.", False, 9)] == ["c.example"]
    assert [shape.site for shape in desk(PAUSED, live=live).sites("", True, 9)] == ["b.example"]
    assert len(desk(live=live).sites("", False, 1)) == 1


def test_a_pause_is_trouble_and_being_slower_is_not() -> None:
    assert desk(SLOWED).trouble() == []
    (line,) = desk(SLOWED, PAUSED).trouble()
    assert line.startswith("rules paused b.example until ") and "mailtui shaping" in line


def test_both_kinds_of_change_can_be_taken_back() -> None:
    relay = cast(Relay, SimpleNamespace(runner=SimpleNamespace(throttle=SimpleNamespace(renew=lambda: None))))
    assert inverses(relay).keys() == {THROTTLE, LIFT}
