"""Sums and sentences of a bundle."""

from __future__ import annotations

from datetime import UTC, datetime

from mailtui import config, report_words
from mailtui.bundles import DoneRow, FailureGroup, Numbers, TimelineRow
from mailtui.delivery.route import Route
from mailtui.queue.evidence import Minute
from mailtui.queue.live import SiteLive
from mailtui.views import EventView

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
NINE = int(AT.timestamp()) // 3600 * 60


def test_minutes_become_hours() -> None:
    flow = [Minute(NINE, "", 1, 2, 3), Minute(NINE + 59, "", 1, 0, 0), Minute(NINE + 120, "", 0, 0, 5)]
    rows = [(row.hour.hour, row.delivered, row.deferred, row.bounced) for row in report_words.hours(flow)]
    assert rows == [(9, 2, 2, 3), (11, 0, 0, 5)]
    assert report_words.hours([]) == ()


def test_the_timeline_has_failures_by_class_and_deliveries() -> None:
    nine = AT.replace(minute=0)
    assert list(report_words.moments([Minute(NINE, "", 4, 2, 1)], [Minute(NINE, "throttled", 0, 2, 1)])) == [
        TimelineRow(nine, "delivered", 4),
        TimelineRow(nine, "deferred", 2, "throttled"),
        TimelineRow(nine, "bounced", 1, "throttled"),
    ]
    assert report_words.action(DoneRow(AT, "hold", 3)).text == "hold"
    assert report_words.action(DoneRow(AT, "hold", 3, None, "ana", "because")).text == "hold by ana: because"
    event = EventView(AT, "hold", "ana", "because", "1QHQZRES.1")
    assert [report_words.event(event, internal).text for internal in (False, True)] == ["hold", "hold by ana: because"]


def test_the_settings_of_a_route() -> None:
    password = config.Secret("hunter22")
    smart = Route("smarthost", "smart.example", 587, "required", "relay-login", password, "* from *@x.example → smart")
    site = SiteLive("smart.example:587", 1, 4, 20, True, 0, 0.0, "", 1)
    outside = {row.name: row.value for row in report_words.settings(config.Config(), [smart], site, False)}
    inside = {row.name: row.value for row in report_words.settings(config.Config(), [smart], None, True)}
    assert outside["route"] == inside["route"] == "through smart.example:587"
    assert outside["connections at once"] == "20, 4 now" and inside["connections at once"] == "20"
    assert outside["login"] == "as ***, password ***" and inside["login"] == "as relay-login, password ***"
    assert "rule" not in outside and "x.example" in inside["rule"]
    assert outside["retries after"].startswith("5m, 10m, 20m") and outside["given up after"] == "5d"
    assert "hunter22" not in str((outside, inside))
    discard = Route("discard", "", 0, "opportunistic")
    ways = [
        row.value for row in report_words.settings(config.Config(), [None, discard], None, False) if row.name == "route"
    ]
    assert ways == ["one that is gone from the configuration", "discarded"]


def test_the_summary() -> None:
    group = FailureGroup("throttled", "They are busy.", 4, 3, AT, AT)
    text = report_words.summary("remote.example", Numbers(1, 0, 2, 4, 0), (group,), None)
    assert text == (
        "6 attempts to remote.example in the window: 2 delivered, 4 deferred, 0 refused for good. 1 recipient waits now."
        " Most often: throttled (They are busy)."
    )
