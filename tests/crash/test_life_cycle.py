"""kill -9 at every arrow of the life of a message, from the first octet to the end of its last recipient.

Each test brings one message to one arrow by what can be seen from outside (what a remote has received, what the queue file holds),
kills the process there, starts it again and looks at both sides. The letters are those of docs/reliability.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from time import time

import pytest
from tests.crash.conftest import SyncFault
from tests.crash.process import PROMISED_START, SENDER, CrashRelay, Half, crash_relay, routes, send, settings, until
from tests.kit.ledger import body_hash, message

from mailtui.lab.client import SmtpClient
from mailtui.lab.personality import FINE, Act, Personality, Then
from mailtui.lab.records import Received
from mailtui.lab.remote import RemoteServer
from mailtui.model import Stage

RECIPIENT = "user@dst.test"
SILENT_AT_MAIL = Personality(hooks={Stage.MAIL: Act(then=Then.HANG)})
SILENT_AFTER_DOT = Personality(hooks={Stage.FINAL_DOT: Act(then=Then.HANG)})


@pytest.fixture
async def sink() -> AsyncIterator[RemoteServer]:
    """A remote that takes everything, until a test changes its character."""
    async with RemoteServer() as remote:
        yield remote


async def crash(relay: CrashRelay) -> None:
    """kill -9, then a start that keeps the promises every start makes."""
    relay.kill()
    await relay.up()
    assert relay.starts[-1] < PROMISED_START
    relay.check()
    assert relay.one("SELECT count(*) FROM message WHERE phase = 'receiving'") == 0


def copies(sink: RemoteServer, test_id: str) -> list[Received]:
    """What the remote took of one message."""
    return [mail for mail in sink.mailbox if mail.test_id == test_id]


def has_state(relay: CrashRelay, state: str, address: str = RECIPIENT) -> Callable[[], bool]:
    """A fact to wait for."""
    return lambda: relay.states().get(address) == state


def interruptions(relay: CrashRelay) -> list[tuple[int, str, str]]:
    """Every interrupted attempt on record."""
    return relay.rows("SELECT n, disposition, stage FROM attempt WHERE class = 'interrupted'")


async def test_a_half_a_message_leaves_nothing(sink: RemoteServer) -> None:
    async with crash_relay(settings(routes(rest=sink))) as relay:
        content = message("half", SENDER, [RECIPIENT], 2000)
        client = Half(relay, RECIPIENT)
        client.send(content[:1500])
        await crash(relay)
        assert client.reply() == b""
        client.close()
        assert relay.rows("SELECT id FROM message") == []
        await send(relay, "half", RECIPIENT)  # what the client does next
        await until(has_state(relay, "delivered"), "the second try to be delivered")
        assert len(copies(sink, "half")) == 1


async def test_a_stored_chunks_of_an_unfinished_message_are_swept(sink: RemoteServer) -> None:
    async with crash_relay(settings(routes(rest=sink))) as relay:
        client = Half(relay, RECIPIENT)
        client.send(message("big", SENDER, [RECIPIENT], 900_000))
        await until(lambda: relay.one("SELECT count(*) FROM content") >= 2, "chunks in the queue file")
        assert relay.one("SELECT phase FROM message") == "receiving"
        await crash(relay)
        client.close()
        assert relay.one("SELECT count(*) FROM content") == 0
        assert "still arriving when the relay last ended" in relay.said()
        assert not sink.mailbox


async def test_c_committed_but_250_never_sent(sink: RemoteServer, sync_fault: SyncFault) -> None:
    """W1: the message is ours, its client does not know. Its second try is a second, independent message."""
    async with crash_relay(settings(routes(rest=sink)), env=sync_fault.env) as relay:
        client = Half(relay, RECIPIENT)
        sync_fault.hang()
        client.send(message("w1", SENDER, [RECIPIENT], 2000) + b".\r\n")
        await until(lambda: sync_fault.hits, "the commit to reach its fsync")
        relay.kill()
        assert client.reply() == b""  # no 250 while the disk has not said so
        client.close()
        sync_fault.heal()
        await relay.up()
        await until(has_state(relay, "delivered"), "delivery of the committed message")
        await send(relay, "w1", RECIPIENT)
        await until(lambda: len(copies(sink, "w1")) == 2, "delivery of the client's second try")
        relay.check()
        assert relay.one("SELECT count(*) FROM message") == 2
        assert interruptions(relay) == []


async def test_d_250_sent(sink: RemoteServer) -> None:
    await sink.down()
    async with crash_relay(settings(routes(rest=sink))) as relay:
        await send(relay, "d", RECIPIENT)
        relay.kill()
        await sink.up()
        await relay.up()
        await until(has_state(relay, "delivered"), "delivery")
        assert len(copies(sink, "d")) == 1
        relay.check()


async def test_e_attempt_registered_before_it_is_dialled(sink: RemoteServer) -> None:
    sink.personality = SILENT_AT_MAIL
    async with crash_relay(settings(routes(rest=sink), retry={"schedule": ["3s"]})) as relay:
        await send(relay, "e", RECIPIENT)
        await until(lambda: any(c.line.startswith("MAIL") for c in sink.commands), "the remote to hear MAIL")
        registered, since = relay.rows("SELECT next_attempt, changed_at FROM recipient")[0]
        assert registered - since == pytest.approx(3.0)
        assert relay.rows("SELECT state, attempts FROM recipient") == [("sending", 1)]
        sink.personality = FINE
        await crash(relay)
        assert relay.rows("SELECT state, attempts, next_attempt FROM recipient") == [("queued", 1, registered)]
        assert interruptions(relay) == [(1, "deferred", "final-dot")]
        assert "attempts were interrupted when the relay last ended" in relay.said()
        await until(has_state(relay, "delivered"), "delivery")
        assert time() >= registered  # a crash loop cannot hammer the remote
        assert relay.one("SELECT attempts FROM recipient") == 2
        assert relay.one("SELECT interruptions FROM message") == 0
        assert len(copies(sink, "e")) == 1


async def test_f_dot_sent_and_no_reply(sink: RemoteServer) -> None:
    """W2: the remote has it, we do not know. It goes out once more, octet for octet the same."""
    sink.personality = SILENT_AFTER_DOT
    async with crash_relay(settings(routes(rest=sink))) as relay:
        await send(relay, "f", RECIPIENT)
        await until(lambda: copies(sink, "f"), "the remote to take the message")
        sink.personality = FINE
        await crash(relay)
        await until(has_state(relay, "delivered"), "delivery")
        first, second = copies(sink, "f")
        assert first.content == second.content
        assert first.message_id == second.message_id == "<f@src.test>"
        assert interruptions(relay) == [(1, "deferred", "final-dot")]
        relay.check()


async def test_g_remote_said_250_and_the_result_was_not_written(sink: RemoteServer) -> None:
    """W2 again. Another program holds the file, so that the result stays in memory until the process dies."""
    sink.personality = Personality(hooks={Stage.FINAL_DOT: Act("250 2.0.0 mine", delay=0.3)})
    async with crash_relay(settings(routes(rest=sink))) as relay:
        await send(relay, "g", RECIPIENT)
        await until(lambda: copies(sink, "g"), "the remote to take the message")
        with closing(sqlite3.connect(relay.queue, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            reply = sink.connections[-1]
            await until(lambda: sink.transactions and sink.transactions[-1].outcome == 250, "the reply to be decided")
            await until(lambda: len(sink.dialogues) == 1 and not _busy(sink), "the reply to be sent")
            assert reply.closed is None
            assert relay.states() == {RECIPIENT: "sending"}
            relay.kill()
            other.execute("ROLLBACK")
        await relay.up()
        await until(has_state(relay, "delivered"), "delivery")
        assert len(copies(sink, "g")) == 2
        assert len(interruptions(relay)) == 1
        relay.check()


def _busy(sink: RemoteServer) -> bool:
    """Whether a reply is still on its way."""
    return any(dialogue._voice.busy for dialogue in sink.dialogues)


async def test_h_result_committed(sink: RemoteServer) -> None:
    async with crash_relay(settings(routes(rest=sink))) as relay:
        await send(relay, "h", RECIPIENT)
        await until(has_state(relay, "delivered"), "delivery")
        await crash(relay)
        await send(relay, "fence", "other@dst.test")
        await until(has_state(relay, "delivered", "other@dst.test"), "delivery of a later message")
        assert len(copies(sink, "h")) == 1
        assert relay.one("SELECT count(*) FROM attempt WHERE recipient >> 20 = (SELECT min(id) FROM message)") == 1
        assert interruptions(relay) == []


async def test_i_a_bounce_and_its_report_are_one_commit(sink: RemoteServer) -> None:
    refusing = RemoteServer(Personality(mailboxes=(("*", Act("550 5.1.1 no such user")),)))
    await sink.down()  # the report cannot leave before the crash
    async with refusing, crash_relay(settings(routes(dst=refusing, rest=sink))) as relay:
        await send(relay, "i", RECIPIENT)
        await until(lambda: relay.one("SELECT state FROM recipient ORDER BY id LIMIT 1") == "bounced", "the bounce")
        relay.kill()
        assert relay.one("SELECT count(*) FROM message WHERE about IS NOT NULL") == 1
        await sink.up()
        await relay.up()
        await until(lambda: sink.mailbox, "the report")
        await crash(relay)
        await until(lambda: relay.one("SELECT count(*) FROM recipient WHERE state = 'delivered'"), "the report's end")
        reports = [mail for mail in sink.mailbox if not mail.sender]
        assert {mail.recipients for mail in reports} == {(SENDER,)}
        assert b"X-Test-ID: i\r\n" in reports[0].content
        assert len({mail.message_id for mail in reports}) == 1  # sent twice at most, written once
        assert relay.one("SELECT count(*) FROM message WHERE about IS NOT NULL") == 1


async def test_several_recipients_keep_their_own_outcomes(sink: RemoteServer) -> None:
    """One destination answered before the crash, one hung: only the second is tried again."""
    async with RemoteServer(SILENT_AT_MAIL) as hanging, crash_relay(settings(routes(a=hanging, rest=sink))) as relay:
        await send(relay, "two", "x@a.test", RECIPIENT)
        await until(has_state(relay, "delivered"), "delivery to the first")
        await until(lambda: hanging.commands and relay.states()["x@a.test"] == "sending", "the other to be under way")
        hanging.personality = FINE
        await crash(relay)
        await until(has_state(relay, "delivered", "x@a.test"), "delivery to the second")
        assert len(copies(sink, "two")) == len(copies(hanging, "two")) == 1


async def test_a_long_message_survives_with_every_octet(sink: RemoteServer) -> None:
    sink.personality = SILENT_AT_MAIL
    async with crash_relay(settings(routes(rest=sink))) as relay:
        content = await send(relay, "long", RECIPIENT, size=1_500_000)
        await until(lambda: sink.commands and has_state(relay, "sending")(), "the attempt")
        sink.personality = FINE
        await crash(relay)
        await until(has_state(relay, "delivered"), "delivery", 30)
        (mail,) = copies(sink, "long")
        assert body_hash(mail.content) == body_hash(content)


async def test_three_interruptions_quarantine_the_one_that_was_alone(sink: RemoteServer) -> None:
    """Three messages die with the process twice. The third time each is tried alone, and only the one in flight is blamed."""
    remotes = [RemoteServer(SILENT_AT_MAIL) for _ in range(3)]
    a, b, c = remotes
    async with a, b, c, crash_relay(settings(routes(a=a, b=b, c=c, rest=sink))) as relay:
        await send(relay, "crasher", "x@a.test")
        await send(relay, "innocent", "x@b.test")
        await send(relay, "bystander", "x@c.test")
        for times in (1, 2):
            await until(lambda n=times: all(_heard(remote) >= n for remote in remotes), f"attempt {times} of all three")
            await crash(relay)
            assert sorted(relay.states().values()) == ["queued"] * 3
        await until(lambda: sum(map(_heard, remotes)) == 7, "one of them alone")
        await until(lambda: "sending" in relay.states().values(), "its claim")
        (alone,) = (f"x@{name}.test" for name, remote in zip("abc", remotes, strict=True) if _heard(remote) == 3)
        for remote in remotes:
            remote.personality = FINE
        await crash(relay)
        assert relay.states()[alone] == "held"
        others = {address for address in relay.states() if address != alone}
        await until(
            lambda: all(relay.states()[address] == "delivered" for address in others), "the others' delivery", 30
        )
        assert relay.states()[alone] == "held"
        assert relay.one("SELECT count(*) FROM event WHERE kind = 'quarantined'") == 1
        assert "held after three interruptions in a row" in relay.said()
        relay.check()


def _heard(remote: RemoteServer) -> int:
    """How often a remote was asked to take mail."""
    return sum(command.line.startswith("MAIL") for command in remote.commands)


async def test_queue_ids_are_never_given_twice(sink: RemoteServer) -> None:
    """Not even those of messages that never came to anything."""
    async with crash_relay(settings(routes(rest=sink))) as relay:
        client = Half(relay, RECIPIENT)
        client.send(message("big", SENDER, [RECIPIENT], 900_000))
        await until(lambda: relay.one("SELECT id FROM message"), "its row")
        swept = relay.one("SELECT id FROM message")
        await crash(relay)
        client.close()
        await send(relay, "next", RECIPIENT)
        assert relay.one("SELECT min(id) FROM message") > swept


async def test_the_client_that_lost_its_connection_is_answered_by_the_next_start(sink: RemoteServer) -> None:
    """A kept connection breaks; a new one is served on the same port at once."""
    async with crash_relay(settings(routes(rest=sink))) as relay, SmtpClient(("127.0.0.1", relay.port)) as client:
        content = message("kept", SENDER, [RECIPIENT], 500)
        assert (await client.send(SENDER, (RECIPIENT,), content)).accepted
        await crash(relay)
        with pytest.raises(OSError):
            await client.send(SENDER, (RECIPIENT,), content)
        await send(relay, "again", RECIPIENT)
        await until(lambda: len(sink.mailbox) >= 2, "both")
