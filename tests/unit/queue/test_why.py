"""Why it is not going out right now: each cause, their order, and when it will be tried."""

from __future__ import annotations

import re

import msgspec
import pytest

from mailtui.config import Rate
from mailtui.model import Reply, State, recipient_row
from mailtui.queue.facts import Facts, Happened, LastAttempt, Other
from mailtui.queue.live import Live, SiteLive
from mailtui.queue.schedule import Backoff
from mailtui.queue.shape import Restraint
from mailtui.queue.suspension import Halt
from mailtui.queue.why import Why, told, why

NOW = 1_790_000_000.0  # 14:13:20 UTC
BACKOFF = Backoff((300.0, 600.0, 14400.0), 0.2)
SITE = SiteLive("mx.one.example", 0, 5, 20, True, 0, 0.0, "", 1)
FACTS = Facts(
    state=State.DEFERRED,
    address="ana@one.example",
    sender="app@example.org",
    destination="one.example",
    site="mx.one.example",
    next_attempt=NOW + 240,
    expires_at=NOW + 86_400,
    attempts=2,
    changed_at=NOW - 60,
    class_="throttled",
    reply=Reply(451, "4.7.1", "slow\ndown"),
    last=LastAttempt(NOW - 60),
)


def judged(live: Live | None = None, **changes: object) -> Why:
    return why(msgspec.structs.replace(FACTS, **changes), live or at_site(), BACKOFF, NOW)


def at_site(concurrency: int = 100, slots: int = 0, unproven: int = 0, **changes: object) -> Live:
    site = msgspec.structs.replace(SITE, **changes)
    return Live(slots=slots, unproven=unproven, concurrency=concurrency, site=site)


def kinds(found: Why) -> list[str]:
    return [cause.kind for cause in found.causes]


def test_a_deferral_waits_by_the_schedule() -> None:
    found = judged()
    assert (kinds(found), found.next_attempt) == (["back-off", "expiry"], NOW + 240)
    assert found.answer == (
        "Attempt 2 was deferred at 14:12:20 UTC: throttled, 451 4.7.1 slow down; step 2 of 3, waits 10m ± 20%, the reply named no"
        " time; it is tried next at 14:17:20 UTC (in 4m)."
    )
    assert found.causes[1].text.startswith(
        "Unless it is delivered before, it is given up after 2026-09-22 14:13:20 UTC"
    )


def test_the_last_step_repeats() -> None:
    assert "step 3 of 3, the last, which repeats, waits 4h" in judged(attempts=9).answer


@pytest.mark.parametrize(
    ("wait", "part"),
    [
        (300, "the reply asked to wait 5m;"),
        (2, "asked to wait 2s, 30s is the least that is done"),
        (99_999, "asked to wait 1d3h, 4h is the most that is done"),
    ],
)
def test_a_reply_that_names_a_time_is_believed_within_bounds(wait: float, part: str) -> None:
    found = judged(last=LastAttempt(NOW - 60, wait))
    assert kinds(found)[0] == "hint" and part in found.answer


def test_what_an_operator_retried_says_who() -> None:
    asked = Happened(NOW - 5, "retry", "ana", "after the fix")
    found = judged(state=State.QUEUED, event=asked)
    assert kinds(found)[0] == "spread"
    assert "A retry was asked for by ana at 14:13:15 UTC (after the fix); many at once are spread" in found.answer
    assert kinds(judged(event=Happened(NOW - 500, "retry", "ana", "")))[0] == "back-off"  # tried again since


def test_what_was_never_tried_may_be_planned() -> None:
    found = judged(state=State.QUEUED, attempts=0, last=None, sender="")
    assert kinds(found)[0] == "planned" and "notices leave at a limited rate" in found.answer


def test_what_the_end_of_the_relay_interrupted_is_made_again() -> None:
    assert (
        kinds(judged(state=State.QUEUED, class_="interrupted", reply=Reply(0, "", "interrupted")))[0] == "interrupted"
    )


