"""Hostile text on its way into a DSN: bounded, on one line, printable.

Owned here: the only functions through which a reply, a parameter or an address of the network reaches the bytes of a
DSN. Which fields exist and what they mean is written elsewhere.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

from mailtui.model import Address

#: Octets of an escaped address: with its field name it stays on one line of 998.
ADDRESS: Final = 900
_WIDTH: Final = 76

_ATEXT: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_DOT_STRING: Final = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_QUOTED_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_XTEXT: Final = re.compile(r"(?:\+[0-9A-F]{2})+")
_TOKEN: Final = re.compile(r" *[^ ]+")
_PLAIN: Final = re.compile(r"[ -~]*")


def escape(text: str, limit: int, *, utf8: bool = False, also: str = "") -> str:
    r"""`text` in at most `limit` octets (and a "..." when it was cut off), everything in it printable.

    Printable ASCII, with `utf8` all that is printable, stays as it is; the rest and the characters of `also` become
    \x{HEX}, the form of RFC 6533 3.
    """
    if (
        not also and len(text) <= limit and _PLAIN.fullmatch(text)
    ):  # nearly everything, and many DSNs are written at once
        return text
    pieces: list[str] = []
    room = limit
    for character in text:
        plain = " " <= character <= "~" or (utf8 and character.isprintable())
        piece = character if plain and character not in also else f"\\x{{{ord(character):02X}}}"
        room -= len(piece.encode())
        if room < 0:
            return "".join(pieces) + "..."
        pieces.append(piece)
    return "".join(pieces)


def prose(text: str, limit: int) -> str:
    """Hostile text for people to read, on one line; the result may be UTF-8."""
    return escape(_one_line(text, limit), limit, utf8=True)


def field_text(text: str, limit: int) -> str:
    """Hostile text for a field: one line of printable ASCII, never an encoded-word (RFC 2047) that hides more."""
    return escape(_one_line(text, limit), limit).replace("=?", "=\\x{3F}")


def _one_line(text: str, limit: int) -> str:
    return " ".join(text[: 4 * limit].split())


def unxtext(text: str) -> str:
    """The value of an xtext parameter (RFC 3461 4); what is not xtext is left as it is. The result is hostile."""
    return _XTEXT.sub(lambda match: bytes.fromhex(match[0].replace("+", "")).decode("utf-8", "replace"), text)


def mailbox(address: Address) -> str:
    """The address as RFC 5321 writes it, the local part quoted where it must be. Still hostile."""
    local = address.local
    if not (_DOT_STRING.fullmatch(local) or _QUOTED_STRING.fullmatch(local)):
        local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
    return f"{local}@{address.domain}" if address.domain else local


def field(name: str, value: str) -> str:
    """A header or DSN field with CRLF, folded before spaces (RFC 5322 2.2.3). `value` is escaped already."""
    value = value.strip()
    if value and len(name) + len(value) + 2 <= _WIDTH:
        return f"{name}: {value}\r\n"
    lines = [f"{name}:"]
    for token in _TOKEN.findall(" " + value):
        if len(lines[-1]) + len(token) > _WIDTH and lines[-1] != f"{name}:":
            lines.append(token)
        else:
            lines[-1] += token
    return "\r\n".join(lines) + "\r\n"


def quoted_printable(line: bytes) -> bytes:
    """One line (without its end) in the quoted-printable encoding of RFC 2045 6.7, soft line breaks as needed."""
    # The only line feeds in the output are those of soft breaks: others are encoded.
    return binascii.b2a_qp(line, istext=False).replace(b"\n", b"\r\n")
