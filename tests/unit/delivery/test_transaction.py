"""One transaction at a time: what is said for which claim, what each recipient came to, and the bytes on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.delivery.wire import QUICK, Peer, Script, claim_for, reach, serving

from mailtui.delivery.session import Session
from mailtui.delivery.transaction import Stuffer, Transaction, stuff
from mailtui.intake.content import ContentReader
from mailtui.lab.personality import EXTENSIONS, FINE, Act, Personality
from mailtui.lab.remote import RemoteServer
from mailtui.model import Address, Claim, ClaimedRecipient, Disposition, Stage

HEADER = b"Received: by relay.test\r\n"
OK, LATER, NO = Disposition.DELIVERED, Disposition.DEFERRED, Disposition.BOUNCED
PLAIN = tuple(extension for extension in EXTENSIONS if extension != "PIPELINING")


async def run(session: Session, claim: Claim, chunks: tuple[bytes, ...] = ()) -> Transaction:
    async def pieces() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    transaction = Transaction(session, claim, HEADER, pieces, QUICK, "")
    await transaction.run()
    return transaction


def fates(transaction: Transaction) -> list[tuple[int, Disposition, Stage, int]]:
    """(recipient, disposition, stage, code), by recipient."""
    return sorted((a.recipient, a.verdict.disposition, a.stage, a.reply.code) for a in transaction.attempts)


def said(transaction: Transaction) -> list[str]:
    return [line.line for line in transaction.lines if line.dir == ">"]


# ---------------------------------------------------------------------- dot-stuffing

LINES = st.lists(st.sampled_from([b".", b"..", b"", b"x", b".x", b"a.b", b"hello"]), max_size=10)
CONTENT = LINES.map(lambda lines: b"".join(line + b"\r\n" for line in lines))


def pieces(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


@given(CONTENT | st.binary(max_size=60), st.lists(st.integers(0, 500), max_size=12))
def test_stuffing_is_the_same_however_the_content_is_cut(content: bytes, places: list[int]) -> None:
    stuffer = Stuffer()

    assert b"".join(stuffer.feed(piece) for piece in pieces(content, places)) == stuff(content)


@given(st.lists(st.sampled_from([b".", b"\r", b"\n", b"\r\n", b"\r\n.", b"x"]), max_size=14))
def test_octet_by_octet(parts: list[bytes]) -> None:
    content, stuffer = b"".join(parts), Stuffer()

    assert b"".join(stuffer.feed(content[n : n + 1]) for n in range(len(content))) == stuff(content)


@given(CONTENT, st.lists(st.integers(0, 500), max_size=6))
def test_what_is_stuffed_is_what_the_intake_of_another_relay_reads(content: bytes, places: list[int]) -> None:
    reader, wire = ContentReader(10_000, False), stuff(content) + b".\r\n"
    ends = []
    for piece in pieces(wire, places):
        if piece:
            ends.append(reader.feed(piece))

    assert ends[-1] >= 0
    assert all(end == -1 for end in ends[:-1]), "nothing inside looks like the end"
    assert (reader.fault, reader.take()) == (None, content)


# ---------------------------------------------------------------------- what is said


@pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelined", "one by one"])
@pytest.mark.parametrize("content", [b"Subject: x\r\n\r\n.\r\n..two\r\nend\r\n", b"", b".\r\n"])
async def test_the_host_gets_every_octet_as_it_was(extensions: tuple[str, ...], content: bytes) -> None:
    async with RemoteServer(Personality(extensions=extensions)) as remote:
        session = await reach(remote.address[1])
        transaction = await run(session, claim_for("a@d.test", "b@d.test", content=content))
        session.abort()

        (mail,) = remote.mailbox
        assert (mail.content, mail.sender, mail.recipients) == (
            HEADER + content,
            "app@example.org",
            ("a@d.test", "b@d.test"),
        )
        assert not remote.violations
    assert fates(transaction) == [(1, OK, Stage.FINAL_DOT, 250), (2, OK, Stage.FINAL_DOT, 250)]
    assert transaction.proved
    assert not session.dirty
    assert session.messages == 1


@pytest.mark.parametrize("size", [1, 3, 100, 70_000])
async def test_a_long_content_goes_out_in_its_chunks(size: int) -> None:
    content = b"Subject: x\r\n\r\n" + b".dotted line\r\n" * 20_000 + b"end\r\n"
    content = content[: size * 50] + b"\r\n" if size < 100 else content
    chunks = tuple(content[n : n + size] for n in range(0, len(content), size))
    async with RemoteServer() as remote:
        session = await reach(remote.address[1])
        transaction = await run(session, claim_for("a@d.test", content=None, size=len(content)), chunks)
        session.abort()

        assert remote.mailbox[0].content == HEADER + content
        assert not remote.violations
    assert fates(transaction) == [(1, OK, Stage.FINAL_DOT, 250)]


async def test_what_the_client_asked_for_is_passed_on() -> None:
    recipients = (ClaimedRecipient(1, Address("a", "d.test"), "SUCCESS,DELAY", "rfc822;A@d.test", 1, 4e9),)
    claim = claim_for(
        "x@d.test", content="Subject: ü\r\n\r\n".encode(), ret="HDRS", envid="QQ+2B", eight_bit=True, smtputf8=True
    )
    claim = type(claim)(**{name: getattr(claim, name) for name in claim.__struct_fields__} | {"recipients": recipients})
    async with RemoteServer() as remote:
        session = await reach(remote.address[1])
        transaction = await run(session, claim)
        session.abort()

        (mail,) = remote.mailbox
        assert set(mail.mail_params) == {
            f"SIZE={claim.size + len(HEADER)}",
            "BODY=8BITMIME",
            "SMTPUTF8",
            "RET=HDRS",
            "ENVID=QQ+2B",
        }
        assert mail.rcpt_params == (("NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;A@d.test"),)
    assert not transaction.attempts[0].relayed


async def test_nothing_is_said_that_was_not_offered() -> None:
    async with RemoteServer(Personality(extensions=())) as remote:
        session = await reach(remote.address[1])
        transaction = await run(session, claim_for("a@d.test", ret="FULL", envid="x", smtputf8=True))
        session.abort()

        assert (remote.mailbox[0].mail_params, remote.mailbox[0].rcpt_params) == ((), ((),))
    assert said(transaction) == ["MAIL FROM:<app@example.org>", "RCPT TO:<a@d.test>", "DATA"]
    assert transaction.attempts[0].relayed, "the report of success is ours to send: RFC 3461 5.2.2"


@pytest.mark.parametrize(
    ("extensions", "claim", "status"),
    [
        (("SIZE 10",), claim_for("a@d.test"), "5.3.4"),
        (("SIZE 1000000",), claim_for("a@d.test", content="ü\r\n".encode()), "5.6.3"),
        (("8BITMIME",), claim_for("ü@d.test", smtputf8=True), "5.6.7"),
    ],
)
async def test_what_a_host_cannot_take_is_not_asked(extensions: tuple[str, ...], claim: Claim, status: str) -> None:
    async with RemoteServer(Personality(extensions=extensions)) as remote:
        session = await reach(remote.address[1])
        before = len(remote.commands)
        transaction = await run(session, claim)

        assert len(remote.commands) == before
        assert session.alive, "another message may fit"
        session.abort()
    ((_, disposition, stage, code),) = fates(transaction)
    assert (disposition, stage, code, transaction.attempts[0].reply.enhanced) == (NO, Stage.MAIL, 0, status)


@pytest.mark.parametrize("extensions", [("SIZE",), ("SIZE 0",), ("SIZE 99999999999999999999",), ("SIZE junk",)])
async def test_a_size_that_says_nothing(extensions: tuple[str, ...]) -> None:
    async with RemoteServer(Personality(extensions=extensions)) as remote:
        session = await reach(remote.address[1])
        transaction = await run(session, claim_for("a@d.test"))
        session.abort()

    assert fates(transaction) == [(1, OK, Stage.FINAL_DOT, 250)]


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"x\r\n.\n", b"\n.\n"])
async def test_a_bare_newline_never_leaves(content: bytes) -> None:
    async with RemoteServer() as remote:
        session = await reach(remote.address[1])
        transaction = await run(session, claim_for("a@d.test", content=content))

        assert not remote.mailbox
        assert not session.alive
    assert [(a.stage, a.reply.enhanced) for a in transaction.attempts] == [(Stage.DATA, "5.6.0")]


# ---------------------------------------------------------------------- who came to what

BOTH = pytest.mark.parametrize("extensions", [EXTENSIONS, PLAIN], ids=["pipelined", "one by one"])


@BOTH
async def test_each_recipient_has_its_own_reply(extensions: tuple[str, ...]) -> None:
    boxes = (("gone@*", Act("550 5.1.1 no such user")), ("full@*", Act("452 4.2.2 full")))
    async with RemoteServer(Personality(extensions=extensions, mailboxes=boxes)) as remote:
        session = await reach(remote.address[1])
        transaction = await run(session, claim_for("a@d.test", "gone@d.test", "full@d.test", "b@d.test"))
        session.abort()

        assert remote.mailbox[0].recipients == ("a@d.test", "b@d.test")
    assert fates(transaction) == [
        (1, OK, Stage.FINAL_DOT, 250),
        (2, NO, Stage.RCPT, 550),
        (3, LATER, Stage.RCPT, 452),
        (4, OK, Stage.FINAL_DOT, 250),
    ]
    assert set(transaction.attempts[-1].timings) == {"rcpt", "data", "final-dot"}


@BOTH
@pytest.mark.parametrize(
    ("stage", "reply", "disposition"),
    [
        (Stage.MAIL, "451 4.3.0 later", LATER), (Stage.MAIL, "550 5.7.1 blocked", NO), (Stage.DATA, "451 4.3.0 later", LATER),
        (Stage.DATA, "554 5.7.1 no", NO), (Stage.FINAL_DOT, "451 4.3.0 later", LATER), (Stage.FINAL_DOT, "554 5.6.0 spam", NO),
    ],
)  # fmt: skip
async def test_a_refusal_for_all(
    extensions: tuple[str, ...], stage: Stage, reply: str, disposition: Disposition
) -> None:
    async with RemoteServer(Personality(extensions=extensions, hooks={stage: Act(reply)})) as remote:
        session = await reach(remote.address[1])
        transaction = await run(session, claim_for("a@d.test", "b@d.test"))

        code = int(reply[:3])
        assert fates(transaction) == [(1, disposition, stage, code), (2, disposition, stage, code)]
        assert transaction.proved
        assert not remote.mailbox

        remote.personality = FINE.but(extensions=extensions)
        again = await run(session, claim_for("c@d.test"))
        assert fates(again) == [(1, OK, Stage.FINAL_DOT, 250)], "and the connection serves the next message"
        assert [mail.recipients for mail in remote.mailbox] == [("c@d.test",)]
        assert not remote.violations
        session.abort()


@BOTH
async def test_nobody_is_left_and_no_content_goes_out(extensions: tuple[str, ...]) -> None:
    async with RemoteServer(Personality(extensions=extensions, mailboxes=(("*", Act("550 5.1.1 no")),))) as remote:
        session = await reach(remote.address[1])
        transaction = await run(session, claim_for("a@d.test", "b@d.test"))
        assert [fate[1] for fate in fates(transaction)] == [NO, NO]

        remote.personality = FINE.but(extensions=extensions)
        again = await run(session, claim_for("c@d.test"))
        session.abort()

        assert fates(again) == [(1, OK, Stage.FINAL_DOT, 250)]
        assert [mail.recipients for mail in remote.mailbox] == [("c@d.test",)]


async def test_a_host_that_takes_fewer_at_once_gets_the_rest_without_an_attempt() -> None:
    boxes = (("late*@*", Act("452 4.5.3 Too many recipients")),)
    async with RemoteServer(Personality(mailboxes=boxes)) as remote:
        session = await reach(remote.address[1])
        transaction = await run(session, claim_for("a@d.test", "late1@d.test", "late2@d.test"))
        session.abort()

    assert fates(transaction) == [(1, OK, Stage.FINAL_DOT, 250)]
    assert sorted(transaction.untouched) == [2, 3]


# ---------------------------------------------------------------------- hosts that break off, or break the rules


def scripted(*replies: str, then: Script | None = None, extensions: tuple[str, ...] = ("PIPELINING",)) -> Script:
    """A host that answers what it hears, line by line, with these; then it closes."""

    async def script(peer: Peer) -> None:
        await peer.hello(*extensions)
        for reply in replies:
            await peer.hear()
            await peer.say(reply + "\r\n" if reply else b"")
        if then is not None:
            await then(peer)

    return script


async def content_then(peer: Peer, reply: str) -> None:
    await peer.hear_content()
    await peer.say(reply)


async def at(
    script: Script, *to: str, claim: Claim | None = None, chunks: tuple[bytes, ...] = ()
) -> tuple[Transaction, bool]:
    """The transaction with such a host, and whether its connection may be used again."""
    async with serving(script) as port:
        session = await reach(port)
        transaction = await run(session, claim or claim_for(*to), chunks)
        return transaction, session.alive


@pytest.mark.parametrize("extensions", [("PIPELINING",), ("8BITMIME",)], ids=["pipelined", "one by one"])
async def test_what_was_answered_before_the_line_broke_stands(extensions: tuple[str, ...]) -> None:
    transaction, alive = await at(
        scripted("250 ok", "550 5.1.1 no such user", "250 ok", extensions=extensions),
        "a@d.test",
        "b@d.test",
        "c@d.test",
    )

    found = {recipient: (disposition, code) for recipient, disposition, _, code in fates(transaction)}
    assert found == {1: (NO, 550), 2: (LATER, 0), 3: (LATER, 0)}
    assert not alive


async def test_a_421_in_the_middle_is_for_those_not_answered() -> None:
    transaction, alive = await at(
        scripted("250 ok", "550 5.1.1 no such user", "421 4.3.2 bye"), "a@d.test", "b@d.test", "c@d.test"
    )

    assert [(disposition, code) for _, disposition, _, code in fates(transaction)] == [
        (NO, 550),
        (LATER, 421),
        (LATER, 421),
    ]
    assert not alive


async def test_silence_behind_the_dot_is_an_unknown_outcome() -> None:
    transaction, alive = await at(
        scripted("250 ok", "250 ok", "354 go", then=lambda peer: content_then(peer, "")), "a@d.test"
    )

    (attempt,) = transaction.attempts
    assert (attempt.stage, attempt.verdict.class_, attempt.verdict.disposition) == (
        Stage.FINAL_DOT,
        "unknown-outcome",
        LATER,
    )
    assert not alive


@pytest.mark.parametrize("reply", ["250 ok\r\n250 ok again\r\n", "250 ok\r\n550 or not\r\n", "250 ok\r\n421 bye\r\n"])
async def test_more_replies_than_questions_are_no_failure_of_ours(reply: str) -> None:
    """The first one answers the dot; the connection is out of step and not used again."""
    transaction, alive = await at(
        scripted("250 ok", "250 ok", "354 go", then=lambda peer: content_then(peer, reply)), "a@d.test"
    )

    assert fates(transaction) == [(1, OK, Stage.FINAL_DOT, 250)]
    assert not alive


@pytest.mark.parametrize(
    "reply", ["354 go on\r\n", "299 fine\r\n", "200 fine\r\n", "499 hm\r\n", "599 no\r\n", "what?\r\n", "25\r\n"]
)
async def test_odd_answers_to_the_dot_are_judged_by_their_first_digit_or_are_none(reply: str) -> None:
    transaction, _ = await at(
        scripted("250 ok", "250 ok", "354 go", then=lambda peer: content_then(peer, reply)), "a@d.test"
    )

    expected = {"2": OK, "5": NO}.get(reply[0], LATER) if reply[:3].isdigit() and len(reply) > 5 else LATER
    assert [fate[1] for fate in fates(transaction)] == [expected]


@pytest.mark.parametrize("extensions", [("PIPELINING",), ("8BITMIME",)], ids=["pipelined", "one by one"])
async def test_a_success_before_the_content_was_sent_is_none(extensions: tuple[str, ...]) -> None:
    """250 to DATA: the host has not seen a single octet, so nothing was delivered."""
    transaction, _ = await at(
        scripted("250 ok", "250 ok", "250 thanks", extensions=extensions, then=lambda peer: peer.hear()), "a@d.test"
    )

    assert [fate[1] for fate in fates(transaction)] == [LATER]


async def test_a_line_that_breaks_within_a_long_content_is_a_deferral() -> None:
    async def break_off(peer: Peer) -> None:
        await peer.reader.read(1000)
        peer.reset()

    claim = claim_for("a@d.test", content=None, size=20_000_000)
    transaction, alive = await at(
        scripted("250 ok", "250 ok", "354 go", then=break_off), claim=claim, chunks=(b"x" * 998 + b"\r\n",) * 20_000
    )

    assert [(fate[1], fate[2]) for fate in fates(transaction)] == [(LATER, Stage.DATA)]
    assert transaction.attempts[0].verdict.class_ != "unknown-outcome", "the dot was never sent"
    assert not alive


@pytest.mark.parametrize(
    "lines", [b"not smtp at all\r\n", b"250 ok\r\n250-half", b"\xff\xfe\x00\r\n", b"250-" + b"x" * 9000 + b"\r\n"]
)
async def test_nonsense_is_a_deferral(lines: bytes) -> None:
    async def babble(peer: Peer) -> None:
        await peer.hello("PIPELINING")
        await peer.hear(3)
        await peer.say(lines)

    transaction, alive = await at(babble, "a@d.test", "b@d.test")

    assert [fate[1] for fate in fates(transaction)] == [LATER, LATER]
    assert not alive


async def test_every_recipient_has_exactly_one_fate_whatever_the_host_says() -> None:
    """Fifty hosts of random manners."""
    import random

    choice = random.Random(7).choice
    words = ["250 ok", "354 go", "421 bye", "450 later", "550 no", "nonsense", "250 a\r\n250 b", ""]
    for _ in range(50):
        replies = [choice(words) for _ in range(5)]
        last = choice(words)

        async def script(peer: Peer, replies: list[str] = replies, last: str = last) -> None:
            await peer.hello("PIPELINING")
            for reply in replies:
                await peer.hear()
                await peer.say(reply + "\r\n" if reply else b"")
            await peer.say(last + "\r\n" if last else b"")

        async with asyncio.timeout(5):
            transaction, _ = await at(script, "a@d.test", "b@d.test", "c@d.test")
        assert sorted([attempt.recipient for attempt in transaction.attempts] + transaction.untouched) == [1, 2, 3], (
            replies,
            last,
        )
