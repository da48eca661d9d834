"""Dialogues as they are kept: bounded whatever a server says, and the same after packing."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailtui.delivery.transcript import MAX_LINE, MAX_LINES, MAX_OCTETS, Recorder, pack, unpack
from mailtui.model import TranscriptLine

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=200)
LINES = st.lists(st.builds(TranscriptLine, st.integers(0, 10**7), st.sampled_from("<>*"), TEXT), max_size=40).map(tuple)


@given(LINES)
def test_lines_come_back_from_their_form_at_rest(lines: tuple[TranscriptLine, ...]) -> None:
    assert unpack(pack(lines)) == lines


@given(LINES, st.data())
def test_a_damaged_transcript_is_said_so_or_read_as_it_was(
    lines: tuple[TranscriptLine, ...], data: st.DataObject
) -> None:
    packed = bytearray(pack(lines))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    try:
        found = unpack(bytes(packed))
    except ValueError:
        return
    assert found == lines


@given(LINES.filter(bool), st.data())
def test_a_torn_transcript_too(lines: tuple[TranscriptLine, ...], data: st.DataObject) -> None:
    packed = pack(lines)
    try:
        found = unpack(packed[: data.draw(st.integers(0, len(packed) - 1))])
    except ValueError:
        return
    assert found == lines


@pytest.mark.parametrize("data", [b"", b"\x02" + pack(())[1:], b"\x01garbage"])
def test_what_is_no_transcript(data: bytes) -> None:
    with pytest.raises(ValueError, match="transcript"):
        unpack(data)


def test_a_transcript_that_would_fill_the_memory_is_refused() -> None:
    bomb = zlib.compressobj(9)
    data = b"\x01" + bomb.compress(b"[" + b" " * (100 * MAX_OCTETS) + b"]") + bomb.flush()

    with pytest.raises(ValueError, match="damaged"):
        unpack(data)


def test_an_ordinary_dialogue_is_small() -> None:
    said = [
        "220 mx1.example.net ESMTP Postfix",
        "250-mx1.example.net",
        "250-PIPELINING",
        "250-SIZE 10240000",
        "250-STARTTLS",
        "250 DSN",
    ]
    lines = tuple(TranscriptLine(n, "<", text) for n, text in enumerate(said))

    assert len(pack(lines)) < 130


def test_who_said_what_when() -> None:
    recorder = Recorder()
    recorder.sent("EHLO relay.test")
    recorder.received("250 mx.test")
    recorder.note("the line is lost")

    assert [(line.dir, line.line) for line in recorder.take()] == [
        (">", "EHLO relay.test"),
        ("<", "250 mx.test"),
        ("*", "the line is lost"),
    ]
    assert all(0 <= line.ms < 1000 for line in recorder.take())


def test_offsets_count_from_the_beginning_given() -> None:
    began = Recorder().began - 2.0
    recorder = Recorder(began)
    recorder.note("x")

    assert 2000 <= recorder.take()[0].ms < 3000


@given(st.lists(st.tuples(st.sampled_from([0, 1, 80, 900, 5000, 300_000]), st.integers(1, 900)), max_size=5))
@settings(max_examples=25, deadline=None)
@example([(1, MAX_LINES)])
@example([(1024, MAX_OCTETS // 1024)])
def test_a_server_that_talks_for_ever_fills_no_memory(chatter: list[tuple[int, int]]) -> None:
    recorder = Recorder()
    for length, times in chatter:
        for _ in range(times):
            recorder.received("x" * length)
    lines = recorder.take()
    full = (
        sum(times for _, times in chatter) >= MAX_LINES
        or sum(length * times for length, times in chatter) >= MAX_OCTETS
    )

    assert len(lines) <= MAX_LINES
    assert all(len(line.line) <= MAX_LINE + 30 for line in lines)
    assert sum(min(len(line.line), MAX_LINE) for line in lines) <= MAX_OCTETS + 40
    assert (bool(lines) and lines[-1].line == "the transcript ends here: it is full") == full
    assert unpack(pack(lines)) == lines


def test_a_long_line_says_how_long_it_was() -> None:
    recorder = Recorder()
    recorder.received("y" * 2000)

    assert recorder.take()[0].line == "y" * MAX_LINE + " ... (2000 characters)"


def test_the_worst_transcript_can_be_read_again() -> None:
    """Every character six octets of JSON."""
    recorder = Recorder()
    for _ in range(MAX_LINES):
        recorder.received("\x01" * MAX_LINE)

    assert unpack(pack(recorder.take())) == recorder.take()
