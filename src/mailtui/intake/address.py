"""Mailboxes and paths of RFC 5321 4.1.2, parsed strictly from bytes.

Owned here: what is an address in MAIL and RCPT and what is refused. Nothing is repaired or decoded: no encoded-words,
no comments, no folding, so what is queued is what was sent. Parameters behind the path, and who may send to or from an
address, are decided elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

import idna

from mailtui.model import NULL_SENDER, Address

from . import replies
from .replies import Refusal

MAX_PATH: Final = 256  # octets with brackets and source route, RFC 5321 4.5.3.1.3
MAX_MAILBOX: Final = 254
MAX_LOCAL: Final = 64
MAX_DOMAIN: Final = 255

POSTMASTER: Final = Address("postmaster", "")

_ATEXT: Final = rb"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
_LABEL: Final = rb"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LDH: Final = rb"%s(?:\.%s)*+" % (_LABEL, _LABEL)

#: What nearly every address looks like: a dot-atom in ASCII at a host name.
_PLAIN: Final = re.compile(rb"<([%s]++(?:\.[%s]++)*+)@(%s)>" % (_ATEXT, _ATEXT, _LDH))

_ATEXT8: Final = rb"\x80-\xff" + _ATEXT  # in this order: "~-\x80" would be a range
_DOT_STRING: Final = rb"[%s]++(?:\.[%s]++)*+" % (_ATEXT8, _ATEXT8)
_QUOTED_STRING: Final = rb'"(?:[ !#-\[\]-~\x80-\xff]|\\[ -~])*+"'
_DOMAIN: Final = rb"(?:[A-Za-z0-9.\x80-\xff-]++|\[[0-9A-Za-z.:]++\])"
_PATH: Final = re.compile(
    rb"<(?:(@%s(?:,@%s)*+):)?(%s|%s)@(%s)>" % (_DOMAIN, _DOMAIN, _DOT_STRING, _QUOTED_STRING, _DOMAIN)
)
_HOST_NAME: Final = re.compile(_LDH)


def parse_path(text: bytes, *, null_ok: bool, smtputf8: bool, postmaster_ok: bool) -> tuple[Address, bytes]:
    """The mailbox at the front of `text` ("<user@example.org> SIZE=1") and what follows its closing bracket.

    `null_ok` is MAIL (accepts "<>", refuses with 5.1.7), otherwise RCPT (5.1.3). A source route is checked and dropped
    (RFC 5321 appendix C); whoever decides about relaying sees the final mailbox. The local part stays as it was
    written, quotes included; the domain becomes lower-case A-labels.
    Raises Refusal: 501 for syntax, 553 5.6.7 for octets above 127 without `smtputf8`.
    """
    plain = _PLAIN.match(text)
    if plain is not None and plain.end() <= MAX_MAILBOX + 2 and plain.end(1) <= MAX_LOCAL + 1:
        domain = plain[2].decode("ascii").lower()
        if not domain[domain.rfind(".") + 1 :].isdigit():
            return Address(plain[1].decode("ascii"), domain), text[plain.end() :]
    if null_ok and text.startswith(b"<>"):
        return NULL_SENDER, text[2:]
    if postmaster_ok and text[:12].lower() == b"<postmaster>":
        return POSTMASTER, text[12:]
    address, end = _unusual(text, smtputf8, replies.SENDER_SYNTAX if null_ok else replies.RECIPIENT_SYNTAX)
    return address, text[end:]


def _unusual(text: bytes, smtputf8: bool, syntax_error: bytes) -> tuple[Address, int]:
    """Quoted local parts, address literals, source routes, and octets above 127; the address and where it ends."""
    path = _PATH.match(text)
    if path is None or path.end() > MAX_PATH:
        raise Refusal(syntax_error)
    if not smtputf8 and not path[0].isascii():
        raise Refusal(replies.NEEDS_SMTPUTF8)
    route, local, domain = path.groups()
    try:
        for hop in route.split(b",") if route else ():
            canonical_domain(hop[1:])
        address = Address(decode_utf8(local), canonical_domain(domain))
    except ValueError:
        raise Refusal(syntax_error) from None
    if len(local) > MAX_LOCAL or len(local) + 1 + len(address.domain) > MAX_MAILBOX:
        raise Refusal(syntax_error)
    return address, path.end()


def decode_utf8(octets: bytes) -> str:
    """UTF-8 text without control characters or line separators; ValueError otherwise."""
    text = octets.decode("utf-8")
    if not text.isascii() and any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text):
        raise ValueError("control character in address")
    return text


@lru_cache(4096)
def canonical_domain(domain: bytes) -> str:
    """A host name as lower-case A-labels (UTS 46, IDNA 2008), or an address literal; ValueError otherwise.

    A trailing dot, an underscore and a name that ends in digits (a bare IP address) are refused.
    """
    if domain.startswith(b"["):
        return _literal(domain[1:-1].decode("ascii"))
    if len(domain) > MAX_DOMAIN:
        raise ValueError("domain too long")
    name = domain if domain.isascii() else idna.encode(domain.decode("utf-8"), uts46=True)
    if len(name) > MAX_DOMAIN or not _HOST_NAME.fullmatch(name) or name[name.rfind(b".") + 1 :].isdigit():
        raise ValueError("not a host name")
    return name.decode("ascii").lower()


def _literal(inside: str) -> str:
    """The address literal of RFC 5321 4.1.3 in its canonical form; ValueError for anything but IPv4 and IPv6."""
    try:
        if inside[:5].lower() == "ipv6:":
            return f"[IPv6:{IPv6Address(inside[5:])}]"
        return f"[{IPv4Address(inside)}]"
    except AddressValueError:
        raise ValueError("not an address literal") from None
