"""Where a command line ends, and how long it may be."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.intake import replies
from mailtui.intake.lines import MAX_AUTH_LINE, MAX_LINE, Input
from mailtui.intake.replies import Refusal


def read(octets: bytes, cuts: list[int], *, in_auth: bool = False) -> list[bytes]:
    """All lines of `octets` arriving in pieces; a refused line is its reply."""
    lines: list[bytes] = []
    input_ = Input()
    places = sorted({0, len(octets), *(cut for cut in cuts if cut < len(octets))})
    for start, end in pairwise(places):
        input_.append(octets[start:end])
        while True:
            try:
                line = input_.next_line(in_auth)
            except Refusal as refusal:
                lines.append(refusal.reply)
                continue
            if line is None:
                break
            lines.append(line)
        assert len(input_) <= MAX_AUTH_LINE
    return lines


def test_lines_end_in_crlf() -> None:
    assert read(b"EHLO a\r\nNOOP\r\n\r\nrest", []) == [b"EHLO a", b"NOOP", b""]


@pytest.mark.parametrize("line", [b"NOOP\n", b"\n", b"NO\rOP\r\n", b"\r\r\n", b"NOOP\r\r\n"])
def test_anything_else_is_an_error_and_consumed(line: bytes) -> None:
    assert read(line + b"QUIT\r\n", []) == [replies.COMMAND_SYNTAX, b"QUIT"]


@pytest.mark.parametrize(
    ("length", "fits"), [(MAX_LINE - 1, True), (MAX_LINE, False), (MAX_AUTH_LINE, False), (10 * MAX_AUTH_LINE, False)]
)
def test_a_line_too_long_is_one_error(length: int, fits: bool) -> None:
    line = b"a" * length
    assert read(line + b"\r\nNOOP\r\n", [100, 5000, 50000]) == [
        line if fits else replies.LINE_TOO_LONG_COMMAND,
        b"NOOP",
    ]


def test_auth_may_bring_a_long_token() -> None:
    token = b"AUTH PLAIN " + b"A" * 10_000
    assert read(token + b"\r\n", []) == [token]
    assert read(b"A" * 12_000 + b"\r\n", [], in_auth=True) == [b"A" * 12_000]
    assert read(b"A" * 12_288 + b"\r\n", [], in_auth=True) == [replies.AUTH_TOO_LONG]


def test_octets_behind_a_refused_bdat_are_no_lines() -> None:
    input_ = Input()
    input_.append(b"QUIT\r\nMAIL")
    input_.skip(12)
    assert input_.next_line(False) is None
    input_.append(b"\r\nNOOP\r\n")
    assert input_.next_line(False) == b"NOOP"


@given(
    st.lists(st.binary(max_size=30).filter(lambda line: b"\r" not in line and b"\n" not in line), max_size=20),
    st.lists(st.integers(0, 600)),
)
def test_how_the_network_cuts_lines_changes_nothing(lines: list[bytes], cuts: list[int]) -> None:
    octets = b"".join(line + b"\r\n" for line in lines)
    assert read(octets, cuts) == lines


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_nothing_is_read_twice_or_lost(octets: bytes, cuts: list[int]) -> None:
    assert len(read(octets, cuts)) == octets.count(b"\n")
    assert read(octets, cuts) == read(octets, [])
