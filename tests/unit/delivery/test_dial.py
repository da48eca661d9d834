"""Happy Eyeballs on loopback sockets: who wins, when the next attempt starts, and that no descriptor is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from mailtui.delivery.dial import ConnectFailed, Dialled, NoSourceAddress, connect, interleave, pick_source

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@contextlib.contextmanager
def listening(address: str, port: int = 0) -> Iterator[int]:
    """A listener that nobody accepts from: the kernel completes the handshakes."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family, backlog=1024) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def unanswered(address: str, port: int = 0) -> Iterator[int]:
    """A listener whose backlog is full, so that the kernel drops every further SYN: a host that does not answer."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server((address, port), family=family, backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket(family))
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@pytest.fixture
async def dial() -> AsyncIterator[Callable[..., asyncio.Future[Dialled]]]:
    """`connect`, with what it gave closed at the end."""
    opened: list[socket.socket] = []

    async def run(*args: object, **options: object) -> Dialled:
        dialled = await connect(*args, **{"timeout": 5.0} | options)  # type: ignore[arg-type]
        opened.append(dialled.sock)
        return dialled

    yield run  # type: ignore[misc]
    for sock in opened:
        sock.close()


async def test_ipv6_is_tried_first(dial: Callable[..., asyncio.Future[Dialled]]) -> None:
    with listening("127.0.0.1") as port, listening("::1", port):
        dialled = await dial(("127.0.0.1", "::1"), port)
    assert (dialled.address, dialled.source) == ("::1", "::1")
    assert not dialled.sock.getblocking()


async def test_refused_address_costs_no_delay(dial: Callable[..., asyncio.Future[Dialled]]) -> None:
    with listening("127.0.0.1") as port:
        dialled = await dial(("::1", "127.0.0.1"), port, attempt_delay=60.0)
    assert dialled.address == "127.0.0.1"


async def test_unanswered_address_costs_one_delay(dial: Callable[..., asyncio.Future[Dialled]]) -> None:
    began = asyncio.get_running_loop().time()
    with unanswered("::1") as port, listening("127.0.0.1", port):
        dialled = await dial(("::1", "127.0.0.1"), port, attempt_delay=0.05)
    assert dialled.address == "127.0.0.1"
    assert 0.05 <= asyncio.get_running_loop().time() - began < 1.0


async def test_every_failure_is_kept_with_its_address() -> None:
    with unanswered("127.0.0.1") as port, pytest.raises(ConnectFailed) as caught:
        await connect(("127.0.0.1", "127.0.0.2"), port, timeout=0.2, attempt_delay=0.01)
    assert [(address, type(error)) for address, error in caught.value.errors] == [
        ("127.0.0.2", ConnectionRefusedError),
        ("127.0.0.1", TimeoutError),
    ]
    assert str(caught.value) == "127.0.0.2: Connection refused; 127.0.0.1: timed out"


async def test_source_address_is_bound(dial: Callable[..., asyncio.Future[Dialled]]) -> None:
    sources = ("127.0.0.7", "::1")
    with listening("127.0.0.1") as port:
        dialled = await dial(("127.0.0.1",), port, source_addresses=sources)
    assert dialled.source == "127.0.0.7"
    assert dialled.sock.getsockname()[0] == "127.0.0.7"


async def test_family_without_source_address_is_not_dialled(dial: Callable[..., asyncio.Future[Dialled]]) -> None:
    with listening("::1") as port, listening("127.0.0.1", port):
        dialled = await dial(("::1", "127.0.0.1"), port, source_addresses=("127.0.0.7",))
    assert dialled.address == "127.0.0.1"


@pytest.mark.parametrize(
    ("source", "text"),
    [("::1", "no source address of this family"), ("192.0.2.1", r"cannot send from 192\.0\.2\.1: Cannot assign")],
)
async def test_unusable_source_address_is_our_own_failure(source: str, text: str) -> None:
    with listening("127.0.0.1") as port, pytest.raises(ConnectFailed, match=text) as caught:
        await connect(("127.0.0.1",), port, timeout=5.0, source_addresses=(source,))
    assert isinstance(caught.value.errors[0][1], NoSourceAddress)


@pytest.mark.parametrize("new_loop", LOOPS)
def test_cancellation_at_any_moment_leaves_no_descriptor(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def scenario(port: int) -> None:
        rng = random.Random(11)
        addresses = ("::1", "127.0.0.1", "127.0.0.2", "127.0.0.3")
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0.01)
        before = len(os.listdir("/proc/self/fd"))
        cancelled = 0
        for _ in range(300):
            task = loop.create_task(connect(addresses, port, timeout=5.0, attempt_delay=rng.choice((0.0, 0.001))))
            for _ in range(rng.randrange(12)):
                await asyncio.sleep(0)
            task.cancel()
            try:
                (await task).sock.close()
            except asyncio.CancelledError:
                cancelled += 1
        for _ in range(5):
            await asyncio.sleep(0)
        assert cancelled > 30
        assert len(os.listdir("/proc/self/fd")) == before

    with (
        unanswered("::1") as port,
        unanswered("127.0.0.1", port),
        listening("127.0.0.3", port),
        asyncio.Runner(loop_factory=new_loop) as runner,
    ):
        runner.run(scenario(port))


@pytest.mark.parametrize("new_loop", LOOPS)
def test_losers_of_the_race_are_closed(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def scenario(port: int) -> None:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(100):
            dialled = await connect(
                ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"), port, timeout=5.0, attempt_delay=0.0
            )
            dialled.sock.close()
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(os.listdir("/proc/self/fd")) == before

    with contextlib.ExitStack() as stack:
        port = stack.enter_context(unanswered("127.0.0.1"))
        for place in (2, 3, 4):
            stack.enter_context(listening(f"127.0.0.{place}", port))
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(scenario(port))


addresses = st.lists(st.ip_addresses().map(str), max_size=12)


@given(addresses)
def test_interleaving_keeps_every_address_once_and_families_in_turn(given_order: list[str]) -> None:
    order = interleave(given_order)
    assert sorted(order) == sorted(set(given_order))
    for version in (True, False):
        family = [address for address in order if (":" in address) is version]
        assert family == [a for a in dict.fromkeys(given_order) if (":" in a) is version]
    shorter = min(sum(":" in a for a in order), sum(":" not in a for a in order))
    assert all((":" in address) is (place % 2 == 0) for place, address in enumerate(order[: 2 * shorter]))


@given(st.lists(st.ip_addresses(v=4).map(str), min_size=1, max_size=8, unique=True), st.text(max_size=20))
def test_removing_a_source_address_moves_only_its_own_seeds(sources: list[str], seed: str) -> None:
    chosen = pick_source(sources, 4, seed)
    assert chosen in sources
    assert pick_source(list(reversed(sources)), 4, seed) == chosen
    for gone in sources:
        left = [source for source in sources if source != gone]
        if gone != chosen:
            assert pick_source(left, 4, seed) == chosen


def test_source_addresses_are_all_used() -> None:
    sources = ("192.0.2.1", "192.0.2.2", "2001:db8::1")
    assert {pick_source(sources, 4, f"seed {number}") for number in range(50)} == {"192.0.2.1", "192.0.2.2"}
    assert pick_source((), 4, "seed") == ""
    assert pick_source(("192.0.2.1",), 6, "seed") is None