def test_a_broken_site_is_probed_first() -> None:
    broken = {"failures": 3, "broken_until": NOW + 900, "reason": "connect: refused"}
    found = judged(at_site(**broken))
    assert (kinds(found), found.next_attempt) == (["breaker", "back-off", "expiry"], NOW + 900)
    assert found.answer.startswith(
        "Its site mx.one.example does not work, 3 failures in a row (connect: refused); one message probes it"
    )
    assert found.answer.endswith("it is tried next at 14:28:20 UTC (in 15m) at the earliest.")
    of_file = judged(Live(), site_failures=1, site_until=NOW + 900, site_reason="x")
    assert kinds(of_file)[0] == "breaker" and "1 failure in a row" in of_file.answer
    assert "breaker" not in kinds(judged(at_site(), site_failures=1, site_until=NOW + 900))  # mended, not yet written


def test_what_ends_last_decides() -> None:
    found = judged(at_site(failures=1, broken_until=NOW + 100))
    assert (kinds(found), found.next_attempt) == (["back-off", "breaker", "expiry"], NOW + 240)


@pytest.mark.parametrize(("in_use", "part"), [(1, "a probe is under way now"), (0, "the probe is due now")])
def test_the_hour_of_the_probe(in_use: int, part: str) -> None:
    found = judged(at_site(failures=2, broken_until=NOW - 1, in_use=in_use), next_attempt=NOW - 300)
    assert (kinds(found), found.next_attempt) == (["probe", "expiry"], NOW)
    assert part in found.answer


def test_failing_dns_parks_a_destination() -> None:
    found = judged(Live(), lane_failures=2, lane_until=NOW + 600, lane_reason="SERVFAIL", site="")
    assert kinds(found) == ["dns", "back-off", "expiry"]
    assert "No host is known for one.example, its DNS failed 2 times in a row (SERVFAIL)" in found.answer
    assert found.next_attempt == NOW + 600
    assert "dns" not in kinds(judged(Live(), lane_failures=2, lane_until=NOW - 1))


@pytest.mark.parametrize(
    ("live", "kind", "part"),
    [
        (at_site(in_use=5), "slots", "to mx.one.example 5 of 5 deliveries at once are under way (up to 20"),
        (at_site(in_use=20, limit=20), "slots", "20 of 20 deliveries at once are under way."),
        (at_site(in_use=1, limit=1, configured=1), "slots", "1 of 1 delivery at once"),
        (at_site(slots=100), "slots", "all 100 of the relay are at work"),
        (
            Live(concurrency=100, slots=60, unproven=50),
            "slots",
            "one of the 50 slots for sites that have not answered yet",
        ),
        (at_site(slots=60, unproven=50), "turn", "nothing stands in the way"),
        (Live(concurrency=100), "turn", "as soon as its hosts are looked up"),
        (at_site(), "turn", "Due since 14:13:00 UTC (20s ago); nothing stands in the way"),
    ],
)
def test_what_is_due_waits_for_its_turn(live: Live, kind: str, part: str) -> None:
    found = judged(live, next_attempt=NOW - 20)
    assert (kinds(found), found.next_attempt) == ([kind, "expiry"], NOW - 20)
    assert part in found.answer


def test_what_stops_everything_comes_first() -> None:
    stopped = Live(paused=True, stopping=True, outage_since=NOW - 300)
    found = judged(stopped, lane_failures=1, lane_until=NOW + 60)
    assert kinds(found) == ["stopping", "paused", "outage", "back-off", "dns", "expiry"]
    assert found.next_attempt is None
    paused = judged(Live(paused=True), next_attempt=NOW - 1)
    assert paused.answer == "All deliveries are paused; nothing is tried meanwhile."
    outage = judged(Live(outage_since=NOW - 300))
    assert outage.answer.startswith("Nothing can be reached since 14:08:20 UTC (5m ago): our network or resolver fails")
    assert outage.next_attempt == NOW + 240


def test_a_lifetime_that_ends_first_makes_the_next_attempt_the_last() -> None:
    assert "the next attempt is its last" in judged(expires_at=NOW + 100).causes[-1].text
    assert "the next attempt is its last" in judged(expires_at=NOW - 100, next_attempt=NOW - 200).causes[-1].text


