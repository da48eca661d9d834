"""Kept connections: who gets which, when they are too worn, too old or dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.unit.delivery.wire import reach, until

from mailtui.delivery.pool import IDLE, Pool
from mailtui.delivery.session import Session
from mailtui.lab.personality import Act, Personality, Then
from mailtui.lab.remote import RemoteServer
from mailtui.model import Stage

KEY, OTHER = ("mx", "a"), ("mx", "b")


@pytest.fixture
async def remote() -> AsyncIterator[RemoteServer]:
    async with RemoteServer() as server:
        yield server


@pytest.fixture
async def pool(remote: RemoteServer) -> AsyncIterator[Pool]:
    pool = Pool(per_connection=3, quit_patience=1.0)
    yield pool
    await pool.close()
    await until(lambda: remote.records.open == 0)


async def session(remote: RemoteServer, host: str = "mx.test", messages: int = 1) -> Session:
    opened = await reach(remote.address[1])
    opened.host, opened.messages = host, messages
    return opened


async def test_the_one_used_last_is_given_first(pool: Pool, remote: RemoteServer) -> None:
    first, second = await session(remote), await session(remote)
    pool.give(KEY, first)
    pool.give(KEY, second)

    assert [pool.take(KEY), pool.take(KEY), pool.take(KEY)] == [second, first, None]
    for one in (first, second):
        pool.give(KEY, one)


async def test_connections_are_not_shared_over_sites_or_routes(pool: Pool, remote: RemoteServer) -> None:
    pool.give(KEY, await session(remote))

    assert pool.take(OTHER) is None
    assert repr(pool) == "1 idle connections to 1 sites"


async def test_a_host_can_be_asked_for(pool: Pool, remote: RemoteServer) -> None:
    one, two = await session(remote, "mx1"), await session(remote, "mx2")
    pool.give(KEY, one)
    pool.give(KEY, two)

    assert pool.take(KEY, "mx3") is None
    assert pool.take(KEY, "mx1") is one
    assert pool.take(KEY, "mx1") is None
    assert pool.take(KEY) is two
    pool.give(KEY, one)
    pool.give(KEY, two)


@pytest.mark.parametrize(("messages", "kept"), [(2, True), (3, False), (9, False)])
async def test_a_worn_one_takes_its_leave(pool: Pool, remote: RemoteServer, messages: int, kept: bool) -> None:
    pool.give(KEY, await session(remote, messages=messages))

    if kept:
        assert pool.take(KEY, "elsewhere") is None
        assert remote.records.open == 1
    else:
        assert pool.take(KEY) is None
        await until(lambda: remote.records.open == 0)
        assert [command.line for command in remote.commands][-1] == "QUIT"


async def test_a_dead_one_is_never_given(pool: Pool, remote: RemoteServer) -> None:
    dead, alive = await session(remote), await session(remote)
    pool.give(KEY, alive)
    pool.give(KEY, dead)
    dead.abort()
    await until(lambda: not dead.alive)

    assert pool.take(KEY) is alive
    assert pool.take(KEY) is None
    pool.give(KEY, dead)
    assert pool.take(KEY) is None
    pool.give(KEY, alive)


async def test_one_whose_host_left_is_not_given(pool: Pool, remote: RemoteServer) -> None:
    kept = await session(remote)
    pool.give(KEY, kept)
    remote.drop(farewell="421 4.4.2 idle too long")
    await until(lambda: not kept.alive)

    assert pool.take(KEY) is None


async def test_what_is_idle_too_long_takes_its_leave(pool: Pool, remote: RemoteServer) -> None:
    old, young = await session(remote), await session(remote)
    pool.give(KEY, old)
    pool.give(KEY, young)
    old.idle_since, young.idle_since = 100.0, 101.0

    pool.sweep(100.0 + IDLE - 0.1)
    assert remote.records.open == 2
    pool.sweep(100.0 + IDLE)
    await until(lambda: remote.records.open == 1)

    assert pool.take(KEY) is young
    assert pool.take(KEY) is None
    pool.give(KEY, young)


async def test_sweeping_forgets_sites_without_connections(pool: Pool, remote: RemoteServer) -> None:
    pool.give(KEY, await session(remote))
    pool.sweep(1e12)

    assert repr(pool) == "0 idle connections to 0 sites"


async def test_closing_says_quit_to_all(pool: Pool, remote: RemoteServer) -> None:
    for key in (KEY, KEY, OTHER):
        pool.give(key, await session(remote))

    await pool.close()

    assert remote.records.open == 0
    assert sum(command.line == "QUIT" for command in remote.commands) == 3


async def test_closing_does_not_wait_for_who_does_not_answer() -> None:
    async with RemoteServer(Personality(hooks={Stage.QUIT: Act(then=Then.HANG)})) as remote:
        pool = Pool(9, quit_patience=0.05)
        pool.give(KEY, await session(remote))
        async with asyncio.timeout(2):
            await pool.close()
        await until(lambda: remote.records.open == 0)
