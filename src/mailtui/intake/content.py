"""The decoder of what follows DATA: finds the one true end, undoes dot-stuffing, and judges every octet on the way.

Owned here: RFC 5321 4.5.2 (transparency), 4.1.1.4 and 2.3.8 (only CRLF ends a line, only CRLF.CRLF ends the message)
and the limits on size and line length. It does no I/O and knows no header; who may use the lenient mode is decided
elsewhere.

How it works: the octets are treated as one stream that begins behind a virtual CRLF. Whatever could be the beginning of
CRLF.CRLF at the end of a feed waits in `_tail` (at most four octets), so what is decoded never splits a CRLF, a stuffed
dot or the end, and every check is a whole-buffer operation instead of a loop over lines.
"""

from __future__ import annotations

import re
from typing import Final

from . import replies

END: Final = b"\r\n.\r\n"
MAX_LINE: Final = 1000  # octets with CRLF, the stuffed dot not counted (RFC 5321 4.5.3.1.6)
SLACK: Final = 1 << 20  # octets of a faulty message read beyond the size limit in the hope of its end

_STUFFED: Final = b"\r\n."
_BARE: Final = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class ContentReader:
    """Takes the octets after 354 as they come and gives the message back, dot-unstuffed, with CRLF line ends.

    `size` counts decoded octets (not those behind a fault). `fault` is the reply the message has earned (None: accept
    it); the earliest in the message wins whatever the feeds were. After a fault nothing is kept, but the true end is
    still looked for, so the session stays in sync. `overflow` means that a faulty message goes on too long for that:
    answer `fault` and close. One reader per message; nothing may be fed behind the end.
    """

    __slots__ = ("_first", "_held", "_line", "_max_size", "_normalise", "_raw", "_tail", "fault", "overflow", "size")

    def __init__(self, max_size: int, normalise: bool) -> None:
        self.size = 0
        self.fault: bytes | None = None
        self.overflow = False
        self._max_size = max_size
        self._normalise = normalise
        self._tail = b"\r\n"  # the virtual line end before the first octet; `_first` removes it again
        self._first = True
        self._held = bytearray()
        self._line = 0  # octets of the decoded line that has not ended yet
        self._raw = 0

    def feed(self, data: bytes) -> int:
        """-1 while the message goes on, else the offset in `data` just behind the end-of-data sequence."""
        stream = self._tail + data
        dot = stream.find(_STUFFED)  # without it there is neither an end nor a stuffed dot in here
        end = stream.find(END, dot) if dot >= 0 else -1
        if end >= 0:
            offset = end + len(END) - len(self._tail)
            self._raw += offset
            self._tail = b""
            self._decode(stream[: end + 2], dot < end)
            return offset
        self._raw += len(data)
        keep = _beginning_of_end(stream)
        self._tail = stream[len(stream) - keep :]
        self._decode(stream[: len(stream) - keep], dot >= 0)
        self.overflow = self.fault is not None and self._raw > self._max_size + SLACK
        return -1

    def take(self, at_least: int = 0) -> bytes:
        """Hand over and forget the content decoded so far when it has `at_least` octets, else b""."""
        if len(self._held) < at_least:
            return b""
        content = bytes(self._held)
        self._held = bytearray()
        return content

    def _decode(self, body: bytes, stuffed: bool) -> None:
        if self.fault is not None or not body:
            return
        if stuffed:
            body = body.replace(_STUFFED, b"\r\n")
        if self._first:  # a body that is not empty begins with the whole virtual line end
            body = body[2:]
            self._first = False
        lines = body.count(b"\n")
        bare = not (lines == body.count(b"\r") == body.count(b"\r\n"))
        if bare and self._normalise:
            body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
            bare = False
        too_long = self._too_long(body)
        size = self.size + len(body)
        if bare or too_long >= 0 or size > self._max_size or 0 in body:
            self._refuse(body, too_long)
            return
        self.size = size
        self._held += body

    def _too_long(self, body: bytes) -> int:
        """Where in `body` a line passes MAX_LINE, else -1; remembers the length of the unfinished line.

        Each step leaps to the last line feed within reach: a search per almost 1000 octets, however short the lines
        are.
        """
        begin, last = -self._line, len(body)
        while last - begin >= MAX_LINE:
            newline = body.rfind(b"\n", max(begin, 0), begin + MAX_LINE)
            if newline < 0:
                return begin + MAX_LINE - 1
            begin = newline + 1
        newline = body.rfind(b"\n", max(begin, 0))
        self._line = last - (newline + 1 if newline >= 0 else begin)
        return -1

    def _refuse(self, body: bytes, too_long: int) -> None:
        """Set the earliest fault of `body`, so that the reply does not depend on how the network cut the stream."""
        bare = None if self._normalise else _BARE.search(body)
        room = self._max_size - self.size
        found = [
            (body.find(b"\0"), replies.NUL_OCTET),
            (bare.start() if bare else -1, replies.BARE_NEWLINE),
            (too_long, replies.LINE_TOO_LONG),
            (room if len(body) > room else -1, replies.TOO_BIG),
        ]
        where, self.fault = min((at, reply) for at, reply in found if at >= 0)
        self.size += where
        self._held = bytearray()


def _beginning_of_end(stream: bytes) -> int:
    """How many of the last octets of `stream` may be the beginning of the end-of-data sequence."""
    if stream.endswith((b"\r", b"\n", b".")):
        for length in range(len(END) - 1, 0, -1):
            if stream.endswith(END[:length]):
                return length
    return 0
