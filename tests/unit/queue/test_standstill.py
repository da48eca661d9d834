"""What the loop asks of suspensions, and which senders a glob means."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.queue.lanes import DueLane, SiteRow
from mailtui.queue.sites import LaneState, Site
from mailtui.queue.standstill import Standstill, let_go, pattern
from mailtui.queue.suspension import Halt

NOW = 1_790_000_000.0


def halt(kind: str, name: str = "", until: float | None = None) -> Halt:
    return Halt(kind, name, NOW, until, "root", "moving")  # type: ignore[arg-type]


def lane(number: int, destination: str = "d.test") -> DueLane:
    return DueLane(number, destination, "mx", "")


@pytest.mark.parametrize(
    ("glob", "means", "not_"),
    [
        ("news@example.org", ["NEWS@Example.org"], ["xnews@example.org", "news@example.org.test", ""]),
        ("@example.org", ["a@example.org", "a@b@example.org"], ["a@sub.example.org", "a@notexample.org"]),
        ("*@*.example.org", ["a@sub.example.org"], ["a@example.org"]),
        ("bulk+*@example.org", ["bulk+1@example.org"], ["bulk1@example.org"]),
        ("*", ["a@b", "x"], []),
    ],
)
def test_a_glob_means(glob: str, means: list[str], not_: list[str]) -> None:
    assert all(pattern(glob).fullmatch(sender) for sender in means)
    assert not any(pattern(glob).fullmatch(sender) for sender in not_)


@given(st.text(max_size=30), st.text(max_size=60))
def test_any_glob_is_read_or_refused(glob: str, sender: str) -> None:
    try:
        found = pattern(glob)
    except ValueError:
        return
    found.fullmatch(sender)


def test_a_glob_cannot_cost_much() -> None:
    with pytest.raises(ValueError, match="at most 4 stars"):
        pattern("*a*a*a*a*a@b")
    assert pattern("**@*****.org").fullmatch("a@b.org")
    with pytest.raises(ValueError, match="no @"):
        pattern("example.org")


def test_refusals_name_the_end_and_spare_the_null_sender() -> None:
    still = Standstill([halt("sender", "*"), halt("user", "app", NOW + 60)])

    assert still.asks_senders
    assert still.refusal("", "") == ""
    assert still.refusal("a@b.test", "") == "mail from this sender is suspended, try again later"
    until = still.refusal("", "app")
    assert until.startswith("mail of this user is suspended until ") and until.endswith(" UTC, try again later")
    assert not Standstill([halt("delivery")]).asks_senders


def test_the_last_end_counts() -> None:
    still = Standstill([halt("destination", "d.test", NOW + 60), halt("site", "mx", NOW + 90), halt("site", "my")])

    assert still.until("d.test", "") == NOW + 60
    assert still.until("d.test", "mx") == NOW + 90
    assert still.until("e.test", "my") == math.inf
    assert still.until("e.test", "mz") is None
    assert [found.name for found in still.of("d.test", "mx")] == ["d.test", "mx"]


def test_a_lane_of_a_suspended_site_is_remembered() -> None:
    still = Standstill([halt("site", "mx")])

    assert not still.keeps(lane(1))
    assert still.stops(lane(1), "mx") and not still.stops(lane(2), "my")
    assert still.keeps(lane(1)) and not still.keeps(lane(2))


def test_what_is_at_hand_is_let_go_and_sites_begin_slowly() -> None:
    sites = {name: Site(SiteRow(name), 20) for name in ("mx", "my")}
    lanes = {}
    for number, (destination, site) in enumerate((("a.test", "mx"), ("b.test", "mx"), ("c.test", "my")), 1):
        state = lanes[number] = LaneState(lane(number, destination))
        state.site = sites[site]
        sites[site].waiting[number] = state
    lanes[4] = LaneState(lane(4, "a.test"))  # nobody knows its site yet
    for site_ in sites.values():
        site_.limit = 20.0

    one = Standstill([halt("destination", "a.test")])
    let_go(Standstill(), one, sites, lanes)
    assert sorted(lanes) == [2, 3, 4] and list(sites["mx"].waiting) == [2]
    two = Standstill([halt("site", "mx")])
    let_go(one, two, sites, lanes)
    assert sorted(lanes) == [3, 4] and not sites["mx"].waiting
    assert sites["mx"].limit == 2.0
    sites["my"].limit = 20.0
    let_go(two, Standstill(), sites, lanes)
    assert (sites["mx"].limit, sites["my"].limit) == (2.0, 20.0)
