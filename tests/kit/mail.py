"""Messages for tests, and what a mail server may do to one on its way.

Owned here: building content, and comparing what went in with what came out.
"""

from __future__ import annotations

from zlib import crc32


def message(subject: str, *lines: str, sender: str = "app@shop.test", to: str = "user@dst.test") -> bytes:
    """A complete message of ASCII or UTF-8 lines, CRLF line ends."""
    head = [
        f"From: {sender}",
        f"To: {to}",
        f"Subject: {subject}",
        "Date: Sun, 22 Nov 2026 09:00:00 +0000",
        f"Message-ID: <{crc32(f'{subject} {sender} {to}'.encode()):08x}@shop.test>",
    ]
    return "".join(f"{line}\r\n" for line in [*head, "", *lines]).encode()


#: Lines that break careless relays: leading dots, nothing, trailing blanks, long, eight-bit, a false boundary.
AWKWARD = (
    ".",
    "..",
    ".starts with a dot",
    "",
    "trailing blanks   ",
    "\ttab first",
    "x" * 990,
    "From the start of a line",
    "Grüße, ünïcödé ✓",
    "--boundary",
    "",
    "the end",
    "",
)


def body(content: bytes) -> bytes:
    """What stands behind the header, line ends CRLF, however it was stored."""
    return crlf(content).partition(b"\r\n\r\n")[2]


def crlf(content: bytes) -> bytes:
    """The same lines with CRLF line ends: mailboxes on disk have LF."""
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
