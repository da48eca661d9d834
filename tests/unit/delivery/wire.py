"""A server that says exactly what a test wants, for what no personality of the lab would do; and ways to a session with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from weakref import WeakSet

from mailtui.config import Config, Relay, Timeouts
from mailtui.delivery.dns import Host
from mailtui.delivery.opening import Opener, Unopened
from mailtui.delivery.route import Route
from mailtui.delivery.session import Session
from mailtui.model import NULL_SENDER, Address, Claim, ClaimedRecipient

QUICK = Timeouts(connect=5.0, greeting=5.0, helo=5.0, mail=5.0, rcpt=5.0, data=5.0, block=5.0, final_dot=5.0, quit=1.0)


class Peer:
    """One connection as the server sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.heard: list[bytes] = []

    async def say(self, text: str | bytes) -> None:
        self.writer.write(text.encode() if isinstance(text, str) else text)
        await self.writer.drain()

    async def hear(self, lines: int = 1) -> bytes:
        """The last of so many lines."""
        for _ in range(lines):
            self.heard.append(await self.reader.readline())
        return self.heard[-1]

    async def hear_content(self) -> bytes:
        """What comes before the dot, as it is on the wire."""
        return await self.reader.readuntil(b"\r\n.\r\n")

    async def hello(self, *extensions: str) -> None:
        """Greeting and EHLO."""
        await self.say("220 mx.test ESMTP\r\n")
        await self.hear()
        lines = ["mx.test", *extensions]
        await self.say("".join(f"250{' ' if line is lines[-1] else '-'}{line}\r\n" for line in lines))

    def reset(self) -> None:
        """End with RST."""
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(script: Script) -> AsyncIterator[int]:
    """A server that follows the script with every connection and closes it then; its port. At the end nothing is left open."""
    peers: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await script(Peer(reader, writer))
        writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        task = asyncio.ensure_future(run(reader, writer))
        peers.add(task)
        task.add_done_callback(peers.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=1 << 24)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(peers):
            task.cancel()
        await asyncio.gather(*peers, return_exceptions=True)
        for end in (*writers, *_SESSIONS):
            (end.transport if isinstance(end, asyncio.StreamWriter) else end).abort()
        for writer in writers:
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await until(lambda: all(session.transport is None for session in _SESSIONS))
        await server.wait_closed()


_SESSIONS: WeakSet[Session] = WeakSet()


def config(**tables: object) -> Config:
    return Config(**{"relay": Relay(hostname="relay.test"), "timeouts": QUICK, **tables})  # type: ignore[arg-type]


def smarthost(port: int, tls: str = "opportunistic", **more: object) -> Route:
    return Route("smarthost", "127.0.0.1", port, tls, **more)  # type: ignore[arg-type]


async def reach(port: int, tls: str = "off", **tables: object) -> Session:
    """A session ready for transactions."""
    opened = await Opener(config(**tables)).open(Host("mx.test", 0, ("127.0.0.1",)), smarthost(port, tls), "seed", 1)
    assert not isinstance(opened, Unopened), opened
    _SESSIONS.add(opened)
    return opened


def claim_for(
    *to: str, content: bytes | None = b"Subject: x\r\n\r\nhello\r\n", size: int | None = None, **more: object
) -> Claim:
    recipients = tuple(ClaimedRecipient(n, _address(address), "", "", 1, 4e9) for n, address in enumerate(to, 1))
    return Claim(
        message=1, lane=1, destination="d.test", route="mx", recipients=recipients,
        size=len(content or b"") if size is None else size, received_at=0.0, signature=None, content=content,
        **{"sender": Address("app", "example.org"), "prefix": b"", **more},
    )  # fmt: skip


def _address(text: str) -> Address:
    local, _, domain = text.rpartition("@")
    return Address(local, domain) if domain else NULL_SENDER


async def until(fact: Callable[[], object], timeout: float = 5.0) -> None:
    """Turns of the loop until something is so."""
    async with asyncio.timeout(timeout):
        while not fact():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
