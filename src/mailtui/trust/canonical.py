"""The canonical form of a message that DKIM hashes (RFC 6376 3.4): header fields relaxed, bodies relaxed or simple.

Owned here: turning a body that comes in chunks into its canonical octets in linear time and bounded memory, hashing
it, and the relaxed form of one header field. No keys, no choice of fields and no signature live here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Final, Literal

BodyAlgorithm = Literal["relaxed", "simple"]

#: Octets worked on in one step. Small, so that the interpreter lock is let go between steps of a 25 MB body.
PIECE: Final = 64 * 1024

_CRLF: Final = b"\r\n"
_BLANK: Final = re.compile(rb"[ \t]+")


def relaxed_field(name: bytes, value: bytes) -> bytes:
    """One header field in relaxed form, CRLF-terminated (RFC 6376 3.4.2). `value` is everything behind the colon,
    folded or not, with or without its last CRLF."""
    return name.lower() + b":" + _BLANK.sub(b" ", value.replace(_CRLF, b"")).strip(b" ") + _CRLF


def canonical_body(chunks: Iterable[bytes], algorithm: BodyAlgorithm = "relaxed") -> Iterator[bytes]:
    """The canonical body (RFC 6376 3.4.3, 3.4.4) in pieces of at most a little over `PIECE`, however `chunks` are cut.

    Two things cannot be decided at the end of a piece and are carried over: blank space or a CR that may belong to a
    line end (at most two octets), and how many line ends in a row may turn out to be the empty lines at the end of the
    body.
    """
    relaxed = algorithm == "relaxed"
    tail, line_ends, begun = b"", 0, False
    for piece in _pieces(chunks):
        data, tail = _cut_tail(_relax(tail + piece) if relaxed else tail + piece)
        content, ends = _split_line_ends(data)
        if content:
            yield from _line_ends(line_ends)
            yield content
            line_ends, begun = 0, True
        line_ends += ends
    if tail:
        yield from _line_ends(line_ends)
        yield tail
        begun = True
    if begun or not relaxed:
        yield _CRLF


def body_hash(chunks: Iterable[bytes], algorithm: BodyAlgorithm = "relaxed") -> bytes:
    """The SHA-256 digest (32 octets) of the canonical body; what `bh=` carries in base64."""
    digest = hashlib.sha256()
    for piece in canonical_body(chunks, algorithm):
        digest.update(piece)
    return digest.digest()


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if len(chunk) <= PIECE:
            yield chunk
        else:
            yield from (chunk[start : start + PIECE] for start in range(0, len(chunk), PIECE))


def _relax(data: bytes) -> bytes:
    """Blank space reduced to one space, none before CRLF.

    `bytes.replace` alone, because it runs at memory speed where a regular expression pays for every space of the text.
    Each turn of the loop halves the longest run, so it turns at most 17 times a piece, and on ordinary text once or
    not at all.
    """
    data = data.replace(b"\t", b" ")
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    return data.replace(b" \r\n", _CRLF)


def _cut_tail(data: bytes) -> tuple[bytes, bytes]:
    """`data` without, and then, the octets at its end whose meaning the next piece decides: " ", CR, or both."""
    keep = len(data)
    if data.endswith(b"\r"):
        keep -= 1
    if data.endswith(b" ", 0, keep):
        keep -= 1
    return data[:keep], data[keep:]


def _split_line_ends(data: bytes) -> tuple[bytes, int]:
    """`data` without the CRLFs at its end, and how many they are. A bare CR or LF is content."""
    if not data.endswith(_CRLF):
        return data, 0
    run = data[len(data.rstrip(_CRLF)) :]
    # The run is made of CR and LF only and ends in LF: behind the last doubled octet the two alternate.
    alternating = len(run) - 1 - max(run.rfind(b"\n\n"), run.rfind(b"\r\r"))
    ends = alternating // 2
    return data[: len(data) - 2 * ends], ends


def _line_ends(count: int) -> Iterator[bytes]:
    """`count` CRLFs, in bounded pieces."""
    full, rest = divmod(count, PIECE // 2)
    for _ in range(full):
        yield _CRLF * (PIECE // 2)
    if rest:
        yield _CRLF * rest
