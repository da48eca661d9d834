"""Leaving in good order: SIGTERM under load and beside a remote that never answers, and SIGHUP with a file nobody can use."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.crash.process import SENDER, CrashRelay, Half, crash_relay, routes, send, settings, until
from tests.kit.ledger import Ledger, Source, message, reconcile, taken

from mailtui.lab.personality import FINE, Act, Personality, Then
from mailtui.lab.remote import RemoteServer
from mailtui.model import Stage

#: A stop is over within this many seconds (design 2.9).
PROMISED_STOP = 30.0


@pytest.fixture
async def sink() -> AsyncIterator[RemoteServer]:
    """A remote that takes everything, until a test changes its character."""
    async with RemoteServer() as remote:
        yield remote


async def test_sigterm_under_load(sink: RemoteServer, tmp_path: Path) -> None:
    """What is accepted is in the file, what is under way is finished, nothing goes out twice."""
    sink.personality = Personality(slow={Stage.FINAL_DOT: 0.05})
    ledger = Ledger(tmp_path / "ledger")
    async with crash_relay(settings(routes(rest=sink))) as relay:
        source = Source(("127.0.0.1", relay.port), ledger, sessions=6)
        sending = asyncio.create_task(source.run())
        await until(lambda: source.accepted >= 100, "load")
        began = time.monotonic()
        assert await relay.down() == 0
        assert time.monotonic() - began < PROMISED_STOP
        source.stop()
        await sending
        relay.check()
        assert relay.one("SELECT count(*) FROM recipient WHERE state = 'sending'") == 0
        await relay.up()
        assert "interrupted" not in relay.said()
        await until(lambda: set(relay.states().values()) == {"delivered"}, "the rest", 30)
        audit = reconcile(ledger.read(), map(taken, sink.mailbox), relay.queue)
        assert audit.clean and audit.delivered == audit.accepted >= 100
        assert (audit.w1, audit.w2, audit.w3) == (0, 0, 0)
    ledger.close()


async def test_no_250_to_what_begins_after_the_stop(sink: RemoteServer) -> None:
    """A client in the middle of its message may finish it; one between messages is sent away."""
    async with crash_relay(settings(routes(rest=sink))) as relay:
        under_way, finishing = Half(relay, "a@dst.test"), message("finishing", SENDER, ["a@dst.test"], 2000)
        under_way.send(finishing[:1000])
        reader, writer = await _greeted(relay)
        os.kill(relay.pid, signal.SIGTERM)
        farewell = await asyncio.wait_for(reader.read(), 10)
        assert farewell.startswith(b"421 4.3.2")
        writer.close()
        under_way.send(finishing[1000:] + b".\r\n")
        reply = under_way.reply()
        under_way.close()
        assert await relay.ended(30) == 0
        assert reply[:3] in (b"250", b"421")
        assert relay.one("SELECT count(*) FROM message") == (reply[:3] == b"250")


async def _greeted(relay: CrashRelay) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    await reader.readline()
    writer.write(b"HELO idle.test\r\n")
    await reader.readline()
    return reader, writer


@pytest.mark.slow
async def test_sigterm_beside_a_remote_that_never_answers(sink: RemoteServer) -> None:
    """The stop does not wait for it for ever; its message goes back to the queue without an attempt and leaves after the start."""
    sink.personality = Personality(hooks={Stage.MAIL: Act(then=Then.HANG)})
    async with crash_relay(settings(routes(rest=sink))) as relay:
        await send(relay, "patient", "user@dst.test")
        await until(lambda: sink.commands and relay.states().get("user@dst.test") == "sending", "the delivery to hang")
        began = time.monotonic()
        assert await relay.down() == 0
        assert time.monotonic() - began < PROMISED_STOP
        assert relay.rows("SELECT state, attempts FROM recipient") == [("queued", 0)]
        sink.personality = FINE
        await relay.up()
        await until(lambda: relay.states()["user@dst.test"] == "delivered", "delivery after the start", 5)
        assert relay.one("SELECT count(*) FROM attempt WHERE class = 'interrupted'") == 0
        relay.check()


async def test_sighup_with_a_bad_file_keeps_the_old_settings(sink: RemoteServer) -> None:
    async with RemoteServer() as other, crash_relay(settings(routes(rest=sink))) as relay:
        await until(lambda: "ready " in relay.said(), "the relay to listen to signals")
        good = relay.config.read_text()
        for bad in (good + "\n[deliverry]\nper_site = 3\n", good + "\n[[[", good.replace(str(relay.data), "relative")):
            relay.config.write_text(bad)
            seen = relay.said().count("not reloaded")
            os.kill(relay.pid, signal.SIGHUP)
            await until(lambda n=seen: relay.said().count("not reloaded") > n, "the refusal in the log")
        await send(relay, "old", "user@dst.test")
        await until(lambda: [mail.test_id for mail in sink.mailbox] == ["old"], "delivery by the old settings")
        relay.configure(settings(routes(rest=other)))
        os.kill(relay.pid, signal.SIGHUP)
        await until(lambda: "reloaded: " in relay.said(), "the reload")
        await send(relay, "new", "user@dst.test")
        await until(lambda: [mail.test_id for mail in other.mailbox] == ["new"], "delivery by the new settings")
        assert await relay.down() == 0
