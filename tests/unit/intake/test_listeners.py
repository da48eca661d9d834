"""Listeners on real sockets: binding, admission, deadlines, counting, reload and drain."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

import pytest
from tests.kit.certificates import self_signed, trusting
from tests.kit.door import MemoryDoor

from mailtui.config import Config, Endpoint, Intake, Listener, Rate, User
from mailtui.errors import ConfigError
from mailtui.events import Accepted, AnyEvent, Journal, Notice, Refused
from mailtui.intake import listeners
from mailtui.intake.auth import hash_password
from mailtui.intake.listeners import BindError, Listeners
from mailtui.intake.server import REFUSED_EVENTS

ANYWHERE: Final = Endpoint("127.0.0.1", 0)
NOBODY: Final = (ip_network("192.0.2.0/24"),)
STRANGERS: Final = Listener(bind=ANYWHERE, networks=NOBODY)


@cache
def password_hash() -> str:
    return hash_password("right")


@pytest.fixture(autouse=True)
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "SWEEP_SECONDS", 3600.0)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


class Relay:
    """Listeners with a door in memory, the events they published, and clients that are closed at the end."""

    def __init__(self, config: Config) -> None:
        self.door = MemoryDoor()
        self.journal = Journal()
        self.events: list[AnyEvent] = []
        self.journal.add_sink(self.events.append)
        self.listeners = Listeners(config, self.door, self.journal)
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(
        self, which: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.listeners.addresses[which].rpartition(":")
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=tls)
        self._writers.append(writer)
        return reader, writer

    async def greeting(self, which: int = 0) -> bytes:
        reader, _ = await self.connect(which)
        return await line(reader)

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
            writer.close()


async def line(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(5):
        return await reader.readline()


async def ask(client: tuple[asyncio.StreamReader, asyncio.StreamWriter], text: str) -> bytes:
    """Send lines, return the last line of the reply to the last of them."""
    reader, writer = client
    writer.write(text.encode() + b"\r\n")
    for _ in text.split("\r\n"):
        reply = await line(reader)
        while reply[3:4] == b"-":
            reply = await line(reader)
    return reply


@asynccontextmanager
async def running(*listening: Listener, **settings: Any) -> AsyncIterator[Relay]:
    users = settings.pop("users", ())
    relay = Relay(Config(listener=listening, user=users, intake=Intake(**settings)))
    await relay.listeners.start()
    try:
        yield relay
    finally:
        relay.hang_up()
        await relay.listeners.drain(0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("tls"))


# --- binding ---


async def test_every_address_is_bound_and_named() -> None:
    async with running(STRANGERS, Listener(bind=Endpoint("::1", 0))) as relay:
        first, second = relay.listeners.addresses
        assert re.fullmatch(r"127\.0\.0\.1:\d+", first)
        assert re.fullmatch(r"\[::1\]:\d+", second)
        assert (await relay.greeting(0)).startswith(b"220")
        assert (await relay.greeting(1)).startswith(b"220")


async def test_an_address_in_use_is_named_and_nothing_stays_open() -> None:
    with socket.socket() as taken, socket.socket() as free:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        free.bind(("127.0.0.1", 0))
        port, free_port = taken.getsockname()[1], free.getsockname()[1]
        free.close()
        config = Config(
            listener=(Listener(bind=Endpoint("127.0.0.1", free_port)), Listener(bind=Endpoint("127.0.0.1", port)))
        )
        with pytest.raises(BindError, match=rf"127\.0\.0\.1:{port}: the address is in use"):
            await Relay(config).listeners.start()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", free_port)


async def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(BindError, match=r"192\.0\.2\.1:2525: this machine has no such address"):
        await Relay(Config(listener=(Listener(bind=Endpoint("192.0.2.1", 2525)),))).listeners.start()


async def test_a_bad_certificate_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("not a certificate")
    config = Config(listener=(Listener(bind=ANYWHERE, tls_cert=tmp_path / "cert.pem"),))
    with pytest.raises(ConfigError, match=r"cert\.pem"):
        await Relay(config).listeners.start()


async def test_implicit_tls_needs_a_certificate() -> None:
    with pytest.raises(ConfigError, match="tls_cert"):
        await Relay(Config(listener=(Listener(bind=ANYWHERE, kind="submissions"),))).listeners.start()


async def test_sockets_of_a_supervisor_are_used() -> None:
    with socket.socket() as inherited:
        inherited.bind(("127.0.0.1", 0))
        inherited.listen()
        relay = Listeners(Config(), MemoryDoor(), Journal(), [inherited])
        port = inherited.getsockname()[1]
        await relay.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert (await line(reader)).startswith(b"220")
        writer.close()
        await relay.drain(0)


# --- admission ---


async def test_strangers_leave_a_tenth_of_the_sessions_to_our_networks() -> None:
    async with running(STRANGERS, Listener(bind=ANYWHERE), max_sessions=20) as relay:
        strangers = [await relay.greeting() for _ in range(19)]
        assert [greeting[:3] for greeting in strangers] == [b"220"] * 18 + [b"421"]
        assert strangers[-1] == b"421 4.7.0 too many sessions, try again later\r\n"
        ours = [await relay.greeting(1) for _ in range(3)]
        assert [greeting[:3] for greeting in ours] == [b"220", b"220", b"421"]
        assert relay.listeners.server.refused_4xx == 2
        assert isinstance(relay.events[0], Refused)
        assert relay.events[0].code == 421


async def test_sessions_of_one_address_are_limited_for_strangers_only() -> None:
    async with running(STRANGERS, Listener(bind=ANYWHERE), max_sessions_per_ip=3) as relay:
        assert [(await relay.greeting(1))[:3] for _ in range(6)] == [b"220"] * 6
        relay.hang_up()
        await until(lambda: relay.listeners.sessions == 0)
        greetings = [await relay.greeting() for _ in range(4)]
        assert [greeting[:3] for greeting in greetings] == [b"220"] * 3 + [b"421"]
        assert b"your address" in greetings[-1]
        relay.hang_up()
        await until(lambda: relay.listeners.sessions == 0)
        assert (await relay.greeting()).startswith(b"220"), "a place that is left is free again"


async def test_under_stress_strangers_get_little_patience() -> None:
    async with running(STRANGERS, Listener(bind=ANYWHERE), max_sessions=10) as relay:
        stranger = await relay.connect()
        await line(stranger[0])
        assert (await ask(stranger, "FOO")).startswith(b"500")
        others = [await relay.connect(1) for _ in range(7)]
        for other in others:
            await line(other[0])
        assert relay.listeners.server.stressed
        stranger[1].write(b"FOO\r\n")
        assert (await line(stranger[0])).startswith(b"500")
        assert (await line(stranger[0])).startswith(b"421 4.7.0")
        assert (await ask(others[0], "FOO\r\nNOOP")).startswith(b"250"), "ours keep theirs"
        quiet = await relay.connect()
        await line(quiet[0])
        await until(lambda: relay.listeners.server.stressed)
        relay.listeners.server.sweep(asyncio.get_running_loop().time() + 11)
        assert (await line(quiet[0])).startswith(b"421 4.4.2")
        assert (await ask(others[1], "NOOP")).startswith(b"250")


async def test_a_handshake_that_fails_leaves_no_session(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    implicit = Listener(bind=ANYWHERE, kind="submissions", tls_cert=cert, tls_key=key, auth="off")
    async with running(implicit, max_sessions=20) as relay:
        _, writer = await relay.connect()
        await until(lambda: relay.listeners.sessions == 1)  # counted before the handshake
        writer.write(b"EHLO client\r\n")
        await until(lambda: relay.listeners.sessions == 0)
        reader, _ = await relay.connect(tls=trusting())
        assert (await line(reader)).startswith(b"220")


async def test_a_starttls_handshake_that_fails_leaves_no_session(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    async with running(Listener(bind=ANYWHERE, tls_cert=cert, tls_key=key)) as relay:
        client = await relay.connect()
        assert (await line(client[0])).startswith(b"220")
        assert (await ask(client, "EHLO client\r\nSTARTTLS")).startswith(b"220")
        client[1].write(b"MAIL FROM:<evil@example.org>\r\n")
        await until(lambda: relay.listeners.sessions == 0)
        assert not any(isinstance(event, Notice) for event in relay.events)


# --- what a session may cost ---


async def test_a_client_that_does_not_read_is_not_worked_for_and_then_dropped() -> None:
    async with running(Listener(bind=ANYWHERE)) as relay:
        host, _, port = relay.listeners.addresses[0].rpartition(":")
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, (host, int(port)))
            await loop.sock_sendall(client, b"EHLO c\r\nMAIL FROM:<a@example.org>\r\n")
            sent = 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    while sent < 50_000_000:
                        await loop.sock_sendall(client, b"RCPT TO:<@>\r\n" * 5000)
                        sent += 65_000
            assert sent < 50_000_000, "it reads on without end"
            (session,) = relay.listeners.server.sessions
            relay.listeners.server.sweep(loop.time() + 299)
            assert relay.listeners.sessions == 1
            relay.listeners.server.sweep(loop.time() + 302)
            await until(lambda: session not in relay.listeners.server.sessions)


async def test_a_refusal_is_counted_even_when_it_is_not_published() -> None:
    async with running(STRANGERS) as relay:
        for _ in range(10):
            client = await relay.connect()
            await line(client[0])
            await ask(client, "EHLO c\r\nMAIL FROM:<a@example.org>\r\n" + "\r\n".join(["RCPT TO:<b@example.net>"] * 15))
        assert relay.listeners.server.refused_5xx == 150
        refusals = [event for event in relay.events if isinstance(event, Refused)]
        assert len(refusals) == REFUSED_EVENTS
        assert refusals[0].sender == "a@example.org"
        assert refusals[0].recipient == "b@example.net"
        relay.listeners.server.sweep(asyncio.get_running_loop().time() + 2)
        assert isinstance(relay.events[-1], Notice)
        assert relay.events[-1].text.startswith("100 more refusals")
        client = await relay.connect()
        await line(client[0])
        await ask(client, "EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>")
        assert isinstance(relay.events[-1], Refused), "the next second has an allowance of its own"


async def test_a_message_is_published_after_its_commit() -> None:
    async with running(Listener(bind=ANYWHERE)) as relay:
        client = await relay.connect()
        await line(client[0])
        relay.door.held = True
        await ask(client, "EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA")
        client[1].write(b"Message-ID: <1@example.org>\r\n\r\n.\r\n")
        await until(lambda: relay.door.waiting == 1)
        assert relay.events == []
        relay.door.release()
        reply = await line(client[0])
        await until(lambda: bool(relay.events))
        (event,) = relay.events
        assert isinstance(event, Accepted)
        assert reply.decode() == f"250 2.0.0 queued as {event.id}\r\n"
        assert (event.sender, event.recipients, event.message_id) == ("a@example.org", 1, "<1@example.org>")


async def test_a_users_rate_is_held(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    user = User(name="ann", password_hash=password_hash(), senders=("*",), rate=Rate(2, 3600))
    implicit = Listener(bind=ANYWHERE, kind="submissions", tls_cert=cert, tls_key=key)
    async with running(implicit, users=(user,)) as relay:
        client = await relay.connect(tls=trusting())
        await line(client[0])
        assert (await ask(client, "EHLO c\r\nAUTH PLAIN AGFubgByaWdodA==")).startswith(b"235")
        mail = "MAIL FROM:<ann@example.org>\r\nRSET\r\n"
        assert (await ask(client, mail * 2 + "MAIL FROM:<ann@example.org>")).startswith(b"450 4.7.1")


async def test_a_suspended_user_is_told_at_mail(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    user = User(name="ann", password_hash=password_hash(), senders=("*",))
    implicit = Listener(bind=ANYWHERE, kind="submissions", tls_cert=cert, tls_key=key)
    async with running(implicit, users=(user,)) as relay:
        server = relay.listeners.server
        server.suspends = lambda sender, user: "mail of this user\r\nis suspended" if user == "ann" and sender else ""
        client = await relay.connect(tls=trusting())
        await line(client[0])
        await ask(client, "EHLO c\r\nAUTH PLAIN AGFubgByaWdodA==")
        assert await ask(client, "MAIL FROM:<ann@example.org>") == b"450 4.3.2 mail of this useris suspended\r\n"
        (event,) = [event for event in relay.events if isinstance(event, Refused)]
        assert (event.code, event.sender) == (450, "ann@example.org")
        server.suspends = None
        assert await ask(client, "MAIL FROM:<ann@example.org>") == b"250 2.1.0 sender OK\r\n"


async def test_suspended_intake_refuses_who_comes_and_who_begins_and_lets_the_others_finish() -> None:
    async with running(Listener(bind=ANYWHERE)) as relay:
        idle, busy = await relay.connect(), await relay.connect()
        for client in (idle, busy):
            await line(client[0])
            await ask(client, "EHLO c")
        await ask(busy, "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA")
        relay.listeners.server.suspended = True

        assert await relay.greeting() == b"421 4.3.2 no mail is taken for now, try again later\r\n"
        assert (await ask(idle, "NOOP")).startswith(b"250")
        assert (await ask(idle, "MAIL FROM:<a@example.org>")).startswith(b"421 4.3.2")
        assert await line(idle[0]) == b""
        busy[1].write(b"Subject: x\r\nFrom: <a@example.org>\r\n\r\nx\r\n.\r\n")
        assert (await line(busy[0])).startswith(b"250 2.0.0 queued as ")
        assert (await ask(busy, "MAIL FROM:<a@example.org>")).startswith(b"421")
        assert relay.listeners.server.refused_4xx == 3


async def test_no_password_reaches_the_journal(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    user = User(name="ann", password_hash=password_hash(), senders=("*",))
    implicit = Listener(bind=ANYWHERE, kind="submissions", tls_cert=cert, tls_key=key)
    async with running(implicit, users=(user,)) as relay:
        client = await relay.connect(tls=trusting())
        await line(client[0])
        await ask(client, "EHLO c\r\nAUTH PLAIN AGFubgBDQU5BUlk=\r\nAUTH LOGIN\r\nQ0FOQVJZ\r\nCANARY!")
        await ask(client, "MAIL FROM:<a@example.org>")
        text = repr(relay.events)
        assert "Refused" in text
        assert not re.search("CANARY|Q0FOQVJZ|DQU5BUlk", text)


# --- reload and drain ---


async def test_reload_gives_new_sessions_the_new_certificate(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    def presented(writer: asyncio.StreamWriter) -> bytes:
        shown: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return shown or b""

    cert, key = certificate
    implicit = Listener(bind=ANYWHERE, kind="submissions", tls_cert=cert, tls_key=key, auth="off")
    async with running(implicit) as relay:
        _, before = await relay.connect(tls=trusting())
        cert, key = self_signed(tmp_path)
        changed = Listener(bind=ANYWHERE, kind="submissions", tls_cert=cert, tls_key=key, auth="off")
        relay.listeners.reload(Config(listener=(changed,), intake=Intake(max_size=1234)))
        reader, after = await relay.connect(tls=trusting())
        assert presented(before) != presented(after)
        await line(reader)
        after.write(b"EHLO c\r\n")
        async with asyncio.timeout(5):
            assert b"SIZE 1234" in await reader.readuntil(b" DSN\r\n")
        missing = Listener(bind=ANYWHERE, kind="submissions", tls_cert=tmp_path / "gone.pem", auth="off")
        with pytest.raises(ConfigError, match=r"gone\.pem"):
            relay.listeners.reload(Config(listener=(missing,)))
        _, still = await relay.connect(tls=trusting())
        assert presented(still) == presented(after)


async def test_drain_sends_idle_clients_away_and_lets_a_message_finish() -> None:
    relay = Relay(Config(listener=(Listener(bind=ANYWHERE),)))
    await relay.listeners.start()
    idle, busy = await relay.connect(), await relay.connect()
    await line(idle[0])
    await line(busy[0])
    await ask(busy, "EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA")
    address = relay.listeners.addresses[0].rpartition(":")
    drain = asyncio.ensure_future(relay.listeners.drain(5))
    assert (await line(idle[0])).startswith(b"421 4.3.2")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address[0], int(address[2]))
    assert (await ask(busy, ".")).startswith(b"250 2.0.0 queued")
    assert (await ask(busy, "NOOP")).startswith(b"421 4.3.2")
    relay.hang_up()
    async with asyncio.timeout(2):
        await drain
    assert len(relay.door.accepted) == 1


async def test_drain_breaks_off_what_does_not_finish() -> None:
    relay = Relay(Config(listener=(Listener(bind=ANYWHERE),)))
    await relay.listeners.start()
    client = await relay.connect()
    await line(client[0])
    await ask(client, "EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA")
    await relay.listeners.drain(0.05)
    assert (await line(client[0])).startswith(b"421 4.3.2")
    assert relay.listeners.sessions == 0
    assert relay.door.accepted == []
    relay.hang_up()
