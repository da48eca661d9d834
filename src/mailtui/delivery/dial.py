"""A TCP connection to one mail host: Happy Eyeballs (RFC 8305) over its addresses, from the right source address.

Owned here: the order and stagger of attempts, source addresses, and every socket until one is handed over. Hosts of
different MX preference are never raced against each other, so the caller dials host by host; no SMTP and no TLS here.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Final

ATTEMPT_DELAY: Final = 0.25  # RFC 8305 section 8


@dataclass(frozen=True, slots=True)
class Dialled:
    """A connected non-blocking socket, now the caller's to close; the address reached and our own address on it."""

    sock: socket.socket
    address: str
    source: str


class ConnectFailed(OSError):
    """No address of the host answered; `errors` has (address, error) in the order they failed, time-outs as
    TimeoutError."""

    def __init__(self, errors: Sequence[tuple[str, OSError]]) -> None:
        super().__init__("; ".join(f"{address}: {describe_error(error)}" for address, error in errors))
        self.errors = tuple(errors)


class NoSourceAddress(OSError):
    """The connection could not leave from here: no configured source address fits, or the machine does not have it.

    The remote host has no part in it.
    """


def describe_error(error: OSError) -> str:
    """An error of a connection attempt in a few words, such as "Connection refused"."""
    if error.errno:
        return os.strerror(error.errno)  # asyncio's own text repeats the address
    return "timed out" if isinstance(error, TimeoutError) else str(error) or type(error).__name__


def interleave(addresses: Iterable[str]) -> tuple[str, ...]:
    """Alternating families, IPv6 first, each family in its given order (RFC 8305 section 4); duplicates once."""
    unique = dict.fromkeys(addresses)
    six = [address for address in unique if ":" in address]
    four = [address for address in unique if ":" not in address]
    return tuple(address for address in chain.from_iterable(zip_longest(six, four)) if address is not None)


def pick_source(source_addresses: Sequence[str], version: int, seed: str) -> str | None:
    """The source address of IP `version` for `seed`, "" when the kernel may choose, None when no configured one fits.

    Rendezvous hashing: the same seed keeps its address over retries and restarts, and adding or removing another
    address moves only the seeds that gain or lose by it.
    """
    if not source_addresses:
        return ""
    fitting = [source for source in source_addresses if ipaddress.ip_address(source).version == version]
    return max(fitting, key=lambda source: hashlib.sha256(f"{source}\0{seed}".encode()).digest(), default=None)


async def connect(
    addresses: Sequence[str],
    port: int,
    *,
    source_addresses: Sequence[str] = (),
    source_seed: str = "",
    timeout: float,
    attempt_delay: float = ATTEMPT_DELAY,
) -> Dialled:
    """The first connection that succeeds to one of the addresses of one host; the other attempts are abandoned.

    `timeout` is in seconds for all attempts together. Await it directly (not through `wait_for`): then a cancellation
    cannot fall between the socket and its new owner. Raises ConnectFailed.
    """
    deadline = asyncio.get_running_loop().time() + timeout
    waiting = list(reversed(interleave(addresses)))
    attempts: dict[asyncio.Task[Dialled], str] = {}
    errors: list[tuple[str, OSError]] = []
    try:
        pending: set[asyncio.Task[Dialled]] = set()
        while waiting or pending:
            if waiting:
                address = waiting.pop()
                source = pick_source(source_addresses, ipaddress.ip_address(address).version, source_seed)
                task = asyncio.create_task(_attempt(address, port, source, deadline), name=f"dial {address}")
                attempts[task] = address
                pending.add(task)
            done, pending = await asyncio.wait(
                pending, timeout=attempt_delay if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in sorted(done, key=list(attempts).index):
                error = task.exception()
                if error is None:
                    del attempts[task]
                    return task.result()
                if not isinstance(error, OSError):
                    raise error
                errors.append((attempts[task], error))
        raise ConnectFailed(errors)
    finally:
        _abandon(attempts)


async def _attempt(address: str, port: int, source: str | None, deadline: float) -> Dialled:
    if source is None:
        raise NoSourceAddress("no source address of this family is configured")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(
        family, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # asyncio sets TCP_NODELAY only with the protocol named
    try:
        sock.setblocking(False)
        if source:
            _bind(sock, source)
        async with asyncio.timeout_at(deadline):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
        return Dialled(sock, address, sock.getsockname()[0])
    except BaseException:
        sock.close()
        raise


def _bind(sock: socket.socket, source: str) -> None:
    try:
        sock.bind((source, 0))
    except OSError as error:
        raise NoSourceAddress(f"cannot send from {source}: {describe_error(error)}") from error


def _abandon(attempts: Iterable[asyncio.Task[Dialled]]) -> None:
    """Cancel what still runs and close what connected too late.

    Nothing is awaited: an await here would be a second place where a cancellation could lose the winner's socket. A
    cancelled attempt closes its own socket in the next turn of the loop.
    """
    for task in attempts:
        task.cancel()
        task.add_done_callback(_close_late)


def _close_late(task: asyncio.Task[Dialled]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().sock.close()
