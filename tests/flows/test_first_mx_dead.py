"""The best MX host refuses connections: the next one is tried in the same attempt, and nobody waits."""

from __future__ import annotations

from pathlib import Path

from tests.kit.relays import in_state, ledger, net, received, running_relay, submit, told

HOSTS = ("mx1.two.test", "mx2.two.test")


async def test_the_second_host_takes_it(tmp_path: Path) -> None:
    async with net(hosts=HOSTS) as around, running_relay(tmp_path, around) as relay:
        around.zone.mx("two.test", *HOSTS)
        await around["mx1.two.test"].down()

        await submit(relay, "one@two.test")
        row = await in_state(relay, "one@two.test", "delivered")

        assert row["host"] == "mx2.two.test"
        assert told(relay, "one@two.test") == [("delivered", "success")]
        assert received(around["mx2.two.test"]) == {"one": 1}
        assert ledger(relay) == {"delivered": 1}
