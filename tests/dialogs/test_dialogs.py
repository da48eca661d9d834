"""Plays the conversations of this directory (see README.md) against real listeners."""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import msgspec
import pytest
from tests.kit.certificates import self_signed, trusting
from tests.kit.door import MemoryDoor

from mailtui.config import Config, Dsn, Endpoint, Intake, Listener, Relay, User
from mailtui.errors import Unavailable
from mailtui.events import Journal
from mailtui.intake import listeners
from mailtui.intake.auth import hash_password
from mailtui.intake.listeners import Listeners

HERE: Final = Path(__file__).parent
DIALOGS: Final = sorted(HERE.glob("*.txt"))
PATIENCE: Final = 5.0
NOBODY: Final = (ip_network("192.0.2.0/24"),)
LINE: Final = re.compile(r"(?P<who>[cs@!q])(?P<mode>[:~+\- ]|\*(?P<times>\d+):) ?(?P<text>.*)\Z")
ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|.)")
REPEAT: Final = re.compile(r"\{(\d+)×((?:[^{}\\]|\\.)*)\}")
BASE64: Final = re.compile(r"\{b64:([^}]*)\}")
NAMED: Final = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


@cache
def password_hash() -> str:
    return hash_password("correct horse")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("tls"))


def conversation(dialog: Path) -> list[str]:
    return [line for line in dialog.read_text("utf-8").splitlines() if line and not line.startswith("#")]


