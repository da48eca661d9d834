"""A connection's own behaviour: the preamble with hostile hosts, replies counted and timed, secrets masked, the end."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable

import pytest
from tests.unit.delivery.wire import QUICK, Peer, Script, reach, serving, until

from mailtui.delivery import tls
from mailtui.delivery.dial import connect
from mailtui.delivery.session import Lost, Refused, Session, StageTimeout
from mailtui.lab.personality import Act, Personality, Then, Tls, with_auth, with_tls
from mailtui.lab.remote import RemoteServer
from mailtui.model import Reply, Stage

Sessions = Callable[..., object]


@pytest.fixture
async def begin() -> AsyncIterator[Callable[..., object]]:
    """`await begin(port)`: a greeted session; all are aborted at the end."""
    sessions: list[Session] = []

    async def run(port: int, context: ssl.SSLContext | None = None, **patience: float) -> Session:
        session = Session("mx.test", 7)
        sessions.append(session)
        dialled = await connect(("127.0.0.1",), port, timeout=5.0)
        session.address = dialled.address
        timeouts = type(QUICK)(**{name: patience.get(name, 5.0) for name in ("greeting", "helo")})
        await session.begin_on(dialled.sock, context, timeouts)
        return session

    run.sessions = sessions  # type: ignore[attr-defined]
    yield run
    for session in sessions:
        session.abort()


def lines(session: Session) -> list[str]:
    return [f"{line.dir} {line.line}" for line in session.recorder.take()]


def saying(text: str | bytes, then: Callable[[Peer], object] = lambda peer: None) -> Script:
    """A host that says this first of all and then listens."""

    async def script(peer: Peer) -> None:
        await peer.say(text)
        then(peer)
        await peer.reader.read()

    return script


# ---------------------------------------------------------------------- greeting and EHLO


async def test_a_preamble_in_the_clear(begin) -> None:  # type: ignore[no-untyped-def]
    async with RemoteServer() as remote:
        session = await begin(remote.address[1])
        await session.hello("relay.test", 5.0)
        session.end_preamble()

        assert session.alive
        assert {"pipelining", "8bitmime", "smtputf8", "dsn"} <= set(session.extensions)
        assert session.extensions["size"] == "26214400"
        assert [line.line for line in session.preamble_lines][:3] == [
            f"connected to mx.test[127.0.0.1]:{remote.address[1]}", "220 mx.test ESMTP", "EHLO relay.test",
        ]  # fmt: skip
        assert set(session.timings) == {"greeting", "helo"}
        assert session.tls == ""


async def test_a_host_that_knows_only_helo(begin) -> None:  # type: ignore[no-untyped-def]
    async with RemoteServer(Personality(helo_only=True, extensions=())) as remote:
        session = await begin(remote.address[1])
        await session.hello("relay.test", 5.0)

        assert session.extensions == {}
        assert [line for line in lines(session) if line.startswith(">")] == ["> EHLO relay.test", "> HELO relay.test"]


@pytest.mark.parametrize("reply", ["554 5.3.2 go away", "421 4.3.2 busy", "450 later"])
async def test_a_greeting_that_is_none(begin, reply: str) -> None:  # type: ignore[no-untyped-def]
    async with serving(saying(f"{reply}\r\n")) as port:
        with pytest.raises(Refused) as caught:
            await begin(port)

    assert (caught.value.stage, str(caught.value.reply)) == (Stage.GREETING, reply)


@pytest.mark.parametrize("reply", ["450 4.7.1 later", "421 4.3.2 busy", "554 5.7.1 blocked"])
async def test_an_ehlo_that_is_refused_for_good(begin, reply: str) -> None:  # type: ignore[no-untyped-def]
    async with RemoteServer(Personality(hooks={Stage.HELO: Act(reply)})) as remote:
        session = await begin(remote.address[1])
        with pytest.raises(Refused) as caught:
            await session.hello("relay.test", 5.0)

    assert (caught.value.stage, str(caught.value.reply)) == (Stage.HELO, reply)


@pytest.mark.parametrize(
    "text",
    [
        b"\r\n",
        b"hello\r\n",
        b"25\r\n",
        b"999 what\r\n",
        b"2_0 what\r\n",
        b"220-a\r\n554 b\r\n",
        b"\x00\xff\xfe\r\n",
        b"220 " + b"x" * 10_000,
        b"220-more\r\n" * 500,
    ],
    ids=["empty", "text", "short", "large", "underscore", "two codes", "binary", "long line", "many lines"],
)
async def test_a_host_that_speaks_no_smtp(begin, text: bytes) -> None:  # type: ignore[no-untyped-def]
    async with serving(saying(text)) as port:
        with pytest.raises((Lost, Refused)):
            await begin(port, greeting=2.0)
    (session,) = begin.sessions

    assert sum(len(line.line) for line in session.recorder.take()) < 300_000


async def test_a_host_that_greets_for_ever_is_not_listened_to_for_ever(begin) -> None:  # type: ignore[no-untyped-def]
    async def script(peer: Peer) -> None:
        while True:
            await peer.say("220-still here\r\n" * 1000)

    async with serving(script) as port:
        with pytest.raises((Lost, Refused, StageTimeout)):
            await begin(port, greeting=5.0)
    (session,) = begin.sessions

    assert len(session._buffer) <= 64 * 1024
    assert len(session.recorder.take()) <= 2500


async def test_silence_at_the_greeting(begin) -> None:  # type: ignore[no-untyped-def]
    async with serving(saying("")) as port:
        with pytest.raises(StageTimeout) as caught:
            await begin(port, greeting=0.05)

    assert (caught.value.stage, caught.value.seconds) == (Stage.GREETING, 0.05)


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_connection_lost_at_the_greeting(begin, end: str) -> None:  # type: ignore[no-untyped-def]
    async def script(peer: Peer) -> None:
        if end == "reset":
            peer.reset()

    async with serving(script) as port:
        with pytest.raises((Lost, OSError)):
            await begin(port)


# ---------------------------------------------------------------------- TLS and AUTH


async def test_starttls(begin) -> None:  # type: ignore[no-untyped-def]
    async with RemoteServer(with_tls(Tls.SELF_SIGNED)) as remote:
        session = await begin(remote.address[1])
        await session.hello("relay.test", 5.0)
        await session.secure(tls.opportunistic(), "mx.test", 5.0)
        await session.hello("relay.test", 5.0)

        assert session.tls.startswith("TLSv1.3 ")
        assert session.tls.endswith(" unverified")
        assert f"* {session.tls}" in lines(session)
        assert "starttls" in session.timings


@pytest.mark.parametrize("kind", [Tls.BROKEN, Tls.OUTDATED])
async def test_a_handshake_that_fails(begin, kind: Tls) -> None:  # type: ignore[no-untyped-def]
    async with RemoteServer(with_tls(kind)) as remote:
        session = await begin(remote.address[1])
        await session.hello("relay.test", 5.0)
        with pytest.raises((OSError, Lost)):
            await session.secure(tls.opportunistic(), "mx.test", 5.0)

        assert session.stage is Stage.STARTTLS


async def test_a_certificate_that_is_not_trusted(begin) -> None:  # type: ignore[no-untyped-def]
    async with RemoteServer(with_tls(Tls.SELF_SIGNED)) as remote:
        session = await begin(remote.address[1])
        await session.hello("relay.test", 5.0)
        with pytest.raises(ssl.SSLCertVerificationError):
            await session.secure(tls.verified(), "mx.test", 5.0)
        await until(lambda: not remote.dialogues)


async def test_starttls_declined(begin) -> None:  # type: ignore[no-untyped-def]
    async with RemoteServer(
        with_tls(Tls.TRUSTED).but(hooks={Stage.STARTTLS: Act("454 4.7.0 TLS not available")})
    ) as remote:
        session = await begin(remote.address[1])
        await session.hello("relay.test", 5.0)
        with pytest.raises(Refused) as caught:
            await session.secure(tls.opportunistic(), "mx.test", 5.0)

    assert (caught.value.stage, caught.value.reply) == (Stage.STARTTLS, Reply(454, "4.7.0", "TLS not available"))


async def test_what_is_said_before_the_handshake_is_not_believed_after_it(begin) -> None:  # type: ignore[no-untyped-def]
    """A reply slipped in behind 220 must not be read as the answer to the first command under TLS."""

    async def script(peer: Peer) -> None:
        await peer.hello("STARTTLS")
        await peer.hear()
        await peer.say("220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n")
        await peer.reader.read()

    async with serving(script) as port:
        session = await begin(port)
        await session.hello("relay.test", 5.0)
        with pytest.raises((OSError, Lost, StageTimeout)):
            await session.secure(tls.opportunistic(), "mx.test", 0.3)
            await session.hello("relay.test", 0.3)
        assert "auth" not in session.extensions


@pytest.mark.parametrize("offered", ["AUTH PLAIN LOGIN", "AUTH LOGIN", "AUTH CRAM-MD5"])
async def test_secrets_are_masked_whatever_is_offered(begin, offered: str) -> None:  # type: ignore[no-untyped-def]
    async def script(peer: Peer) -> None:
        await peer.hello(offered)
        while line := await peer.hear():
            await peer.say(
                "334 VXNlcm5hbWU6\r\n"
                if b"AUTH LOGIN" in line or line == base64.b64encode(b"user") + b"\r\n"
                else "235 2.7.0 ok\r\n"
            )

    async with serving(script) as port:
        session = await begin(port)
        await session.hello("relay.test", 5.0)
        await session.login("user", "s3cret pässword", 5.0)
        said = "\n".join(lines(session))

    secrets = [
        "s3cret",
        *(base64.b64encode(text.encode()).decode() for text in ("user", "s3cret pässword", "\0user\0s3cret pässword")),
    ]
    assert not any(secret in said for secret in secrets)
    assert "> AUTH " in said
    assert "***" in said


async def test_credentials_that_are_refused(begin) -> None:  # type: ignore[no-untyped-def]
    async with RemoteServer(with_auth("user", "right")) as remote:
        session = await begin(remote.address[1])
        await session.hello("relay.test", 5.0)
        with pytest.raises(Refused) as caught:
            await session.login("user", "wrong", 5.0)

    assert caught.value.stage is Stage.AUTH
    assert caught.value.reply.code == 535


# ---------------------------------------------------------------------- replies to what was sent


def after_hello(then: Script) -> Script:
    async def script(peer: Peer) -> None:
        await peer.hello("PIPELINING")
        await then(peer)

    return script


STEP = (Stage.MAIL, 5.0)


async def test_replies_come_in_order_however_they_are_cut() -> None:
    async def script(peer: Peer) -> None:
        await peer.hear(3)
        for octet in b"250 one\r\n250-two\r\n250 more\r\n354 three\r\n":
            await peer.say(bytes([octet]))
        await peer.reader.read()

    async with serving(after_hello(script)) as port:
        session = await reach(port)
        session.send(b"A\r\nB\r\nC\r\n", 3)
        replies = await session.replies([STEP] * 3)
        said = [line.line for line in session.recorder.take()]

    assert replies == [Reply(250, "", "one"), Reply(250, "", "two\nmore"), Reply(354, "", "three")]
    assert said[-4:] == ["250 one", "250-two", "250 more", "354 three"]


async def test_a_421_ends_the_waiting_and_the_session() -> None:
    async def script(peer: Peer) -> None:
        await peer.hear(3)
        await peer.say("250 one\r\n421 4.3.2 bye\r\n")
        await peer.reader.read()

    async with serving(after_hello(script)) as port:
        session = await reach(port)
        session.send(b"A\r\nB\r\nC\r\n", 3)
        replies = await session.replies([STEP] * 3)

        assert [reply.code for reply in replies] == [250, 421]
        assert not session.alive
        session.abort()


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_what_came_before_the_end_is_kept(end: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.hear(2)
        await peer.say("250 one\r\n")
        if end == "reset":
            await peer.hear()
            peer.reset()

    async with serving(after_hello(script)) as port:
        session = await reach(port)
        session.send(b"A\r\nB\r\n", 2)
        if end == "reset":
            await until(lambda: session._replies)
            session.send(b"C\r\n", 0)
        with pytest.raises(Lost):
            await session.replies([STEP] * 2)

        assert session.partial() == [Reply(250, "", "one")]
        assert not session.alive
        with pytest.raises(Lost):
            session.send(b"D\r\n", 1)


async def test_replies_that_came_with_the_end_count() -> None:
    async def script(peer: Peer) -> None:
        await peer.hear()
        await peer.say("250 done\r\n")

    async with serving(after_hello(script)) as port:
        session = await reach(port)
        session.send(b"A\r\n", 1)
        await until(lambda: not session.alive)

        assert await session.replies([STEP]) == [Reply(250, "", "done")]


async def test_silence_names_the_reply_that_is_missing() -> None:
    async def script(peer: Peer) -> None:
        await peer.hear(3)
        await peer.say("250 one\r\n")
        await peer.reader.read()

    async with serving(after_hello(script)) as port:
        session = await reach(port)
        session.send(b"A\r\nB\r\nC\r\n", 3)
        with pytest.raises(StageTimeout) as caught:
            await session.replies([(Stage.MAIL, 0.05), (Stage.RCPT, 0.05), (Stage.DATA, 5.0)])

    assert (caught.value.stage, caught.value.seconds) == (Stage.RCPT, 0.05)
    assert session.partial() == [Reply(250, "", "one")]
    assert not session.alive


async def test_patience_counts_from_the_last_sign_of_life() -> None:
    """Each reply takes less than its patience, all of them together more."""

    async def script(peer: Peer) -> None:
        await peer.hear(6)
        for n in range(6):
            await asyncio.sleep(0.05)
            await peer.say(f"250 {n}\r\n")
        await peer.reader.read()

    async with serving(after_hello(script)) as port:
        session = await reach(port)
        session.send(b"A\r\n" * 6, 6)
        assert len(await session.replies([(Stage.RCPT, 0.2)] * 6)) == 6
        session.abort()


async def test_a_clock_that_was_wound_again_does_not_ring_in_the_next_wait() -> None:
    """The watch over slow RCPT replies must not end the long wait for the dot."""

    async def script(peer: Peer) -> None:
        await peer.hear(2)
        await asyncio.sleep(0.06)
        await peer.say("250 one\r\n")
        await asyncio.sleep(0.06)
        await peer.say("250 two\r\n")
        await peer.hear()
        await asyncio.sleep(0.3)
        await peer.say("250 at last\r\n")
        await peer.reader.read()

    async with serving(after_hello(script)) as port:
        session = await reach(port)
        session.send(b"A\r\nB\r\n", 2)
        await session.replies([(Stage.RCPT, 0.1)] * 2)
        session.send(b".\r\n", 1)

        assert await session.replies([(Stage.FINAL_DOT, 5.0)]) == [Reply(250, "", "at last")]
        session.abort()


async def test_a_reply_nobody_asked_for_ends_the_session() -> None:
    async def script(peer: Peer) -> None:
        await peer.hear()
        await peer.say("250 surprise\r\n")
        await peer.reader.read()

    async with serving(after_hello(script)) as port:
        session = await reach(port)
        session.send(b"A\r\n", 0)
        await until(lambda: not session.alive)

        with pytest.raises(Lost, match="not sent"):
            session.send(b"A\r\n", 1)


async def test_nonsense_ends_the_session() -> None:
    async def script(peer: Peer) -> None:
        await peer.hear()
        await peer.say("well, hello\r\n")
        await peer.reader.read()

    async with serving(after_hello(script)) as port:
        session = await reach(port)
        session.send(b"A\r\n", 1)
        with pytest.raises(Lost, match="not an SMTP reply"):
            await session.replies([STEP])

        assert not session.alive


async def test_a_host_that_stops_reading() -> None:
    stop = asyncio.Event()

    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await stop.wait()

    async with serving(after_hello(script)) as port:
        session = await reach(port)
        session.send(b"x" * (32 << 20), 0)
        with pytest.raises(StageTimeout) as caught:
            await session.drain(0.1)
        stop.set()

    assert caught.value.stage is Stage.DATA
    assert not session.alive


# ---------------------------------------------------------------------- the end


async def test_quit_is_polite_and_short() -> None:
    async with RemoteServer() as remote:
        session = await reach(remote.address[1])
        await session.quit(5.0)
        await until(lambda: remote.records.open == 0)

        assert [command.line for command in remote.commands][-1] == "QUIT"
        assert not session.alive


async def test_quit_does_not_wait_for_who_does_not_answer() -> None:
    async with RemoteServer(Personality(hooks={Stage.QUIT: Act(then=Then.HANG)})) as remote:
        session = await reach(remote.address[1])
        async with asyncio.timeout(2):
            await session.quit(0.05)

        assert not session.alive
        await session.quit(0.05)
