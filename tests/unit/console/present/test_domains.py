"""Rows of destinations: their state in a word, and numbers that stay in their columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from mailtui.console.present import domains
from mailtui.console.present.line import cells
from mailtui.findings import DestinationMoment
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
        (replace(row(), suspended=True), "susp"),
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

    assert domains.trend([at(59), at(5), at(1), at(0), at(75)], NOW) == (3, *(0,) * 9, 3, 6)
    assert domains.trend([], NOW) == (0,) * 12
