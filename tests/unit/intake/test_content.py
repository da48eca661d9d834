"""DATA on the wire against a plain state machine over octets, however the network cuts the stream."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailtui.intake import replies
from mailtui.intake.content import MAX_LINE, SLACK, ContentReader

TERMINATORS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\r\n\x00.\r\n",
    b"\r\n.\x00\r\n",
    b"\r\n. \r\n",
    b"\r\n .\r\n",
    b"\r\n..\r\n",
    b"\r\r\n.\r\r\n",
    b"\n\r\n.\n\r\n",
    b"\r.\n",
    b"\n.\r",
    b"\r\n.\r\r\n",
    b"\r\n\r.\r\n",
    b"\x85.\x85",
]
SECOND = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nsmuggled\r\n.\r\n"


def stuff(content: bytes) -> bytes:
    """What a correct client sends for content that is empty or ends with CRLF."""
    lines = content.split(b"\r\n")[:-1]
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"


def read(feeds: list[bytes], *, max_size: int = 10_000, normalise: bool = False) -> tuple[bytes, bytes | None, int]:
    """Content, fault and the number of octets consumed (-1: no end)."""
    reader, content, consumed = ContentReader(max_size, normalise), b"", 0
    for data in feeds:
        end = reader.feed(data)
        content += reader.take()
        if end >= 0:
            return content, reader.fault, consumed + end
        consumed += len(data)
    return content, reader.fault, -1


def chunked(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[begin:end] for begin, end in pairwise(edges)]


def reference(stream: bytes, normalise: bool) -> tuple[bytes, bytes | None, int]:
    """The same answer, octet by octet: end, unstuffing, then line ends and the first fault."""
    end = (b"\r\n" + stream).find(b"\r\n.\r\n")
    raw = stream if end < 0 else stream[:end]
    text, line_start, index = bytearray(), True, 0
    while index < len(raw):
        if not (line_start and raw[index] == ord(".")):
            text.append(raw[index])
        line_start = raw[max(0, index - 1) : index + 1] == b"\r\n"
        index += 1
    content, fault = bytearray(), None
    for at, octet in enumerate(text):
        lonely = (octet == 13 and text[at + 1 : at + 2] != b"\n") or (octet == 10 and (at == 0 or text[at - 1] != 13))
        if octet == 0:
            fault = fault or replies.NUL_OCTET
        elif lonely and not normalise:
            fault = fault or replies.BARE_NEWLINE
        content += b"\r\n" if lonely else bytes([octet])
    return bytes(content), fault, -1 if end < 0 else end + 3


@given(
    st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"a", b"..", b"\0", b"\r\n."]), max_size=30).map(b"".join),
    st.lists(st.integers(0, 100), max_size=12),
    st.booleans(),
)
@example(b"", [], False)
@example(b"\r\n", [1], False)
def test_any_stream_in_any_pieces_reads_like_the_reference(body: bytes, cuts: list[int], normalise: bool) -> None:
    stream = body + b"\r\n.\r\n" + SECOND
    content, fault, consumed = reference(stream, normalise)
    found = read(chunked(stream, cuts), normalise=normalise)
    assert found[1:] == (fault, consumed)
    if fault is None:
        assert found[0] == content


@given(
    st.lists(st.text(".a\u00fc \t", max_size=12).map(lambda line: line.encode() + b"\r\n"), max_size=12).map(b"".join),
    st.lists(st.integers(0, 200), max_size=12),
    st.booleans(),
)
def test_dot_stuffing_is_undone_exactly(content: bytes, cuts: list[int], normalise: bool) -> None:
    wire = stuff(content)
    assert read(chunked(wire + b"QUIT\r\n", cuts), normalise=normalise) == (content, None, len(wire))


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("terminator", TERMINATORS)
def test_no_imitation_of_the_end_makes_a_second_message(terminator: bytes, normalise: bool) -> None:
    """P1: one message or one fault, cut at every octet and fed octet by octet."""
    stream = b"Subject: x\r\n\r\nfirst" + terminator + SECOND
    pieces = [[stream[:cut], stream[cut:]] for cut in range(len(stream) + 1)] + [[bytes([octet]) for octet in stream]]
    outcomes = {read(feeds, normalise=normalise) for feeds in pieces}
    assert {consumed for _, _, consumed in outcomes} == {len(stream)}
    assert len({fault for _, fault, _ in outcomes}) == 1
    content, fault, _ = read([stream], normalise=normalise)
    assert fault is not None or (b"smuggled" in content and len({content for content, _, _ in outcomes}) == 1)
    if fault is None:
        assert content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n")


@pytest.mark.parametrize("normalise", [False, True])
def test_the_true_end_leaves_the_next_command(normalise: bool) -> None:
    wire = b"Subject: x\r\n\r\nfirst\r\n.\r\n"
    assert read([wire + SECOND], normalise=normalise) == (wire[:-3], None, len(wire))
    assert read([bytes([octet]) for octet in wire], normalise=normalise) == (wire[:-3], None, len(wire))
    assert read([b".\r\nNOOP\r\n"], normalise=normalise) == (b"", None, 3)
    assert read([b".", b"\r", b"\nNOOP\r\n"], normalise=normalise) == (b"", None, 3)


def test_normalise_makes_every_lonely_newline_a_line_end() -> None:
    content = read([b"a\nb\rc\r", b"\nd\n.\n\r\r\n..e\r\n.\r\n"], normalise=True)[0]
    assert content == b"a\r\nb\r\nc\r\nd\r\n.\r\n\r\n\r\n.e\r\n"


@pytest.mark.parametrize("cut", [1, 500, 997, 998, 999, 1000, 5000])
@pytest.mark.parametrize("before", [b"", b"short\r\n", b"x" * 998 + b"\r\n", b"\r\n" * 1200])
@pytest.mark.parametrize(("length", "fault"), [(997, None), (998, None), (999, replies.LINE_TOO_LONG)])
def test_a_line_has_998_octets_at_most(length: int, fault: bytes | None, before: bytes, cut: int) -> None:
    for line in (b"y" * length, b"." + b"." * length):  # the stuffed dot does not count
        stream = before + line + b"\r\nz\r\n.\r\n"
        feeds = [stream[at : at + cut] for at in range(0, len(stream), cut)]
        assert read(feeds)[1:] == (fault, len(stream))


@pytest.mark.parametrize("length", [999, 1000, 1001, 65_000])
def test_a_long_line_keeps_the_session_in_sync(length: int) -> None:
    stream = b"y" * length + b"\r\n.\r\n"
    assert read([stream], max_size=100_000)[1:] == (replies.LINE_TOO_LONG, len(stream))
    assert read([stream[:1], stream[1:]], max_size=100_000)[1:] == (replies.LINE_TOO_LONG, len(stream))


def test_normalised_lines_are_measured_as_they_will_be_sent() -> None:
    assert read([b"y" * 998 + b"\n" + b"y" * 998 + b"\n\r\n.\r\n"], normalise=True)[1] is None
    assert read([b"y" * 999 + b"\n\r\n.\r\n"], normalise=True)[1] == replies.LINE_TOO_LONG


@pytest.mark.parametrize("cut", [1, 7, 10_000])
@pytest.mark.parametrize(("size", "fault"), [(99, None), (100, None), (101, replies.TOO_BIG)])
def test_size_counts_decoded_octets(size: int, fault: bytes | None, cut: int) -> None:
    wire = stuff(b".\r\n" * 20 + b"x" * (size - 62) + b"\r\n")
    reader = ContentReader(100, False)
    for at in range(0, len(wire), cut):
        end = reader.feed(wire[at : at + cut])
    assert end >= 0 and reader.fault == fault and reader.size == min(size, 100) and not reader.overflow
    assert len(reader.take()) == (0 if fault else size)


def test_the_earliest_fault_wins_in_one_piece_and_in_many() -> None:
    long_line = b"y" * 1200
    for parts in ((b"\0", b"\n", long_line), (b"a\n", b"\0", long_line), (long_line, b"\n", b"\0"), (b"\r", b"\0")):
        stream = b"".join(parts) + b"\r\n.\r\n"
        faults = {read([stream])[1], read([bytes([octet]) for octet in stream])[1]}
        assert len(faults) == 1 and None not in faults


def test_an_endless_message_holds_nothing_and_overflows() -> None:
    reader = ContentReader(1000, False)
    block = b"x" * 65_536
    fed = 0
    while not reader.overflow:
        assert reader.feed(block) == -1
        fed += len(block)
        assert reader.fault == replies.LINE_TOO_LONG and reader.take() == b""
    assert 1000 + SLACK < fed <= 1000 + SLACK + len(block)


def test_overflow_begins_behind_the_slack() -> None:
    reader = ContentReader(10, False)
    reader.feed(b"\0" + b"x" * (10 + SLACK - 1))
    assert not reader.overflow
    reader.feed(b"x")
    assert reader.overflow


def test_a_message_of_dots_within_the_limit_is_not_an_overflow() -> None:
    content = b".\r\n" * 1_100_000
    wire = stuff(content)
    reader = ContentReader(len(content), False)
    assert len(wire) > len(content) + SLACK
    assert reader.feed(wire[:-3]) == -1
    assert not reader.overflow and reader.feed(wire[-3:]) == 3 and reader.fault is None


def test_take_waits_until_there_is_enough_and_forgets_what_it_gave() -> None:
    reader = ContentReader(10_000, False)
    reader.feed(b"12345")
    assert reader.take(6) == b""
    assert reader.take(5) == b"12345"
    assert reader.take() == b"" and reader.size == 5
    reader.feed(b"6\r\n.\r\n")
    assert reader.take() == b"6\r\n" and reader.size == 8


def test_a_line_may_cross_any_number_of_takes() -> None:
    reader = ContentReader(10_000, False)
    for _ in range(MAX_LINE - 2):
        reader.feed(b"x")
        assert reader.take() == b"x"
    assert reader.feed(b"\r\n.\r\n") == 5 and reader.fault is None
