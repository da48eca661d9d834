"""The overview: what needs a person stands above what is met every day."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from mailtui.console.present.overview import alerts, as_before, change_row, worst_first
from mailtui.control.results import Disk, Rates, StatusView
from mailtui.findings import IncidentRow
from mailtui.views import Depth, ReasonRow, Totals

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
STATUS = StatusView(
    True, 1, "", NOW, "", "", (), Depth(0, 0, 0, 0), Totals(0, 0, 0, 0, 0), 0, Rates(), Disk(1, 1, 1, 1)
)


def row(change: str, class_: str, count: int) -> IncidentRow:
    return IncidentRow(change, "mx.a.test", class_, count, 0.0, 0, 1, "", "A sentence.", "", NOW, NOW)


def test_what_stops_a_site_comes_before_what_is_met_every_day() -> None:
    rows = [
        row("OURS", "outage", 0),
        row("NEW", "greylisted", 900),
        row("NEW", "mailbox-full", 400),
        row("NEW", "ip-reputation", 103),
        row("NEW", "throttled", 18),
        row("UP", "connection", 5000),
        row("RECOVERED", "timeout", 0),
    ]
    assert [one.class_ for one in worst_first(rows)] == [
        *("outage", "ip-reputation", "throttled", "greylisted", "mailbox-full", "connection", "timeout"),
    ]


def test_alerts_are_told_whole_and_those_without_room_are_counted() -> None:
    def told(*trouble: str, notes: tuple[str, ...] = (), room: int = 80) -> str:
        status = replace(STATUS, trouble=trouble, notes=notes)
        return "".join(part.text for part in alerts(status, room))

    assert told() == ""
    assert told("mail is refused", notes=("a hold rule",)) == " ! mail is refused · a hold rule"
    assert told("mail is refused", "b" * 70, "c") == " ! mail is refused  +2 more"
    long = told("d" * 100, "e" * 20)
    assert long.startswith(" ! ddd") and long.endswith("  +1 more") and len(long) == 80


def test_what_still_fails_is_told_where_nothing_has_changed() -> None:
    few, many = (
        ReasonRow(
            site=site, destinations=1, fingerprint="4.4.3 {host}: SERVFAIL", count=count, behind=5, class_="dns", sentence="DNS fails.",
            first_seen=NOW, last_seen=NOW, oldest_seconds=9, next_attempt=None, sample_id="",
        )
        for site, count in (("a.test", 1), ("b.test", 70))
    )  # fmt: skip
    first, second = as_before([few, many])
    assert (first.site, first.count, second.count) == ("b.test", 75, 6)
    told = "".join(part.text for part in change_row(first, 74))
    assert told.startswith("SAME b.test") and "DNS fails." in told and told.endswith("75 wait")
