"""Unusual replies to the final dot: any 2yz is custody, and custody is taken exactly once (finding F9, N1)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.relays import in_state, ledger, net, received, recipient, running_relay, submit, told

from mailtui.lab.personality import Act, Personality
from mailtui.model import Stage

ODD_BUT_GOOD = {
    "251": Act("251 2.1.5 will forward"),
    "299": Act(b"299 whatever\r\n"),
    "two segments": Act("250 2.0.0 Ok: queued", pieces=2, gap=0.05),
    "a segment each octet": Act("250 2.0.0 Ok", pieces=14, gap=0.005),
    "without text": Act(b"250\r\n"),
    "only a space": Act(b"250 \r\n"),
    "several lines": Act("250 2.0.0 first\n2.0.0 second"),
    "bare line feed": Act(b"250 2.0.0 Ok\n"),
    "wrong enhanced code": Act(b"250 5.0.0 Ok\r\n"),
}


@pytest.mark.parametrize("act", ODD_BUT_GOOD.values(), ids=ODD_BUT_GOOD.keys())
async def test_delivered_exactly_once(tmp_path: Path, act: Act) -> None:
    async with net("odd.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("odd.test", Personality(hooks={Stage.FINAL_DOT: act}))
        await submit(relay, "one@odd.test")

        row = await in_state(relay, "one@odd.test", "delivered")

        assert row["code"] == (act.code or 250)
        assert told(relay, "one@odd.test") == [("delivered", "success")]
        assert received(around["odd.test"]) == {"one": 1}
        assert ledger(relay) == {"delivered": 1}


@pytest.mark.parametrize(
    "nonsense", [b"2_5 Ok\r\n", b"\r\n", b"OK\r\n", b"25\r\n", b"354 more\r\n", b"999 Ok\r\n", b"250-Ok\r\n251 Ok\r\n"]
)
async def test_nonsense_is_no_custody(tmp_path: Path, nonsense: bytes) -> None:
    """Nobody knows what it means: retried like any unknown outcome, never bounced."""
    async with net("odd.test") as around, running_relay(tmp_path, around) as relay:
        act = Act(nonsense)
        around.behave("odd.test", Personality(hooks={Stage.FINAL_DOT: lambda at: act if at.connection == 1 else None}))
        await submit(relay, "one@odd.test")

        await in_state(relay, "one@odd.test", "delivered")

        first, second = told(relay, "one@odd.test")
        assert first[0] == "deferred"
        assert second == ("delivered", "success")
        assert recipient(relay, "one@odd.test")["attempts"] == 2
        assert ledger(relay) == {"delivered": 1}
