"""What the relay reads from a message's header and the few lines it puts in front of it.

Owned here: counting fields (loop limit, From, Date, Message-ID), the facts kept for finding a message again, the
Received field of RFC 5321 4.4, and taking out the field that is addressed to us. Nothing else in the content is changed, and no
MIME is parsed. Everything from the client
that goes into a line of ours is cut down to harmless printable ASCII first.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import Final

import msgspec

from mailtui.model import Address, HeaderFacts, Origin

from . import replies

MAX_SCAN: Final = 1 << 20  # octets of header looked at
MAX_FACT: Final = 256  # characters of a fact
MAX_NAME: Final = 256  # octets of a HELO name
MAX_LINE: Final = 78  # octets of a line of ours where it can be helped, RFC 5322 2.1.1

_KNOWN: Final = re.compile(rb"\n(received|from|date|message-id|subject|x-mailtui-tag)[ \t]*:", re.IGNORECASE)
_OURS: Final = re.compile(rb"(?:^|(?<=\n))x-mailtui-tag[ \t]*:.*?\r\n(?![ \t])", re.IGNORECASE | re.DOTALL)
_FIELD: Final = re.compile(rb"\n[!-9;-~]+[ \t]*:")
_FIELD_END: Final = re.compile(rb"\r\n(?![ \t])")
_DOUBTFUL: Final = re.compile(r"[^A-Za-z0-9.:_\[\]-]")  # what could end a comment or a clause of Received

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class HeaderScan(msgspec.Struct, frozen=True):
    """What a look at the header section found: fields counted, `hops` is the number of Received fields, `malformed`
    means that not one line of it is a header field."""

    from_count: int
    has_date: bool
    has_message_id: bool
    hops: int
    facts: HeaderFacts
    malformed: bool


def scan(head: bytes) -> HeaderScan:
    """Look at the header section in front of `head` (the first chunk of decoded content); at most MAX_SCAN octets."""
    section = b"\n" + _header_section(head)
    counts = {b"received": 0, b"from": 0, b"date": 0, b"message-id": 0, b"subject": 0, b"x-mailtui-tag": 0}
    facts = {b"from": "", b"subject": "", b"message-id": "", b"x-mailtui-tag": ""}
    for field in _KNOWN.finditer(section):
        name = field[1].lower()
        counts[name] += 1
        if counts[name] == 1 and name in facts:
            facts[name] = _fact(section, field.end())
    return HeaderScan(
        from_count=counts[b"from"],
        has_date=counts[b"date"] > 0,
        has_message_id=counts[b"message-id"] > 0,
        hops=counts[b"received"],
        facts=HeaderFacts(facts[b"from"], facts[b"subject"], facts[b"message-id"], facts[b"x-mailtui-tag"]),
        malformed=not any(counts.values()) and _FIELD.search(section) is None,
    )


def _header_section(head: bytes) -> bytes:
    """Up to the first empty line; everything when there is none."""
    if head.startswith(b"\r\n"):
        return b""
    end = head.find(b"\r\n\r\n", 0, MAX_SCAN)
    return head[:MAX_SCAN] if end < 0 else head[: end + 2]


def without_ours(head: bytes) -> bytes:
    """Content without what its header says to this relay alone (X-Mailtui-Tag)."""
    length = len(_header_section(head))
    section = head[:length]
    left = _OURS.sub(b"", section)
    return left + head[length:] if len(left) < length else head


def _fact(section: bytes, start: int) -> str:
    """The field body at `start`, unfolded, stripped and cut; encoded-words stay as they are."""
    limit = start + 4 * MAX_FACT  # octets: UTF-8 takes at most four a character, the folds come off the cut
    end = _FIELD_END.search(section, start, limit + 2)
    body = section[start : end.start() if end else limit].replace(b"\r\n", b"").strip(b" \t\r")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        cut_character = end is None and error.start >= len(body) - 3
        text = body[: error.start].decode("utf-8") if cut_character else body.decode("latin-1")
    return text[:MAX_FACT]


def refusal(found: HeaderScan, *, max_hops: int, needs_from: bool = False) -> bytes | None:
    """The reply for a message that must not be taken: 554 5.4.6 for too many hops; with `needs_from` (submission)
    554 5.6.0 unless there is exactly one From field."""
    if found.hops > max_hops:
        return replies.TOO_MANY_HOPS
    if needs_from and found.from_count != 1:
        return replies.FROM_COUNT
    return None


def received(origin: Origin, queue_id: str, hostname: str, now: float, recipient: Address | None) -> bytes:
    """The Received field of RFC 5321 4.4, folded, with CRLF. Give `recipient` when there is only one (RFC 5321 7.2 asks
    to hide the others); one outside ASCII is left out."""
    clauses = [
        f"from {_name(origin.helo)} ({_address_literal(origin.client)})",
        f"by {_name(hostname)} (mailtui)",
        f"with {_name(origin.protocol)}",
        f"id {_name(queue_id)}",
    ]
    if origin.tls:
        clauses[2] += f" ({_name(origin.tls)})"
    if recipient and str(recipient).isascii():
        clauses.append(f"for <{recipient}>")
    clauses[-1] += ";"
    return _fold("Received:", [*clauses, date(now)])


def _name(text: str) -> str:
    return _DOUBTFUL.sub("?", text[:MAX_NAME]) or "unknown"


def _address_literal(ip: str) -> str:
    return f"[IPv6:{_name(ip)}]" if ":" in ip else f"[{_name(ip)}]"


def _fold(name: str, clauses: list[str]) -> bytes:
    """The clauses on as few lines as fit; a clause is never broken, so a long one may pass 78 but stays under 998."""
    lines, line = [], name
    for clause in clauses:
        if len(line) + 1 + len(clause) > MAX_LINE and line != name:
            lines.append(line)
            line = "\t" + clause
        else:
            line += " " + clause
    return "\r\n".join([*lines, line]).encode("ascii") + b"\r\n"


def date(now: float) -> str:
    """An RFC 5322 date-time in UTC."""
    return _date_of_second(int(now))


@lru_cache(4)  # a second holds many messages
def _date_of_second(second: int) -> str:
    at = time.gmtime(second)
    day = f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04}"
    return f"{day} {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} +0000"


def missing(found: HeaderScan, queue_id: str, hostname: str, now: float) -> bytes:
    """The Date and Message-ID lines that the message lacks, each with CRLF; b"" when it has both."""
    lines = ""
    if not found.has_date:
        lines += f"Date: {date(now)}\r\n"
    if not found.has_message_id:
        lines += f"Message-ID: <{queue_id}.{int(now)}@{hostname}>\r\n"
    return lines.encode("ascii")
