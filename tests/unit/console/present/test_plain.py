"""Lines that can be read out: what there is, then only what changed, each thing once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from mailtui.console.present.plain import Seen, after, lines
from mailtui.control.results import Disk, Rates, StatusView
from mailtui.findings import IncidentRow
from mailtui.suspensions import Suspension
from mailtui.views import Depth, Totals

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
TOTALS = Totals(accepted=40_000, delivered=1886, bounced=0, suppressed=0, purged=0)
STATUS = StatusView(
    *(True, 7, "1", NOW - timedelta(hours=3), "relay1.example.net", "prod", ("127.0.0.1:25",)),
    *(Depth(0, 0, 38_114, 0), TOTALS, 7980, Rates(), Disk(1, 2, 3, 4)),
)
INCIDENT = IncidentRow("NEW", "mx.a.test", "throttled", 38, 2.0, 0, 3, "421 {n}", "", "421 slow\x1b[31m down", NOW, NOW)


def said(before: Seen | None, now: Seen) -> list[str]:
    """Without the time at the front."""
    return [line.split(" ", 1)[1] for line in lines(before, now, NOW)]


def test_at_first_everything() -> None:
    assert said(None, Seen(STATUS, incidents=(INCIDENT,), suspended=())) == [
        "relay1.example.net prod, up 3h: 38,114 recipients wait, the oldest for 2h13m:"
        " 0 queued, 0 sending, 38,114 deferred, 0 held",
        "NEW at mx.a.test: 421 slow\\x1b[31m down: 38 times, 2 usual",
    ]


def test_then_what_changed_and_nothing_when_nothing_did() -> None:
    before = Seen(STATUS, incidents=(INCIDENT,), suspended=())
    now = replace(
        STATUS, queue=replace(STATUS.queue, deferred=38_100), totals=replace(STATUS.totals, delivered=1890, bounced=10)
    )
    assert said(before, Seen(now)) == ["4 delivered, 10 bounced, deferred 38,100 (-14)"]
    assert said(before, Seen(STATUS, incidents=(INCIDENT,), suspended=())) == []


def test_what_came_and_went_is_told_once() -> None:
    whole = Suspension("destination", "a.test", NOW, None, "ops", "", 4, 3)
    before = Seen(STATUS, incidents=(INCIDENT,), suspended=())
    now = Seen(replace(STATUS, trouble=("the disk is full",)), incidents=(), suspended=(whole,))
    assert said(before, now) == [
        "alert: the disk is full",
        "no longer: NEW at mx.a.test: 421 slow\\x1b[31m down: 38 times, 2 usual",
        "suspended: destination a.test until resumed",
    ]
    assert said(now, before)[0] == "alert over: the disk is full"
    assert said(now, before)[-1] == "resumed: destination a.test"
    assert said(now, after(now, Seen(now.status))) == []


def test_a_relay_that_goes_and_one_that_comes_back() -> None:
    gone = Seen(offline="no relay answers")
    assert said(Seen(STATUS), gone) == ["offline: no relay answers"]
    assert said(gone, gone) == []
    assert said(gone, Seen(STATUS))[0].startswith("relay1.example.net")
    anew = replace(STATUS, started=NOW)
    assert said(Seen(STATUS), Seen(anew))[0].startswith("the relay was started anew")
