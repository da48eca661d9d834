"""The arguments of MAIL and RCPT: path and ESMTP parameters (RFC 1870, 3461, 4954, 6152, 6531, 6533).

Owned here: which parameters exist, their syntax and limits, and the value each command becomes. Case is kept where it
means something. Who may use a parameter is policy and lives elsewhere.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from mailtui.model import Address, EnvelopeRecipient

from . import replies
from .address import decode_utf8, parse_path
from .replies import Refusal

MAX_SIZE_DIGITS: Final = 20  # RFC 1870 section 3
MAX_ENVID: Final = 100  # octets, RFC 3461 4.4
MAX_ORCPT: Final = 500  # RFC 3461 4.2
MAX_AUTH: Final = 500  # RFC 4954 section 5

_MAIL: Final = frozenset({b"SIZE", b"BODY", b"SMTPUTF8", b"RET", b"ENVID", b"AUTH"})
_RCPT: Final = frozenset({b"NOTIFY", b"ORCPT"})

#: RFC 3461 section 4; a hexchar must stand for a printable octet, so that no decoder further on can meet a control.
_XTEXT: Final = rb"(?:[!-*,-<>-~]|\+(?:[2-6][0-9A-F]|7[0-9A-E]))"
_KEYWORD: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9-]*")
_SIZE: Final = re.compile(rb"[0-9]+")
_XTEXT_ALONE: Final = re.compile(_XTEXT + rb"+")
_ORCPT: Final = re.compile(rb"[A-Za-z0-9-]+;" + _XTEXT + rb"+")
_ORCPT_UTF8: Final = re.compile(rb"[Uu][Tt][Ff]-8;[!-*,-<>-~\x80-\xff]+")
_NOTIFY: Final = frozenset({"SUCCESS", "FAILURE", "DELAY"})

_Parameters = dict[bytes, bytes | None]


class MailCommand(msgspec.Struct, frozen=True):
    """What MAIL said. `size` is octets (0 when not declared), `ret` "", FULL or HDRS, `envid` and `auth` keep their
    xtext."""

    sender: Address
    size: int = 0
    eight_bit: bool = False
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""
    auth: str = ""


def parse_mail(args: bytes, *, max_size: int, smtputf8_offered: bool = True) -> MailCommand:
    """What follows "MAIL FROM:". Raises Refusal (501, 552 5.3.4, 553 5.6.7, 555).

    The AUTH parameter is checked for syntax and kept; it grants nothing.
    """
    path = args.removeprefix(b" ")
    sender, rest = parse_path(path, null_ok=True, smtputf8=smtputf8_offered, postmaster_ok=False)
    given = _parameters(rest, _MAIL if smtputf8_offered else _MAIL - {b"SMTPUTF8"}) if rest else {}
    smtputf8 = b"SMTPUTF8" in given
    if not smtputf8 and not path[: len(path) - len(rest)].isascii():
        raise Refusal(replies.NEEDS_SMTPUTF8)
    if not given:
        return MailCommand(sender)
    if smtputf8 and given[b"SMTPUTF8"] is not None:
        raise Refusal(replies.BAD_PARAMETER)
    return MailCommand(
        sender,
        size=_size(given, max_size),
        eight_bit=_word(given, b"BODY", ("7BIT", "8BITMIME")) == "8BITMIME",
        smtputf8=smtputf8,
        ret=_word(given, b"RET", ("FULL", "HDRS")),
        envid=_text(given, b"ENVID", _XTEXT_ALONE, MAX_ENVID),
        auth=_text(given, b"AUTH", _XTEXT_ALONE, MAX_AUTH),
    )


def parse_rcpt(args: bytes, *, smtputf8: bool, postmaster_ok: bool) -> EnvelopeRecipient:
    """What follows "RCPT TO:". Raises Refusal (501, 553 5.6.7, 555). `smtputf8` is what MAIL said."""
    path = args.removeprefix(b" ")
    address, rest = parse_path(path, null_ok=False, smtputf8=smtputf8, postmaster_ok=postmaster_ok)
    if not rest:
        return EnvelopeRecipient(address)
    given = _parameters(rest, _RCPT)
    return EnvelopeRecipient(address, notify=_notify(given), orcpt=_orcpt(given, smtputf8))


def _parameters(rest: bytes, known: frozenset[bytes]) -> _Parameters:
    """Keyword (upper case) to value (None without "="); trailing white space is tolerated (RFC 5321 4.1.1)."""
    given: _Parameters = {}
    rest = rest.rstrip(b" \t")
    if rest and not rest.startswith(b" "):
        raise Refusal(replies.BAD_ARGUMENTS)
    for word in rest.split(b" "):
        if not word:
            continue
        keyword, equals, value = word.partition(b"=")
        name = keyword.upper()
        if name not in known:
            raise Refusal(replies.UNKNOWN_PARAMETER if _KEYWORD.fullmatch(keyword) else replies.BAD_PARAMETER)
        if name in given:
            raise Refusal(replies.BAD_PARAMETER)
        given[name] = value if equals else None
    return given


def _size(given: _Parameters, max_size: int) -> int:
    text = _text(given, b"SIZE", _SIZE, MAX_SIZE_DIGITS)
    if text and int(text) > max_size:
        raise Refusal(replies.TOO_BIG)
    return int(text) if text else 0


def _word(given: _Parameters, name: bytes, allowed: tuple[str, ...]) -> str:
    """A parameter whose value is one of a few words in any case; "" when absent."""
    if name not in given:
        return ""
    word = (given[name] or b"").upper().decode("latin-1")
    if word not in allowed:
        raise Refusal(replies.BAD_PARAMETER)
    return word


def _text(given: _Parameters, name: bytes, pattern: re.Pattern[bytes], most: int) -> str:
    """A parameter whose value must match `pattern` within `most` octets, as it was written; "" when absent."""
    if name not in given:
        return ""
    value = given[name] or b""
    if len(value) > most or not pattern.fullmatch(value):
        raise Refusal(replies.BAD_PARAMETER)
    return value.decode("ascii")


def _notify(given: _Parameters) -> str:
    """NEVER alone, or a list of SUCCESS, FAILURE, DELAY without repetition (RFC 3461 4.1)."""
    if b"NOTIFY" not in given:
        return ""
    text = (given[b"NOTIFY"] or b"").upper().decode("latin-1")
    words = text.split(",")
    if text != "NEVER" and not (_NOTIFY.issuperset(words) and len(set(words)) == len(words)):
        raise Refusal(replies.BAD_PARAMETER)
    return text


def _orcpt(given: _Parameters, smtputf8: bool) -> str:
    """addr-type;xtext (RFC 3461 4.2); of type utf-8 it may hold UTF-8 itself under SMTPUTF8 (RFC 6533 section 3)."""
    value = given.get(b"ORCPT", b"")
    if value is None or len(value) > MAX_ORCPT:
        raise Refusal(replies.BAD_PARAMETER)
    if b"ORCPT" not in given or _ORCPT.fullmatch(value):
        return value.decode("ascii")
    try:
        if smtputf8 and not value.isascii() and _ORCPT_UTF8.fullmatch(value):
            return decode_utf8(value)
    except ValueError:
        pass
    raise Refusal(replies.BAD_PARAMETER)
