"""A plain SMTP client for the lab's traffic: one kept connection, pipelining where offered, every reply handed back.

Owned here: the sending side of RFC 5321 as an application's mail library does it, without TLS or AUTH. It is not the
relay's way out: that is the delivery room.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple, Self

REPLY_LINES: Final = 100


class Outcome(NamedTuple):
    """What a server said to a message: the code of each RCPT in order, and the code and text of the last reply.

    `code` is that of the final dot; where it never came to that, of the reply that ended the transaction.
    """

    recipients: tuple[int, ...]
    code: int
    text: str

    @property
    def accepted(self) -> bool:
        """Whether the server took custody."""
        return 200 <= self.code < 300


class SmtpClient:
    """`async with SmtpClient(address) as client: await client.send(...)`. Every wait is at most `timeout` seconds.

    Raises OSError (TimeoutError and ConnectionError are) when the dialogue breaks; the connection is of no use then.
    """

    def __init__(self, address: tuple[str, int], *, helo: str = "app.shop.example", timeout: float = 30.0) -> None:
        self._address, self._helo, self._timeout = address, helo, timeout
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._pipelining = False

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Greeting and EHLO. ConnectionError when the server does not want us."""
        async with asyncio.timeout(self._timeout):
            self._reader, self._writer = await asyncio.open_connection(*self._address)
        try:
            await self._expect(2)
            await self._put(f"EHLO {self._helo}\r\n".encode())
            self._pipelining = "PIPELINING" in (await self._expect(2))[1].upper()
        except BaseException:
            await self.close()
            raise

    async def send(self, sender: str, recipients: tuple[str, ...], content: bytes) -> Outcome:
        """One transaction; `content` is CRLF-terminated lines, dot-stuffed here."""
        commands = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{address}>" for address in recipients), "DATA"]
        lines = [f"{command}\r\n".encode() for command in commands]
        if self._pipelining:
            await self._put(b"".join(lines))
        replies: list[tuple[int, str]] = []
        for line in lines:
            if not self._pipelining:
                await self._put(line)
            replies.append(await self._reply())
            if replies[-1][0] == 421:
                raise ConnectionError(f"421 {replies[-1][1]}")
        codes = tuple(code for code, _ in replies[1:-1])
        if replies[-1][0] == 354:
            stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
            await self._put(stuffed + b".\r\n")
            return Outcome(codes, *await self._reply())
        await self._put(b"RSET\r\n")
        await self._reply()
        return Outcome(codes, *next(reply for reply in replies if reply[0] >= 400))

    async def close(self) -> None:
        """QUIT without waiting for the answer."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        if not writer.is_closing():
            writer.write(b"QUIT\r\n")
        writer.close()
        try:
            async with asyncio.timeout(self._timeout):
                await writer.wait_closed()
        except OSError:
            pass

    async def _put(self, octets: bytes) -> None:
        if self._writer is None or self._writer.is_closing():  # a closed uvloop transport raises RuntimeError on write
            raise ConnectionError("not connected")
        self._writer.write(octets)
        async with asyncio.timeout(self._timeout):
            await self._writer.drain()

    async def _expect(self, digit: int) -> tuple[int, str]:
        code, text = await self._reply()
        if code // 100 != digit:
            raise ConnectionError(f"{code} {text}")
        return code, text

    async def _reply(self) -> tuple[int, str]:
        """Code and text of one reply, lines joined with a line feed."""
        texts: list[str] = []
        async with asyncio.timeout(self._timeout):
            while len(texts) < REPLY_LINES:
                try:
                    line = await self._reader.readuntil(b"\r\n")
                except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                    raise ConnectionError("connection lost") from error
                texts.append(line[4:].decode("utf-8", "replace").rstrip())
                if line[3:4] != b"-":
                    if not line[:3].isdigit():
                        break
                    return int(line[:3]), "\n".join(texts)
        raise ConnectionError("not an SMTP reply")
