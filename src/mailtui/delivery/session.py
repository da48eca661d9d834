"""One connection to a mail host: greeting, EHLO, STARTTLS, AUTH, and then a line that carries pipelined transactions.

Owned here: the wire. aiosmtplib's protocol class speaks the beginning of the dialogue; for transactions we read replies ourselves,
because it cannot pipeline and loses codes (findings F9, F10). What is said in a transaction stands in `transaction`, which host
is dialled in `courier`.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import time
from collections import deque
from typing import Final

from aiosmtplib.errors import SMTPResponseException, SMTPServerDisconnected, SMTPTimeoutError
from aiosmtplib.esmtp import parse_esmtp_extensions
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

from mailtui.config import Timeouts
from mailtui.delivery.replies import BadReply, ReplyParser, make_reply
from mailtui.delivery.tls import describe
from mailtui.delivery.transcript import Recorder
from mailtui.model import Reply, Stage, TranscriptLine

#: Words of the AUTH dialogue that are no secrets.
_MASK: Final = "***"


class Refused(Exception):
    """The host answered a step before any transaction with something other than success."""

    def __init__(self, stage: Stage, reply: Reply) -> None:
        super().__init__(f"{stage.value}: {reply}")
        self.stage = stage
        self.reply = reply


class Lost(Exception):
    """The connection ended, or said something that is no SMTP, while a reply was awaited."""


class Garbled(Lost):
    """What came instead of a reply is no SMTP."""


class StageTimeout(Exception):
    """The host did not answer a step in time; `seconds` is how long it was given."""

    def __init__(self, stage: Stage, seconds: float) -> None:
        super().__init__(f"timed out after {seconds:g} s at {stage.value}")
        self.stage = stage
        self.seconds = seconds


class Session(SMTPProtocol):
    """A connection, from `begin_on` to `quit` or `abort`. Belongs to one transaction at a time."""

    def __init__(self, host: str, preamble: int) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self.host = host
        self.address = ""
        self.preamble = preamble  # its transcript number
        self.recorder = Recorder()
        self.stage = Stage.CONNECT
        self.tls = ""
        self.extensions: dict[str, str] = {}
        self.messages = 0
        self.idle_since = 0.0
        self.ending = False  # it said 421: nothing more may be asked of it (RFC 5321 3.8)
        self.dirty = False  # a transaction was left open: RSET before the next
        self.preamble_kept = False  # its transcript has been handed over
        self.preamble_lines: tuple[TranscriptLine, ...] = ()
        self.ready = False  # the preamble is over
        self.timings: dict[str, int] = {}
        self._secret = False
        self._parser: ReplyParser | None = None
        self._strict = (
            ReplyParser()
        )  # reads along in the preamble: aiosmtplib takes the last code of a reply with several
        self._replies: deque[Reply] = deque()
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._error: Exception | None = None
        self._heard = 0.0

    # ------------------------------------------------------------------ the wire

    def write(self, data: bytes) -> None:
        """Send a command of the preamble; secrets are masked before they are recorded."""
        line = data[:-2].decode("ascii", "replace")
        if self._secret:
            verb = line.split(" ")
            line = " ".join(
                [*verb[:2], _MASK]
                if verb[0] == "AUTH" and len(verb) > 2
                else verb[:2]
                if verb[0] == "AUTH"
                else [_MASK]
            )
        self.recorder.sent(line)
        super().write(data)

    def data_received(self, data: bytes) -> None:
        """The preamble's replies go to aiosmtplib, a transaction's to our parser."""
        if self._parser is None:
            for line in data.split(b"\n"):
                if line:
                    self.recorder.received(line.rstrip(b"\r").decode("utf-8", "replace"))
            try:
                self._strict.feed(data)
            except BadReply as error:
                self._fail(error)
                self.abort()
            else:
                super().data_received(data)
            return
        try:
            replies = self._parser.feed(data)
        except BadReply as error:
            self._take(error.complete)
            self._fail(error)
            self.abort()
            return
        self._take(tuple(replies))
        if len(self._replies) > self._wanted:  # a reply nobody asked for: this line is out of step, or closing
            self._fail(BadReply("replies to commands that were not sent"))
            self.abort()
        elif self._waiter is not None and self._enough() and not self._waiter.done():
            self._waiter.set_result(None)

    def _take(self, replies: tuple[Reply, ...]) -> None:
        """Whole replies only are a sign of life: a host that sends an octet a second has no more time than a silent one."""
        if replies:
            self._heard = time.monotonic()
        for reply in replies:
            self._record(reply)
            self.ending = self.ending or reply.code == 421
        self._replies.extend(replies)

    def _record(self, reply: Reply) -> None:
        lines = reply.text.split("\n")
        for number, line in enumerate(lines, 1):
            mark = " " if number == len(lines) else "-"
            self.recorder.received(f"{reply.code}{mark}{reply.enhanced + ' ' if reply.enhanced else ''}{line}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits is told; the reason is kept for whoever asks later."""
        self._fail(exc or ConnectionResetError("the server closed the connection"))
        super().connection_lost(exc)

    def eof_received(self) -> bool:
        """A half-closed server has nothing more to say."""
        self._fail(ConnectionResetError("the server closed the connection"))
        return super().eof_received()

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
            self.recorder.note(f"connection lost: {error}")
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def alive(self) -> bool:
        """Whether another transaction may be tried on it."""
        return self._error is None and self.is_connected and not self.ending

    def abort(self) -> None:
        """End it without a word."""
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]

    # ------------------------------------------------------------------ transactions

    def end_preamble(self) -> None:
        """From now on replies are read by our parser."""
        self.preamble_lines = self.recorder.take()
        self._parser = ReplyParser()
        self.ready = True

    def begin(self) -> None:
        """A fresh transcript begins."""
        self.recorder = Recorder()
        self._replies.clear()
        self._wanted = 0

    def send(self, data: bytes, expected: int) -> None:
        """Write commands or content; `expected` more replies will be waited for."""
        if self._error is not None or self.transport is None:
            raise Lost(str(self._error or "closed"))
        self._wanted += expected
        self._heard = time.monotonic()
        self.transport.write(data)  # type: ignore[attr-defined]

    def _enough(self) -> bool:
        return len(self._replies) >= self._wanted or any(reply.code == 421 for reply in self._replies)

    async def replies(self, stages: list[tuple[Stage, float]]) -> list[Reply]:
        """The replies asked for by `send`, with the patience in seconds for each; fewer when the last is a 421 (RFC 5321 3.8).

        Lost or StageTimeout when they do not come; what came before is then in `partial`.
        """
        if not self._enough() and self._error is None:
            self._waiter = self._loop.create_future()
            self._timer = self._loop.call_later(min(patience for _, patience in stages), self._check, stages)
            try:
                await self._waiter
            finally:
                self._timer.cancel()
                self._waiter = None
        if not self._enough():
            if isinstance(self._error, StageTimeout):
                raise self._error
            if isinstance(self._error, BadReply):
                raise Garbled(str(self._error))
            raise Lost(str(self._error or "closed"))
        return self.partial()

    def partial(self) -> list[Reply]:
        """The replies that have come and were not taken."""
        got = list(self._replies)
        self._replies.clear()
        self._wanted = 0
        return got

    def _check(self, stages: list[tuple[Stage, float]]) -> None:
        """Whether the reply that is due has had its time, counted from the last sign of life."""
        if self._waiter is None or self._waiter.done():
            return
        stage, patience = stages[min(len(self._replies), len(stages) - 1)]
        left = self._heard + patience - time.monotonic()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check, stages)
            return
        self._fail(StageTimeout(stage, patience))
        self.abort()

    async def drain(self, patience: float) -> None:
        """Wait until the host has taken what was written. StageTimeout when it stops reading."""
        try:
            async with asyncio.timeout(patience):
                await self._drain_helper()
        except TimeoutError:
            self._fail(StageTimeout(Stage.DATA, patience))
            self.abort()
            raise StageTimeout(Stage.DATA, patience) from None
        except OSError as error:
            raise Lost(str(error)) from error

    async def quit(self, patience: float) -> None:
        """Take leave politely, but not for long."""
        try:
            if self.alive and self.transport is not None:
                self.transport.write(b"QUIT\r\n")  # type: ignore[attr-defined]
                async with asyncio.timeout(patience):
                    await self._closed()
        except TimeoutError:
            pass
        finally:
            self.abort()

    async def _closed(self) -> None:
        waiter = self._waiter = self._loop.create_future()
        self._wanted = len(self._replies) + 1
        await waiter

    # ------------------------------------------------------------------ the preamble

    async def command(self, stage: Stage, patience: float, *words: bytes) -> Reply:
        """One command of the preamble and its reply, whatever its code. Lost, StageTimeout."""
        self.stage = stage
        began = time.monotonic()
        try:
            response = await self.execute_command(*words, timeout=patience)
        except SMTPTimeoutError:
            raise StageTimeout(stage, patience) from None
        except (SMTPServerDisconnected, OSError) as error:
            raise Lost(str(error)) from error
        except SMTPResponseException as error:
            raise Lost(f"not an SMTP reply: {error.message[:200]}") from error
        self.timings[stage.value] = int((time.monotonic() - began) * 1000)
        return _reply(response)

    async def begin_on(self, sock: socket.socket, context: ssl.SSLContext | None, timeouts: Timeouts) -> None:
        """Take over a connected socket (closed on failure) and read the greeting. With `context` TLS begins at once."""
        self.stage = Stage.STARTTLS if context is not None else Stage.GREETING
        server_name = self.host if context is not None else None
        try:
            port = sock.getpeername()[1]  # OSError when it was reset already
            self.recorder.note(f"connected to {self.host}[{self.address}]:{port}")
            async with asyncio.timeout(timeouts.helo):
                await self._loop.create_connection(lambda: self, sock=sock, ssl=context, server_hostname=server_name)
        except BaseException:
            sock.close()
            raise
        if context is not None:
            self.note_tls()
        self.stage = Stage.GREETING
        await self.greet(timeouts.greeting)

    async def greet(self, patience: float) -> None:
        """Read the greeting. Refused on anything but 220."""
        try:
            response = await self.read_response(timeout=patience)
        except SMTPTimeoutError:
            raise StageTimeout(Stage.GREETING, patience) from None
        except (SMTPServerDisconnected, OSError) as error:
            raise Lost(str(error)) from error
        except SMTPResponseException as error:
            raise Lost(f"not an SMTP reply: {error.message[:200]}") from error
        self.timings[Stage.GREETING.value] = int((time.monotonic() - self.recorder.began) * 1000)
        reply = _reply(response)
        if not reply.positive:
            raise Refused(Stage.GREETING, reply)

    async def hello(self, name: str, patience: float) -> None:
        """EHLO, or HELO where that is not known (RFC 5321 3.2). Refused when neither is liked."""
        reply = await self.command(Stage.HELO, patience, b"EHLO", name.encode("ascii"))
        self.extensions = {}
        if reply.positive:
            parsed, _ = parse_esmtp_extensions(reply.text)
            self.extensions = {key.lower(): value for key, value in parsed.items()}
            return
        if reply.code not in (500, 502, 503, 504, 550, 501):
            raise Refused(Stage.HELO, reply)
        reply = await self.command(Stage.HELO, patience, b"HELO", name.encode("ascii"))
        if not reply.positive:
            raise Refused(Stage.HELO, reply)

    async def secure(self, context: ssl.SSLContext, server_name: str, patience: float) -> None:
        """STARTTLS. Refused when the host declines, ssl.SSLError or OSError when the handshake fails."""
        self.stage = Stage.STARTTLS
        began = time.monotonic()
        try:
            await self.start_tls(context, server_hostname=server_name, timeout=patience)
        except SMTPTimeoutError:
            raise StageTimeout(Stage.STARTTLS, patience) from None
        except SMTPServerDisconnected as error:
            cause = error.__cause__
            raise (cause if isinstance(cause, ssl.SSLError) else Lost(str(error))) from error
        except SMTPResponseException as error:
            raise Refused(Stage.STARTTLS, make_reply(error.code, error.message.split("\n"))) from error
        self._strict = ReplyParser()  # what was said in clear text is forgotten (RFC 3207 4.2)
        self.timings[Stage.STARTTLS.value] = int((time.monotonic() - began) * 1000)
        self.note_tls()

    def note_tls(self) -> None:
        """Write down what was negotiated."""
        session = self.transport.get_extra_info("ssl_object") if self.transport is not None else None
        self.tls = describe(session) if session is not None else ""
        self.recorder.note(self.tls)

    async def login(self, username: str, password: str, patience: float) -> None:
        """AUTH PLAIN or LOGIN (RFC 4954), only ever called under TLS. Refused when the credentials are."""
        offered = self.extensions.get("auth", "").upper().split()
        self._secret = True
        try:
            if "PLAIN" in offered or "LOGIN" not in offered:
                token = base64.b64encode(b"\0%b\0%b" % (username.encode(), password.encode()))
                reply = await self.command(Stage.AUTH, patience, b"AUTH", b"PLAIN", token)
            else:
                reply = await self.command(Stage.AUTH, patience, b"AUTH", b"LOGIN")
                for secret in (username, password):
                    if reply.code == 334:
                        reply = await self.command(Stage.AUTH, patience, base64.b64encode(secret.encode()))
        finally:
            self._secret = False
        if not reply.positive:
            raise Refused(Stage.AUTH, reply)


def _reply(response: SMTPResponse) -> Reply:
    """aiosmtplib's reply as ours; it reads codes loosely (`2_5` is 25 there), so a code out of range is no SMTP."""
    if not 200 <= response.code <= 599:
        raise Lost(f"not an SMTP reply: code {response.code}")
    text = response.message.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return make_reply(response.code, text.split("\n"))
