"""Stretches of time: steps on whole clocks, words, and what an operator may write."""

from __future__ import annotations

from datetime import datetime

import pytest

from mailtui.console.when import KEPT, When, hour, lasts, read, stretch

NOW = datetime(2026, 11, 22, 9, 41, 7).timestamp()


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("span", "first", "second"),
    [
        (900, "2026-11-22T09:40", "2026-11-22T09:35"),
        (0, "2026-11-22T09:30", "2026-11-22T09:15"),
        (21_600, "2026-11-22T09:00", "2026-11-22T08:00"),
        (86_400, "2026-11-22T06:00", "2026-11-22T00:00"),
        (604_800, "2026-11-22T00:00", "2026-11-21T00:00"),
    ],
)
def test_steps_are_whole_and_fit_the_range(span: int, first: str, second: str) -> None:
    once = When(span).earlier(NOW)
    twice = once.earlier(NOW)
    assert (once.at, twice.at) == (at(first), at(second))
    assert twice.later(NOW) == once
    assert once.later(NOW) == When(span)  # past now is now
    assert When(span).later(NOW) == When(span)


def test_it_ends_where_nothing_is_kept() -> None:
    last = When(604_800, NOW - KEPT + 3600)
    assert last.earlier(NOW) == last


def test_in_the_past_all_views_have_the_same_range() -> None:
    assert (When().seconds(900), When().compared) == (900, 900)
    assert (When(0, NOW).seconds(900), When(0, NOW).compared) == (3600, 3600)
    assert (When(604_800).compared, When(604_800).seconds(900)) == (86_400, 604_800)
    assert When(900, 1_790_000_000.0).bounds(NOW) == ("2026-09-21T13:58:20Z", "2026-09-21T14:13:20Z")


def test_words() -> None:
    assert [lasts(seconds) for seconds in (900, 3600, 5400, 86_400, 604_800, 302_400)] == [
        *("15m", "1h", "1h30m", "24h", "7d", "3d12h"),
    ]
    assert hour(at("2026-11-22T03:10"), NOW) == "03:10"
    assert hour(at("2026-11-21T03:10"), NOW) == "Nov 21 03:10"
    assert hour(at("2025-11-21T03:10"), NOW) == "2025-11-21 03:10"
    assert stretch(When(), NOW) == "last 1h" and stretch(When(21_600), NOW, 900) == "last 6h"
    assert stretch(When(3600, at("2026-11-22T03:10")), NOW) == "02:10 to 03:10"
    assert stretch(When(3600, at("2026-11-21T03:10")), NOW) == "Nov 21 02:10 to 03:10"
    assert stretch(When(3600, at("2026-11-22T00:10")), NOW) == "Nov 21 23:10 to 00:10"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("90m", When(5400)),
        ("1d12h", When(129_600)),
        ("03:10", When(900, at("2026-11-22T03:10"))),
        ("9:50", When(900, at("2026-11-21T09:50"))),  # it has not been today yet
        ("1h 03:10", When(3600, at("2026-11-22T03:10"))),
        ("2026-11-20 23:00", When(900, at("2026-11-20T23:00"))),
        ("6h 2026-11-20T23:00", When(21_600, at("2026-11-20T23:00"))),
        ("now", When(900)),
    ],
)
def test_what_is_written(text: str, found: When) -> None:
    assert read(text, When(900), NOW) == found


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("soon", "is written like"), ("", "is written like"), ("25:00", "is written like"), ("1h x", "is written like"),
        ("4m", "5m at least"), ("99999d", "90d at most"), ("2026-11-23 01:00", "has not been"),
        ("2026-02-30 01:00", "is written like"), ("2020-01-01 01:00", "kept for 90d"), ("\x1b[31m", "is written like"),
    ],
)  # fmt: skip
def test_what_is_no_time(text: str, wrong: str) -> None:
    assert wrong in str(read(text, When(900), NOW))
