"""Rows of destinations: their state in a word, and numbers that stay in their columns."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace as changed

from mailtui.console.present import domains
from mailtui.console.present.line import cells
from mailtui.findings import DestinationFlow, DestinationMoment
from mailtui.views import DestinationRow

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def row(
    waiting: int = 0, held: int = 0, ok: int = 0, defer: int = 0, bounce: int = 0, until: datetime | None = None
) -> DestinationRow:
    return DestinationRow(
        "a.test", "mx.a.test", waiting, held, 7200, ok, defer, bounce, "throttled", until, until is not None
    )


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (row(), "idle"),
        (row(waiting=3), "waits"),
        (row(waiting=3, held=3), "held"),
        (row(ok=9), "ok"),
        (row(ok=9, bounce=1), "partly"),
        (row(waiting=3, defer=9), "fails"),
        (row(ok=9, until=NOW + timedelta(minutes=41, seconds=20)), "susp 41m"),
        (row(until=NOW + timedelta(hours=2, minutes=13)), "susp 2h"),
        (row(until=NOW + timedelta(seconds=9)), "susp 9s"),
        (changed(row(), suspended=True), "susp"),
    ],
)
def test_the_state_is_one_word(one: DestinationRow, word: str) -> None:
    assert domains.state(one, NOW)[0] == word


@pytest.mark.parametrize("room", [78, 118, 198])
def test_a_row_fills_its_room_whatever_its_numbers(room: int) -> None:
    one = row(41_882_113, 48, 9_104, 98_771, 3, NOW + timedelta(days=3, hours=23))
    for drawn in (domains.row(one, (0,) * 11 + (5,), room, NOW), domains.row(row(), (), room, NOW)):
        assert cells(drawn) == room
    assert cells(domains.heading(room)) <= room
    told = "".join(part.text for part in domains.row(one, (0,) * 11 + (5,), room, NOW))
    assert " 42M" in told or "41,882,113" in told
    assert "susp 3d23h" in told
    assert ("▁▁▁▁▁▁▁▁▁▁▁█" in told) == (room >= domains.WIDE)


def test_a_trend_counts_failures_where_they_were() -> None:
    def at(minutes: int) -> DestinationMoment:
        return DestinationMoment(NOW - timedelta(minutes=minutes), "a.test", 9, 2, 1)

    assert domains.trend([at(59), at(6), at(1), at(0), at(75)], NOW) == (3, *(0,) * 9, 3, 6)
    assert domains.trend([], NOW) == (0,) * 12


def test_rows_of_the_past_do_not_claim_to_know_what_waited() -> None:
    one = domains.of_flow(DestinationFlow("a.test", "mx.a.test", 300, 1200, 0, "throttled"))
    told = "".join(part.text for part in domains.row(one, (), 118, NOW, domains.Tries("6h", False, "")))
    assert cells(domains.row(one, (), 118, NOW, domains.Tries("6h", False, ""))) == 118
    assert told.split()[:2] == ["a.test", "partly"] and told.count("?") == 3 and "1,200" in told
    heading = "".join(part.text for part in domains.heading(118, domains.Tries("6h", False, "")))
    assert "ok/6h" in heading and "failed" not in heading


def test_tries_of_another_range_stand_beside_what_waits() -> None:
    flows = [DestinationFlow("b.test", "", 1, 2, 3, "dns"), DestinationFlow("a.test", "", 7, 8, 9, "full")]
    rows = domains.over([row(waiting=5, ok=1, defer=1)], flows)
    told = [(one.destination, one.waiting, one.delivered_15m, one.bounced_15m, one.top_class) for one in rows]
    assert told == [("a.test", 5, 7, 9, "throttled"), ("b.test", 0, 1, 3, "dns")]
    (alone,) = domains.over([row(waiting=5, ok=1, defer=1)], [])
    assert (alone.delivered_15m, alone.deferred_15m) == (0, 0)


def test_orders() -> None:
    rows = [changed(row(waiting=n, defer=9 - n), destination=name) for n, name in ((1, "b"), (3, "a"), (2, "c"))]
    sort = domains.Sort()
    assert [one.destination for one in sort.rows(rows)] == ["a", "c", "b"]
    assert [one.destination for one in replace(sort, least=True).rows(rows)] == ["b", "c", "a"]
    assert [one.destination for one in domains.Sort("defer").rows(rows)] == ["b", "c", "a"]
    assert [one.destination for one in domains.Sort("destination", True).rows(rows)] == ["a", "b", "c"]
    assert sort.rows(rows, waits=False) == rows and sort.words(waits=False) == "most tried first"
    seen = []
    for _ in domains.SORTS:
        seen.append(sort.words())
        sort = sort.next()
    assert sort == domains.Sort() and len(set(seen)) == len(domains.SORTS) and "by name" in seen
    assert domains.Sort().next(waits=False).column == "ok"
