"""A site greylists: the hint of its reply, not our schedule, says when the second attempt is made."""

from __future__ import annotations

from pathlib import Path

from tests.kit.relays import (
    attempted,
    attempts,
    in_state,
    ledger,
    net,
    received,
    recipient,
    running_relay,
    submit,
    told,
)

from mailtui.lab.personality import greylisting

SCHEDULE = {"schedule": (0.1, 20.0)}


async def test_the_hint_says_when(tmp_path: Path) -> None:
    async with net("grey.test") as around, running_relay(tmp_path, around, retry=SCHEDULE) as relay:
        around.behave("grey.test", greylisting(0.6))  # answers "try again in 1 seconds"
        await submit(relay, "one@grey.test")

        (first,) = await attempted(relay, "one@grey.test")
        waiting = await in_state(relay, "one@grey.test", "deferred")
        assert 0.9 < waiting["next_attempt"] - first["ended"] < 1.3

        await in_state(relay, "one@grey.test", "delivered")
        first, second = attempts(relay, "one@grey.test")
        assert 0.9 < second["started"] - first["ended"] < 2.2
        assert told(relay, "one@grey.test") == [("deferred", "greylisted"), ("delivered", "success")]
        assert received(around["grey.test"]) == {"one": 1}
        assert ledger(relay) == {"delivered": 1}


async def test_the_site_is_not_blamed(tmp_path: Path) -> None:
    async with net("grey.test") as around, running_relay(tmp_path, around, retry=SCHEDULE) as relay:
        around.behave("grey.test", greylisting(60))
        await submit(relay, "one@grey.test")
        await attempted(relay, "one@grey.test")
        await submit(relay, "two@grey.test")
        await attempted(relay, "two@grey.test")

        assert recipient(relay, "two@grey.test")["site_failures"] == 0
        assert received(around["grey.test"]) == {}
        assert ledger(relay) == {"deferred": 2}
