"""A session over a transport in memory: what must hold however the network cuts, ends or garbles what a client sends."""

from __future__ import annotations

import asyncio
import re
import tracemalloc
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.door import MemoryDoor

from mailtui.config import Config, Endpoint, Intake, Listener, Relay
from mailtui.events import Accepted, AnyEvent, Journal, Notice
from mailtui.intake.profile import Profile
from mailtui.intake.server import Server
from mailtui.intake.session import Session

CONVERSATION: Final = (
    b"EHLO client.example.org\r\n"
    b"MAIL FROM:<ann@example.org> SIZE=100 ENVID=x RET=FULL\r\n"
    b"RCPT TO:<bob@example.net> NOTIFY=NEVER\r\nRCPT TO:<eve@example.net>\r\nDATA\r\n"
    b"From: ann@example.org\r\nSubject: one\r\n\r\n..\r\n.x\r\nRSET\r\n.\r\n"
    b"NOOP\r\nFOO\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\nSubject: two\r\n\r\n.\r\nQUIT\r\n"
)
REPLY: Final = re.compile(rb"(\d)\d\d[ -](?:(\d)\.\d{1,3}\.\d{1,3} )?[\x20-\x7e]*\r\n")


class Wire(asyncio.Transport):
    """The client's end, kept in memory."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 40000)})
        self.sent = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Played:
    """What is left of a conversation."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.door = MemoryDoor()
        self.events: list[AnyEvent] = []
        self.budget = 0
        self.sessions = 0


def play(pieces: Sequence[bytes], *, lost: bool = False, trusted: bool = True) -> Played:
    """Give a session `pieces` one by one, a turn of the loop between them; at the end the client is `lost` or closes."""

    async def run() -> Played:
        played = Played()
        journal = Journal()
        journal.add_sink(played.events.append)
        networks = (ip_network("127.0.0.0/8"),) if trusted else ()
        listener = Listener(bind=Endpoint("127.0.0.1", 2525), networks=networks)
        config = Config(relay=Relay(hostname="relay.example.org"), listener=(listener,), intake=Intake(max_size=10_000))
        shared = Server(config, played.door, journal, asyncio.get_running_loop())
        session = Session(shared, Profile.of(config, listener, "127.0.0.1:2525"))
        session.connection_made(played.wire)
        for piece in pieces:
            session.data_received(piece)
            await asyncio.sleep(0)
        if lost:
            session.connection_lost(None)
        for _ in range(10):
            await asyncio.sleep(0)
        session.connection_lost(None)
        played.budget, played.sessions = shared.budget.used, len(shared.sessions)
        shared.authenticator.close()
        return played

    return asyncio.run(run())


def cut(octets: bytes, places: Sequence[int]) -> list[bytes]:
    ends = [*sorted({place for place in places if 0 < place < len(octets)}), len(octets)]
    return [octets[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def codes(sent: bytes) -> list[bytes]:
    """The replies, without ids."""
    return [re.sub(rb"as \w+", b"", line) for line in sent.splitlines()]


def clean(played: Played) -> None:
    """Nothing is left behind, and nothing happened that nobody planned for."""
    assert played.budget == 0
    assert played.sessions == 0
    assert played.door.arriving == {}
    assert not [event for event in played.events if isinstance(event, Notice)]
    accepted = [event for event in played.events if isinstance(event, Accepted)]
    assert len(accepted) == len(played.door.accepted)


WHOLE: Final = play([CONVERSATION])


def test_the_conversation_is_two_messages() -> None:
    assert [content for _, content in WHOLE.door.accepted] == [
        b"From: ann@example.org\r\nSubject: one\r\n\r\n.\r\nx\r\nRSET\r\n",
        b"Subject: two\r\n\r\n",
    ]
    assert WHOLE.wire.closed
    clean(WHOLE)


@given(st.lists(st.integers(0, len(CONVERSATION)), max_size=60))
def test_how_the_network_cuts_a_conversation_changes_nothing(places: list[int]) -> None:
    played = play(cut(CONVERSATION, places))
    assert codes(played.wire.sent) == codes(WHOLE.wire.sent)
    assert [content for _, content in played.door.accepted] == [content for _, content in WHOLE.door.accepted]
    clean(played)


def test_octet_by_octet() -> None:
    played = play([bytes([octet]) for octet in CONVERSATION])
    assert codes(played.wire.sent) == codes(WHOLE.wire.sent)
    clean(played)


@settings(max_examples=200)
@given(st.integers(0, len(CONVERSATION)), st.booleans())
def test_a_connection_lost_anywhere_leaves_whole_messages_and_nothing_else(place: int, at_once: bool) -> None:
    played = play([CONVERSATION[:place]], lost=at_once)
    first_ends = CONVERSATION.index(b"\r\n.\r\n") + 5
    second_ends = CONVERSATION.rindex(b"\r\n.\r\n") + 5
    ended = (place >= first_ends) + (place >= second_ends)
    # What was read to its dot is accepted, except that behind a commit nothing is read for a client that is gone.
    assert ended - (at_once and ended == 2) <= len(played.door.accepted) <= ended
    clean(played)


LINES: Final = st.sampled_from(
    [
        b"EHLO c", b"HELO c", b"MAIL FROM:<a@example.org>", b"MAIL FROM:<>", b"MAIL FROM:<a@example.org> SIZE=99999",
        b"RCPT TO:<b@example.net>", b"RCPT TO:<>", b"RCPT TO:<postmaster>", b"DATA", b".", b"..", b"RSET", b"NOOP", b"VRFY x",
        b"HELP", b"QUIT", b"AUTH PLAIN", b"AUTH LOGIN =", b"*", b"STARTTLS", b"BDAT 5", b"BDAT 99999999", b"EXPN x", b"",
        b"GET / HTTP/1.1", b"Subject: x", b"From: x", b"a" * 5000, b"b" * 20000, b"\0", b"\xff\xfe", b"data", b"RCPT",
        b"MAIL", b"EHLO", b" ", b"MAIL FROM:<a\xc3\xa9@example.org> SMTPUTF8",
    ]
)  # fmt: skip
ENDS: Final = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n", b"\n.\n", b""])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(st.tuples(LINES, ENDS), st.tuples(st.binary(max_size=80), ENDS)), max_size=40), st.booleans())
def test_any_input_gets_replies_of_the_contract(lines: list[tuple[bytes, bytes]], trusted: bool) -> None:
    played = play([line + end for line, end in lines], trusted=trusted)
    replies = played.wire.sent.splitlines(keepends=True)
    for reply in replies:
        found = REPLY.fullmatch(reply)
        assert found, reply
        assert len(reply) <= 512
        assert found[2] in (None, found[1]), "the enhanced code has the class of the basic one"
        assert found[2] is not None or found[1] in b"23", "RFC 2034: only greeting, EHLO and 3yz go without"
    assert sum(reply.startswith(b"421") for reply in replies) <= 1
    clean(played)


def test_a_thousand_sessions_cost_little_memory() -> None:
    async def run() -> int:
        config = Config()
        shared = Server(config, MemoryDoor(), Journal(), asyncio.get_running_loop())
        shared.max_sessions = 2000
        profile = Profile.of(config, config.listener[0], "127.0.0.1:2525")
        tracemalloc.start()
        sessions = [Session(shared, profile) for _ in range(1000)]
        for session in sessions:
            session.connection_made(Wire())
        used = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        shared.authenticator.close()
        return used

    assert asyncio.run(run()) < 4_000_000
