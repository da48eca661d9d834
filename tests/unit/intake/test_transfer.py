"""Content in chunks: what is read while a chunk is being stored, and what becomes of it however the store answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.door import MemoryDoor
from tests.unit.intake.test_session import Wire

from mailtui.config import Config, Endpoint, Intake, Listener, Relay
from mailtui.errors import Unavailable
from mailtui.events import Journal
from mailtui.intake.door import CHUNK
from mailtui.intake.profile import Profile
from mailtui.intake.server import Server
from mailtui.intake.session import Session

ENVELOPE: Final = b"EHLO c.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n"
LINE: Final = b"x" * 62 + b"\r\n"
DOTS: Final = b"." * 62 + b"\r\n"  # on the wire one dot more


class Talk:
    """A session over a wire in memory, and the door behind it."""

    def __init__(self) -> None:
        self.wire, self.door = Wire(), MemoryDoor()
        listener = Listener(bind=Endpoint("127.0.0.1", 2525))
        config = Config(relay=Relay(hostname="r.example"), listener=(listener,), intake=Intake(max_size=16 * CHUNK))
        self.server = Server(config, self.door, Journal(), asyncio.get_running_loop())
        self.session = Session(self.server, Profile.of(config, listener, "127.0.0.1:2525"))
        self.session.connection_made(self.wire)

    def send(self, data: bytes) -> None:
        self.session.data_received(data)

    @property
    def last(self) -> bytes:
        """The reply code the client has seen last."""
        return self.wire.sent.splitlines()[-1][:3]


def talk(script: Callable[[Talk], Awaitable[None]]) -> Talk:
    """Play a script; the session ends and nothing of it is left."""

    async def run() -> Talk:
        it = Talk()
        it.send(ENVELOPE)
        await turns()
        assert it.last == b"354"
        await script(it)
        it.session.connection_lost(None)
        it.door.release()
        await turns()
        assert it.server.budget.used == 0
        assert not it.server.sessions
        it.server.authenticator.close()
        return it

    return asyncio.run(run())


async def turns() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


def body(octets: int) -> bytes:
    return b"Subject: big\r\n\r\n" + LINE * (octets // len(LINE))


def test_the_next_chunk_is_read_while_one_is_stored_and_no_more() -> None:
    async def script(it: Talk) -> None:
        it.door.held = True
        piece = LINE * (CHUNK // 4 // len(LINE))
        it.send(body(0))
        for _ in range(16):  # four chunks
            it.send(piece)
        assert it.door.waiting == 1  # one is being stored ...
        assert (
            2 * CHUNK <= it.server.budget.used < 2 * CHUNK + 2 * len(piece)
        )  # ... one more was read, the rest stays unread
        it.door.release()
        await turns()
        it.send(b".\r\n")
        await turns()
        assert it.last == b"250"

    ((_, content),) = talk(script).door.accepted
    assert content == body(0) + LINE * (CHUNK // 4 // len(LINE)) * 16


def test_the_commit_follows_a_chunk_that_is_still_being_stored() -> None:
    async def script(it: Talk) -> None:
        it.door.held = True
        it.send(body(CHUNK + 4096))
        it.send(b".\r\n")
        assert it.door.waiting == 2
        it.door.release()
        await turns()
        assert it.last == b"250"

    assert len(talk(script).door.accepted) == 1


def test_what_is_a_chunk_on_the_wire_alone_goes_with_the_commit() -> None:
    dots = DOTS * (CHUNK // len(DOTS) - 30)  # with a dot more in each line it is more than a chunk

    async def script(it: Talk) -> None:
        it.door.held = True
        it.send(body(CHUNK))
        it.send(dots.replace(b"\r\n.", b"\r\n..").replace(b".", b"..", 1) + b".\r\n")
        assert it.door.waiting == 1
        it.door.release()
        await turns()
        assert it.last == b"250"

    ((_, content),) = talk(script).door.accepted
    assert content == body(CHUNK) + dots


def test_a_chunk_lost_under_way_refuses_the_message_behind_it() -> None:
    async def script(it: Talk) -> None:
        it.door.held = True
        it.send(body(CHUNK + 4096))
        it.send(b".\r\n")
        it.door.failure = Unavailable("full")
        it.door.release()
        await turns()
        assert it.last == b"452"
        it.door.failure = None
        it.send(b"NOOP\r\n")
        await turns()
        assert it.last == b"250"  # and the session goes on

    it = talk(script)
    assert not it.door.accepted
    assert not it.door.arriving


def test_a_refused_message_is_forgotten_with_the_chunk_still_under_way() -> None:
    async def script(it: Talk) -> None:
        it.door.held = True
        it.send(body(CHUNK + 4096))
        it.send(b"nul\0\r\n.\r\nNOOP\r\n")
        await turns()
        assert [line[:3] for line in it.wire.sent.splitlines()[-2:]] == [b"550", b"250"]
        it.door.release()
        await turns()

    it = talk(script)
    assert not it.door.accepted
    assert not it.door.arriving


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 5 * CHUNK),
    st.lists(st.sampled_from([1000, 60_000, CHUNK - 1, CHUNK, 2 * CHUNK + 5]), min_size=1, max_size=6),
    st.lists(st.sampled_from(["hold", "release", "fail", "mend"]), max_size=8),
)
def test_whatever_the_store_does_a_message_is_whole_or_refused(size: int, pieces: list[int], moves: list[str]) -> None:
    dotted = body(size) + DOTS * (len(pieces) * CHUNK // 4 // len(DOTS))
    whole = dotted.replace(b"\r\n.", b"\r\n..") + b".\r\n"

    async def script(it: Talk) -> None:
        sent = step = 0
        while sent < len(whole):
            it.send(whole[sent : sent + pieces[step % len(pieces)]])
            sent += pieces[step % len(pieces)]
            if step < len(moves):
                if moves[step] == "hold":
                    it.door.held = True
                elif moves[step] == "release":
                    it.door.release()
                else:
                    it.door.failure = Unavailable("full") if moves[step] == "fail" else None
            step += 1
            await turns()
        for _ in range(8):
            it.door.release()
            await turns()
        assert it.last in (b"250", b"452")
        assert (it.last == b"250") == bool(it.door.accepted)

    it = talk(script)
    assert not it.door.arriving
    for _, content in it.door.accepted:
        assert content == dotted


@pytest.mark.parametrize("octets", [100, 3 * CHUNK])
def test_a_tag_is_for_the_relay_and_not_for_the_recipients(octets: int) -> None:
    async def script(it: Talk) -> None:
        it.send(b"X-Mailtui-Tag: invoices\r\n" + body(octets) + b".\r\n")
        await turns()
        assert it.last == b"250"

    ((message, content),) = talk(script).door.accepted
    assert message.facts.tag == "invoices" and content == body(octets) and message.size == len(content)
