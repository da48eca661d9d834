"""The relay's own clock: each minute that is over is kept, and lost rather than in the way when the queue cannot take it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailtui.config import Config, Listener, Log
from mailtui.config import Relay as Settings
from mailtui.config.addresses import Endpoint
from mailtui.events import Accepted
from mailtui.queue.moments import Meter
from mailtui.relay import Relay

NOW = 1_790_000_000.0


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    settings = Config(
        relay=Settings(data_dir=tmp_path, hostname="relay.example"),
        listener=(Listener(bind=Endpoint("127.0.0.1", 0)),),
        log=Log(level="error"),
    )
    relay = Relay(settings, paused=True)
    await relay.start()
    yield relay
    await relay.close()


async def _kept(relay: Relay) -> list[tuple[int, ...]]:
    return await relay.store.run(
        lambda db: db.execute("SELECT minute, accepted, refused_4xx FROM moment ORDER BY minute").fetchall()
    )


async def test_a_minute_that_is_over_is_kept_once(relay: Relay) -> None:
    relay.meter = Meter(NOW)
    relay.journal.add_sink(relay.meter.sink)
    relay.journal.publish(Accepted(NOW, "1QHQZRES", "a@b", 3, 100, "192.0.2.1"))
    relay.meter.refused("refused_4xx", 2)
    await relay._sample()
    await relay._sample()
    assert await _kept(relay) == [(int(NOW // 60), 3, 2)]


async def test_the_minute_under_way_is_not_kept(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailtui.relay.time.time", lambda: NOW)
    relay.meter = Meter(NOW)
    await relay._sample()
    assert await _kept(relay) == []


async def test_a_queue_that_takes_nothing_costs_the_minute_and_no_more(relay: Relay) -> None:
    relay.meter = Meter(NOW)
    await relay.store.close()
    await relay._sample()
