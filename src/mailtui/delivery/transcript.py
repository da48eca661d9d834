"""The dialogue with a remote server as it is kept: recorded line by line, bounded, secrets masked, packed small.

Owned here: what a transcript line looks like and its form at rest. Which table it goes to is the queue's business.
"""

from __future__ import annotations

import time
import zlib
from typing import Final

import msgspec

from mailtui.model import TranscriptLine

#: Bounds of one transcript. A dialogue of 1,000 recipients fits; a server that talks for ever does not.
MAX_LINES: Final = 2500
MAX_LINE: Final = 1000
MAX_OCTETS: Final = 256 * 1024

#: What most transcripts are made of: zlib finds it here instead of storing it again. Changing it needs a new format byte.
_DICTIONARY: Final = (
    b"421 4.7.0 450 4.2.1 451 4.7.1 452 4.2.2 550 5.1.1 554 5.7.1 temporarily deferred try again later User unknown Service "
    b'unavailable 250-PIPELINING","250-SIZE 10240000","250-VRFY","250-ETRN","250-STARTTLS","250-ENHANCEDSTATUSCODES","250-8BITMIME"'
    b',"250-DSN","250-SMTPUTF8","250 CHUNKING"],[0,"<","220 mx ESMTP Postfix"],[1,">","EHLO "],[2,">","STARTTLS"],[2,"<","220 2.0.0 '
    b'Ready to start TLS"],[3,"*","TLSv1.3 TLS_AES_256_GCM_SHA384 unverified"],[0,">","MAIL FROM:<"> SIZE=4096 BODY=8BITMIME"],[0,">",'
    b'"RCPT TO:<"> NOTIFY=FAILURE ORCPT=rfc822;"],[0,">","DATA"],[1,"<","250 2.1.0 Ok"],[1,"<","250 2.1.5 Ok"],[1,"<","354 End data '
    b'with <CR><LF>.<CR><LF>"],[1,"*","4096 octets of content, then the dot"],[2,"<","250 2.0.0 Ok: queued as "],[0,">","QUIT"]]'
)
_FORMAT: Final = b"\x01"


class Recorder:
    """Collects the lines of one dialogue; offsets count from `began` (monotonic seconds)."""

    __slots__ = ("_left", "_octets", "began", "lines")

    def __init__(self, began: float | None = None) -> None:
        self.began = time.monotonic() if began is None else began
        self.lines: list[TranscriptLine] = []
        self._left = MAX_LINES
        self._octets = MAX_OCTETS

    def sent(self, line: str) -> None:
        """A line of ours, without CRLF, already masked."""
        self._add(">", line)

    def received(self, line: str) -> None:
        """A line of theirs, without CRLF."""
        self._add("<", line)

    def note(self, text: str) -> None:
        """Something that happened between the lines."""
        self._add("*", text)

    def _add(self, direction: str, line: str) -> None:
        if self._left <= 0 or self._octets <= 0:
            return
        self._left -= 1
        self._octets -= len(line)
        if self._left == 0 or self._octets <= 0:
            direction, line = "*", "the transcript ends here: it is full"
        elif len(line) > MAX_LINE:
            line = f"{line[:MAX_LINE]} ... ({len(line)} characters)"
        self.lines.append(TranscriptLine(int((time.monotonic() - self.began) * 1000), direction, line))

    def take(self) -> tuple[TranscriptLine, ...]:
        """The lines so far."""
        return tuple(self.lines)


def pack(lines: tuple[TranscriptLine, ...]) -> bytes:
    """Lines at rest: JSON rows, deflated with a dictionary of ordinary SMTP."""
    compressor = zlib.compressobj(level=1, zdict=_DICTIONARY)
    rows = msgspec.json.encode([(line.ms, line.dir, line.line) for line in lines])
    return _FORMAT + compressor.compress(rows) + compressor.flush()


def unpack(data: bytes) -> tuple[TranscriptLine, ...]:
    """The lines of a packed transcript. ValueError when it is damaged or of an unknown format."""
    if data[:1] != _FORMAT:
        raise ValueError("a transcript of an unknown format")
    try:
        rows = zlib.decompressobj(zdict=_DICTIONARY).decompress(data[1:], 16 * MAX_OCTETS)
        return tuple(TranscriptLine(*row) for row in msgspec.json.decode(rows, type=list[tuple[int, str, str]]))
    except (zlib.error, msgspec.DecodeError) as error:
        raise ValueError(f"a damaged transcript: {error}") from error
