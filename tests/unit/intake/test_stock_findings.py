"""Why intake has parsers of its own: each check holds for ours and fails for aiosmtpd 1.4.6.

The library is driven through its protocol interface over an in-memory transport that obeys pause and resume; nothing
of it is replaced. A check that begins to pass for it is the day to look again.
"""

import asyncio
import contextlib
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import NamedTuple

import pytest
from aiosmtpd.smtp import SMTP

from mailtui.intake.content import ContentReader
from mailtui.intake.parameters import parse_mail, parse_rcpt
from mailtui.intake.replies import Refusal

LIMIT = 256 * 1024


class Answer(NamedTuple):
    """The code of the reply, the address as it would be queued and the envelope id ("" when refused)."""

    code: int
    address: str = ""
    envid: str = ""


class Ours:
    """The pure parts of this package behind the interface of the checks."""

    async def mail(self, args: bytes) -> Answer:
        try:
            command = parse_mail(args, max_size=LIMIT)
        except Refusal as refused:
            return Answer(int(refused.reply[:3]))
        return Answer(250, str(command.sender), command.envid)

    async def rcpt(self, args: bytes) -> Answer:
        try:
            recipient = parse_rcpt(args, smtputf8=False, postmaster_ok=False)
        except Refusal as refused:
            return Answer(int(refused.reply[:3]))
        return Answer(250, str(recipient.address))

    async def data(self, blocks: Iterable[bytes]) -> None:
        reader = ContentReader(LIMIT, normalise=False)
        for block in blocks:
            reader.feed(block)


class Wire(asyncio.Transport):
    """The other end of a connection, kept in memory."""

    def __init__(self) -> None:
        super().__init__({"peername": ("203.0.113.9", 40000)})
        self.written = b""
        self.paused = False
        self.closed = False
        self.changed = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)
        self.changed.set()

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False
        self.changed.set()

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


