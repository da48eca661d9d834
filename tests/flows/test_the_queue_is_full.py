"""queue.max_messages is reached: more is refused for now (452 4.3.1), and taken again when there is room."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.relays import in_state, ledger, net, running_relay, submit, until

from mailtui.lab.personality import FINE, unavailable
from mailtui.model import Stage


async def test_more_is_refused_until_there_is_room(tmp_path: Path) -> None:
    async with (
        net("busy.test") as around,
        running_relay(tmp_path, around, queue={"max_messages": 3}, retry={"schedule": (0.3,)}) as relay,
    ):
        around.behave("busy.test", unavailable(Stage.RCPT))
        for n in range(3):
            await submit(relay, f"q{n}@busy.test")

        with pytest.raises(AssertionError, match=r"452"):
            await submit(relay, "more@busy.test")

        around.behave("busy.test", FINE)
        await until(lambda: not relay.store.pressure(), "room in the queue")
        await submit(relay, "later@busy.test")
        await in_state(relay, "later@busy.test", "delivered")
        assert ledger(relay) == {"delivered": 4}
