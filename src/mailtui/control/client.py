"""The other end of the control socket: what the command line and the console speak through.

Owned here: the connection, its errors in words for a person, and typed answers. What to ask is `api`'s.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import aiohttp
import msgspec

from mailtui.errors import EX_NOPERM, ControlError, RelayNotRunning, Unavailable

from . import claims, wire
from .api import VERSION_HEADER, Content, Entry, Log
from .request import Request

R = TypeVar("R")

_CONNECT: Final = 5.0
_SILENCE: Final = 60.0  # four heartbeats of a stream


class Client:
    """A client of the relay at `socket_path`; use as `async with Client(path) as client`. It connects when first asked.

    Every method raises RelayNotRunning when nobody answers there, ControlError for what the relay refused (and `forbidden`
    when the socket is closed to this user), Unavailable when an answer does not come.
    """

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        claim = claims.own(os.environ)
        self._session = aiohttp.ClientSession(
            "http://mailtui",
            connector=aiohttp.UnixConnector(str(self._path)),
            headers={VERSION_HEADER: wire.our_version()} | ({claims.HEADER: claim} if claim else {}),
            auto_decompress=False,
            read_bufsize=1024 * 1024,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, request: Request[R]) -> R:
        """Ask, and wait as long as the request has patience."""
        timeout = aiohttp.ClientTimeout(total=request.patience, sock_connect=_CONNECT)
        async with self._answer(request, timeout) as response:
            body = await response.read()
        try:
            return msgspec.json.decode(body, type=request.answer_type)
        except msgspec.MsgspecError as error:
            text = f"the relay's answer to {request.name} is not understood: {error}"
            raise ControlError("answer", text, "are both of the same version?") from None

    async def events(self, log: Log) -> AsyncIterator[Entry]:
        """Events as they come; ends when they do, or when the relay closes."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENCE)
        async with self._answer(log, timeout) as response:
            try:
                async for line in response.content:
                    if entry := wire.decode_entry(line):
                        yield entry
            except (aiohttp.ClientPayloadError, ConnectionError):
                return  # a relay that stops ends its streams by closing

    async def content(self, request: Content) -> AsyncGenerator[bytes, None]:
        """The octets of a message, in pieces."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENCE)
        async with self._answer(request, timeout) as response:
            async for piece in response.content.iter_chunked(256 * 1024):
                yield piece

    @asynccontextmanager
    async def _answer(
        self, request: Request[R] | Log | Content, timeout: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response to a request, its head read and found good; the errors of the way in words."""
        assert self._session is not None, "use the client as a context manager"
        path = f"/v1/{request.name}"
        changes = isinstance(request, Request) and request.changes
        try:
            async with (
                self._session.post(path, data=msgspec.json.encode(request), timeout=timeout)
                if changes
                else self._session.get(path, params=wire.query(request), timeout=timeout)
            ) as response:
                if problem := wire.disagreement(wire.our_version(), response.headers.get(VERSION_HEADER, "")):
                    raise problem
                if response.status != 200:
                    raise wire.decode_failure(await response.content.read(1024 * 1024), response.status)
                yield response
        except aiohttp.ClientConnectorError as error:
            raise self._unreachable(error.os_error) from None
        except (TimeoutError, aiohttp.ServerTimeoutError):
            raise Unavailable("the relay did not answer in time") from None
        except (aiohttp.ClientError, ConnectionError):
            raise Unavailable("the relay closed the connection before its answer was complete") from None

    def _unreachable(self, error: OSError) -> Exception:
        if isinstance(error, PermissionError):
            hint = "the relay's socket_group and root may"
            return ControlError("forbidden", f"{self._path} is closed to this user", hint, EX_NOPERM)
        return RelayNotRunning(f"no relay answers on {self._path}; `mailtui serve` starts one")


def call(socket_path: Path, request: Request[R]) -> R:
    """One request, one answer, for programs without a loop of their own."""

    async def ask() -> R:
        async with Client(socket_path) as client:
            return await client.call(request)

    return asyncio.run(ask())
