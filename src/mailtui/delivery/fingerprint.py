"""One name for all replies that say the same thing.

Owned here: the normal form of a reply, by which the queue counts and the console groups what remote servers answer. What a reply
means is decided in `delivery.classify`; here nothing is judged, only what varies from message to message is taken out.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from mailtui.model import Reply

LIMIT: Final = 200  # characters of a fingerprint
_READ: Final = 3 * LIMIT  # characters of a text that can reach the fingerprint, addresses and links included
_LONG: Final = 24  # characters from which a word without a digit is an identifier too (base64, hexadecimal)

_EDGE: Final = r"""\s<>()\[\]{}"'`,;|=&"""
#: A piece between brackets, quotes and spaces that may vary: it has a digit, an @ or a dot, or is long.
_PIECE: Final = re.compile(rf"(?<![^{_EDGE}])(?:[^{_EDGE}\d@.]*[\d@.][^{_EDGE}]*|[^{_EDGE}]{{{_LONG},}})")
_TAIL: Final = re.compile(rf"[^{_EDGE}]*\Z")
#: Codes that carry the meaning: enhanced codes, and the short upper-case codes of providers (TSS04, IB504, S3140, RP-001).
_CODE: Final = re.compile(r"#?[245]\.\d{1,3}\.\d{1,3}|[A-Z]{1,4}[-_]?\d{1,4}(?:_\d{1,4})?", re.ASCII)
_IP: Final = re.compile(
    r"\d{1,3}(?:\.\d{1,3}){3}(?:[:/]\d{1,5})?|(?=.*:.*:)[0-9a-f:]+(?:\.\d{1,3}){0,3}(?:/\d{1,3})?", re.ASCII | re.I
)
_HOST: Final = re.compile(r"(?:[\w-]{1,63}\.)+[a-z]{2,}(?::\d{1,5})?\.?", re.I)
#: Names of lists are the reason of a refusal, not a variable part of it.
_LIST: Final = re.compile(
    r"spam|dnsbl|rbl|sorbs|abus|barracuda|block|black|cloudmark|senderscore|psbl|mailspike|uribl|surbl|invaluement|nerd\.dk",
    re.I,
)
_VARIABLE: Final = re.compile(r"[^/?#]*\d[^/?#]*")


def fingerprint(reply: Reply) -> str:
    """The reply without what varies: code, enhanced code and text, at most `LIMIT` characters.

    Mail addresses, host names, IP addresses, identifiers, numbers and the variable parts of links become {address}, {host}, {ip},
    {id} and #. A fingerprint is its own fingerprint. Text of the network: escape it before a terminal sees it.
    """
    return _fingerprint(reply.code, reply.enhanced, reply.text[:_READ])


@lru_cache(maxsize=1024)
def _fingerprint(code: int, enhanced: str, text: str) -> str:
    if len(text) == _READ:
        text = _TAIL.sub("", text)
    head = f"{code} {enhanced[:16]} " if code and enhanced else f"{code or enhanced[:16]} " if code or enhanced else ""
    body = " ".join(_PIECE.sub(_shape, text).split())
    room = LIMIT - len(head)
    if len(body) > room:
        body = _TAIL.sub("", body[:room]) if _is_inside(body, room) else body[:room]
        body = body.rstrip()
    return (head + body).rstrip()


def _is_inside(body: str, position: int) -> bool:
    """Whether a cut would go through a piece, which would then read as another one."""
    return _PIECE_CHARACTER.match(body, position) is not None


_PIECE_CHARACTER: Final = re.compile(rf"[^{_EDGE}]")


def _shape(match: re.Match[str]) -> str:
    """What stands for a piece."""
    piece = match[0]
    core = piece.rstrip(".:!?*-")
    if not core:
        return piece
    return _placeholder(core) + piece[len(core) :]


def _placeholder(core: str) -> str:
    if "://" in core:
        scheme, _, rest = core.partition("://")
        host, slash, path = rest.partition("/")
        return (
            f"{scheme}://{host}{slash}{_VARIABLE.sub('{id}', path)}"
            if len(core) <= LIMIT and scheme.isalpha()
            else "{id}"
        )
    if "@" in core:
        return "{address}"
    if _CODE.fullmatch(core):
        return core
    number = core.lstrip(":+-")
    if number.isdecimal():
        return core[: -len(number)] + "#"
    if _IP.fullmatch(core):
        return "{ip}"
    if _HOST.fullmatch(core):
        return core if _LIST.search(core) else "{host}"
    return "{id}" if len(core) >= _LONG or any(character.isdigit() for character in core) else core