def test_held_by_whom_since_when_and_what_a_release_gives_back() -> None:
    event = Happened(NOW - 3600, "hold", "ana", "loop?")
    found = judged(state=State.HELD, changed_at=NOW - 3600, event=event, former_state="deferred", former_next=NOW + 240)
    assert (kinds(found), found.next_attempt) == (["held", "expiry"], None)
    assert found.answer == (
        "Held by ana since 13:13:20 UTC (1h ago) (loop?); a release gives it back as deferred, to be tried at 14:17:20 UTC (in 4m)."
    )
    assert "stands still" in found.causes[1].text
    relay = judged(state=State.HELD, event=Happened(NOW, "quarantined", "relay", "three times"), former_next=NOW - 9)
    assert "Held by the relay" in relay.answer and "to be tried at once" in relay.answer
    assert "Held by the relay" in judged(state=State.HELD, reply=Reply(0, "", "cannot be signed")).answer


def test_an_attempt_under_way() -> None:
    found = judged(state=State.SENDING, changed_at=NOW - 3)
    assert (kinds(found), found.next_attempt) == (["sending", "expiry"], None)
    assert found.answer == "Attempt 2 is under way to mx.one.example since 14:13:17 UTC (3s ago)."


@pytest.mark.parametrize(
    ("changes", "kind", "answer"),
    [
        (
            {"state": State.DELIVERED, "reply": Reply(250, "", "ok"), "host": "mx1.one.example"},
            "delivered",
            "Accepted by mx1.one.example at 14:12:20 UTC (1m ago) after 2 attempts: 250 ok.",
        ),
        (
            {
                "state": State.BOUNCED,
                "class_": "no-such-user",
                "reply": Reply(550, "", "gone"),
                "sentence": "No such address.",
            },
            "bounced",
            "Given up at 14:12:20 UTC (1m ago) after 2 attempts: no-such-user, 550 gone - No such address.",
        ),
        (
            {"state": State.BOUNCED, "class_": "expired"},
            "expired",
            "Given up at 14:12:20 UTC (1m ago), its lifetime was over after 2 attempts; the last reply was: expired, 451 4.7.1 slow down.",
        ),
        (
            {"state": State.BOUNCED, "event": Happened(NOW, "bounce", "ana", "typo")},
            "bounced",
            "Given up by ana at 14:12:20 UTC (1m ago) (typo).",
        ),
        (
            {"state": State.PURGED, "event": Happened(NOW, "purge", "ana", "spam run")},
            "purged",
            "Purged by ana at 14:12:20 UTC (1m ago) (spam run).",
        ),
        ({"state": State.SUPPRESSED}, "suppressed", "Suppressed at 14:12:20 UTC (1m ago)."),
    ],
)
def test_what_is_finished_says_what_came_of_it(changes: dict[str, object], kind: str, answer: str) -> None:
    found = judged(**changes)
    assert (kinds(found), found.next_attempt, found.answer) == ([kind], None, answer)


@pytest.mark.parametrize("state", State)
def test_every_state_has_one_sentence_on_one_line(state: State) -> None:
    found = judged(state=state, reply=Reply(451, "", "a\r\nb " * 500))
    assert re.fullmatch(r"[A-Z][^\n]+\.", found.answer)
    assert len(found.answer) < 600


def test_of_several_recipients_the_one_that_is_tried_next() -> None:
    first = Other(recipient_row(7, 2), "b@one.example", State.DEFERRED, NOW + 240)
    done = Other(recipient_row(7, 1), "a@one.example", State.DELIVERED, NOW)
    alone, view = told([first], judged()), told([first, done], judged())
    assert alone.answer == judged().answer and alone.others == ()
    assert view.answer.startswith(f"1 of 2 recipients wait, {first.id} first: attempt 2 was deferred")
    assert view.next_attempt is not None and view.next_attempt.timestamp() == NOW + 240
    assert [(other.id, other.state, other.next_attempt) for other in view.others] == [(done.id, "delivered", None)]


def halted(kind: str, name: str, until: float | None) -> Live:
    halt = Halt(kind, name, NOW - 600, until, "ana", "moving")  # type: ignore[arg-type]
    return msgspec.structs.replace(at_site(), halts=(halt,))


