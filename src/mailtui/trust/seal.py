"""Signing as the runner asks for it: once per message, before its first attempt, off the loop.

Owned here: what is signed, reading a long content piece by piece, and what `trust.on_error` makes of a failure. The time in
a signature is that of acceptance, so that a message signed again after a crash gets the very same bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import msgspec

from mailtui.config import Config
from mailtui.errors import Unavailable
from mailtui.model import Claim
from mailtui.trust.desk import Desk
from mailtui.trust.header import SigningError, cut_header
from mailtui.trust.signer import Signer

ReadContent = Callable[[int, int], Awaitable[bytes | None]]


class Seal(msgspec.Struct, frozen=True):
    """Header lines to put in front (b"" for none), a word for `show`, and whether the message must stay until a key is mended."""

    header: bytes
    note: str
    hold: bool = False


_NO_KEYS = Seal(b"", "")


class Sealer:
    """Signs claims with the configured keys. `failures` counts what could not be signed since start."""

    def __init__(self, config: Config, read_content: ReadContent) -> None:
        """Loads the keys; ConfigError when one cannot be used."""
        self._read_content = read_content
        self.failures = 0
        self.use(Signer(config.dkim), config)
        self._desk = Desk()

    def use(self, signer: Signer, config: Config) -> None:
        """Sign with these keys from now on."""
        self.signer = signer
        self._hold = config.trust.on_error == "hold"

    async def seal(self, claim: Claim) -> Seal:
        """The signature of a message. Mail too malformed to sign leaves unsigned: it is its sender's fault, not a key's."""
        if not self.signer.domains:
            return _NO_KEYS
        loop = asyncio.get_running_loop()
        try:
            header = await self._desk.submit(lambda: self._sign(claim, loop))
        except SigningError as error:
            return Seal(b"", f"unsigned: {error}")
        except (Unavailable, TimeoutError):
            raise  # the content cannot be read now: a deferral, and no fault of a key
        except Exception as error:  # a key or library failure must neither lose the message nor end the slot
            self.failures += 1
            return Seal(b"", f"signing failed: {type(error).__name__}: {error}", self._hold)
        return Seal(header, self._note(header))

    def _sign(self, claim: Claim, loop: asyncio.AbstractEventLoop) -> bytes:
        chunks = iter([claim.content]) if claim.content is not None else self._chunks(claim.message, loop)
        header, body = cut_header(_with_prefix(claim.prefix, chunks))
        return self.signer.sign(header, body, claim.received_at)

    def _chunks(self, message: int, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
        """A long content, a piece at a time, read by the loop for this thread."""
        sequence = 0
        while (chunk := asyncio.run_coroutine_threadsafe(self._read(message, sequence), loop).result(60)) is not None:
            yield chunk
            sequence += 1

    async def _read(self, message: int, sequence: int) -> bytes | None:
        return await self._read_content(message, sequence)

    def _note(self, header: bytes) -> str:
        return f"signed {header.count(b'DKIM-Signature:')} x" if header else "no key for this sender"

    def close(self) -> None:
        """Let the thread go."""
        self._desk.close()


def _with_prefix(prefix: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if prefix:
        yield prefix
    yield from chunks
