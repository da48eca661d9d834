"""Bodies cut anywhere canonicalise as dkimpy does it on the whole, in linear time and bounded memory."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import example, given
from hypothesis import strategies as st

from mailtui.trust.canonical import PIECE, BodyAlgorithm, body_hash, canonical_body, relaxed_field

#: Mostly what the rules are about, so that runs of blanks and line ends meet every cut.
BODIES = st.lists(
    st.sampled_from([b" ", b"\t", b"  ", b"\r\n", b"\r\n\r\n", b" \r\n", b"\r", b"\n", b"a", b".", b"\x00", b"\xff"])
).map(b"".join)
CUTS = st.lists(st.integers(1, 9), max_size=20)
REFERENCE = {"relaxed": Relaxed.canonicalize_body, "simple": Simple.canonicalize_body}
ALGORITHMS: tuple[BodyAlgorithm, ...] = ("relaxed", "simple")


def cut(body: bytes, lengths: list[int]) -> Iterator[bytes]:
    for length in lengths:
        yield body[:length]
        body = body[length:]
    yield body


@given(BODIES, CUTS)
@example(b"", [])
@example(b"\r\n", [1])
@example(b" ", [])
@example(b"a\r\n \r\n\t\r\n", [3, 1, 1, 1])
@example(b"a\n\r\n\r\n", [])
@example(b"a\r\r\n\r\n", [2])
def test_matches_dkimpy_however_the_body_is_cut(body: bytes, cuts: list[int]) -> None:
    for algorithm in ALGORITHMS:
        assert b"".join(canonical_body(cut(body, cuts), algorithm)) == REFERENCE[algorithm](body)


@given(st.binary(max_size=400), CUTS)
def test_matches_dkimpy_on_any_octets(body: bytes, cuts: list[int]) -> None:
    for algorithm in ALGORITHMS:
        assert b"".join(canonical_body(cut(body, cuts), algorithm)) == REFERENCE[algorithm](body)


@pytest.mark.parametrize("unit", [b"word  word\t\r\n", b"\r\n", b" ", b"\t \r\n", b"x" * 76 + b"\r\n", b"\r"])
@pytest.mark.parametrize("shift", [-2, -1, 0, 1, 2])
def test_piece_borders_do_not_show(unit: bytes, shift: int) -> None:
    body = b"y" * (PIECE + shift - len(unit)) + unit * 3 + b"end \r\n"
    assert b"".join(canonical_body([body])) == REFERENCE["relaxed"](body)
    assert b"".join(canonical_body([body], "simple")) == REFERENCE["simple"](body)


@pytest.mark.parametrize(("algorithm", "body"), [("relaxed", b""), ("simple", b"\r\n")])
def test_an_empty_body_hashes_as_the_rfc_says(algorithm: BodyAlgorithm, body: bytes) -> None:
    assert body_hash([], algorithm) == body_hash([b"\r\n" * 9], algorithm) == hashlib.sha256(body).digest()


def test_legal_blank_lines_of_991_octets_are_linear() -> None:
    """A quadratic canonicaliser takes 2 s of CPU for this 1 MB; a linear one 5 ms."""
    body = (b" " * 991 + b"\r\n") * 1000 + b"end\r\n"
    start = time.thread_time()
    digest = body_hash([body])
    assert time.thread_time() - start < 0.5
    assert digest == hashlib.sha256(b"\r\n" * 1000 + b"end\r\n").digest()


@pytest.mark.parametrize("unit", [b" ", b"\r\n", b" " * 991 + b"\r\n", b"\n\r", b"a \t b\r\n"])
def test_pieces_stay_small_however_large_the_chunk(unit: bytes) -> None:
    body = unit * (2_000_000 // len(unit)) + b"end\r\n"
    assert max(map(len, canonical_body([body]))) <= PIECE + 2


def test_a_relaxed_field_is_lower_case_unfolded_and_single_spaced() -> None:
    assert relaxed_field(b"SubJect", b" \t a  b\r\n\t c \r\n") == b"subject:a b c\r\n"
    assert relaxed_field(b"X", b"") == b"x:\r\n"
    assert relaxed_field(b"X", b"\x0b a \x0b") == b"x:\x0b a \x0b\r\n"  # only space and tab are blank space
