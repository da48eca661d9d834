"""Values as words of the filter language: whatever a stranger wrote, the relay's own parser reads back exactly that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.console.offers import narrowed, word
from mailtui.queue.filter import parse


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60))
def test_any_address_is_one_word(value: str) -> None:
    parse(narrowed("state:held", word("to", value)))
    parse(narrowed("state:held or age:2h+", word("to", value), without=True))


def test_what_nobody_sees_in_it_is_any_character() -> None:
    assert word("to", "a\u200db@a.test") == 'to:"a?b@a.test"'
    assert word("to", "a?b@a.test") == 'to="a?b@a.test"'


@pytest.mark.parametrize(
    ("filter", "added", "without", "expected"),
    [
        ("", "domain=a.test", False, "domain=a.test"),
        ("", "domain=a.test", True, "not domain=a.test"),
        ("age:2h+", "domain=a.test", False, "age:2h+ domain=a.test"),
        ("a:1 OR b:2", "domain=a.test", True, "(a:1 OR b:2) not domain=a.test"),
        ("domain=a.test", "domain=a.test", False, "domain=a.test"),
        ("not domain=a.test", "domain=a.test", False, "not domain=a.test domain=a.test"),
    ],
)
def test_a_filter_and_one_word_more(filter: str, added: str, without: bool, expected: str) -> None:
    assert narrowed(filter, added, without) == expected
