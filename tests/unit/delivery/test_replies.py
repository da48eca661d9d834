"""Replies are the same however the network cut them, and hostile ones cost little and are refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailtui.delivery.replies import MAX_LINE, MAX_LINES, BadReply, ReplyParser, make_reply
from mailtui.model import Reply

CODES = st.integers(200, 599)
TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), include_characters=" "), max_size=40
).map(str.strip)
SAID = st.lists(st.tuples(CODES, st.lists(TEXTS, min_size=1, max_size=5), st.sampled_from(["\r\n", "\n"])), max_size=6)


def wire(said: list[tuple[int, list[str], str]]) -> bytes:
    return "".join(
        f"{code}{'-' if n < len(lines) else ' '}{line}{end}"
        for code, lines, end in said
        for n, line in enumerate(lines, 1)
    ).encode()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


def parse(pieces: list[bytes]) -> tuple[list[Reply], str]:
    """The replies, and what the parser complained of."""
    parser, replies = ReplyParser(), []
    try:
        for piece in pieces:
            replies += parser.feed(piece)
    except BadReply as error:
        return [], str(error)
    return replies, ""


@given(SAID, st.lists(st.integers(0, 10**6), max_size=10))
def test_replies_are_the_same_however_they_are_cut(said: list[tuple[int, list[str], str]], places: list[int]) -> None:
    expected = [make_reply(code, lines) for code, lines, _ in said]

    assert parse(cut(wire(said), places)) == (expected, "")


@given(SAID.map(wire))
def test_one_octet_at_a_time(data: bytes) -> None:
    assert parse([data[n : n + 1] for n in range(len(data))]) == parse([data])


NEARLY = st.lists(
    st.sampled_from(
        [
            b"250 ok",
            b"250-",
            b"\r\n",
            b"\n",
            b"\r",
            b"2",
            b"25",
            b"2500",
            b"199 ",
            b"600 ",
            b"550-5.1.1 x",
            b"x" * 4090,
            b"\xff",
            b"\0",
            b"",
        ]
    ),
    max_size=12,
).map(b"".join)


@given(NEARLY | st.binary(max_size=300), st.lists(st.integers(0, 10**6), max_size=6))
@example(b"250 " + b"x" * (MAX_LINE - 4) + b"\r\n", [MAX_LINE + 1])
@example(b"250 " + b"x" * (MAX_LINE - 3) + b"\r\n", [MAX_LINE + 1])
def test_nonsense_is_refused_or_read_the_same_however_it_is_cut(data: bytes, places: list[int]) -> None:
    whole, cut_up = parse([data]), parse(cut(data, places))

    assert whole[0] == cut_up[0]
    assert bool(whole[1]) == bool(cut_up[1])


@given(st.lists(NEARLY | st.binary(max_size=5000), max_size=40))
def test_no_server_can_make_it_remember_much(pieces: list[bytes]) -> None:
    parser = ReplyParser()
    try:
        for piece in pieces:
            parser.feed(piece)
            held = len(parser._buffer) + sum(map(len, parser._lines))
            assert len(parser._buffer) <= MAX_LINE + 1
            assert held <= (MAX_LINES + 2) * MAX_LINE
    except BadReply as error:
        assert len(str(error)) < 400, "nor to say much"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hello",
        "25",
        "2",
        "5",
        "25 ok",
        "2500 ok",
        "250ok",
        "250\tok",
        "199 no",
        "099 no",
        "600 no",
        "99 x",
        " 250 x",
        "-50 x",
        "2_5 x",
        "²50 x",
        "+25 x",
    ],
)
def test_what_is_no_reply(line: str) -> None:
    with pytest.raises(BadReply, match="not an SMTP reply"):
        ReplyParser().feed(line.encode() + b"\r\n")


def test_a_reply_has_one_code() -> None:
    with pytest.raises(BadReply, match="both 250 and 550"):
        ReplyParser().feed(b"250-ok\r\n550 no\r\n")


@pytest.mark.parametrize(("octets", "fine"), [(MAX_LINE, True), (MAX_LINE + 1, False)])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_a_line_has_its_limit(octets: int, fine: bool, ends: bytes) -> None:
    line = b"250 " + b"x" * (octets - 4) + ends
    for pieces in ([line], [line[:-1], line[-1:]], [line[:100], line[100:]]):
        replies, complaint = parse(pieces)
        assert bool(replies) is fine
        assert bool(complaint) is not fine


def test_a_line_without_an_end_has_it_too() -> None:
    parser = ReplyParser()
    parser.feed(b"250 " + b"x" * 4000)
    with pytest.raises(BadReply, match="4096 octets"):
        parser.feed(b"x" * 200)


def test_a_reply_has_a_number_of_lines() -> None:
    parser = ReplyParser()
    with pytest.raises(BadReply, match="128 lines"):
        for _ in range(MAX_LINES + 1):
            parser.feed(b"250-more\r\n")


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        (["5.1.1 no such user"], Reply(550, "5.1.1", "no such user")),
        (["5.1.1 no such", "5.1.1 user"], Reply(550, "5.1.1", "no such\nuser")),
        (["5.1.1 no such", "user"], Reply(550, "5.1.1", "no such\nuser")),
        (["5.1.1 one", "5.1.10 other"], Reply(550, "5.1.1", "one\n5.1.10 other")),
        (["5.1.1"], Reply(550, "5.1.1", "")),
        (["5.1.1   spaced"], Reply(550, "5.1.1", "spaced")),
        (["no such user 5.1.1"], Reply(550, "", "no such user 5.1.1")),
        (["4.1.1 another class"], Reply(550, "", "4.1.1 another class")),
        (["5.1.1234 too long"], Reply(550, "", "5.1.1234 too long")),
        (["5.1.1: with a colon"], Reply(550, "", "5.1.1: with a colon")),
        (["5.١.١ other digits"], Reply(550, "", "5.١.١ other digits")),
        ([""], Reply(550, "", "")),
        ([], Reply(550, "", "")),
    ],
)
def test_enhanced_codes(lines: list[str], reply: Reply) -> None:
    assert make_reply(550, lines) == reply


def test_octets_that_are_no_text_are_replaced() -> None:
    assert ReplyParser().feed(b"250 caf\xe9 \xff\r\n") == [Reply(250, "", "caf\ufffd \ufffd")]
