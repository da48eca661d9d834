"""The relay's end of the control socket: HTTP/1.1 and JSON, one route for every request of the table.

Owned here: routes, limits, who may what, and turning errors into answers. What a request does is the `Service`'s business; how
things are written is `wire`'s. Nothing here knows a verb by name.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Final

from aiohttp import web

from mailtui.config import Config
from mailtui.errors import EX_NOPERM, EX_USAGE, ControlError, MailtuiError
from mailtui.events import Journal

from . import claims, peer, wire
from .api import MAX_REQUEST, REQUESTS, VERSION_HEADER, Content, Log, Service
from .request import Request
from .stream import entries

logger = logging.getLogger(__name__)

#: Seconds a client may take to send its request, or to read a piece of a stream.
_PATIENCE: Final = 30.0
#: Seconds changes and answers under way have when the relay stops.
_PARTING: Final = 5.0
_LINE: Final = 128 * 1024  # request line: a filter may be long
_BUG: Final = wire.Failure("internal", "the relay failed at this; its log says more", exit_code=70)

#: The HTTP library would log every client that is none, with a traceback. What concerns us is logged here.
_QUIET: Final = logging.Logger("http", level=logging.CRITICAL + 1)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers on `relay.socket` from `start` to `close`. `settings` gives the configuration of the moment."""

    def __init__(self, service: Service, journal: Journal, settings: Callable[[], Config]) -> None:
        self._service = service
        self._journal = journal
        self._settings = settings
        self._path = settings().relay.socket
        self._streams: set[asyncio.Task[object]] = set()
        self._changes: set[asyncio.Task[object]] = set()
        application = web.Application(middlewares=[self._manners], client_max_size=MAX_REQUEST)
        application.router.add_get("/v1/events", self._events, allow_head=False)
        application.router.add_get("/v1/log", self._log, allow_head=False)
        application.router.add_get("/v1/content", self._content, allow_head=False)
        application.router.add_route("*", "/v1/{name}", self._answer)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            logger=_QUIET,
            handle_signals=False,
            handler_cancellation=True,  # who goes away is not searched for any longer; see _changed
            shutdown_timeout=_PARTING,
            max_line_size=_LINE,
        )
        self._listening: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Accept from now on. Only for the holder of the relay's lock. ConfigError when the socket cannot be made."""
        await self._runner.setup()
        assert self._runner.server is not None
        listening = peer.bind(self._path, self._settings().relay.socket_group)
        self._listening = await asyncio.get_running_loop().create_unix_server(self._runner.server, sock=listening)

    async def close(self) -> None:
        """Stop accepting, end the streams, let changes come to their end and answers that are being made go out (5 s each), remove the
        socket."""
        if self._listening is not None:
            self._listening.close()
            self._path.unlink(missing_ok=True)
        for stream in self._streams:
            stream.cancel()
        if self._changes:
            await asyncio.wait(self._changes, timeout=_PARTING)
        await self._runner.cleanup()
        for change in self._changes:
            change.cancel()
        await asyncio.gather(*self._changes, return_exceptions=True)

    @web.middleware
    async def _manners(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Versions must agree, and whatever goes wrong is one JSON object with a fitting status."""
        try:
            if problem := wire.disagreement(request.headers.get(VERSION_HEADER, ""), wire.our_version()):
                raise problem
            return await handler(request)
        except MailtuiError as error:
            return _refusal(wire.failure(error))
        except web.HTTPRequestEntityTooLarge:
            return _refusal(wire.Failure("too-large", f"a request has at most {MAX_REQUEST} octets", "", EX_USAGE))
        except web.HTTPException as error:
            return _refusal(
                wire.Failure("unknown-request", f"{request.method} {request.path}: {error.reason}", _REQUESTS)
            )
        except (ConnectionError, TimeoutError):
            raise  # the client has gone, or does not read: there is nobody to tell
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            return _refusal(_BUG)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        kind = REQUESTS.get(request.match_info["name"])
        if kind is None:
            raise ControlError("unknown-request", f"there is no request {request.match_info['name']}", _REQUESTS)
        if request.method != ("POST" if kind.changes else "GET"):
            manner = "changes something: POST it" if kind.changes else "only reads: GET it"
            raise ControlError("wrong-method", f"{kind.name} {manner}", exit_code=EX_USAGE)
        handler = getattr(self._service, kind.name.replace(".", "_"))
        if kind.changes:
            actor = await self._operator(request, kind)
            async with asyncio.timeout(_PATIENCE):
                body = await request.read()
            result = await self._changed(handler(wire.read_json(body, kind), actor))
        else:
            result = await handler(wire.read_query(request.query.items(), kind))
        return _said(wire.encode(result))

    async def _changed(self, change: Coroutine[object, object, object]) -> object:
        """What a change comes to. It goes on when its client has gone: half of it would be neither done nor left."""
        task = asyncio.create_task(change)
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_unseen)
            raise

    async def _operator(self, request: web.Request, kind: type[Request[object]]) -> str:
        """The name of the peer, who may change things, with what it claims. ControlError `forbidden` for others."""
        assert request.transport is not None
        uid = peer.peer_uid(request.transport.get_extra_info("socket"))
        operators = self._settings().control.operators
        # Users and groups may live in a directory service: not on the loop.
        name, allowed = await asyncio.to_thread(
            lambda: (peer.user_name(uid), peer.may_change(uid, os.geteuid(), operators))
        )
        if not allowed:
            hint = f'add "{name}" or one of its @groups to control.operators'
            raise ControlError("forbidden", f"{name} may look but not {kind.name}", hint, EX_NOPERM)
        return claims.described(name, request.headers.get(claims.HEADER, ""))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await self._stream_log(request, {"follow": "true", "limit": "10000"})

    async def _log(self, request: web.Request) -> web.StreamResponse:
        return await self._stream_log(request, {})

    async def _stream_log(self, request: web.Request, defaults: dict[str, str]) -> web.StreamResponse:
        wanted = wire.read_query((defaults | dict(request.query)).items(), Log)
        heard = self._service.heard(wanted) if wanted.filter else None
        batches = entries(self._journal, wanted, time.time(), heard)
        lines = (b"".join(map(wire.encode_entry, batch)) or b"\n" async for batch in batches)
        async with aclosing(batches):
            return await self._stream(request, "application/x-ndjson", lines)

    async def _content(self, request: web.Request) -> web.StreamResponse:
        wanted = wire.read_query(request.query.items(), Content)
        return await self._stream(request, "message/rfc822", self._service.content(wanted))

    async def _stream(self, request: web.Request, kind: str, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
        """Send pieces as they come, at the pace the client reads; an error before the first is still a proper answer."""
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        response = web.StreamResponse(headers={VERSION_HEADER: wire.our_version(), "Content-Type": kind})
        try:
            async for piece in pieces:
                await _send(request, response, piece)
            await _send(request, response, b"")
        except Exception as error:
            if not response.prepared:
                raise
            # Half an answer cannot be taken back: cut the connection, so that nobody takes it for the whole.
            if request.transport is not None:
                request.transport.abort()
            if not isinstance(
                error, ConnectionError | TimeoutError
            ):  # those say only that the client has gone or does not read
                logger.exception("%s ended early", request.path)
        finally:
            self._streams.discard(task)
        return response


def _unseen(change: asyncio.Task[object]) -> None:
    """There is nobody to tell what it came to; what we do not understand is logged all the same."""
    error = None if change.cancelled() else change.exception()
    if error is not None and not isinstance(error, MailtuiError):
        logger.error("a change whose client had gone failed", exc_info=error)


async def _send(request: web.Request, response: web.StreamResponse, piece: bytes) -> None:
    async with asyncio.timeout(_PATIENCE):
        if not response.prepared:
            await response.prepare(request)
        if piece:
            await response.write(piece)


_REQUESTS: Final = f"there are: {', '.join(sorted((*REQUESTS, 'log', 'events', 'content')))}"


def _said(body: bytes, status: int = 200) -> web.Response:
    headers = {VERSION_HEADER: wire.our_version(), "Content-Type": "application/json"}
    return web.Response(body=body, status=status, headers=headers)


def _refusal(told: wire.Failure) -> web.Response:
    return _said(wire.encode_failure(told), wire.http_status(told))
