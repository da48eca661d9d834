"""The sockets mail comes in by: binding them, accepting, the clock of all sessions, reload and drain.

Owned here: the life of listening sockets and of the shared `Server`. A plain listener is the loop's own server; for
implicit TLS connections are accepted here, so that limits hold before a handshake costs anything. SMTP is spoken in
`session`.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

from mailtui.config import Config, Endpoint, Listener
from mailtui.errors import EX_NOPERM, EX_UNAVAILABLE, MailtuiError
from mailtui.events import Journal, Notice

from .door import Door
from .profile import Profile
from .server import Server
from .session import HANDSHAKE_SECONDS, Session

BACKLOG: Final = 1024
#: Descriptors kept for the queue, deliveries, DNS and the control socket: sessions never take the last (finding F20).
RESERVED_DESCRIPTORS: Final = 100
ACCEPT_AT_ONCE: Final = 64
SWEEP_SECONDS: Final = 1.0


class BindError(MailtuiError):
    """A listener's address cannot be used; the text says which and why."""

    def __init__(self, text: str, exit_code: int = EX_UNAVAILABLE) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Listeners:
    """All listeners of the configuration. `server` has the counters; `inherited` are sockets of a supervisor, already
    listening, in the order of `config.listener`."""

    def __init__(self, config: Config, door: Door, journal: Journal, inherited: Sequence[socket.socket] = ()) -> None:
        self._config = config
        self._inherited = inherited
        self._profiles: list[Profile] = []
        self._sockets: list[tuple[Listener, socket.socket]] = []
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.server = Server(config, door, journal, self._loop)

    @property
    def addresses(self) -> list[str]:
        """What is listened on, as host:port."""
        return [_spelt(listening) for _, listening in self._sockets]

    @property
    def sessions(self) -> int:
        """Clients connected now."""
        return len(self.server.sessions)

    async def start(self) -> None:
        """Bind and accept. BindError or ConfigError (certificates) when that fails; nothing stays open then."""
        self._apply(self._config)
        try:
            await self._bind()
            self._profiles = [Profile.of(self._config, lis, _spelt(sock)) for lis, sock in self._sockets]
            for index, (_, listening) in enumerate(self._sockets):
                await self._accept_on(index, listening)
        except BaseException:
            self._close_sockets()
            self.server.authenticator.close()
            raise
        self._sweeper = self._loop.create_task(self._sweep())

    def reload(self, config: Config) -> None:
        """Give new sessions users, limits and certificates of `config`. ConfigError, and no change, when one is bad.

        Listeners are matched by address; adding or moving one needs a restart.
        """
        by_bind = {listener.bind: listener for listener in config.listener}
        self._profiles = [
            Profile.of(config, by_bind.get(listener.bind, listener), _spelt(listening))
            for listener, listening in self._sockets
        ]
        self._config = config
        self._apply(config)

    def _apply(self, config: Config) -> None:
        self.server.apply(config, _descriptors())
        wanted, possible = config.intake.max_sessions, self.server.max_sessions
        if possible < wanted:
            text = f"intake.max_sessions is {possible} instead of {wanted}: the limit on open files allows no more"
            self.server.journal.publish(Notice(time.time(), "warning", text))

    async def drain(self, seconds: float) -> None:
        """Accept no more, send away clients between messages, give the others `seconds`, then close everything."""
        server = self.server
        server.draining = True
        self._close_sockets()
        for session in list(server.sessions):
            session.drain(break_off=False)
        await self._until_empty(seconds)
        for session in list(server.sessions):
            session.drain(break_off=True)
        await self._until_empty(0.5)
        for session in list(server.sessions):
            session.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
        tasks = [*server.tasks, *([self._sweeper] if self._sweeper is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.authenticator.close()

    async def _until_empty(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.server.empty.wait()
        except TimeoutError:
            pass

    # --- sockets ---

    async def _bind(self) -> None:
        inherited = list(self._inherited)
        for listener in self._config.listener:
            if inherited:
                sockets = [inherited.pop(0)]
            else:
                sockets = await self._open(listener.bind)
            for listening in sockets:
                listening.setblocking(False)
                self._sockets.append((listener, listening))

    async def _open(self, bind: Endpoint) -> list[socket.socket]:
        try:
            found = await self._loop.getaddrinfo(bind.host, bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except socket.gaierror as error:
            raise BindError(f"cannot listen on {bind}: {error.strerror}") from None
        opened: list[socket.socket] = []
        try:
            for family, kind, protocol, _, address in dict.fromkeys(found):
                opened.append(socket.socket(family, kind, protocol))
                _listen(opened[-1], family, address)
        except OSError as error:
            for listening in opened:
                listening.close()
            raise _bind_error(bind, error) from None
        return opened

    async def _accept_on(self, index: int, listening: socket.socket) -> None:
        if self._profiles[index].implicit_tls:
            self._loop.add_reader(listening, self._accept, index, listening)
        else:
            factory: Callable[[], Session] = lambda: Session(self.server, self._profiles[index])  # noqa: E731
            self._servers.append(await self._loop.create_server(factory, sock=listening, backlog=BACKLOG))

    def _accept(self, index: int, listening: socket.socket) -> None:
        """Take connections for implicit TLS. A refused one is closed without a word: TLS is not up yet to say it in."""
        for _ in range(ACCEPT_AT_ONCE):
            try:
                connection, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self.server.unforeseen(error, f"accepting on {_spelt(listening)}")
                self._loop.remove_reader(listening)
                self._loop.call_later(SWEEP_SECONDS, self._accept_again, index, listening)
                return
            session = Session(self.server, self._profiles[index])
            if session.identify(peer[0]) is not None:
                connection.close()
                continue
            connection.setblocking(False)
            self.server.own(self._loop.create_task(self._shake_hands(session, connection)))

    def _accept_again(self, index: int, listening: socket.socket) -> None:
        if listening.fileno() >= 0:
            self._loop.add_reader(listening, self._accept, index, listening)

    async def _shake_hands(self, session: Session, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: session, connection, ssl=session.profile.tls, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except OSError:  # ssl.SSLError and TimeoutError are
            session.gone()
            connection.close()

    def _close_sockets(self) -> None:
        for server in self._servers:
            server.close()
        for listener, listening in self._sockets:
            if listener.kind == "submissions" and listening.fileno() >= 0:
                self._loop.remove_reader(listening)
            listening.close()
        self._servers.clear()
        self._sockets.clear()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.server.sweep(self._loop.time())


def _listen(listening: socket.socket, family: int, address: object) -> None:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listening.bind(address)  # type: ignore[arg-type]
    listening.listen(BACKLOG)


def _bind_error(bind: Endpoint, error: OSError) -> BindError:
    if error.errno == errno.EADDRINUSE:
        return BindError(f"cannot listen on {bind}: the address is in use by another program")
    if error.errno == errno.EACCES:
        return BindError(
            f"cannot listen on {bind}: ports below 1024 need the capability CAP_NET_BIND_SERVICE", EX_NOPERM
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return BindError(f"cannot listen on {bind}: this machine has no such address")
    return BindError(f"cannot listen on {bind}: {error.strerror}")


def _spelt(listening: socket.socket) -> str:
    if listening.family not in (socket.AF_INET, socket.AF_INET6):
        return str(listening.getsockname())
    name = listening.getsockname()
    return str(Endpoint(name[0], name[1]))


def _descriptors() -> int | None:
    """How many sessions the limit on open files allows; None when there is no limit."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else max(1, soft - RESERVED_DESCRIPTORS)
