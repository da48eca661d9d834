"""Slots, slow start, the breaker and its probe, and the question whether it is us."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mailtui.config import Limits, Rate
from mailtui.queue.lanes import DueLane, SiteRow
from mailtui.queue.shape import Restraint, Terms
from mailtui.queue.sites import CEILING_STANDS, COHORT, LANES, START, UNPROVEN, LaneState, Outage, Site

NOW = 1000.0


def site(ceiling: int = 20, **row: object) -> Site:
    return Site(SiteRow("s", **row), ceiling)  # type: ignore[arg-type]


def slots(of: Site, now: float = NOW) -> int:
    """How many more deliveries it would take now."""
    before = of.in_use
    while of.may_start(now) and of.in_use < 1000:
        of.in_use += 1
    count, of.in_use = of.in_use - before, before
    return count


def test_what_it_carries_can_be_seen() -> None:
    subject = site(failures=2, broken_until=NOW + 9, reason="refused")
    subject.in_use = 1
    live = subject.live(NOW)
    assert (live.name, live.in_use, live.limit, live.configured, live.proven) == ("s", 1, UNPROVEN, 20, False)
    assert (live.failures, live.broken_until, live.reason, live.lanes) == (2, NOW + 9, "refused", 0)


def test_a_site_nobody_knows_gets_few_slots() -> None:
    assert slots(site()) == UNPROVEN
    assert slots(site(ceiling=1)) == 1


def test_its_first_success_opens_it_and_each_further_one_widens_it_up_to_the_ceiling() -> None:
    subject, seen = site(ceiling=8), []
    for _ in range(8):
        assert subject.succeed(NOW) is False
        seen.append(slots(subject))

    assert seen[0] >= START
    assert seen == sorted(seen)
    assert seen[-1] == 8


def test_a_lower_ceiling_is_met_at_the_next_success() -> None:
    subject = site(ceiling=20)
    for _ in range(30):
        subject.succeed(NOW)
    subject.configured = 3
    subject.succeed(NOW)

    assert slots(subject) == 3


def test_an_idle_site_breaks_at_once_and_is_probed_by_one_when_its_time_has_come() -> None:
    subject = site()
    subject.in_use = 1
    assert subject.fail(NOW) is True
    subject.in_use, subject.broken_until = 0, NOW + 60

    assert (subject.failures, subject.probing) == (1, True)
    assert slots(subject, NOW + 59) == 0
    assert slots(subject, NOW + 60) == 1


def test_a_busy_site_breaks_by_a_cohort_of_failures() -> None:
    subject = site()
    for _ in range(20):
        subject.succeed(NOW)
    subject.in_use = 10

    assert [subject.fail(NOW) for _ in range(COHORT)] == [False] * (COHORT - 1) + [True]


def test_a_success_between_failures_keeps_a_busy_site_whole() -> None:
    subject = site()
    subject.succeed(NOW)
    subject.in_use = 10
    for _ in range(10):
        assert [subject.fail(NOW) for _ in range(COHORT - 1)] == [False] * (COHORT - 1)
        assert subject.succeed(NOW) is False

    assert not subject.probing


def test_slots_that_look_for_work_prove_nothing() -> None:
    """Of ten slots nine only ask the queue: the one that failed was all that was under way."""
    subject = site()
    subject.in_use, subject.claiming = 10, 9

    assert subject.fail(NOW) is True


def test_failures_that_were_under_way_when_it_broke_are_known_already() -> None:
    subject = site()
    subject.in_use = 1
    subject.fail(NOW)
    subject.broken_until = NOW + 60

    assert [subject.fail(NOW + 1), subject.fail(NOW + 59)] == [False, False]
    assert subject.failures == 1
    assert subject.fail(NOW + 60) is True, "its probe"
    assert subject.failures == 2


def test_a_mended_site_starts_slowly() -> None:
    subject = site()
    for _ in range(30):
        subject.succeed(NOW)
    subject.in_use = 1
    subject.fail(NOW)
    subject.broken_until = NOW + 60

    assert subject.succeed(NOW + 60) is True
    assert not subject.probing
    assert slots(subject) <= UNPROVEN + 1
    assert subject.succeed(NOW + 61) is False


def test_a_breaker_survives_a_restart() -> None:
    subject = site(failures=3, broken_until=NOW + 60, reason="421 busy", last_probe=7)

    assert (subject.probing, subject.last_probe, subject.reason) == (True, 7, "421 busy")
    assert slots(subject, NOW) == 0
    assert slots(subject, NOW + 60) == 1


def test_a_host_that_counts_connections_is_obeyed_for_a_while() -> None:
    subject = site(ceiling=20)
    for _ in range(30):
        subject.succeed(NOW)
    subject.in_use = 10
    subject.crowded(NOW)
    for _ in range(30):
        subject.succeed(NOW + CEILING_STANDS - 1)
    subject.in_use = 0
    assert slots(subject) == 9

    for _ in range(30):
        subject.succeed(NOW + CEILING_STANDS)
    assert slots(subject) == 20


def test_crowded_leaves_one() -> None:
    subject = site()
    subject.in_use = 1
    subject.crowded(NOW)

    subject.in_use = 0
    assert slots(subject) == 1


def test_lanes_take_turns() -> None:
    subject = site()
    assert subject.next_lane() is None
    for number in (1, 2, 3):
        subject.waiting[number] = LaneState(DueLane(number, f"d{number}", "mx", "s"))

    assert [state.lane.id for state in (subject.next_lane() for _ in range(7)) if state] == [1, 2, 3, 1, 2, 3, 1]


def test_no_site_keeps_more_lanes_at_hand_than_its_share() -> None:
    subject = site()
    for number in range(LANES):
        assert subject.takes(NOW)
        subject.waiting[number] = LaneState(DueLane(number, "d", "mx", "s"))

    assert subject.full
    assert not subject.takes(NOW)


def test_a_broken_site_takes_no_lanes_before_its_probe() -> None:
    subject = site(failures=1, broken_until=NOW + 60)

    assert [subject.takes(NOW), subject.takes(NOW + 60)] == [False, True]


def test_it_says_what_it_is() -> None:
    assert repr(site()) == "s: unproven, 0 of 2 slots, 0 lanes"
    assert "broken" in repr(site(failures=1))


class AnySite(RuleBasedStateMachine):
    """Whatever happens to a site: at least one slot in the end, never more than configured, and a way back to life."""

    @initialize(ceiling=st.integers(1, 30))
    def begin(self, ceiling: int) -> None:
        self.site, self.now = site(ceiling), NOW

    @rule(pause=st.sampled_from([0.0, 1.0, 61.0, 601.0]))
    def wait(self, pause: float) -> None:
        self.now += pause

    @rule()
    def start(self) -> None:
        if self.site.may_start(self.now):
            self.site.in_use += 1

    @precondition(lambda self: self.site.in_use)
    @rule()
    def succeeds(self) -> None:
        self.site.succeed(self.now)
        self.site.in_use -= 1

    @precondition(lambda self: self.site.in_use)
    @rule()
    def fails(self) -> None:
        broken_before = self.site.failures
        if self.site.fail(self.now):
            assert self.site.failures == broken_before + 1
            self.site.broken_until = self.now + 60
        self.site.in_use -= 1

    @precondition(lambda self: self.site.in_use)
    @rule()
    def is_crowded(self) -> None:
        self.site.crowded(self.now)
        self.site.in_use -= 1

    @invariant()
    def limits_hold(self) -> None:
        if hasattr(self, "site"):
            assert 1 <= int(self.site.limit) <= self.site.configured

    @invariant()
    def nothing_waits_for_ever(self) -> None:
        if hasattr(self, "site") and not self.site.in_use:
            assert self.site.may_start(max(self.now, self.site.broken_until))


AnySite.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestAnySite = AnySite.TestCase


# ---------------------------------------------------------------------- is it us?


def outage_of(*failures: tuple[str, float]) -> tuple[Outage, list[bool]]:
    subject = Outage()
    return subject, [subject.failed(name, at) for name, at in failures]


def test_several_sites_and_two_minutes_without_a_success_are_us() -> None:
    subject, said = outage_of(("a", 0), ("b", 1), ("c", 2), ("a", 119), ("a", 120), ("b", 121))

    assert said == [False, False, False, False, True, False], "said once"
    assert subject.active


@pytest.mark.parametrize(
    "failures", [[("a", 0), ("a", 500), ("b", 600)], [("a", 0), ("b", 1), ("c", 2)]], ids=["two sites", "a moment"]
)
def test_too_few_or_too_short_is_them(failures: list[tuple[str, float]]) -> None:
    subject, said = outage_of(*failures)

    assert not any(said)
    assert not subject.active


def test_one_success_says_it_is_not_us() -> None:
    subject, _ = outage_of(("a", 0), ("b", 1), ("c", 2))
    assert subject.succeeded() is False

    assert [subject.failed("a", 200), subject.failed("b", 200), subject.failed("c", 200)] == [False] * 3
    assert subject.failed("a", 320) is True
    assert subject.succeeded() is True
    assert not subject.active


def test_one_probe_a_minute() -> None:
    subject, _ = outage_of(("a", 0), ("b", 1), ("c", 2), ("a", 120))

    asked = [at for at in range(120, 320) if subject.may_probe(at)]

    assert asked == [180, 240, 300]


def test_memory_of_failed_sites_is_bounded() -> None:
    subject, _ = outage_of(*((f"s{n}", 0) for n in range(5000)))

    assert len(subject._failed) == 1000


# --- terms


def shaped(limits: Limits, *standing: Restraint, of: Site | None = None) -> Site:
    found = of or site()
    found.shape(limits, standing, NOW)
    return found


PAUSED = Restraint("s", "r", NOW, NOW + 60, 1, "421 busy", paused=True)


def test_other_terms_hold_at_once() -> None:
    subject = site()
    for _ in range(30):
        subject.succeed(NOW)
    assert slots(shaped(Limits(4, 50), of=subject)) == 4
    subject.in_use = 4
    assert subject.may_go_on(NOW)
    shaped(Limits(4, 50), Restraint("s", "r", NOW, NOW + 60, 1, "slow", connections=2), of=subject)
    assert not subject.may_go_on(NOW), "a slot too many ends"
    assert subject.terms == Terms(2, None)
    shaped(Limits(30, 50), of=subject)
    subject.in_use = 0
    subject.succeed(NOW)
    assert slots(subject) == 3, "and grows again as it proves itself"


def test_a_pause_stops_everything_and_its_lanes_are_passed_over() -> None:
    subject = shaped(Limits(20, 50), PAUSED)
    assert not subject.may_start(NOW + 99), "its end is said, not guessed"
    assert not subject.takes(NOW) and not subject.may_go_on(NOW)
    shaped(Limits(20, 50), of=subject)
    assert subject.may_start(NOW) and subject.takes(NOW)


def test_a_delivery_takes_a_token_and_one_that_was_not_used_comes_back() -> None:
    subject = shaped(Limits(20, 50, Rate(1, 10)))
    subject.waiting[1] = LaneState(DueLane(1, "one.example", "mx", "s"))
    assert subject.may_start(NOW) and subject.token_wait(NOW) == 0
    assert subject.spend(NOW)
    assert not subject.may_start(NOW) and not subject.may_go_on(NOW)
    assert subject.token_wait(NOW) == pytest.approx(10, abs=0.01)
    live = subject.live(NOW)
    assert (live.rate, live.token_at) == (Rate(1, 10), pytest.approx(NOW + 10, abs=0.01))
    subject.save()
    assert subject.may_go_on(NOW) and not subject.may_go_on(NOW)


def test_nobody_is_woken_for_a_token_that_is_not_all_that_is_missing() -> None:
    subject = shaped(Limits(1, 50, Rate(1, 10)))
    subject.spend(NOW)
    assert subject.token_wait(NOW) == 0, "nothing waits"
    subject.waiting[1] = LaneState(DueLane(1, "one.example", "mx", "s"))
    subject.in_use = 1
    assert subject.token_wait(NOW) == 0, "no slot"


def test_another_rate_does_not_begin_with_a_full_bucket() -> None:
    subject = shaped(Limits(20, 50, Rate(1, 10)))
    subject.spend(NOW)
    shaped(Limits(20, 50, Rate(50, 1)), of=subject)
    assert not subject.may_start(NOW)
    shaped(Limits(20, 50), of=subject)
    assert subject.may_start(NOW)
