"""The name server of the lab: UDP and TCP on one loopback port, answering from a `Zone` as a recursive resolver would.

Owned here: sockets, the wire format (dnspython reads and builds it) and the manner of answering: late, never, cut
short, under a wrong id. What a name answers is `zone.py`. Hostile input is dropped without a word.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from mailtui.lab.zone import Answer, Behaviour, Record, Zone

MAX_QUERY: Final = 1024
CACHE_ENTRIES: Final = 20_000
UDP_PAYLOAD: Final = 1232
TCP_IDLE: Final = 30.0
JUNK: Final = b"\xff\x00 this is not a DNS message"


class Query(NamedTuple):
    """A question as it was asked: name (lower case, no final dot), type word, "udp" or "tcp", loop time in seconds."""

    name: str
    type: str
    transport: str
    at: float


class _Prepared(NamedTuple):
    """A finished answer without its two id octets: for UDP (cut short when it does not fit) and for TCP."""

    name: str
    type: str
    udp: bytes
    tcp: bytes
    behaviour: Behaviour


class DnsServer:
    """`async with DnsServer() as server:` answers on `server.address`; change `server.zone` at any time.

    `queries` keeps the last `keep` questions, `asked` counts all of them. Port 0 takes any port free for UDP and TCP.
    """

    def __init__(self, zone: Zone | None = None, *, host: str = "127.0.0.1", port: int = 0, keep: int = 10_000) -> None:
        self.zone = Zone() if zone is None else zone
        self.queries: deque[Query] = deque(maxlen=keep)
        self.asked = 0
        self._host, self._port = host, port
        self._cache: dict[bytes, _Prepared] = {}
        self._version = -1
        self._timers: set[asyncio.TimerHandle] = set()
        self._open: set[asyncio.Transport] = set()
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, valid once started."""
        return self._host, self._port

    @property
    def nameserver(self) -> str:
        """The address as a configuration writes it: `127.0.0.1:5353`."""
        return f"{self._host}:{self._port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Listens. OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        udp, tcp = _bind_both(self._host, self._port)
        self._port = udp.getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), sock=udp)
        self._tcp = await loop.create_server(lambda: _Tcp(self), sock=tcp, backlog=1024)

    async def close(self) -> None:
        """Stops answering, drops what is under way. Idempotent."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
            for transport in tuple(self._open):
                transport.abort()
            await self._tcp.wait_closed()
        self._udp = self._tcp = None
        await asyncio.sleep(0)  # lets the transports run their last callback, which is what closes the sockets

    def respond(self, query: bytes, transport: str, send: Callable[[bytes], None]) -> None:
        """Answers one message through `send`, in the manner its name calls for; ignores what is not a question."""
        prepared = self._prepare(query)
        if prepared is None:
            return
        loop = asyncio.get_running_loop()
        self.asked += 1
        self.queries.append(Query(prepared.name, prepared.type, transport, loop.time()))
        manner = prepared.behaviour
        if manner.silent:
            return
        identity = bytes(octet ^ 0xFF for octet in query[:2]) if manner.wrong_id else query[:2]
        body = prepared.udp if transport == "udp" else prepared.tcp

        def answer() -> None:
            if manner.junk_first and transport == "udp":
                send(JUNK)
            send(identity + body)

        if manner.delay:
            self._later(manner.delay, answer)
        else:
            answer()

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        def fire() -> None:
            self._timers.discard(timer)
            act()

        timer = asyncio.get_running_loop().call_later(seconds, fire)
        self._timers.add(timer)

    def _prepare(self, query: bytes) -> _Prepared | None:
        if self._version != self.zone.version or len(self._cache) >= CACHE_ENTRIES:
            self._cache.clear()
            self._version = self.zone.version
        key = query[2:]
        prepared = self._cache.get(key)
        if prepared is None:
            prepared = _build(self.zone, query)
            if prepared is not None:
                self._cache[key] = prepared
        return prepared


def _build(zone: Zone, query: bytes) -> _Prepared | None:
    """The answer to a query message; None when it is not a single question of class IN."""
    if not 12 <= len(query) <= MAX_QUERY:
        return None
    try:
        asked = dns.message.from_wire(query)
    except (dns.exception.DNSException, ValueError, struct.error):
        return None
    if asked.flags & dns.flags.QR or asked.opcode() != dns.opcode.QUERY or len(asked.question) != 1:
        return None
    question = asked.question[0]
    if question.rdclass != dns.rdataclass.IN:
        return None
    name, type_ = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
    answer = zone.answer(name, type_)
    response = _response(asked, answer)
    tcp = response.to_wire(max_size=65535)
    udp = tcp
    if answer.behaviour.truncate or len(tcp) > min(max(asked.payload, 512), UDP_PAYLOAD):
        response.answer.clear()
        response.flags |= dns.flags.TC
        udp = response.to_wire()
    return _Prepared(name, type_, udp[2:], tcp[2:], answer.behaviour)


def _response(asked: dns.message.Message, answer: Answer) -> dns.message.Message:
    response = dns.message.make_response(asked, recursion_available=True, our_payload=UDP_PAYLOAD)
    try:
        for record in answer.records:
            response.answer.append(_rrset(record))
        rcode = answer.rcode
    except (dns.exception.DNSException, ValueError):
        response.answer.clear()
        rcode = "SERVFAIL"
    response.set_rcode(dns.rcode.from_text(rcode))
    if answer.behaviour.authentic:
        response.flags |= dns.flags.AD
    return response


def _rrset(record: Record) -> dns.rrset.RRset:
    rdata = dns.rdata.from_text("IN", record.type, record.value, origin=dns.name.root, relativize=False)
    return dns.rrset.from_rdata(dns.name.from_text(record.name), record.ttl, rdata)


def _bind_both(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """UDP and TCP sockets on one port. OSError when a given port is taken, or ten arbitrary ones were."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for attempt in range(10):
        udp = socket.socket(family, socket.SOCK_DGRAM)
        tcp = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            udp.bind((host, port))
            tcp.bind((host, udp.getsockname()[1]))
        except OSError:
            udp.close()
            tcp.close()
            if port or attempt == 9:
                raise
        else:
            return udp, tcp
    raise OSError(errno.EADDRINUSE, "no port free for both UDP and TCP")


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.respond(data, "udp", lambda message: self._transport.sendto(message, addr))


class _Tcp(asyncio.Protocol):
    """Messages with a two-octet length in front (RFC 1035 4.2.2), any number on one connection."""

    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._server._open.add(transport)
        self._idle = asyncio.get_running_loop().call_later(TCP_IDLE, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._idle.cancel()
        self._server._open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 2:
            size = int.from_bytes(self._buffer[:2])
            if size > MAX_QUERY:
                self._transport.close()
                return
            if len(self._buffer) < 2 + size:
                return
            query = bytes(self._buffer[2 : 2 + size])
            del self._buffer[: 2 + size]
            self._server.respond(query, "tcp", self._send)

    def _send(self, message: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(len(message).to_bytes(2) + message)
