"""Each personality as an independent client sees it: the standard library's smtplib in a thread, or raw octets."""

from __future__ import annotations

import asyncio
import base64
import smtplib
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from mailtui.lab import dialogue
from mailtui.lab.certificates import Certificates
from mailtui.lab.personality import (
    FINE,
    HELO_ONLY,
    REFUSING,
    Act,
    Personality,
    Then,
    Tls,
    blocklisted,
    drops_after_dot,
    greylisting,
    mailbox_full,
    slow,
    throttling,
    unavailable,
    unknown_users,
    with_auth,
    with_tls,
)
from mailtui.lab.remote import RemoteServer, reserve
from mailtui.model import Stage

T = TypeVar("T")
SENDER = "orders@shop.example"
CONTENT = b"Subject: Hello\r\nMessage-ID: <1@shop.example>\r\nX-Test-ID: t1\r\n\r\nline\r\n.dot\r\n..two\r\n"


class Raw:
    """A client that says exactly what it is told and hands back what it hears."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, *lines: str) -> None:
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self.writer.drain()

    async def reply(self) -> str:
        """One whole reply; the lines heard so far when the connection ends."""
        heard = b""
        async with asyncio.timeout(5):
            while line := await self.reader.readline():
                heard += line
                if line[3:4] != b"-":
                    break
        return heard.decode("latin-1").replace("\r\n", "\n").rstrip("\n")

    async def ask(self, line: str) -> str:
        await self.say(line)
        return await self.reply()

    async def to_data(self, *recipients: str) -> list[str]:
        """EHLO to DATA, one command at a time: the replies from the greeting on."""
        replies = [await self.reply(), await self.ask("EHLO c.example"), await self.ask(f"MAIL FROM:<{SENDER}>")]
        replies += [await self.ask(f"RCPT TO:<{address}>") for address in recipients or ("x@a.test",)]
        return [*replies, await self.ask("DATA")]


@asynccontextmanager
async def connected(remote: RemoteServer) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection(*remote.address)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except OSError:
            pass


@asynccontextmanager
async def speaking(personality: Personality) -> AsyncIterator[tuple[RemoteServer, Raw]]:
    async with RemoteServer(personality) as remote, connected(remote) as raw:
        yield remote, raw


async def with_smtplib(remote: RemoteServer, use: Callable[[smtplib.SMTP], T]) -> T:
    def run() -> T:
        with smtplib.SMTP(*remote.address, local_hostname="c.example", timeout=5) as client:
            return use(client)

    return await asyncio.to_thread(run)


async def codes(personality: Personality, *recipients: str) -> tuple[list[int], RemoteServer]:
    """The codes a client gets from the greeting to DATA."""
    async with speaking(personality) as (remote, raw):
        return [int(reply[:3]) for reply in await raw.to_data(*recipients)], remote


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - any predicate, not one event
            await asyncio.sleep(0.001)


# --- receiving


async def test_smtplib_delivers_and_both_ledgers_agree() -> None:
    async with RemoteServer() as remote:
        refused = await with_smtplib(remote, lambda c: c.sendmail(SENDER, ["x@a.test", "y@a.test"], CONTENT))
        assert refused == {}
        (message,) = remote.mailbox
        assert (message.sender, message.recipients) == (SENDER, ("x@a.test", "y@a.test"))
        assert message.content == CONTENT
        assert (message.size, len(message.sha256)) == (len(CONTENT), 64)
        assert (message.message_id, message.test_id, message.subject) == ("<1@shop.example>", "t1", "Hello")
        assert message.mail_params == (f"size={len(CONTENT)}",)
        assert (message.helo, message.connection, message.tls) == ("c.example", 1, "")
        assert message.reply == "250 2.0.0 Ok: queued as 00000001"
        await until(lambda: remote.records.open == 0)
        (transaction,) = remote.transactions
        assert transaction.recipients == (("x@a.test", 250), ("y@a.test", 250))
        assert (transaction.stage, transaction.outcome) == (Stage.FINAL_DOT, 250)
        assert remote.commands[-1].line.upper() == "QUIT"
        assert remote.connections[0].closed is not None
        assert list(remote.violations) == []


async def test_pipelined_messages_on_one_connection() -> None:
    async with speaking(FINE) as (remote, raw):
        await raw.reply()
        await raw.ask("EHLO c.example")
        for _ in range(3):
            await raw.say(f"MAIL FROM:<{SENDER}>", "RCPT TO:<x@a.test>", "RCPT TO:<y@a.test>", "DATA")
            assert [(await raw.reply())[:3] for _ in range(4)] == ["250", "250", "250", "354"]
            await raw.say("Subject: x", "", "text", ".")
            assert (await raw.reply())[:3] == "250"
        assert [message.connection for message in remote.mailbox] == [1, 1, 1]
        assert remote.records.total_recipients == 6
        assert list(remote.violations) == []


@pytest.mark.parametrize("cut", range(1, 12))
async def test_final_dot_is_found_however_it_is_split(cut: int) -> None:
    wire = b"a\r\n..\r\n.\r\n"
    async with speaking(FINE) as (remote, raw):
        await raw.to_data()
        raw.writer.write(wire[:cut])
        await raw.writer.drain()
        raw.writer.write(wire[cut:] + b"QUIT\r\n")
        assert (await raw.reply())[:3] == "250"
        assert (await raw.reply())[:3] == "221"
        assert remote.mailbox[0].content == b"a\r\n.\r\n"


async def test_empty_content_and_bare_newlines_stay_as_they_are() -> None:
    async with speaking(FINE) as (remote, raw):
        await raw.to_data()
        assert (await raw.ask("."))[:3] == "250"
        await raw.say(f"MAIL FROM:<{SENDER}>", "RCPT TO:<x@a.test>", "DATA")
        for _ in range(3):
            await raw.reply()
        raw.writer.write(b"a\n.\nb\r.\r\n.\n\r\n.\r\n")
        assert (await raw.reply())[:3] == "250"
        assert [message.content for message in remote.mailbox] == [b"", b"a\n.\nb\r.\r\n\n\r\n"]


async def test_bodies_need_not_be_kept_and_lists_are_bounded() -> None:
    async with RemoteServer(keep=2, keep_bodies=False) as remote:
        for _ in range(3):
            await with_smtplib(remote, lambda c: c.sendmail(SENDER, "x@a.test", CONTENT))
        assert [message.content for message in remote.mailbox] == [b"", b""]
        assert remote.mailbox[0].size == len(CONTENT)
        assert len(remote.connections) == 2
        assert (remote.records.total_received, remote.records.total_connections) == (3, 3)


async def test_transaction_given_up_is_recorded() -> None:
    async with speaking(FINE) as (remote, raw):
        await raw.to_data()
    await until(lambda: len(remote.transactions) == 1)
    assert (remote.transactions[0].stage, remote.transactions[0].outcome) == (Stage.DATA, 0)


# --- refusing


async def test_unknown_users() -> None:
    got, remote = await codes(unknown_users("unknown*"), "unknown1@a.test", "known@a.test")
    assert got == [220, 250, 250, 550, 250, 354]
    async with speaking(unknown_users()) as (_, raw):
        replies = await raw.to_data("unknown@a.test")
        assert replies[3].startswith("550 5.1.1 <unknown@a.test>")
        assert replies[4].startswith("554 5.5.1")
    await until(lambda: len(remote.transactions) == 1)
    assert remote.transactions[0].recipients == (("unknown1@a.test", 550), ("known@a.test", 250))


@pytest.mark.parametrize(("permanent", "start"), [(False, "452 4.2.2"), (True, "552 5.2.2")])
async def test_mailbox_full(permanent: bool, start: str) -> None:
    async with speaking(mailbox_full(permanent=permanent)) as (_, raw):
        assert (await raw.to_data())[3].startswith(start)


async def test_greylisting_passes_after_the_hinted_time() -> None:
    async with RemoteServer(greylisting(20)) as remote:
        clock = [1000.0]
        remote.now = lambda: clock[0]
        async with connected(remote) as raw:
            first = (await raw.to_data())[3]
            assert first.startswith("451 4.7.1 ")
            assert "try again in 21 seconds" in first
            clock[0] += 21
            assert (await raw.ask("RCPT TO:<x@a.test>"))[:3] == "250"
            assert (await raw.ask("RCPT TO:<y@a.test>"))[:3] == "451"


async def test_blocklisted_at_rcpt_and_at_the_greeting() -> None:
    got, _ = await codes(blocklisted())
    assert got == [220, 250, 250, 554, 554]
    async with speaking(blocklisted(Stage.GREETING)) as (_, raw):
        assert "blocked using zen.blocklist.test" in await raw.reply()
        assert await raw.reader.read() == b""


async def test_5yz_greeting() -> None:
    async with RemoteServer(REFUSING) as remote:
        with pytest.raises(smtplib.SMTPConnectError, match="554"):
            await with_smtplib(remote, lambda c: c.noop())


async def test_throttling_by_messages_on_a_connection() -> None:
    async with RemoteServer(throttling(per_connection=2)) as remote:

        def three(client: smtplib.SMTP) -> None:
            for _ in range(3):
                client.sendmail(SENDER, "x@a.test", CONTENT)

        with pytest.raises(smtplib.SMTPSenderRefused, match=r"421.*4\.7\.0"):
            await with_smtplib(remote, three)
        assert remote.records.total_received == 2


async def test_throttling_by_rate() -> None:
    async with RemoteServer(throttling(rate=(2, 3600.0))) as remote:
        for _ in range(2):
            await with_smtplib(remote, lambda c: c.sendmail(SENDER, "x@a.test", CONTENT))
        with pytest.raises(smtplib.SMTPSenderRefused, match="421"):
            await with_smtplib(remote, lambda c: c.sendmail(SENDER, "x@a.test", CONTENT))


async def test_throttling_by_simultaneous_connections_and_their_peak() -> None:
    async with RemoteServer(throttling(max_connections=2)) as remote:
        async with connected(remote) as one, connected(remote) as two, connected(remote) as three:
            assert [(await raw.reply())[:3] for raw in (one, two)] == ["220", "220"]
            assert (await three.reply()).startswith("421 4.7.0")
            assert await three.reader.read() == b""
        await until(lambda: remote.records.open == 0)
        async with connected(remote) as again:
            assert (await again.reply())[:3] == "220"
        assert (remote.records.peak, remote.records.turned_away) == (3, 1)
        assert [connection.turned_away for connection in remote.connections] == [False, False, True, False]


@pytest.mark.parametrize(
    ("stage", "replies_before"),
    [
        (Stage.GREETING, 0),
        (Stage.HELO, 1),
        (Stage.MAIL, 2),
        (Stage.RCPT, 3),
        (Stage.DATA, 4),
        (Stage.FINAL_DOT, 5),
        (Stage.QUIT, 6),
    ],
)
async def test_421_at_any_stage(stage: Stage, replies_before: int) -> None:
    commands = ["EHLO c", f"MAIL FROM:<{SENDER}>", "RCPT TO:<x@a.test>", "DATA", "text\r\n.", "QUIT"]
    async with speaking(unavailable(stage)) as (remote, raw):
        heard = [await raw.reply()]
        for command in commands[:replies_before]:
            heard.append(await raw.ask(command))
        assert all(reply[0] in "23" for reply in heard[:-1])
        assert heard[-1].startswith("421 4.3.2")
        assert len(heard) == replies_before + 1
        assert await raw.reader.read() == b""
        assert remote.records.total_received == (stage is Stage.QUIT)


async def test_reply_by_recipient_function() -> None:
    def answer(at: object) -> Act | None:
        address = getattr(at, "address", "")
        return {
            "busy": Act("450 4.2.1 Busy"),
            "gone": Act("550 5.1.1 Gone"),
            "moved": Act("251 2.1.5 Will forward"),
        }.get(address.partition("@")[0])

    got, _ = await codes(
        FINE.but(hooks={Stage.RCPT: answer}), "ok@a.test", "busy@a.test", "gone@a.test", "moved@a.test"
    )
    assert got == [220, 250, 250, 250, 450, 550, 251, 354]


# --- the final dot and odd replies


async def at_the_dot(act: Act) -> tuple[str, RemoteServer]:
    """Everything heard after the final dot until QUIT is answered or the connection ends."""
    async with speaking(FINE.but(hooks={Stage.FINAL_DOT: act})) as (remote, raw):
        await raw.to_data()
        await raw.say("text", ".")
        heard = await raw.reply()
        if act.then is Then.GO_ON:
            assert (await raw.ask("QUIT")).startswith("221")
        return heard, remote


async def test_drops_after_the_dot_keeping_the_message() -> None:
    async with speaking(drops_after_dot()) as (remote, raw):
        await raw.to_data()
        await raw.say("text", ".")
        assert await raw.reader.read() == b""
        assert [message.reply for message in remote.mailbox] == [""]
        assert remote.transactions[0].outcome == 0


async def test_resets_after_the_dot() -> None:
    async with speaking(drops_after_dot(Then.RESET)) as (remote, raw):
        await raw.to_data()
        await raw.say("text", ".")
        with pytest.raises(ConnectionResetError):
            await raw.reader.read()
        assert remote.records.total_received == 1


async def test_silent_after_the_dot_until_dropped() -> None:
    async with speaking(drops_after_dot(Then.HANG)) as (remote, raw):
        await raw.to_data()
        await raw.say("text", ".")
        await until(lambda: remote.records.total_received == 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(raw.reader.read(1), 0.1)
        remote.drop()
        assert await raw.reader.read() == b""


async def test_answers_late() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    heard, _ = await at_the_dot(Act("250 2.0.0 At last", delay=0.1))
    assert heard == "250 2.0.0 At last"
    assert loop.time() - begun >= 0.09


async def test_flaky_is_repeatable_by_seed() -> None:
    async def outcomes() -> list[str]:
        async with RemoteServer(drops_after_dot(odds=0.5), seed=7) as remote:
            for _ in range(12):
                async with connected(remote) as raw:
                    await raw.to_data()
                    await raw.say("text", ".")
                    await raw.reply()
            return [message.reply for message in remote.mailbox]

    first, second = await outcomes(), await outcomes()
    assert first == second
    assert "" in first
    assert any(first)


@pytest.mark.parametrize(
    ("act", "heard"),
    [
        (Act("251 2.0.0 Forwarded"), "251 2.0.0 Forwarded"),
        (Act("250"), "250"),
        (Act("250 2.0.0 a\nb"), "250-2.0.0 a\n250 b"),
        (Act("250 2.0.0 in pieces", pieces=2), "250 2.0.0 in pieces"),
        (Act("250 2.0.0 drip", pieces=16, gap=0.001), "250 2.0.0 drip"),
        (Act(b"2_5 odd\r\n"), "2_5 odd"),
        (Act(b"250-yes\r\n550 no\r\n"), "250-yes\n550 no"),
        (Act(b"250 \x1b[2J\x00\x07\x9b31m\r\n"), "250 \x1b[2J\x00\x07\x9b31m"),
    ],
)
async def test_odd_replies_arrive_as_they_are(act: Act, heard: str) -> None:
    got, remote = await at_the_dot(act)
    assert got == heard
    assert remote.records.total_received == 1


async def test_reply_in_two_segments_is_two_reads() -> None:
    async with speaking(FINE.but(hooks={Stage.QUIT: Act("221 2.0.0 Bye", pieces=2, gap=0.2)})) as (_, raw):
        await raw.reply()
        await raw.say("QUIT")
        assert await raw.reader.read(100) == b"221 2.0."
        assert await raw.reader.read(100) == b"0 Bye\r\n"


async def test_megabyte_reply_line() -> None:
    async with speaking(FINE.but(hooks={Stage.HELO: Act(b"250 " + b"x" * (1 << 20) + b"\r\n")})) as (_, raw):
        await raw.reply()
        await raw.say("EHLO c")
        assert len(await raw.reader.readexactly((1 << 20) + 6)) == (1 << 20) + 6


async def test_endless_reply_stops_with_the_client() -> None:
    async with speaking(FINE.but(hooks={Stage.HELO: Act(b"250-more\r\n", endless=True)})) as (remote, raw):
        await raw.reply()
        await raw.say("EHLO c")
        assert (await raw.reader.readexactly(1_000_000)).startswith(b"250-more\r\n250-more\r\n")
    await until(lambda: remote.records.open == 0)


@pytest.mark.parametrize("stage", [Stage.GREETING, Stage.HELO, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.FINAL_DOT])
async def test_slow_at_a_stage(stage: Stage) -> None:
    loop = asyncio.get_running_loop()
    async with speaking(slow({stage: 0.1})) as (_, raw):
        begun = loop.time()
        await raw.to_data()
        assert (await raw.ask("text\r\n."))[:3] == "250"
        assert 0.09 <= loop.time() - begun < 3.0


# --- what is offered


async def test_offers_exactly_its_extensions() -> None:
    personality = Personality(extensions=("8BITMIME", "SIZE 1000"), users=(("u", "p"),), tls=Tls.TRUSTED)
    async with speaking(personality) as (_, raw):
        await raw.reply()
        assert await raw.ask("EHLO c") == (
            "250-mx.test\n250-8BITMIME\n250-SIZE 1000\n250-STARTTLS\n250 AUTH PLAIN LOGIN"
        )


async def test_helo_only() -> None:
    async with RemoteServer(HELO_ONLY) as remote:
        await with_smtplib(remote, lambda c: c.sendmail(SENDER, "x@a.test", CONTENT))
        assert [command.line.split()[0].upper() for command in remote.commands][:3] == ["EHLO", "HELO", "MAIL"]
        assert remote.mailbox[0].mail_params == ()


async def test_parameters_that_were_not_offered_are_refused() -> None:
    async with speaking(FINE.but(extensions=())) as (remote, raw):
        await raw.reply()
        await raw.ask("EHLO c")
        for parameter in ("SIZE=10", "BODY=8BITMIME", "SMTPUTF8", "RET=HDRS", "X-UNHEARD=1"):
            assert (await raw.ask(f"MAIL FROM:<{SENDER}> {parameter}")).startswith("555 5.5.4")
        assert len(remote.violations) == 5


async def test_parameters_are_recorded_as_written() -> None:
    async with speaking(FINE) as (remote, raw):
        await raw.reply()
        await raw.ask("EHLO c")
        await raw.ask(f"MAIL FROM:<{SENDER}> BODY=8BITMIME RET=HDRS ENVID=QQ+3Dx")
        await raw.ask("RCPT TO:<x@a.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;X@a.test")
        await raw.ask("RCPT TO:<y@a.test>")
        await raw.ask("DATA")
        await raw.ask("gr\u00fcn\r\n.")
        (message,) = remote.mailbox
        assert message.mail_params == ("BODY=8BITMIME", "RET=HDRS", "ENVID=QQ+3Dx")
        assert message.rcpt_params == (("NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;X@a.test"), ())
        assert list(remote.violations) == []


async def test_size_limit_is_kept_at_mail_and_at_the_dot() -> None:
    async with speaking(FINE.but(extensions=("SIZE 10",))) as (remote, raw):
        await raw.reply()
        await raw.ask("EHLO c")
        assert (await raw.ask(f"MAIL FROM:<{SENDER}> SIZE=11")).startswith("552 5.3.4")
        assert (await raw.ask(f"MAIL FROM:<{SENDER}> SIZE=10")).startswith("250")
        await raw.ask("RCPT TO:<x@a.test>")
        await raw.ask("DATA")
        assert (await raw.ask("more than ten\r\n.")).startswith("552 5.3.4")
        assert remote.records.total_received == 0


async def test_content_is_bounded_even_without_a_size_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue, "MAX_CONTENT", 10_000)
    async with speaking(FINE.but(extensions=())) as (remote, raw):
        await raw.to_data()
        raw.writer.write(b"x" * 100_000 + b"\r\n.\r\n")
        assert (await raw.reply()).startswith("552 5.3.4")
        assert (await raw.ask("NOOP"))[:3] == "250"
        assert remote.records.total_received == 0


@pytest.mark.parametrize(
    ("lines", "violation"),
    [
        (("EHLO c", "MAIL FROM:<a@b>"), "sent more after EHLO"),
        (("MAIL FROM:a@b",), "bad syntax"),
        (("MAIL FROM: <a@b>",), "bad syntax"),
        (("NOOP\nNOOP",), "without CR LF"),
    ],
)
async def test_broken_protocol_is_noted(lines: tuple[str, ...], violation: str) -> None:
    async with speaking(FINE) as (remote, raw):
        await raw.reply()
        await raw.say(*lines)
        await until(lambda: any(violation in noted for noted in remote.violations))


async def test_speaking_before_the_greeting_is_noted() -> None:
    async with speaking(slow({Stage.GREETING: 0.05})) as (remote, raw):
        await raw.say("EHLO c")
        assert (await raw.reply())[:3] == "220"
        assert (await raw.reply())[:3] == "250"
        assert any("spoke before" in noted for noted in remote.violations)


async def test_8_bit_content_that_was_not_declared_is_noted() -> None:
    async with speaking(FINE) as (remote, raw):
        await raw.to_data()
        await raw.ask("gr\u00fcn\r\n.")
        assert any("8-bit content" in noted for noted in remote.violations)


@pytest.mark.parametrize(
    "octets", [b"x" * 13_000, b"\xff\x00\r\n" * 50, b"AUTH\r\nMAIL\r\nRCPT TO:<" + b'"' * 4000 + b"\r\n"]
)
async def test_hostile_input_ends_in_an_error_reply(octets: bytes) -> None:
    async with speaking(FINE) as (_, raw):
        await raw.reply()
        raw.writer.write(octets)
        assert (await raw.reply())[0] == "5"


# --- TLS and AUTH


def starttls(context: ssl.SSLContext) -> Callable[[smtplib.SMTP], str]:
    """A client that goes on under TLS, verifying as the context says, and delivers; gives the TLS version."""

    def use(client: smtplib.SMTP) -> str:
        client._host = "mx.test"  # type: ignore[attr-defined]  # the name smtplib verifies
        client.starttls(context=context)
        client.sendmail(SENDER, "x@a.test", CONTENT)
        assert isinstance(client.sock, ssl.SSLSocket)
        return client.sock.version() or ""

    return use


def trusting(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority))


async def test_trusted_certificate_verifies(tmp_path: Path) -> None:
    certificates = Certificates()
    context = trusting(certificates.write_authority(tmp_path / "ca.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    async with RemoteServer(with_tls(Tls.TRUSTED), certificates=certificates) as remote:
        assert await with_smtplib(remote, starttls(context)) == "TLSv1.3"
        assert remote.mailbox[0].tls == "TLSv1.3"
        assert [command.tls for command in remote.commands if command.line.upper().startswith("EHLO")] == [False, True]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(Tls.SELF_SIGNED, "self-signed"), (Tls.EXPIRED, "expired"), (Tls.WRONG_NAME, "Hostname mismatch")],
)
async def test_flawed_certificates_fail_verification_only(kind: Tls, reason: str, tmp_path: Path) -> None:
    certificates = Certificates()
    context = trusting(certificates.write_authority(tmp_path / "ca.pem"))
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    async with RemoteServer(with_tls(kind), certificates=certificates) as remote:
        with pytest.raises(ssl.SSLCertVerificationError, match=reason):
            await with_smtplib(remote, starttls(context))
        assert await with_smtplib(remote, starttls(unverified)) == "TLSv1.3"


async def test_outdated_tls_is_refused_by_a_modern_client() -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with RemoteServer(with_tls(Tls.OUTDATED)) as remote:
        with pytest.raises(ssl.SSLError):
            await with_smtplib(remote, starttls(context))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:@SECLEVEL=0")
        assert await with_smtplib(remote, starttls(context)) == "TLSv1"


async def test_broken_handshake_and_plain_delivery_after_it() -> None:
    async with RemoteServer(with_tls(Tls.BROKEN)) as remote:
        with pytest.raises(ssl.SSLError):
            await with_smtplib(remote, starttls(ssl.create_default_context()))
        await with_smtplib(remote, lambda c: c.sendmail(SENDER, "x@a.test", CONTENT))
        assert [message.tls for message in remote.mailbox] == [""]


async def test_stalled_handshake_says_nothing() -> None:
    async with speaking(with_tls(Tls.STALLED)) as (_, raw):
        await raw.reply()
        await raw.ask("EHLO c")
        assert (await raw.ask("STARTTLS"))[:3] == "220"
        raw.writer.write(b"\x16\x03\x01")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(raw.reader.read(1), 0.1)


async def test_starttls_refused_leaves_the_session_as_it_was() -> None:
    personality = with_tls(Tls.TRUSTED).but(hooks={Stage.STARTTLS: Act("454 4.7.0 TLS not available")})
    async with speaking(personality) as (_, raw):
        await raw.reply()
        await raw.ask("EHLO c")
        assert (await raw.ask("STARTTLS"))[:3] == "454"
        assert (await raw.ask(f"MAIL FROM:<{SENDER}> SIZE=10"))[:3] == "250"


async def test_no_tls_is_not_offered() -> None:
    async with RemoteServer() as remote:
        with pytest.raises(smtplib.SMTPNotSupportedError):
            await with_smtplib(remote, lambda c: c.starttls())


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_auth(mechanism: str) -> None:
    async with RemoteServer(with_auth("relay", "s3cret", tls=Tls.OFF)) as remote:

        def use(client: smtplib.SMTP) -> None:
            client.ehlo()
            client.esmtp_features["auth"] = mechanism
            client.login("relay", "s3cret")
            client.sendmail(SENDER, "x@a.test", CONTENT)

        await with_smtplib(remote, use)
        assert remote.connections[0].login == "relay"
        assert remote.connections[0].login_in_clear
        encoded = base64.b64encode(b"s3cret").decode()
        assert not any("s3cret" in c.line or encoded in c.line or "AHJ" in c.line for c in remote.commands)


async def test_auth_is_needed_and_must_be_right() -> None:
    async with RemoteServer(with_auth("relay", "s3cret", tls=Tls.OFF)) as remote:
        with pytest.raises(smtplib.SMTPSenderRefused, match="530"):
            await with_smtplib(remote, lambda c: c.sendmail(SENDER, "x@a.test", CONTENT))
        with pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
            await with_smtplib(remote, lambda c: c.login("relay", "wrong"))
        assert remote.records.total_received == 0


# --- coming and going


async def test_down_refuses_and_up_listens_on_the_same_port() -> None:
    async with RemoteServer() as remote:
        address = remote.address
        async with connected(remote) as raw:
            await raw.reply()
            await remote.down()
            with pytest.raises(ConnectionResetError):
                await raw.reader.read()
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*address)
            await remote.up()
            assert remote.address == address
            async with connected(remote) as raw:
                assert (await raw.reply())[:3] == "220"
                await raw.ask("QUIT")
            await remote.down()
        assert not remote.is_up


async def test_down_may_leave_sessions_alone() -> None:
    async with speaking(FINE) as (remote, raw):
        await raw.reply()
        await remote.down(Then.GO_ON)
        assert (await raw.ask("EHLO c"))[:3] == "250"


async def test_reserved_port_refuses() -> None:
    with reserve() as reserved:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*reserved.getsockname())
        with pytest.raises(OSError, match="in use"):
            reserve(*reserved.getsockname())


async def test_character_changes_under_a_session() -> None:
    async with speaking(FINE) as (remote, raw):
        await raw.to_data()
        assert (await raw.ask("text\r\n."))[:3] == "250"
        remote.personality = blocklisted()
        await raw.ask(f"MAIL FROM:<{SENDER}>")
        assert (await raw.ask("RCPT TO:<x@a.test>"))[:3] == "554"


async def test_drop_with_a_farewell_and_idle_timeout() -> None:
    async with RemoteServer() as remote:
        async with connected(remote) as raw:
            await raw.reply()
            remote.drop(farewell="421 4.3.2 Shutting down")
            assert await raw.reply() == "421 4.3.2 Shutting down"
            assert await raw.reader.read() == b""
        remote.personality = FINE.but(idle=0.05)
        async with connected(remote) as raw:
            await raw.reply()
            assert (await raw.reply()).startswith("421 4.4.2")


async def test_closing_leaves_nothing_behind() -> None:
    remote = RemoteServer(slow({Stage.HELO: 60}))
    await remote.up()
    reader, writer = await asyncio.open_connection(*remote.address)
    await reader.readline()
    writer.write(b"EHLO c\r\n")
    await until(lambda: len(remote.commands) == 1)
    await remote.close()
    await remote.close()
    writer.close()
    with pytest.raises(ConnectionError):
        await reader.readexactly(1)
    assert remote.records.open == 0
    assert len(asyncio.all_tasks()) == 1
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(remote.address)
