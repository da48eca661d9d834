"""Lines taken apart: words, quotes, options, and where each stands."""

from __future__ import annotations

from hypothesis import given as over
from hypothesis import strategies as st

from mailtui.console.grammar import Given, Wrong, given, words


def test_quotes_of_the_shell_go_and_those_of_the_filter_stay() -> None:
    said = words("""hold reply~"a b" 'c d' "e f" it's""")
    assert [word.text for word in said] == ["hold", 'reply~"a b"', "c d", "e f", "it's"]
    assert [word.at for word in said] == [0, 5, 17, 23, 29]


def test_options_stand_anywhere_and_a_filter_is_as_it_was_written() -> None:
    line = 'x from:a  or -to:"b c" --reason "d e"'
    found = given(line, 1, ("reason",))
    assert isinstance(found, Given)
    assert found.option("reason") == "d e" and found.rest.text == 'from:a  or -to:"b c"' and found.rest.at == 2
    split = given("x from:a --reason y to:b", 1, ("reason",))
    assert isinstance(split, Given) and split.rest.text == "from:a to:b"


@over(st.text(max_size=60))
def test_no_line_is_too_strange(line: str) -> None:
    for word in words(line):
        assert word.at >= 0 and word.at + word.length <= len(line)
    found = given(line, 0, ("for", "reason"), ("all",))
    assert isinstance(found, Wrong) or found.rest.length <= len(line)