def test_a_suspension_stands_first_with_who_until_when_and_why() -> None:
    found = judged(halted("destination", "one.example", NOW + 3000), next_attempt=NOW + 240, suspended_since=NOW - 600)
    assert (kinds(found), found.next_attempt) == (["suspended", "back-off", "expiry"], NOW + 3000)
    assert found.answer == (
        "Destination one.example is suspended by ana since 14:03:20 UTC (10m ago) until 15:03:20 UTC (in 50m) (moving);"
        " it is tried next at 15:03:20 UTC (in 50m) at the earliest."
    )
    assert found.causes[-1].text == "Its lifetime stands still while it is suspended."


def test_a_suspension_without_an_end_has_no_next_attempt() -> None:
    found = judged(halted("delivery", "", None), suspended_since=NOW - 600)
    assert found.next_attempt is None
    assert found.answer == (
        "All deliveries are suspended by ana since 14:03:20 UTC (10m ago) until it is resumed (moving); nothing is tried meanwhile."
    )


def test_after_a_suspension_it_has_its_turn() -> None:
    found = judged(resumed_at=NOW - 30, back_by=NOW + 870, next_attempt=NOW + 240)
    assert kinds(found)[0] == "spread"
    assert (
        "its destination was resumed at 14:12:50 UTC; what waited comes back over 15m"
        in found.answer.lower().replace("utc", "UTC")
    )
    still = judged(suspended_since=NOW - 600)
    assert still.causes[0].text == "Its suspension is over, what waited is being given its turns."


def test_an_attempt_since_the_suspension_counts_again() -> None:
    found = judged(resumed_at=NOW - 90, back_by=NOW + 870)
    assert kinds(found)[0] == "back-off"


def test_a_rerouted_one_names_who_did_it_and_where_it_goes() -> None:
    event = Happened(NOW - 60, "reroute", "ana", "to smarthost s.example:25 verified: blocked there")
    found = judged(rerouted_to="smarthost s.example:25 verified", reroute=event)
    assert kinds(found) == ["back-off", "rerouted", "expiry"]
    assert found.causes[1].text == (
        "Rerouted by ana at 14:12:20 UTC (1m ago) to smarthost s.example:25 verified: blocked there."
    )
    undone = judged(rerouted_to="mx", reroute=event)
    assert undone.causes[1].text == "Rerouted to mx."
    held = judged(state=State.HELD, rerouted_to="smarthost s.example:25 verified", reroute=event)
    assert kinds(held) == ["held", "rerouted", "expiry"]
    assert "rerouted" not in kinds(judged(reroute=event))


# --- shaping

PAUSED = Restraint("mx.one.example", "theirs", NOW - 60, NOW + 3600, 2, "421 4.7.0 [TSS04] later", paused=True)
SLOWED = Restraint("mx.one.example", "ease", NOW - 60, NOW + 3600, 3, "450 slow down", connections=2)


def test_a_site_that_a_rule_paused_is_tried_when_the_pause_ends() -> None:
    found = judged(Live(restraints=(PAUSED, SLOWED)))
    assert (kinds(found), found.next_attempt) == (["shaping", "back-off", "expiry"], NOW + 3600)
    assert found.answer == (
        "Its site mx.one.example is paused by the rule theirs from 14:12:20 UTC until 15:13:20 UTC, after 2 replies such as:"
        " 421 4.7.0 [TSS04] later; it is tried next at 15:13:20 UTC (in 1h) at the earliest."
    )


def test_who_waits_for_a_rate_is_told_when_the_next_token_comes() -> None:
    live = at_site(rate=Rate(100, 60), token_at=NOW + 0.6)
    found = judged(live, state=State.QUEUED, attempts=0, next_attempt=NOW - 9, last=None)
    assert kinds(found)[0] == "rate"
    assert "waiting for the rate of 100/m for site mx.one.example: next token at 14:13:20 UTC" in found.answer
    live = at_site(rate=Rate(100, 60), token_at=NOW)
    assert kinds(judged(live, state=State.QUEUED, attempts=0, next_attempt=NOW - 9, last=None))[0] == "turn"


def test_slots_that_a_rule_took_away_are_told() -> None:
    live = msgspec.structs.replace(at_site(in_use=2, limit=2), restraints=(SLOWED,))
    found = judged(live, state=State.QUEUED, attempts=0, next_attempt=NOW - 9, last=None)
    assert kinds(found)[0] == "slots" and "at most 2 connections by the rule ease" in found.answer
