"""How a remote server of the lab speaks: late, in pieces, for ever; then closes, resets, falls silent or starts TLS.

Owned here: the sending half of one session and its transport, through STARTTLS. What is said and when a command is
answered is `dialogue.py`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mailtui.lab.personality import Act, Then, Tls

if TYPE_CHECKING:
    from mailtui.lab.remote import RemoteServer

TLS_ALERT: Final = b"\x15\x03\x01\x00\x02\x02\x28"  # fatal, handshake_failure
HANDSHAKE: Final = 60.0


class Voice:
    """Performs acts on a transport. While `busy` (a reply is on its way, or silence kept) the client's next command
    waits.

    `ready` is called each time the session may go on after being busy.
    """

    def __init__(
        self, server: RemoteServer, protocol: asyncio.Protocol, transport: asyncio.Transport, ready: Callable[[], None]
    ) -> None:
        self._server = server
        self._protocol = protocol
        self._ready = ready
        self.transport = self._plain = transport
        self.writable = asyncio.Event()
        self.writable.set()
        self.busy = False
        self.handshaking = False  # what comes now was said under TLS, behind the reply to STARTTLS
        self.tls = ""
        self._lost = False

    @property
    def silenced(self) -> bool:
        """Whether nothing can be said any more."""
        return self._lost or self.transport.is_closing()

    def lost(self) -> None:
        """The connection is gone: whoever waits to write need not."""
        self._lost = True
        self.writable.set()

    def say(self, wire: bytes) -> None:
        """Sends octets at once, if there is still someone to hear them."""
        if wire and not self.silenced:
            self.transport.write(wire)

    def perform(self, act: Act, wire: bytes, delay: float) -> None:
        """Sends `wire` in the manner of the act, `delay` seconds from now, and does what follows it."""
        if delay or act.pieces > 1 or act.endless:
            self.busy = True
            self._server.own(self._perform_slowly(act, wire, delay))
        else:
            self.say(wire)
            self.follow(act.then)

    async def _perform_slowly(self, act: Act, wire: bytes, delay: float) -> None:
        await asyncio.sleep(delay)
        while act.endless and not self.silenced:
            self.say(wire)
            await self.writable.wait()
            await asyncio.sleep(0)
        size = -(-len(wire) // act.pieces) or 1
        for start in range(0, len(wire), size):
            if start:
                await asyncio.sleep(act.gap)
            self.say(wire[start : start + size])
        self.follow(act.then)
        if act.then is Then.GO_ON:
            self._go_on()

    def follow(self, then: Then) -> None:
        """Does what comes after a reply."""
        if then is Then.GO_ON:
            return
        self.busy = True
        if then is Then.TLS:
            self._server.own(self._upgrade(self._server.personality.tls))
        elif then is Then.CLOSE:
            self.transport.close()
        elif then is Then.RESET:
            _linger_not(self._plain)
            self.transport.abort()

    async def _upgrade(self, kind: Tls) -> None:
        if kind is Tls.STALLED or self.silenced:
            return
        if kind is Tls.BROKEN:
            self.say(TLS_ALERT)
            self.follow(Then.CLOSE)
            return
        context = self._server.certificates.context(kind, self._server.name)
        self.handshaking = True
        try:
            transport = await asyncio.get_running_loop().start_tls(
                self.transport, self._protocol, context, server_side=True, ssl_handshake_timeout=HANDSHAKE
            )
        except OSError:  # ssl.SSLError is one
            self.transport.abort()
            return
        finally:
            self.handshaking = False
        if transport is None or self._lost:
            return
        self.transport = transport
        negotiated = transport.get_extra_info("ssl_object")
        assert isinstance(negotiated, ssl.SSLObject)
        self.tls = negotiated.version() or "TLS"
        self._go_on()

    def _go_on(self) -> None:
        self.busy = False
        if not self.silenced:
            self.transport.resume_reading()
            self._ready()


def _linger_not(transport: asyncio.Transport) -> None:
    """Makes the coming close an RST; on a copy of the descriptor, because loops lend their socket read-only."""
    lent = transport.get_extra_info("socket")
    if lent is None or lent.fileno() < 0:  # closed already
        return
    with socket.socket(fileno=os.dup(lent.fileno())) as copy:
        copy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
