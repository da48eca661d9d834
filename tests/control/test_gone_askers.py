"""Who goes away is not searched for any longer; what was asked to change is changed all the same."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from tests.kit.processes import free_port, wait_until
from tests.kit.relay import Relay

from mailtui.control.api import QueueCount
from mailtui.control.client import Client
from mailtui.model import ID_EPOCH, recipient_row
from mailtui.queue.database import FILE, open_writer

MESSAGES, EACH = 600, 100
RECIPIENTS = MESSAGES * EACH
#: Far more than the five seconds a search may take.
SLOW = "reply~" + ",".join(f"{n:03}never" for n in range(480))


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    """With much mail that is not due today."""
    relay = Relay({"route": [{"to": f"127.0.0.1:{free_port()}"}], "intake": {"min_free_disk": "1MB"}})
    relay.data.mkdir(mode=0o750, parents=True, exist_ok=True)
    now = time.time()
    first = int((now - 60 - ID_EPOCH) * 1000)
    db = open_writer(relay.data / FILE)
    db.execute("INSERT INTO lane (id, destination, route, due_at) VALUES (1, 'far.test', 'mx', ?)", (now + 80_000,))
    db.execute("BEGIN")
    db.executemany(
        "INSERT INTO message (id, phase, received_at, sender, unfinished) VALUES (?, 'stored', ?, 'app@src.test', ?)",
        [(first + i, now - 60, EACH) for i in range(MESSAGES)],
    )
    db.executemany(
        "INSERT INTO recipient (id, address, lane, state, next_attempt, expires_at, attempts, code, text, changed_at)"
        " VALUES (?, ?, 1, 'deferred', ?, ?, 1, 451, 'try again later', ?)",
        [
            (recipient_row(first + i, n), f"r{n}@far.test", now + 80_000, now + 90_000, now)
            for i in range(MESSAGES)
            for n in range(1, EACH + 1)
        ],
    )
    db.execute("COMMIT")
    db.close()
    with relay:
        used_until_at_rest(relay)  # ages are counted by and by
        yield relay


def at_work(relay: Relay) -> None:
    """Until it has used more time than anything but that search does."""
    before = relay.cpu_seconds()
    wait_until(lambda: relay.cpu_seconds() > before + 0.5, "the search to be under way", poll=0.02)


def used_until_at_rest(relay: Relay) -> float:
    """The seconds it still computes from now on."""
    before = last = relay.cpu_seconds()
    since = time.monotonic()

    def rests() -> bool:
        nonlocal last, since
        used = relay.cpu_seconds()
        if used > last + 0.05:
            last, since = used, time.monotonic()
        return time.monotonic() > since + 0.5

    wait_until(rests, "the relay to rest", 20.0, 0.05)
    return last - before


def request(method: str, target: str, body: object = None) -> bytes:
    text = b"" if body is None else json.dumps(body).encode()
    head = f"{method} /v1/{target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


def test_a_search_ends_when_the_connection_does(relay: Relay) -> None:
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(str(relay.socket))
        asker.sendall(request("GET", f"queue.count?{urlencode({'filter': SLOW})}"))
        at_work(relay)
    assert used_until_at_rest(relay) < 1.5


async def test_a_search_ends_when_a_client_does_not_want_its_answer(relay: Relay) -> None:
    async with Client(relay.socket) as client:
        asking = asyncio.create_task(client.call(QueueCount(SLOW)))
        await asyncio.to_thread(at_work, relay)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await asyncio.to_thread(used_until_at_rest, relay) < 1.5
        assert (await client.call(QueueCount("domain:far.test"))).recipients == RECIPIENTS, "its connection is free"


def test_a_change_goes_on(relay: Relay) -> None:
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(str(relay.socket))
        asker.sendall(request("POST", "hold", {"filter": "domain:far.test", "reason": "away"}))
        held = wait_until(lambda: relay.status()["queue"]["held"], "the first to be held", poll=0.005)
    assert 0 < held < RECIPIENTS, "it went away in the middle"
    wait_until(lambda: relay.status()["queue"]["held"] == RECIPIENTS, "all to be held", 60.0)
    row = wait_until(lambda: relay.get("audit?verb=hold")[0] if relay.get("audit?verb=hold") else None, "its row")
    assert (row["state"], row["done"]) == ("done", RECIPIENTS)
