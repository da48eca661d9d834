"""The way one came, and back."""

from __future__ import annotations

from mailtui.console.place import Place, Trail


def test_what_is_opened_lies_behind_and_back_returns() -> None:
    trail = Trail(Place("overview"))
    trail.open(Place("queue", "domain:a.test"))
    trail.open(Place("message", "1.1"))
    trail.open(Place("message", "2.1"))
    assert trail.titles == ("overview", "domain:a.test", "2.1")
    assert trail.tab == "queue"
    assert trail.back() and trail.here == Place("queue", "domain:a.test")
    assert trail.back() and not trail.back()
    assert trail.here == Place("overview")


def test_a_tab_begins_anew() -> None:
    trail = Trail(Place("overview"))
    trail.open(Place("queue", "x"))
    trail.open(Place("queue"))
    assert trail.titles == ("queue",)
