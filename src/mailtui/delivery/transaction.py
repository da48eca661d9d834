"""One mail transaction on an open session: MAIL, RCPT, DATA, the content and its dot, and what each recipient came to.

Owned here: the commands of a transaction and the reading of their replies per recipient (RFC 5321 4.2, RFC 2920 pipelining, RFC
3461 parameters passed on). It raises nothing about the remote side: every way it can end is an `Attempt` per recipient.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from mailtui.config import Timeouts
from mailtui.delivery import classify, failures
from mailtui.delivery.session import Lost, Session, StageTimeout
from mailtui.model import Attempt, Claim, ClaimedRecipient, Disposition, Reply, Stage, TranscriptLine, Verdict

Chunks = Callable[[], AsyncIterator[bytes]]


class Transaction:
    """A claim being sent on a session. `run` once, then read `attempts`, `untouched`, `proved` and `lines`."""

    def __init__(
        self, session: Session, claim: Claim, header: bytes, chunks: Chunks, timeouts: Timeouts, provider: str
    ) -> None:
        """`header` goes before the content (prefix and signature); `chunks` streams a content that `claim.content` lacks."""
        self._session = session
        self._claim = claim
        self._header = header
        self._chunks = chunks
        self._timeouts = timeouts
        self._provider = provider
        self._started = time.time()
        self._began = time.monotonic()
        self._timings: dict[str, int] = {}
        self._open = dict.fromkeys(claim.recipients)  # those without an outcome yet, in order
        self._replies: list[Reply] = []  # to MAIL, every RCPT and DATA, as far as they came
        self.attempts: list[Attempt] = []
        self.untouched: list[int] = []
        self.proved = False

    @property
    def lines(self) -> tuple[TranscriptLine, ...]:
        """The dialogue of this transaction."""
        return self._session.recorder.take()

    async def run(self) -> None:
        """Speak it through."""
        self._session.begin()
        if (refusal := self._misfit()) is not None:
            stage, reply = refusal
            for recipient in list(self._open):
                self._conclude(recipient, stage, reply, classify.misfit(stage, reply))
            return
        try:
            await self._speak()
        except (Lost, StageTimeout) as error:
            self._broken(error)
        if self._session.alive:
            self._session.messages += 1

    # ------------------------------------------------------------------ before a word is said

    def _misfit(self) -> tuple[Stage, Reply] | None:
        """What this host cannot take by its own EHLO (RFC 1870, 6152, 6531), so that it need not be asked."""
        claim, offered = self._claim, self._session.extensions
        limit = offered.get("size", "")
        size = claim.size + len(self._header)
        if limit.isdigit() and 0 < int(limit) < size:
            return Stage.MAIL, Reply(
                0, "5.3.4", f"the message is larger than {self._session.host} accepts ({size} octets of {limit})"
            )
        if claim.smtputf8 and "smtputf8" not in offered and self._needs_utf8():
            return Stage.MAIL, Reply(
                0, "5.6.7", f"{self._session.host} does not take internationalised addresses (SMTPUTF8)"
            )
        if "8bitmime" not in offered and not self._seven_bit():
            return Stage.MAIL, Reply(0, "5.6.3", f"{self._session.host} does not take 8-bit content (8BITMIME)")
        return None

    def _needs_utf8(self) -> bool:
        claim = self._claim
        addresses = (claim.sender, *(recipient.address for recipient in claim.recipients))
        return (
            not all(str(address).isascii() for address in addresses)
            or not self._header.isascii()
            or not self._seven_bit()
        )

    def _seven_bit(self) -> bool:
        """Whether the content may be sent without 8BITMIME. A long message is judged by what its client declared."""
        return self._claim.content.isascii() if self._claim.content is not None else not self._claim.eight_bit

    # ------------------------------------------------------------------ the dialogue

    async def _speak(self) -> None:
        session, wait = self._session, self._timeouts
        recipients = list(self._open)
        if session.dirty:
            session.recorder.sent("RSET")
            session.send(b"RSET\r\n", 1)
            if not (await self._expect([(Stage.MAIL, wait.mail)]))[0].positive:
                session.abort()
                raise Lost("RSET was refused")
        commands = [self._mail(), *(self._rcpt(recipient) for recipient in recipients)]
        stages = [(Stage.MAIL, wait.mail)] + [(Stage.RCPT, wait.rcpt)] * len(recipients)
        if "pipelining" in session.extensions:
            for command in commands:
                session.recorder.sent(command[:-2].decode("utf-8", "replace"))
            session.recorder.sent("DATA")
            stages.append((Stage.DATA, wait.data))
            session.send(b"".join(commands) + b"DATA\r\n", len(stages))
            self._replies = await self._expect(stages)
        else:
            await self._one_by_one(commands, stages)
        await self._answers(self._replies, recipients)

    async def _expect(self, stages: list[tuple[Stage, float]]) -> list[Reply]:
        """As many replies as stages, fewer only behind a 421. More of them mean that the dialogue is out of step: Lost."""
        replies = await self._session.replies(stages)
        if len(replies) > len(stages):
            self._session.abort()
            raise Lost("replies to commands that were not sent")
        return replies

    async def _one_by_one(self, commands: list[bytes], stages: list[tuple[Stage, float]]) -> None:
        """For a host without PIPELINING: each command waits for its reply, DATA only when somebody was accepted."""
        session, replies = self._session, self._replies
        for command, stage in zip(commands, stages, strict=True):
            session.recorder.sent(command[:-2].decode("utf-8", "replace"))
            session.send(command, 1)
            replies += await self._expect([stage])
            if replies[-1].code == 421 or (stage[0] is Stage.MAIL and not replies[-1].positive):
                return
        if any(reply.positive for reply in replies[1:]):
            session.recorder.sent("DATA")
            session.send(b"DATA\r\n", 1)
            replies += await self._expect([(Stage.DATA, self._timeouts.data)])

    async def _answers(self, replies: list[Reply], recipients: list[ClaimedRecipient]) -> None:
        """MAIL, RCPT and DATA have been answered, or a 421 ended the answers."""
        session = self._session
        session.dirty = True  # until the dot is answered a transaction is open
        # What comes behind a 421 proves nothing: Exim goes on to answer the pipelined RCPT and DATA with 503.
        self.proved = bool(replies) and replies[0].code != 421
        last = replies[-1] if replies else Reply(421)
        mail = replies[0] if replies else last
        if not mail.positive:
            await self._cancel_data(replies, recipients)
            self._settle_all(Stage.MAIL, mail)
            return
        for recipient, reply in zip(recipients, [*replies[1:], *[last] * len(recipients)], strict=False):
            if not reply.positive:
                self._settle(recipient, Stage.RCPT, reply)
        self._mark(Stage.RCPT)
        if not self._open:
            await self._cancel_data(replies, recipients)
            return
        data = replies[1 + len(recipients)] if len(replies) > 1 + len(recipients) else last
        if data.positive:  # success before the content was sent is none: it says nothing about this message
            self._session.abort()
            verdict = classify.outcome("protocol", Disposition.DEFERRED)
            for recipient in list(self._open):
                self._conclude(recipient, Stage.DATA, data, verdict)
            return
        if data.code != 354:
            self._settle_all(Stage.DATA, data)
            return
        self._mark(Stage.DATA)
        self._part_crowd()
        await self._content()

    def _part_crowd(self) -> None:
        """A host that takes fewer recipients at once refused the rest for now: they follow at once, without an attempt."""
        crowd = [attempt for attempt in self.attempts if attempt.verdict.class_ == "too-many-recipients"]
        for attempt in crowd:
            if attempt.verdict.disposition is Disposition.DEFERRED:
                self.attempts.remove(attempt)
                self.untouched.append(attempt.recipient)

    async def _cancel_data(self, replies: list[Reply], recipients: list[ClaimedRecipient]) -> None:
        """Nobody is left, but a pipelined DATA may have been answered 354: a lone dot ends it (RFC 2920 3.1)."""
        if len(replies) > 1 + len(recipients) and replies[1 + len(recipients)].code == 354:
            self._session.recorder.sent(".")
            self._session.send(b".\r\n", 1)
            await self._session.replies([(Stage.FINAL_DOT, self._timeouts.final_dot)])
            self._session.dirty = False

    async def _content(self) -> None:
        """The content, dot-stuffed (RFC 5321 4.5.2), and the verdict on it."""
        session, wait, claim = self._session, self._timeouts, self._claim
        size = claim.size + len(self._header)
        session.recorder.note(f"{size} octets of content, then the dot")
        if claim.content is not None:
            data = self._header + claim.content
            if not data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r"):
                session.abort()  # never let a bare CR or LF out: that is how messages are smuggled
                self._settle_all(
                    Stage.DATA, Reply(0, "5.6.0", "the stored content has bare CR or LF and must not be sent")
                )
                return
            session.send(stuff(data) + b".\r\n", 1)
        else:
            await self._stream()
        if session.transport is not None and session.transport.get_write_buffer_size() > 65536:  # type: ignore[attr-defined]
            await session.drain(wait.block)
        session.stage = Stage.FINAL_DOT
        try:
            reply, *unasked = await session.replies([(Stage.FINAL_DOT, wait.final_dot)])
        except (Lost, StageTimeout) as error:
            self._unknown(error)
            return
        except asyncio.CancelledError:  # the relay stops: this must not look as if nothing had been tried
            self._unknown(Lost("the relay was stopped"))
            session.abort()
            return
        if unasked or reply.code // 100 not in (2, 4, 5):
            session.abort()  # out of step, whatever it thinks it is doing
        self._mark(Stage.FINAL_DOT)
        session.dirty = False
        self._settle_all(Stage.FINAL_DOT, reply)

    async def _stream(self) -> None:
        session, stuffer = self._session, Stuffer()
        session.send(stuffer.feed(self._header), 0)
        async for chunk in self._chunks():
            session.send(stuffer.feed(chunk), 0)
            await session.drain(self._timeouts.block)
        session.send(b".\r\n", 1)

    def _mail(self) -> bytes:
        claim, offered = self._claim, self._session.extensions
        words = [f"MAIL FROM:<{claim.sender}>"]
        if "size" in offered:
            words.append(f"SIZE={claim.size + len(self._header)}")
        if claim.eight_bit and "8bitmime" in offered:
            words.append("BODY=8BITMIME")
        if claim.smtputf8 and "smtputf8" in offered:
            words.append("SMTPUTF8")
        if "dsn" in offered:
            words += [f"RET={claim.ret}"] if claim.ret else []
            words += [f"ENVID={claim.envid}"] if claim.envid else []
        return " ".join(words).encode() + b"\r\n"

    def _rcpt(self, recipient: ClaimedRecipient) -> bytes:
        words = [f"RCPT TO:<{recipient.address}>"]
        if "dsn" in self._session.extensions:
            words += [f"NOTIFY={recipient.notify}"] if recipient.notify else []
            words += [f"ORCPT={recipient.orcpt}"] if recipient.orcpt else []
        return " ".join(words).encode() + b"\r\n"

    # ------------------------------------------------------------------ outcomes

    def _mark(self, stage: Stage) -> None:
        self._timings[stage.value] = int((time.monotonic() - self._began) * 1000)

    def _settle_all(self, stage: Stage, reply: Reply) -> None:
        for recipient in list(self._open):
            self._settle(recipient, stage, reply)

    def _settle(self, recipient: ClaimedRecipient, stage: Stage, reply: Reply) -> None:
        self._conclude(recipient, stage, reply, classify.classify(stage, reply, provider=self._provider))

    def _conclude(self, recipient: ClaimedRecipient, stage: Stage, reply: Reply, verdict: Verdict) -> None:
        del self._open[recipient]
        session = self._session
        relayed = verdict.disposition is Disposition.DELIVERED and "dsn" not in session.extensions
        self.attempts.append(
            Attempt(
                recipient=recipient.id,
                started=self._started,
                ended=time.time(),
                stage=stage,
                verdict=verdict,
                reply=reply,
                host=session.host,
                address=session.address,
                tls=session.tls,
                timings=dict(self._timings),
                relayed=relayed,
            )
        )

    def _broken(self, error: Lost | StageTimeout) -> None:
        """The dialogue ended before the dot: what was answered stands, the others are deferred."""
        late = self._session.partial()
        in_content = len(self._replies) > 1 + len(self._claim.recipients)
        replies = self._replies if in_content else [*self._replies, *late]
        if replies and not replies[0].positive:
            self._settle_all(Stage.MAIL, replies[0])
        for recipient, answer in zip(self._claim.recipients, replies[1:], strict=False):
            if recipient in self._open and not answer.positive:
                self._settle(recipient, Stage.RCPT, answer)
        if in_content and late:  # it did not wait for the dot to say what it thinks of the content
            self._settle_all(Stage.DATA, late[-1])
        stage = (Stage.MAIL, Stage.RCPT, Stage.DATA)[(len(replies) > 0) + (len(replies) > len(self._claim.recipients))]
        if isinstance(error, StageTimeout):
            stage = error.stage
        reply, verdict = failures.explain(error, stage, host=self._session.host, address=self._session.address)
        for recipient in list(self._open):
            self._conclude(recipient, stage, reply, verdict)

    def _unknown(self, error: Lost | StageTimeout) -> None:
        """Nothing came back for the dot: the host may have taken the message (RFC 1047). Its own class, and a deferral."""
        last = next((reply for reply in self._session.partial() if reply.code == 421), None)
        if last is not None:
            self._settle_all(Stage.FINAL_DOT, last)
            return
        reply, verdict = failures.explain(
            error, Stage.FINAL_DOT, host=self._session.host, address=self._session.address, after_dot=True
        )
        for recipient in list(self._open):
            self._conclude(recipient, Stage.FINAL_DOT, reply, verdict)


def stuff(data: bytes) -> bytes:
    """A whole content with every line that begins with a dot given another one (RFC 5321 4.5.2)."""
    stuffed = data.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


class Stuffer:
    """The same for a content in pieces, whatever they are split in."""

    def __init__(self) -> None:
        self._tail = b"\r\n"  # a content begins at the start of a line

    def feed(self, chunk: bytes) -> bytes:
        """The stuffed form of the next piece."""
        if not chunk:
            return b""
        stuffed = chunk.replace(b"\r\n.", b"\r\n..")
        if self._tail.endswith(b"\r\n") and chunk.startswith(b"."):
            stuffed = b"." + stuffed
        elif self._tail.endswith(b"\r") and chunk.startswith(b"\n."):
            stuffed = b"\n." + stuffed[1:]
        self._tail = (self._tail + chunk)[-2:]
        return stuffed
