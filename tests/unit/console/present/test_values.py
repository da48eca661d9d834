"""Short words for values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import UNSET

from mailtui.console.present.values import STATES, counted, reply, short, since, state, until
from mailtui.model import State

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (1000, "1.0k"), (1640, "1.6k"), (11_020, "11k"), (999_600, "1.0M")]
)
def test_counts_take_four_characters(count: int, text: str) -> None:
    assert short(count) == text


def test_every_state_has_a_letter_of_its_own() -> None:
    assert set(STATES) == {one.value for one in State}
    assert len({letter for letter, _ in STATES.values()}) == len(STATES)
    assert state("held").text == "H"


def test_moments_are_told_from_now() -> None:
    assert (until(None, NOW), until(NOW, NOW), until(NOW + timedelta(minutes=5), NOW)) == ("-", "now", "5m")
    assert (since(None, NOW), since(NOW - timedelta(hours=2), NOW)) == ("", "2h")


def test_a_reply_says_its_enhanced_code_once() -> None:
    assert reply(421, "4.7.28", "4.7.28 rate\nlimit") == "421 4.7.28 rate limit"
    assert reply(0, "", "") == ""


def test_an_answer_says_how_old_it_is_when_it_is_not_of_now() -> None:
    assert counted(NOW - timedelta(seconds=4), NOW) == "counted 4s ago"
    assert counted(NOW - timedelta(seconds=2), NOW) == counted(None, NOW) == counted(UNSET, NOW) == ""
