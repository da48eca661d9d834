"""Mail that does not go by MX: discarded, by sender, or by another way once the first has failed often enough."""

from __future__ import annotations

from pathlib import Path

from tests.kit.relays import (
    attempts,
    in_state,
    ledger,
    net,
    received,
    recipient,
    running,
    running_relay,
    settings,
    submit,
    told,
)  # fmt: skip

from mailtui.config import Route
from mailtui.relay import Relay


async def test_discard_says_so_in_the_receipt(tmp_path: Path) -> None:
    async with (
        net("real.test") as around,
        running_relay(tmp_path, around, route=(Route(match="real.test", to="discard"),)) as relay,
    ):
        await submit(relay, "one@real.test", rcpt_options=["NOTIFY=SUCCESS"])

        row = await in_state(relay, "one@real.test", "delivered")

        assert "discarded by the route real.test" in row["text"]
        assert received(around["real.test"]) == received(around["sender.test"]) == {}
        assert ledger(relay) == {"delivered": 1}


async def test_the_receipt_names_the_rule_that_discarded(tmp_path: Path) -> None:
    rules = (Route(match="a.test", to="discard"), Route(match="b.test", to="discard"))
    async with net() as around, running_relay(tmp_path, around, route=rules) as relay:
        await submit(relay, "one@a.test")
        await submit(relay, "two@b.test")

        assert "discarded by the route a.test" in (await in_state(relay, "one@a.test", "delivered"))["text"]
        assert "discarded by the route b.test" in (await in_state(relay, "two@b.test", "delivered"))["text"]
        assert ledger(relay) == {"delivered": 2}


async def test_a_route_by_sender(tmp_path: Path) -> None:
    async with net("real.test", hosts=("bulk.example",)) as around:
        bulk = (Route(match="*", sender="news@*", to=f"bulk.example:{around.port}"),)
        async with running_relay(tmp_path, around, route=bulk) as relay:
            await submit(relay, "one@real.test", sender="news@sender.test")
            await submit(relay, "two@real.test", sender="app@sender.test")

            await in_state(relay, "one@real.test", "delivered")
            await in_state(relay, "two@real.test", "delivered")

            assert received(around["bulk.example"]) == {"one": 1}
            assert received(around["real.test"]) == {"two": 1}
            assert ledger(relay) == {"delivered": 2}


async def test_a_fallback_takes_over_after_so_many_attempts(tmp_path: Path) -> None:
    async with net("dead.test", hosts=("fallback.example",)) as around:
        fallback = (Route(match="*", to=f"fallback.example:{around.port}", after_attempts=2),)
        async with running_relay(tmp_path, around, route=fallback, retry={"schedule": (0.1,)}) as relay:
            await around["dead.test"].down()
            await submit(relay, "one@dead.test")

            row = await in_state(relay, "one@dead.test", "delivered")

            assert told(relay, "one@dead.test") == [("deferred", "connection")] * 2 + [("delivered", "success")]
            assert row["host"] == "fallback.example"
            assert received(around["fallback.example"]) == {"one": 1}
            assert ledger(relay) == {"delivered": 1}


async def test_what_waits_follows_new_routes_after_a_restart(tmp_path: Path) -> None:
    async with net("dead.test", hosts=("other.example",)) as around:
        await around["dead.test"].down()
        before = settings(tmp_path, around, retry={"schedule": (1.0,)})
        async with running(Relay(before)) as relay:
            await submit(relay, "one@dead.test")
            await in_state(relay, "one@dead.test", "deferred")

        after = settings(
            tmp_path, around, retry={"schedule": (1.0,)}, route=(Route(match="*", to=f"other.example:{around.port}"),)
        )
        async with running(Relay(after)) as relay:
            await in_state(relay, "one@dead.test", "delivered")

            assert recipient(relay, "one@dead.test")["route"].startswith("smarthost other.example")
            assert len(attempts(relay, "one@dead.test")) == 2
            assert received(around["other.example"]) == {"one": 1}
            assert ledger(relay) == {"delivered": 1}
