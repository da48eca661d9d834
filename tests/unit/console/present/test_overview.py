"""The overview: what needs a person stands above what is met every day."""

from __future__ import annotations

from datetime import UTC, datetime

from mailtui.console.present.overview import worst_first
from mailtui.findings import IncidentRow

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


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
