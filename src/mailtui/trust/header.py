"""A header section as DKIM needs it: split into fields, judged well-formed or not, and the domain it comes from.

Owned here: strict, bounded, linear reading of hostile header octets. Which fields are signed, and with what, is the
signer's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

import idna

from mailtui.errors import EX_DATAERR, MailtuiError

#: Most octets of a header section that is read; few enough to split without holding up other threads.
LARGEST_HEADER: Final = 512 * 1024
#: Most octets of a From field that is read; a thousand-octet display name leaves plenty.
LARGEST_FROM: Final = 8 * 1024

_FIELD_END: Final = re.compile(rb"\r\n(?![ \t])")
_FIELD_NAME: Final = re.compile(rb"([!-9;-~]+)[ \t]*:")
# Possessive, and with the closing mark optional, so that an unclosed one costs one pass and not one pass per mark.
_QUOTED_OR_COMMENT: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|\((?:[^()\\]|\\.)*+\)', re.DOTALL)
_ANGLE: Final = re.compile(rb"<([^<>]*)>")
_BLANK: Final = re.compile(rb"[ \t\r\n]+")
_DEEPEST_COMMENT: Final = 10


class SigningError(MailtuiError):
    """This message cannot be signed; the text says why and quotes nothing of it. See `trust.on_error`."""

    exit_code = EX_DATAERR


def cut_header(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """A message in chunks, cut into its header section (without the empty line) and the chunks of its body.

    Reads no further than the chunk with the empty line; without one all is header. A message that begins with the
    empty line has the header section b"". Raises SigningError when there is no end within LARGEST_HEADER octets.
    """
    rest = iter(chunks)
    held = b""
    for chunk in rest:
        searched = max(0, len(held) - 3)
        held += chunk
        if held.startswith(b"\r\n"):
            return b"", chain((held[2:],), rest)
        end = held.find(b"\r\n\r\n", searched)
        if end >= 0:
            return held[: end + 2], chain((held[end + 4 :],), rest)
        if len(held) > LARGEST_HEADER:
            raise SigningError(f"header section of more than {LARGEST_HEADER} octets")
    return held, iter(())


def split_header(header: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of a header section, top to bottom: name in lower case, and what follows the colon, still folded.

    `header` ends in CRLF, with or without the empty line. Raises SigningError when a verifier might read it
    differently: a bare CR or LF, a line that is no field, a continuation with nothing before it, or more than
    LARGEST_HEADER octets.
    """
    if len(header) > LARGEST_HEADER:
        raise SigningError(f"header section of more than {LARGEST_HEADER} octets")
    if not header.count(b"\r\n") == header.count(b"\r") == header.count(b"\n"):
        raise SigningError("bare CR or LF in the header section")
    if header in (b"", b"\r\n"):
        raise SigningError("no header section")
    fields = []
    for line in _FIELD_END.split(header.removesuffix(b"\r\n").removesuffix(b"\r\n")):
        match = _FIELD_NAME.match(line)
        if match is None:
            raise SigningError("a line in the header section that is no field")
        fields.append((match[1].lower(), line[match.end() :]))
    return fields


def from_domain(fields: list[tuple[bytes, bytes]]) -> str:
    """The domain of the (first) author, lower-case A-labels; "" when From names none (`From: root`).

    Raises SigningError when there is no From or more than one (RFC 5322 3.6, RFC 6376 8.15).
    """
    values = [value for name, value in fields if name == b"from"]
    if len(values) != 1:
        raise SigningError("more than one From field" if values else "no From field")
    if len(values[0]) > LARGEST_FROM:
        raise SigningError(f"From field of more than {LARGEST_FROM} octets")
    return _a_labels(_author(values[0]).rpartition(b"@")[2])


def _author(value: bytes) -> bytes:
    """The addr-spec of the first mailbox without comments, blank space and quoted local part; b"@" when there is none.

    Not `email.utils`: its answer for an unquoted address as display name, as in `From: a@b.org <a@b.org>`, changed
    between versions of Python, and deep comments end it with RecursionError.
    """
    for _ in range(_DEEPEST_COMMENT):
        plain = _QUOTED_OR_COMMENT.sub(b"", value)
        if plain == value:
            break
        value = plain
    angle = _ANGLE.search(value)
    address = angle[1] if angle else value.partition(b",")[0]
    return _BLANK.sub(b"", address) if b"@" in address else b"@"


def _a_labels(domain: bytes) -> str:
    try:
        text = domain.decode().lower().rstrip(".")
        return text if text.isascii() else idna.encode(text, uts46=True).decode()
    except (UnicodeError, idna.IDNAError):
        return ""
