"""Incidents: what changed against what is usual, in words that say which, and the reply as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailtui.console.present import incident
from mailtui.console.present.line import Line, cells
from mailtui.findings import IncidentRow

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def row(change: str, count: int, usual: float, site: str = "mx.a.test", delivered: int = 0) -> IncidentRow:
    return IncidentRow(
        *(change, site, "throttled", count, usual, delivered, 3, "421 4.7.28 unusual rate from {ip}"),
        *("The site wants less.", "421 4.7.28 unusual rate from 192.0.2.1", NOW - timedelta(hours=1), NOW),
    )


def text(*lines: Line) -> str:
    return "\n".join("".join(part.text for part in whole) for whole in lines)


@pytest.mark.parametrize("room", [78, 118])
def test_a_row_says_what_was_usual_and_what_is(room: int) -> None:
    drawn = incident.row(row("UP", 4902, 21.2), room, NOW)
    assert cells(drawn) == room
    assert cells(incident.heading(room)) <= room
    assert text(drawn).split()[:2] == ["UP", "mx.a.test"]
    assert text(drawn).split()[-3:] == ["21", "4,902", "1h"]
    assert "The site wants" in text(drawn)


def test_what_is_over_says_what_was_delivered_since() -> None:
    assert "OK " in text(incident.row(row("RECOVERED", 0, 40.0, delivered=2340), 118, NOW))
    assert "2,340 delivered since" in text(incident.row(row("RECOVERED", 0, 40.0, delivered=2340), 118, NOW))


def test_our_own_trouble_stands_for_the_relay_and_has_no_usual() -> None:
    drawn = text(incident.row(row("OURS", 0, 0.0, site=""), 118, NOW))
    assert drawn.startswith("OURS  this relay") and drawn.split()[-1] == "1h"


def test_a_row_in_full_has_the_sentence_the_reply_and_the_filter() -> None:
    drawn = text(*incident.detail(row("NEW", 38114, 0.0), NOW, 140, 10))
    assert "The site wants less." in drawn and "not met in the 24 h before" in drawn
    assert "421 4.7.28 unusual rate from 192.0.2.1" in drawn
    assert "38,114 in 15 min, usual 0.0" in drawn
    assert 'class:throttled code:4.7.28 reply~"unusual rate from"' in drawn


def test_the_note_counts_each_kind_and_says_when_there_is_none() -> None:
    assert text(incident.note([row("OURS", 0, 0, ""), row("NEW", 1, 0), row("NEW", 2, 0)], True)).startswith(
        "1 OURS   2 NEW   last"
    )
    assert "all as usual" in text(incident.note([], True))
    assert "all as usual" not in text(incident.note([], False))
