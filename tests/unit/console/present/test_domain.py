"""The view of a destination: what stops it and limits it, and replies of the same kind as one row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailtui.console.present import domain
from mailtui.console.present.domain import Facts
from mailtui.console.present.line import Line, cells
from mailtui.findings import DestinationMoment, FailureRow, IncidentRow
from mailtui.queue.filter import parse
from mailtui.shapes import RestraintRow, SiteShape
from mailtui.suspensions import Kind, Suspension
from mailtui.views import Counts, DestinationRow, ReasonRow, StateCounts

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
RULE = RestraintRow("too-fast", "at most 1 connection", NOW, NOW, 3, "throttled", "421 slow down", "mx", "0Z.1", 7)


def facts(**given: object) -> Facts:
    known: dict[str, object] = {
        "row": DestinationRow("a.test", "mx.a.test", 41_882, 48, 7200, 0, 120, 3, "throttled"),
        "counts": Counts(41_882, 40_000, StateCounts(queued=0, sending=12, deferred=41_822, held=48)),
        "shape": SiteShape("mx.a.test", 2, 4, 20, 50, "10/1s", None, None, True, ("shipped *",)),
        "moments": (DestinationMoment(NOW - timedelta(minutes=2), "a.test", 9, 1_204, 3),),
    }
    return Facts("a.test", **(known | given))  # type: ignore[arg-type]


def suspension(kind: Kind, name: str) -> Suspension:
    return Suspension(kind, name, NOW, None, "kim", "asked to", 7, 1)


def drawn(of: Facts, room: int) -> str:
    blocks = domain.boxes(of, NOW, room, 8)
    assert sum(cells(block[0]) for block in blocks) == room
    assert {len(block) for block in blocks} == {8}
    return text(*(whole for block in blocks for whole in block))


def text(*lines: Line) -> str:
    return "\n".join("".join(part.text for part in whole) for whole in lines)


def reason(count: int, class_: str, fingerprint: str, **of: str) -> ReasonRow:
    return ReasonRow(
        **of, destinations=1, fingerprint=fingerprint, count=count, class_=class_, sentence="Later.",
        first_seen=NOW, last_seen=NOW, oldest_seconds=60 * count, next_attempt=None, sample_id="0Z.1",
    )  # fmt: skip


@pytest.mark.parametrize("room", [80, 120])
def test_the_boxes_tell_counts_flow_and_limits(room: int) -> None:
    told = drawn(facts(), room)
    for expected in ("41,882", "41,822", "1,204", "2h", "mx.a.test", "2/4 conn (max 20), 10/1s", "none slows it down"):
        assert expected in told
    assert "asking" in drawn(Facts("a.test"), room)


def test_what_a_rule_did_is_told_with_its_end() -> None:
    shape = SiteShape("mx.a.test", 2, 1, 20, 50, "", None, None, True, (), (RULE, RULE))
    assert f"until {NOW.astimezone():%H:%M:%S}: at most 1 connection (too-fast) and 1 more" in drawn(
        facts(shape=shape), 240
    )
    for room in (80, 120):
        assert f"until {NOW.astimezone():%H:%M:%S}: at most" in drawn(facts(shape=shape), room)


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("destination", "a.test", "suspended until resumed by kim"),
        ("site", "mx.a.test", "site mx.a.test suspended until resumed"),
        ("delivery", "", "all deliveries suspended until resumed"),
    ],
)
def test_what_suspends_it_is_said(kind: Kind, name: str, told: str) -> None:
    assert told in drawn(facts(suspensions=(suspension(kind, name),)), 150)


@pytest.mark.parametrize(("kind", "name"), [("destination", "b.test"), ("user", "a.test"), ("intake", "")])
def test_a_suspension_of_something_else_is_not_its(kind: Kind, name: str) -> None:
    assert facts(suspensions=(suspension(kind, name),)).stopped is None


def test_what_failed_and_what_waits_for_it_is_one_row() -> None:
    failed = [FailureRow("a.test", "throttled", 90, 90, 0, NOW, NOW, "421 slow", "Later.", "421 slow")]
    waiting = [reason(30, "throttled", "421 slow"), reason(200, "greylisted", "451 grey")]
    changed = [
        IncidentRow("NEW", site, "throttled", 9, 0, 0, 1, "421 slow", "", "", NOW, NOW) for site in ("mx.a.test", "b")
    ]
    every, first, second = domain.responses(facts(), failed, waiting, changed)
    assert (every.waiting, every.attempts, every.fingerprint) == (41_882, 90, "")
    assert (first.fingerprint, first.waiting, first.attempts, first.change) == ("451 grey", 200, 0, "")
    assert (second.fingerprint, second.waiting, second.attempts, second.change) == ("421 slow", 30, 90, "NEW")
    assert domain.meaning(second) == "Later."
    assert domain.found_by("a.test", every) == "domain:a.test"
    assert domain.found_by("a.test", second) == "domain:a.test class:throttled code:421 reply~slow"
    assert text(domain.response(second, 74, NOW)).split()[:3] == ["NEW", "30", "90"]
    for room in (74, 114):
        assert cells(domain.response(second, room, NOW)) == room


def test_senders_are_put_together_and_found_again() -> None:
    rows = [
        reason(1, "x", "421 b", sender="b@x.test"),
        reason(2, "y", "450 b", sender="b@x.test"),
        reason(1, "x", "421 b", sender=""),
    ]
    first, second = domain.senders(rows)
    assert (first.address, first.waiting, first.oldest_seconds, first.share) == ("b@x.test", 3, 120, 0.75)
    assert "75.0%" in text(domain.sender(first, 76))
    assert domain.sent_by("a.test", first) == "domain:a.test from:b@x.test"
    assert domain.sent_by("a.test", second) == "domain:a.test from:<>"
    parse(domain.sent_by("a.test", second))
