"""What a client sends outside of DATA, cut into command lines.

Owned here: the buffer of a session's input, where a line ends (RFC 5321 2.3.8: CRLF and nothing else) and how long it
may be. What a line means is decided elsewhere; content behind DATA is read by `content`.
"""

from __future__ import annotations

from typing import Final

from . import replies
from .replies import Refusal

MAX_LINE: Final = 4096
MAX_AUTH_LINE: Final = 12288  # RFC 4954 section 4
_CR: Final = 13


class Input:
    """Octets that came in and were not consumed yet: at most one line of MAX_AUTH_LINE beyond what one read brought."""

    __slots__ = ("_buffer", "_pos", "_skip", "_too_long")

    def __init__(self) -> None:
        self._buffer = b""
        self._pos = 0
        self._skip = 0
        self._too_long = False

    def __len__(self) -> int:
        return len(self._buffer) - self._pos

    def append(self, data: bytes) -> None:
        """Add what the network brought."""
        self._buffer = self._buffer[self._pos :] + data if self._pos < len(self._buffer) else data
        self._pos = 0

    def clear(self) -> None:
        """Forget everything."""
        self._buffer, self._pos, self._skip, self._too_long = b"", 0, 0, False

    def rest(self) -> bytes:
        """All there is, to be consumed with `advance`."""
        if self._pos:
            self._buffer, self._pos = self._buffer[self._pos :], 0
        return self._buffer

    def advance(self, octets: int) -> None:
        """Consume the first octets of the rest."""
        self._pos += octets

    def skip(self, octets: int) -> None:
        """Read past the next octets, whether here already or not: they are no commands."""
        self._skip = octets

    def next_line(self, in_auth: bool) -> bytes | None:
        """The next line without its CRLF, None when there is no whole one yet.

        Refusal (500) for a line that is too long or does not end in CRLF alone; it is consumed.
        """
        if self._skip:
            self._read_past()
        buffer, start = self._buffer, self._pos
        end = buffer.find(b"\n", start)
        if end < 0:
            if self._too_long or len(buffer) - start > MAX_AUTH_LINE:
                self._too_long, self._buffer, self._pos = True, b"", 0
            return None
        self._pos = end + 1
        if self._too_long or (end - start > MAX_LINE and _over_limit(buffer, start, end, in_auth)):
            self._too_long = False
            raise Refusal(replies.AUTH_TOO_LONG if in_auth else replies.LINE_TOO_LONG_COMMAND)
        if end == start or buffer[end - 1] != _CR or buffer.find(b"\r", start, end - 1) >= 0:
            # With anything but CRLF two servers in a row can disagree about where a command ends.
            raise Refusal(replies.COMMAND_SYNTAX)
        return buffer[start : end - 1]

    def _read_past(self) -> None:
        taken = min(self._skip, len(self))
        self._skip -= taken
        self._pos += taken


def _over_limit(buffer: bytes, start: int, end: int, in_auth: bool) -> bool:
    """Whether a line beyond MAX_LINE is too long: AUTH may be followed by a big token."""
    return end - start > MAX_AUTH_LINE or not (in_auth or buffer[start : start + 5].upper() == b"AUTH ")