def unescape(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        return chr(int(found[1][1:], 16)) if len(found[1]) == 3 else NAMED[found[1]]

    return ESCAPE.sub(one, text)


def octets(text: str) -> bytes:
    """The octets a line of a conversation stands for."""
    text = REPEAT.sub(lambda found: int(found[1]) * found[2], text)
    text = BASE64.sub(lambda found: base64.b64encode(unescape(found[1]).encode("latin-1")).decode(), text)
    return unescape(text).encode("latin-1") if text.isascii() else unescape(text).encode()


def configuration(settings: dict[str, str], certificate: tuple[Path, Path]) -> Config:
    """What the `@` lines of a conversation ask for."""
    cert, key = (None, None) if settings.pop("tls", "on") == "off" else certificate
    bind = Endpoint("127.0.0.1", 0)
    listener = {
        "relay": Listener(bind=bind, tls_cert=cert, tls_key=key),
        "stranger": Listener(bind=bind, tls_cert=cert, tls_key=key, networks=NOBODY),
        "optional": Listener(bind=bind, tls_cert=cert, tls_key=key, networks=NOBODY, auth="optional"),
        "open-submission": Listener(bind=bind, tls_cert=cert, tls_key=key, kind="submission", auth="optional"),
        "submission": Listener(bind=bind, tls_cert=cert, tls_key=key, kind="submission", networks=NOBODY),
        "submissions": Listener(bind=bind, tls_cert=cert, tls_key=key, kind="submissions", networks=NOBODY),
    }[settings.pop("listener", "relay")]
    return Config(
        relay=Relay(hostname="relay.example.org"),
        listener=(listener,),
        user=(User(name="ann", password_hash=password_hash(), senders=("*@example.org",)),),
        dsn=Dsn(postmaster="ops@example.org"),
        intake=msgspec.convert({name: _value(text) for name, text in settings.items()}, Intake),
    )


def _value(text: str) -> int | str:
    return int(text) if text.isdigit() else text


@dataclass
class Player:
    """A client that follows a conversation."""

    listeners: Listeners
    door: MemoryDoor
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    last: list[bytes] = field(default_factory=list)

    async def play(self, line: str) -> None:
        found = LINE.match(line)
        assert found, f"not a line of a conversation: {line}"
        text, times = found["text"], int(found["times"] or 1)
        match found["who"], found["mode"][0]:
            case "c", "~":
                await self.send(octets(text))
            case "c", _:
                await self.send((octets(text) + b"\r\n") * times)
            case "s", "+":
                assert octets(text) in self.words(), self.last
            case "s", "-":
                assert octets(text) not in self.words(), self.last
            case "s", _:
                for _ in range(times):
                    await self.expect(octets(text))
            case "!", _:
                verb, _, argument = text.partition(" ")
                await getattr(self, "do_" + verb)(argument)
            case "q", _:
                verb, _, argument = text.partition(" ")
                await asyncio.sleep(0)
                CHECKS[verb](self, argument)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def expect(self, prefix: bytes) -> None:
        self.last = []
        while not self.last or self.last[-1][3:4] == b"-":
            async with asyncio.timeout(PATIENCE):
                line = await self.reader.readline()
            assert line.endswith(b"\r\n"), f"connection closed instead of {prefix!r}: {line!r}"
            assert len(line) <= 512
            self.last.append(line.removesuffix(b"\r\n"))
        assert len({line[:3] for line in self.last}) == 1
        assert self.last[-1].startswith(prefix), f"expected {prefix!r}, got {self.last[-1]!r}"

    def words(self) -> list[bytes]:
        return [line[4:] for line in self.last]

    async def do_tls(self, _: str) -> None:
        await self.writer.start_tls(trusting(), server_hostname="localhost")

    async def do_shutdown(self, _: str) -> None:
        self.writer.write_eof()

    async def do_close(self, _: str) -> None:
        self.writer.close()
        await until(lambda: self.listeners.sessions == 0)

    async def do_reset(self, _: str) -> None:
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        await until(lambda: self.listeners.sessions == 0)

    async def do_dropped(self, _: str) -> None:
        (session,) = self.listeners.server.sessions
        await until(lambda: session.transfer is not None and session.transfer.refused)

    async def do_eof(self, _: str) -> None:
        async with asyncio.timeout(PATIENCE):
            try:
                rest = await self.reader.read()
            except ConnectionResetError:
                rest = b""
        assert rest == b""

    async def do_later(self, seconds: str) -> None:
        self.listeners.server.sweep(asyncio.get_running_loop().time() + float(seconds))

    async def do_pressure(self, word: str) -> None:
        self.door.reason = word

    async def do_fail(self, how: str) -> None:
        self.door.failure = Unavailable("full") if how == "unavailable" else RuntimeError("/srv/secret/path is broken")

    async def do_hold(self, _: str) -> None:
        self.door.held = True

    async def do_asked(self, number: str) -> None:
        await until(lambda: self.door.waiting == int(number))

    async def do_release(self, _: str) -> None:
        self.door.release()

    async def do_drain(self, _: str) -> None:
        self.listeners.server.draining = True


def _last_equal(read: Callable[[Player], object]) -> Callable[[Player, str], None]:
    def check(player: Player, wanted: str) -> None:
        assert str(read(player)) == unescape(wanted)

    return check


def _count(player: Player, wanted: str) -> None:
    assert len(player.door.accepted) == int(wanted)
    assert player.listeners.server.accepted == int(wanted)


def _content(player: Player, wanted: str) -> None:
    assert player.door.accepted[-1][1] == octets(wanted)


def _prefix(player: Player, pattern: str) -> None:
    assert re.search(pattern, player.door.accepted[-1][0].prefix.decode())


def _no_prefix(player: Player, pattern: str) -> None:
    assert not re.search(pattern, player.door.accepted[-1][0].prefix.decode())


def _param(player: Player, wanted: str) -> None:
    name, _, value = wanted.partition(" ")
    envelope = player.door.accepted[-1][0].envelope
    holder: object = envelope if hasattr(envelope, name) else envelope.recipients[0]
    assert str(getattr(holder, name)) == value


def _refused(player: Player, wanted: str) -> None:
    server = player.listeners.server
    assert server.refused_4xx + server.refused_5xx == int(wanted)


CHECKS: Final[dict[str, Callable[[Player, str], None]]] = {
    "count": _count,
    "sender": _last_equal(lambda player: str(player.door.accepted[-1][0].envelope.sender) or "<>"),
    "recipients": _last_equal(
        lambda player: " ".join(str(each.address) for each in player.door.accepted[-1][0].envelope.recipients)
    ),
    "content": _content,
    "size": _last_equal(lambda player: player.door.accepted[-1][0].size),
    "prefix": _prefix,
    "no-prefix": _no_prefix,
    "param": _param,
    "with": _last_equal(lambda player: player.door.accepted[-1][0].origin.protocol),
    "user": _last_equal(lambda player: player.door.accepted[-1][0].origin.user),
    "refused": _refused,
}


async def until(true: Callable[[], bool]) -> None:
    """Wait for a predicate."""
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@asynccontextmanager
async def playing(config: Config) -> AsyncIterator[Player]:
    door = MemoryDoor()
    relay = Listeners(config, door, Journal())
    await relay.start()
    try:
        host, _, port = relay.addresses[0].rpartition(":")
        implicit = config.listener[0].kind == "submissions"
        reader, writer = await asyncio.open_connection(host, int(port), ssl=trusting() if implicit else None)
        try:
            yield Player(relay, door, reader, writer)
        finally:
            writer.transport.abort()
            await until(lambda: relay.sessions == 0)
    finally:
        await relay.drain(0)
    assert relay.server.budget.used == 0, "memory that was counted is given back"
    assert door.arriving == {}, "chunks of what was not accepted are abandoned"


@pytest.mark.parametrize("dialog", DIALOGS, ids=lambda path: path.stem)
async def test_dialog(dialog: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "SWEEP_SECONDS", 3600.0)  # time passes when a conversation says so
    lines = conversation(dialog)
    settings = dict(line[2:].split(" ", 1) for line in lines if line.startswith("@ "))
    async with playing(configuration(settings, certificate)) as player:
        for number, line in enumerate(lines):
            if not line.startswith("@ "):
                try:
                    await player.play(line)
                except (AssertionError, TimeoutError) as error:
                    raise AssertionError(f"{dialog.name}, line {number + 1} without comments: {line[:120]}") from error


def test_each_conversation_says_what_it_shows() -> None:
    assert len(DIALOGS) >= 45
    assert all(dialog.read_text("utf-8").startswith("# ") for dialog in DIALOGS)
