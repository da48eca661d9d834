"""A host answers the dot and then talks nonsense, or answers an octet at a time: what was said whole counts, and time is limited."""

from __future__ import annotations

from pathlib import Path

from tests.kit.relays import attempted, in_state, ledger, net, received, running_relay, submit

from mailtui.lab.personality import FINE, Act
from mailtui.model import Stage


async def test_what_was_said_whole_before_nonsense_counts(tmp_path: Path) -> None:
    async with net("odd.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("odd.test", FINE.but(hooks={Stage.FINAL_DOT: Act(b"250 2.0.0 queued\r\nlorem ipsum\r\n")}))
        await submit(relay, "one@odd.test")

        await in_state(relay, "one@odd.test", "delivered")
        assert received(around["odd.test"]) == {"one": 1}
        assert ledger(relay) == {"delivered": 1}


async def test_an_octet_at_a_time_is_no_sign_of_life(tmp_path: Path) -> None:
    async with (
        net("drip.test") as around,
        running_relay(tmp_path, around, timeouts={"rcpt": 0.5}, retry={"schedule": (60.0,)}) as relay,
    ):
        slow = Act(b"250 2.1.5 certainly, in a moment\r\n", pieces=30, gap=0.1)
        around.behave("drip.test", FINE.but(hooks={Stage.RCPT: slow}))
        await submit(relay, "one@drip.test")

        (first,) = await attempted(relay, "one@drip.test")
        assert (first["class"], first["stage"]) == ("timeout", "rcpt")
        assert first["ended"] - first["started"] < 2.5
