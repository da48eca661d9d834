"""Every MX host of a destination is dead, with a backlog behind it; then they come back.

One probe at a time while it lasts, nobody else is slowed down, and the backlog goes out by itself.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from tests.kit.relays import (
    attempted,
    in_state,
    ledger,
    net,
    received,
    recipient,
    rows,
    running_relay,
    settled,
    submit,
    told,
    until,
)  # fmt: skip

from mailtui.relay import Relay

HOSTS = ("mx1.dead.test", "mx2.dead.test")
BACKLOG = [f"m{n}@dead.test" for n in range(12)]


async def test_the_backlog_waits_behind_one_probe_and_then_drains(tmp_path: Path) -> None:
    async with net("good.test", hosts=HOSTS) as around, running_relay(tmp_path, around) as relay:
        around.zone.mx("dead.test", *HOSTS)
        for host in HOSTS:
            await around[host].down()

        for address in BACKLOG:
            await submit(relay, address)
        await until(lambda: probes(relay) >= 4, "the breaker to be tried again")

        tried = rows(relay, "SELECT recipient, started, ended FROM attempt ORDER BY started")
        overlapping = [b for a, b in pairwise(tried[2:]) if b["started"] < a["ended"]]
        assert not overlapping, "more than one probe at a time"
        assert len(tried) < 2 * len(BACKLOG), "the whole backlog was tried against a dead site"
        await submit(relay, "other@good.test")
        other = await in_state(relay, "other@good.test", "delivered", timeout=1)
        assert other["attempts"] == 1

        for host in HOSTS:
            await around[host].up()
        await settled(relay)

        assert received(around[HOSTS[0]]) == {address.partition("@")[0]: 1 for address in BACKLOG}
        assert recipient(relay, BACKLOG[0])["site_failures"] == 0
        assert ledger(relay) == {"delivered": len(BACKLOG) + 1}


async def test_a_probe_is_never_the_same_message_twice_running(tmp_path: Path) -> None:
    async with net("dead.test") as around, running_relay(tmp_path, around, retry={"schedule": (0.2,)}) as relay:
        await around["dead.test"].down()
        await submit(relay, "one@dead.test")
        await attempted(relay, "one@dead.test")
        await submit(relay, "two@dead.test")

        await until(lambda: probes(relay) >= 6, "six probes")

        probed = [row["recipient"] for row in rows(relay, "SELECT recipient FROM attempt ORDER BY started")]
        assert all(a != b for a, b in pairwise(probed[1:])), probed
        assert ledger(relay).keys() <= {"deferred", "queued", "sending"}


async def test_a_message_that_comes_meanwhile_waits_for_the_probe(tmp_path: Path) -> None:
    async with net("dead.test") as around, running_relay(tmp_path, around, retry={"schedule": (30.0,)}) as relay:
        await around["dead.test"].down()
        await submit(relay, "one@dead.test")
        await attempted(relay, "one@dead.test")

        await submit(relay, "two@dead.test")
        await submit(relay, "three@dead.test")
        await submit(relay, "good@sender.test")
        await in_state(relay, "good@sender.test", "delivered")

        assert told(relay, "two@dead.test") == told(relay, "three@dead.test") == []
        assert recipient(relay, "one@dead.test")["site_failures"] == 1
        assert ledger(relay) == {"queued": 2, "deferred": 1, "delivered": 1}


def probes(relay: Relay) -> int:
    return int(rows(relay, "SELECT count(*) n FROM attempt WHERE class = 'connection'")[0]["n"])
