"""Two relays send a message to each other for ever: it stops at the hop limit, with one DSN and no loop of DSNs (Q1)."""

from __future__ import annotations

from pathlib import Path

from tests.kit.processes import free_port
from tests.kit.relays import counters, dsn, ledger, net, received, running_relay, submit, until

from mailtui.config import Endpoint, Listener, Route

HOPS = {"max_hops": 6}


async def test_the_loop_ends_with_one_dsn(tmp_path: Path) -> None:
    ports = free_port(), free_port()

    def there_and_back(own: int, other: int) -> dict[str, object]:
        listener = (Listener(bind=Endpoint("127.0.0.1", own)),)
        return {"listener": listener, "route": (Route(match="loop.test", to=f"127.0.0.1:{other}"),), "intake": HOPS}

    async with (
        net() as around,
        running_relay(tmp_path / "a", around, **there_and_back(*ports)) as one,
        running_relay(tmp_path / "b", around, **there_and_back(*reversed(ports))) as two,
    ):
        await submit(one, "one@loop.test")

        report = await dsn(around)
        await until(
            lambda: not any(counters(relay)[name] for relay in (one, two) for name in ("queued", "sending", "deferred"))
        )

        assert "Status: 5.4.6" in report
        assert received(around["sender.test"]) == {"DSN to app@sender.test": 1}
        assert ledger(one)["delivered"] + ledger(two)["delivered"] <= 7
        assert ledger(one).get("bounced", 0) + ledger(two).get("bounced", 0) == 1
