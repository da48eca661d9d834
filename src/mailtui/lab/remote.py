"""A remote mail server of the lab: listens, remembers, can go away and come back, and changes its character at any
time.

Owned here: the listening socket, the running sessions and what they share. The conversation is `dialogue.py`, the
character `personality.py`, what was seen `records.py`.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections import deque
from collections.abc import Coroutine
from typing import Self

from mailtui.lab.certificates import Certificates
from mailtui.lab.dialogue import Dialogue
from mailtui.lab.personality import FINE, Memory, Personality, Then
from mailtui.lab.records import Command, Connection, Received, Records, Transaction


def reserve(host: str = "127.0.0.1", port: int = 0, *, again: bool = False) -> socket.socket:
    """A bound socket nobody listens on: its port is ours and refuses connections for as long as the socket is open.

    `again` takes a port back that was ours, past its connections in TIME_WAIT. OSError when the address does not exist
    here or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol left open, asyncio does not set TCP_NODELAY on what is accepted, and each reply waits for an
    # ACK.
    reserved = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, again)
        reserved.bind((host, port))
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError:
        reserved.close()
        raise
    return reserved


class RemoteServer:
    """`async with RemoteServer(FINE) as remote:` listens on `remote.address`.

    `name` is the host it calls itself (and its certificate's name); assign `personality` at any time, sessions under
    way follow it from their next command. `keep` bounds every list of `records`; `keep_bodies=False` keeps size and
    hash only. `seed` makes the odds of acts repeatable. A `reserved` socket is listened on instead of host and port,
    and closed at the end.
    """

    def __init__(
        self,
        personality: Personality = FINE,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        name: str = "mx.test",
        certificates: Certificates | None = None,
        keep: int = 100_000,
        keep_bodies: bool = True,
        seed: int = 0,
        reserved: socket.socket | None = None,
    ) -> None:
        self.personality = personality
        self.name = name
        self.records = Records(keep, keep_bodies)
        self.memory = Memory()
        self.dialogues: set[Dialogue] = set()
        self.chance = random.Random(seed).random
        self.now = time.monotonic
        self._certificates = certificates
        self._address = (host, port)
        self._reserved = reserved
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; the port is known once `up` (or given a reserved socket)."""
        if self._reserved is not None:
            host, port = self._reserved.getsockname()[:2]
            return host, port
        return self._address

    @property
    def certificates(self) -> Certificates:
        """The authority its certificates come from; its own unless one was given."""
        if self._certificates is None:
            self._certificates = Certificates()
        return self._certificates

    @property
    def mailbox(self) -> deque[Received]:
        """Messages taken into custody, oldest first."""
        return self.records.mailbox

    @property
    def connections(self) -> deque[Connection]:
        """Connections, open and closed, oldest first."""
        return self.records.connections

    @property
    def transactions(self) -> deque[Transaction]:
        """Transactions that ended, whatever came of them."""
        return self.records.transactions

    @property
    def commands(self) -> deque[Command]:
        """Command lines as they came."""
        return self.records.commands

    @property
    def violations(self) -> deque[str]:
        """Where clients broke the protocol."""
        return self.records.violations

    @property
    def is_up(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    async def up(self) -> None:
        """Listens, on the same port as before. OSError when the port is taken. Does nothing when already up."""
        if self._server is not None:
            return
        listening = self._reserved or reserve(*self._address)
        self._reserved = listening
        self._address = self.address
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Dialogue(self), sock=listening, backlog=1024
        )
        self._reserved = None

    async def down(self, then: Then = Then.RESET) -> None:
        """Refuses connections until `up`; those it has end as `then` says (GO_ON lets them be)."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self.drop(then)
        self._reserved = await self._reserve_again()

    def drop(self, then: Then = Then.CLOSE, farewell: str = "") -> None:
        """Ends every session, with a last reply if there is one: `drop(farewell="421 4.3.2 Bye")`."""
        for dialogue in tuple(self.dialogues):
            dialogue.part(then, farewell)

    async def close(self) -> None:
        """Stops for good: no socket, task or timer is left. Idempotent."""
        await self.down()
        for dialogue in tuple(self.dialogues):
            dialogue.abort()
            await dialogue.gone.wait()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    async def _reserve_again(self) -> socket.socket:
        """Keeps the port while down; a loop may close its listening socket only some turns later."""
        for _ in range(100):
            try:
                return reserve(*self._address, again=True)
            except OSError:
                await asyncio.sleep(0.001)
        return reserve(*self._address, again=True)

    def own(self, work: Coroutine[None, None, None]) -> None:
        """Runs a session's waiting or handshake in a task that ends with the server."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