class Stock:
    """One session of aiosmtpd as it comes, offering SMTPUTF8 as this relay does."""

    def __init__(self) -> None:
        self.wire = Wire()
        loop = asyncio.get_running_loop()
        self.server = SMTP(object(), data_size_limit=LIMIT, enable_SMTPUTF8=True, hostname="mx.example.net", loop=loop)

    async def say(self, line: bytes) -> int:
        self.wire.written = b""
        self.server.data_received(line + b"\r\n")
        await self._until(lambda: self._code() > 0)
        return self._code()

    async def mail(self, args: bytes) -> Answer:
        code = await self.say(b"MAIL FROM:" + args)
        assert self.server.envelope is not None
        return Answer(code, str(self.server.envelope.mail_from) if code == 250 else "")

    async def rcpt(self, args: bytes) -> Answer:
        await self.say(b"MAIL FROM:<s@example.org>")
        code = await self.say(b"RCPT TO:" + args)
        assert self.server.envelope is not None
        return Answer(code, str(self.server.envelope.rcpt_tos[-1]) if code == 250 else "")

    async def data(self, blocks: Iterable[bytes]) -> None:
        await self.rcpt(b"<r@example.org>")
        assert await self.say(b"DATA") == 354
        for block in blocks:
            for at in range(0, len(block), 1024):
                self.server.data_received(block[at : at + 1024])
                await self._until(lambda: not self.wire.paused)

    def _code(self) -> int:
        last = self.wire.written.removesuffix(b"\r\n").rpartition(b"\r\n")[2]
        return int(last[:3]) if self.wire.written.endswith(b"\r\n") and last[3:4] == b" " else 0

    async def _until(self, predicate: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not predicate():
                self.wire.changed.clear()
                await self.wire.changed.wait()


Subject = Ours | Stock
Check = Callable[[Subject], Awaitable[None]]


@contextlib.asynccontextmanager
async def stock() -> AsyncIterator[Stock]:
    subject = Stock()
    subject.server.connection_made(subject.wire)
    try:
        assert await subject.say(b"EHLO client.example.org") == 250
        yield subject
    finally:
        task = subject.server._handler_coroutine
        subject.wire.close()
        subject.server.connection_lost(None)
        assert task is not None
        task.cancel()
        await asyncio.wait([task])


def taken_literally(path: bytes) -> Check:
    async def check(subject: Subject) -> None:
        answer = await subject.rcpt(path)
        assert answer.code >= 500 or f"<{answer.address}>".encode() == path

    return check


async def controls_never_come_out_of_an_address(subject: Subject) -> None:
    answer = await subject.rcpt(b"<=?utf-8?q?a=0d=0aRCPT_TO=3a=3cv=40x=3e?=@x.com>")
    assert answer.address.isprintable()


async def an_endless_line_is_not_kept(subject: Subject) -> None:
    assert await peak(subject, (b"x" * 65_536 for _ in range(64))) < 3 * LIMIT


async def empty_lines_cost_what_they_weigh(subject: Subject) -> None:
    assert await peak(subject, (b"\r\n" * 32_768 for _ in range(2))) < 3 * LIMIT


async def peak(subject: Subject, blocks: Iterable[bytes]) -> int:
    """Octets allocated at most while `blocks` arrive."""
    tracemalloc.start()
    try:
        await subject.data(blocks)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def envid_keeps_its_case(subject: Subject) -> None:
    assert await subject.mail(b"<s@example.org> RET=HDRS ENVID=QqX+3D") == Answer(250, "s@example.org", "QqX+3D")


async def notify_and_orcpt_are_understood(subject: Subject) -> None:
    answer = await subject.rcpt(b"<r@example.org> NOTIFY=NEVER ORCPT=rfc822;R@example.org")
    assert answer == Answer(250, "r@example.org")


async def nobody_is_no_recipient(subject: Subject) -> None:
    assert (await subject.rcpt(b"<>")).code == 501


async def the_null_sender_is_empty(subject: Subject) -> None:
    assert await subject.mail(b"<>") == Answer(250, "")


async def octets_above_127_need_smtputf8(subject: Subject) -> None:
    assert (await subject.mail("<ü@example.org>".encode())).code == 553


CHECKS = {
    "F3 controls from an encoded-word": controls_never_come_out_of_an_address,
    "F3 encoded-word": taken_literally(b"<=?utf-8?q?a?=@x.com>"),
    "F3 encoded-word in a domain": taken_literally(b"<=?utf-8?q?a?=@=?utf-8?q?evil=2ecom=3e?=>"),
    "F3 comment": taken_literally(b"<a(b)@c.com>"),
    "F4 endless line": an_endless_line_is_not_kept,
    "F4 empty lines": empty_lines_cost_what_they_weigh,
    "F7 MAIL parameters": envid_keeps_its_case,
    "F7 RCPT parameters": notify_and_orcpt_are_understood,
    "F7 empty recipient": nobody_is_no_recipient,
    "F7 null sender": the_null_sender_is_empty,
    "F7 SMTPUTF8": octets_above_127_need_smtputf8,
}


@pytest.mark.parametrize("finding", CHECKS)
async def test_ours_holds(finding: str) -> None:
    await CHECKS[finding](Ours())


@pytest.mark.parametrize("finding", CHECKS)
async def test_the_stock_library_does_not(finding: str) -> None:
    async with stock() as subject:
        with pytest.raises(AssertionError):
            await CHECKS[finding](subject)


async def test_the_harness_lets_the_stock_library_pass_what_it_can() -> None:
    async with stock() as subject:
        assert await subject.mail(b"<s@example.org> SIZE=10") == Answer(250, "s@example.org")
    async with stock() as subject:
        assert await subject.rcpt(b"<r@example.org>") == Answer(250, "r@example.org")
    async with stock() as subject:
        assert await peak(subject, [b"x" * 76 + b"\r\n"] * 1000) < 3 * LIMIT
