"""More bounces than `dsn.rate` allows: the reports wait in line and none is dropped (Q2)."""

from __future__ import annotations

from pathlib import Path

from tests.kit.relays import ledger, net, received, running_relay, settled, submit

from mailtui.config import Rate
from mailtui.lab.personality import unknown_users


async def test_none_is_dropped(tmp_path: Path) -> None:
    rate = {"rate": Rate(3, 1)}
    async with net("unknown.test") as around, running_relay(tmp_path, around, dsn=rate) as relay:
        around.behave("unknown.test", unknown_users("*"))
        for n in range(7):
            await submit(relay, f"m{n}@unknown.test")

        await settled(relay)

        reports = [item.at for item in around["sender.test"].mailbox]
        assert received(around["sender.test"]) == {"DSN to app@sender.test": 7}
        assert max(reports) - min(reports) > 1.0, "beyond the burst they are a third of a second apart"
        assert ledger(relay) == {"bounced": 7, "delivered": 7}
