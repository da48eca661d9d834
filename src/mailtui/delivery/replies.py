"""Reading replies of a remote server: strict where it matters, bounded always.

Owned here: the incremental parser of RFC 5321 4.2 replies and their enhanced codes (RFC 2034). It decides nothing.
"""

from __future__ import annotations

import re
from typing import Final

from mailtui.model import Reply

#: RFC 5321 4.5.3.1.5 says 512 octets; real ones are longer. A line beyond this, or a reply beyond MAX_REPLY, is an error.
MAX_LINE: Final = 4096
MAX_LINES: Final = 128

_ENHANCED: Final = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: +|$)", re.ASCII)


class BadReply(Exception):
    """What the server sent is no SMTP reply; the connection is not worth going on with. `complete` are replies that came whole
    before it: they were said and they count."""

    complete: tuple[Reply, ...] = ()


def make_reply(code: int, lines: list[str]) -> Reply:
    """A reply from its text lines, each without the basic code. The enhanced code is taken off every line that repeats it."""
    found = _ENHANCED.match(lines[0]) if lines else None
    enhanced = found[1] if found and found[1][0] == str(code)[0] else ""
    if enhanced:
        lines = [_without(line, enhanced) for line in lines]
    return Reply(code, enhanced, "\n".join(lines))


def _without(line: str, enhanced: str) -> str:
    found = _ENHANCED.match(line)  # not by its beginning: 5.1.10 begins with 5.1.1
    return line[found.end() :] if found and found[1] == enhanced else line


class ReplyParser:
    """Feed octets, get complete replies. Raises BadReply on what cannot be one."""

    __slots__ = ("_buffer", "_code", "_lines")

    def __init__(self) -> None:
        self._buffer = b""
        self._code = 0
        self._lines: list[str] = []

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that `data` completes, in order."""
        buffer = self._buffer + data if self._buffer else data
        replies: list[Reply] = []
        *complete, self._buffer = buffer.split(b"\n")
        try:
            for raw in complete:
                self._line(raw[:-1] if raw.endswith(b"\r") else raw, replies)
            if len(self._buffer) > MAX_LINE + 1:  # its CR may be here already
                raise BadReply(f"a reply line of over {MAX_LINE} octets")
        except BadReply as error:
            error.complete = tuple(replies)
            raise
        return replies

    def _line(self, raw: bytes, replies: list[Reply]) -> None:
        if len(raw) > MAX_LINE:
            raise BadReply(f"a reply line of {len(raw)} octets")
        head = raw[:3]
        if not (len(head) == 3 and head.isdigit() and b"200" <= head <= b"599") or raw[3:4] not in (b" ", b"-", b""):
            raise BadReply(f"not an SMTP reply: {raw[:80].decode('utf-8', 'replace')!r}")
        code = int(head)
        if self._lines and code != self._code:
            raise BadReply(f"a reply whose lines begin with both {self._code} and {code}")
        self._code = code
        self._lines.append(raw[4:].decode("utf-8", "replace").rstrip())
        if raw[3:4] != b"-":
            replies.append(make_reply(code, self._lines))
            self._lines = []
        elif len(self._lines) > MAX_LINES:
            raise BadReply(f"a reply of over {MAX_LINES} lines")
