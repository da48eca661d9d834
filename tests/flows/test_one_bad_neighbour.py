"""A destination that hangs, with much mail for it: it takes few connections, and its neighbours notice nothing (N5, B7)."""

from __future__ import annotations

from pathlib import Path

from tests.kit.relays import in_state, ledger, net, received, recipient, running_relay, settled, submit, until

from mailtui.lab.personality import FINE, Act, Personality, Then, slow
from mailtui.model import Stage

BACKLOG = [f"m{n}@hang.test" for n in range(40)]


async def test_a_host_that_never_greets_holds_two_connections_at_most(tmp_path: Path) -> None:
    async with (
        net("hang.test", "good.test") as around,
        running_relay(tmp_path, around, timeouts={"greeting": 1.0}) as relay,
    ):
        remote = around.behave("hang.test", Personality(hooks={Stage.GREETING: Act(then=Then.HANG)}))
        for address in BACKLOG:
            await submit(relay, address)
        await until(lambda: remote.records.open)

        for n in range(10):
            await submit(relay, f"good{n}@good.test")
        await in_state(relay, "good9@good.test", "delivered", timeout=0.8)

        assert remote.records.peak <= 2
        await until(lambda: recipient(relay, BACKLOG[0])["site_failures"], "the breaker")
        around.behave("hang.test", FINE)
        await settled(relay)
        assert received(remote) == {address.partition("@")[0]: 1 for address in BACKLOG}
        assert ledger(relay) == {"delivered": len(BACKLOG) + 10}


async def test_no_site_gets_more_connections_than_it_may(tmp_path: Path) -> None:
    async with net("slow.test") as around, running_relay(tmp_path, around, delivery={"per_site": 4}) as relay:
        remote = around.behave("slow.test", slow({Stage.FINAL_DOT: 0.03}))
        for n in range(60):
            await submit(relay, f"m{n}@slow.test")

        await settled(relay)

        assert 2 <= remote.records.peak <= 4
        assert ledger(relay) == {"delivered": 60}


async def test_all_slots_together_are_bounded(tmp_path: Path) -> None:
    domains = [f"d{n}.test" for n in range(8)]
    async with net(*domains) as around, running_relay(tmp_path, around, delivery={"concurrency": 3}) as relay:
        for domain in domains:
            around.behave(domain, slow({Stage.FINAL_DOT: 0.05}))
            for n in range(4):
                await submit(relay, f"m{n}@{domain}")
        busiest = 0

        def done() -> bool:
            nonlocal busiest
            slots = int(repr(relay.runner).split()[0])
            busiest = max(busiest, slots)
            return slots == 0 and all(len(around[domain].mailbox) == 4 for domain in domains)

        await until(done, "all mail")
        assert busiest == 3
        await settled(relay)
        assert ledger(relay) == {"delivered": 32}
