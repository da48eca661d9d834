"""The way back to a client: replies gathered and written together, flow control in both directions, and a clean close.

Owned here: the transport of a session and what is true of it (open, choked, half closed, closing). Which reply is
given, and when the session must end, is decided in `session`.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final, cast

#: Seconds between our close and the client's.
LINGER_SECONDS: Final = 5.0
#: Seconds for which a client may leave its replies unread.
UNREAD_SECONDS: Final = 300.0


class Link:
    """`closing`: nothing more is read or said. `choked_since`: the client does not read. `eof`: it sends no more."""

    __slots__ = ("_closed_at", "_out", "_paused", "choked_since", "closing", "eof", "transport")

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.closing = False
        self.eof = False
        self.choked_since: float | None = None
        self._out: list[bytes] = []
        self._paused = False
        self._closed_at: float | None = None

    @property
    def tls(self) -> str:
        """The TLS version spoken, "" in clear."""
        found = None if self.transport is None else self.transport.get_extra_info("ssl_object")
        return "" if found is None else cast(ssl.SSLObject, found).version() or "TLS"

    def say(self, reply: bytes) -> None:
        """Add a reply to the next write."""
        self._out.append(reply)

    def close_with(self, reply: bytes) -> None:
        """Let `reply` be the last one."""
        if not self.closing:
            self._out.append(reply)
            self.closing = True

    def flush(self, now: float) -> None:
        """Send what was said in one write; hang up when the last reply is among it."""
        transport = self.transport
        if transport is None:
            self._out.clear()
            return
        if self._out:
            transport.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
            self._out.clear()
        if self.closing and self._closed_at is None:
            self._closed_at = now
            self._hang_up(transport)

    def _hang_up(self, transport: asyncio.Transport) -> None:
        """Close so that the last reply arrives: a close with input unread resets the connection, the reply with it."""
        if self.eof or self.tls or not transport.can_write_eof():
            transport.close()
            return
        try:
            transport.write_eof()
        except OSError:  # the client was faster
            transport.abort()
            return
        self.resume()

    def pause(self) -> None:
        """Read no more for now."""
        if not self._paused and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._paused and self.transport is not None:
            self._paused = False
            self.transport.resume_reading()

    def upgraded(self, transport: asyncio.Transport) -> None:
        """Speak through `transport` (TLS) from now on."""
        self.transport = transport
        self._paused = False

    def close(self) -> None:
        """Close behind what was written."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Drop the connection without a word."""
        if self.transport is not None:
            self.transport.abort()

    def lost(self) -> None:
        """The connection is no more."""
        self.closing = True
        self.transport = None
        self._out.clear()

    def sweep(self, now: float) -> bool:
        """Drop a client that does not read or does not close; whether it is one."""
        if self._closed_at is not None:
            if now - self._closed_at > LINGER_SECONDS:
                self.abort()
            return True
        if self.choked_since is not None:
            if now - self.choked_since > UNREAD_SECONDS:
                self.abort()
            return True
        return False
