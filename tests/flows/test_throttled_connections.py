"""A site counts our connections and turns away those it finds too many: we stay below that, and nobody's attempt is counted."""

from __future__ import annotations

from pathlib import Path

from tests.kit.relays import attempts, ledger, net, received, rows, running_relay, settled, submit

from mailtui.lab.personality import Personality, throttling
from mailtui.model import Stage

MANY = [f"m{n}@tight.test" for n in range(60)]


async def test_the_limit_is_learnt_and_no_attempt_is_lost(tmp_path: Path) -> None:
    tight = Personality(max_connections=3, slow={Stage.FINAL_DOT: 0.02})
    async with net("tight.test") as around, running_relay(tmp_path, around, retry={"schedule": (30.0,)}) as relay:
        remote = around.behave("tight.test", tight)
        for address in MANY:
            await submit(relay, address)

        await settled(relay)

        assert received(remote) == {address.partition("@")[0]: 1 for address in MANY}
        assert {len(attempts(relay, address)) for address in MANY} == {1}
        assert rows(relay, "SELECT max(attempts) n FROM recipient")[0]["n"] == 1
        assert remote.records.turned_away < 20, "it is not asked again and again"
        assert ledger(relay) == {"delivered": len(MANY)}


async def test_a_limit_of_messages_on_a_connection_costs_nothing(tmp_path: Path) -> None:
    """421 for the third MAIL on a connection says that a fresh one is wanted."""
    async with net("tight.test") as around, running_relay(tmp_path, around, retry={"schedule": (30.0,)}) as relay:
        remote = around.behave("tight.test", throttling(per_connection=2))
        for address in MANY[:10]:
            await submit(relay, address)

        await settled(relay)

        assert sum(received(remote).values()) == 10
        assert {len(attempts(relay, address)) for address in MANY[:10]} == {1}
        assert ledger(relay) == {"delivered": 10}


async def test_a_rate_limit_defers_and_everything_arrives_once(tmp_path: Path) -> None:
    async with net("tight.test") as around, running_relay(tmp_path, around, retry={"schedule": (0.2, 0.4)}) as relay:
        remote = around.behave("tight.test", throttling(rate=(5, 0.5)))
        for address in MANY[:15]:
            await submit(relay, address)

        await settled(relay)

        assert received(remote) == {address.partition("@")[0]: 1 for address in MANY[:15]}
        assert ledger(relay) == {"delivered": 15}
