"""What rules come to: whom they count, what they put on a site, and the terms that follow."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.config import Limits, Rate, ShapingRule
from mailtui.delivery import classify
from mailtui.model import Attempt, Disposition, Reply, Stage
from mailtui.queue.recorder import stumbled
from mailtui.queue.shape import Restraint, Terms, restrain, slower, speaks_for, terms

NOW = 1_790_000_000.0
BUSY = Reply(421, "4.7.0", "[TSS04] Messages temporarily deferred")
RATES = st.builds(Rate, st.integers(1, 100_000), st.integers(1, 86_400))


def tried(reply: Reply, stage: Stage = Stage.MAIL) -> Attempt:
    return Attempt(7, NOW, NOW, stage, classify.classify(stage, reply), reply, "mx.one.example")


def rule(**given: object) -> ShapingRule:
    return ShapingRule(name="r", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "counted"),
    [
        ({"pattern": r"\[TSS?04\]"}, True),
        ({"pattern": r"\[tss04\]"}, True),
        ({"pattern": r"^421 4\.7\.0 "}, True),
        ({"pattern": "TSS05"}, False),
        ({"class_": "throttled"}, True),
        ({"class_": "content"}, False),
        ({"class_": "throttled", "pattern": "TSS04"}, True),
        ({"class_": "throttled", "pattern": "TSS05"}, False),
    ],
)
def test_a_reply_is_counted_by_its_text_and_its_class(given: dict[str, object], counted: bool) -> None:
    assert tried(BUSY).verdict.class_ == "throttled"
    assert speaks_for(rule(**given), tried(BUSY)) is counted


def test_success_speaks_for_nothing() -> None:
    assert not speaks_for(rule(pattern="."), tried(Reply(250, "2.0.0", "throttled TSS04"), Stage.FINAL_DOT))


def test_what_we_made_up_is_counted_only_where_a_rule_names_its_class_and_it_was_met_there() -> None:
    lost = classify.outcome("connection", Disposition.DEFERRED, "site")
    unreached = Attempt(7, NOW, NOW, Stage.CONNECT, lost, Reply(0, "4.4.1", "connection refused"))
    assert not speaks_for(rule(pattern="refused"), unreached)
    assert not speaks_for(rule(pattern="."), unreached)
    assert speaks_for(rule(class_="connection"), unreached)
    assert not speaks_for(rule(class_="connection", pattern="refused"), unreached)

    claim_of = msgspec.structs.replace(unreached, verdict=classify.outcome("dns", Disposition.DEFERRED, "destination"))
    assert not speaks_for(rule(class_="dns"), claim_of)


def test_our_own_failure_is_no_fact_about_the_site() -> None:
    from mailtui.model import NULL_SENDER, Address, Claim, ClaimedRecipient

    who = ClaimedRecipient(7, Address("ana", "one.example"), "", "", 1, NOW)
    claim = Claim(1, 1, "one.example", "mx", NULL_SENDER, (who,), 1, NOW, b"", None, b"")
    (attempt,) = stumbled(claim, NOW, "this relay failed: TypeError").attempts
    assert not speaks_for(rule(class_="unknown"), attempt)
    assert not speaks_for(rule(pattern="failed"), attempt)


def test_a_restraint_says_what_it_does_until_when_and_why() -> None:
    found = restrain(
        rule(slower=0.5, rate=Rate(20, 60), for_=7200.0), "mx", Terms(9, None), tried(BUSY), count=3, now=NOW
    )
    assert (found.connections, found.rate, found.paused) == (4, Rate(20, 60), False)
    assert (found.since, found.until, found.count, found.host, found.class_) == (
        NOW,
        NOW + 7200,
        3,
        "mx.one.example",
        "throttled",
    )
    assert found.does == "at most 20/m, at most 4 connections"
    assert found.told(NOW) == (
        "at most 20/m, at most 4 connections by the rule r from 14:13:20 UTC until 16:13:20 UTC, after 3 replies such as: "
        "421 4.7.0 [TSS04] Messages temporarily deferred"
    )
    pause = restrain(rule(pause=True), "mx", Terms(9), tried(Reply(421, "", "x" * 900)), 1, NOW)
    assert (pause.does, len(pause.cause)) == ("paused", 500)


def test_one_that_fires_again_goes_on_and_never_eases() -> None:
    first = restrain(rule(slower=0.5, for_=600.0), "mx", Terms(8, Rate(100, 60)), tried(BUSY), 3, NOW)
    first = msgspec.structs.replace(first, id=5, action=6)
    again = restrain(rule(slower=0.5, for_=600.0), "mx", Terms(4, Rate(50, 60)), tried(BUSY), 3, NOW + 300, first)

    assert (first.connections, first.rate) == (4, Rate(50, 60))
    assert (again.connections, again.rate, again.count) == (2, Rate(25, 60), 6)
    assert (again.since, again.until, again.id, again.action) == (NOW, NOW + 900, 5, 6)
    eased = restrain(rule(slower=0.5, for_=1.0), "mx", Terms(30), tried(BUSY), 3, NOW + 300, first)
    assert (eased.connections, eased.rate, eased.until) == (4, Rate(50, 60), NOW + 600)


@given(RATES, st.floats(0.001, 0.999))
def test_slower_is_slower_but_never_stands_still(rate: Rate, factor: float) -> None:
    found = slower(rate, factor)
    before, after = rate.count / rate.seconds, found.count / found.seconds
    assert after <= before + 1e-12
    assert after >= min(before, 1 / 3600) - 1e-12
    assert found.count >= 1


def test_the_strictest_of_everything_holds() -> None:
    limits = Limits(20, 50, Rate(100, 60))
    of = Restraint("mx", "a", NOW, NOW + 60, 1, "busy")
    replace = msgspec.structs.replace
    assert terms(limits, ()) == Terms(20, Rate(100, 60))
    assert terms(limits, [replace(of, connections=30), replace(of, rate=Rate(1, 1))]) == Terms(20, Rate(1, 1))
    assert terms(limits, [replace(of, connections=3), replace(of, rate=Rate(2, 1), paused=True)]) == Terms(
        3, Rate(100, 60), NOW + 60
    )
