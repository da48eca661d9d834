"""The relay stops or is stopped while mail is under way: a drain waits for the dot, the next start goes on, nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.kit.relays import (
    SENDER,
    attempts,
    in_state,
    ledger,
    letter,
    net,
    received,
    recipient,
    running,
    settings,
    settled,
    submit,
    told,
    until,
)  # fmt: skip

from mailtui.lab.client import SmtpClient
from mailtui.lab.personality import Act, Personality, Then, drops_after_dot, slow
from mailtui.model import Stage
from mailtui.relay import Relay


async def test_a_drain_waits_for_the_reply_to_the_dot(tmp_path: Path) -> None:
    async with net("slow.test") as around:
        remote = around.behave("slow.test", slow({Stage.FINAL_DOT: 1.0}))
        relay = Relay(settings(tmp_path, around))
        async with running(relay):
            await submit(relay, "one@slow.test")
            await until(lambda: len(remote.mailbox), "the dot")

        assert told(relay, "one@slow.test") == [("delivered", "success")]
        assert received(remote) == {"one": 1}
        assert ledger(relay) == {"delivered": 1}


async def test_a_backlog_outlives_the_relay(tmp_path: Path) -> None:
    addresses = [f"m{n}@slow.test" for n in range(30)]
    async with net("slow.test") as around:
        remote = around.behave("slow.test", slow({Stage.FINAL_DOT: 0.05}))
        relay = Relay(settings(tmp_path, around))
        async with running(relay):
            for address in addresses:
                await submit(relay, address)
        left = ledger(relay)
        assert left.keys() <= {"queued", "delivered"} and left.get("queued", 0) > 0

        again = Relay(settings(tmp_path, around))
        async with running(again):
            await settled(again)

        assert received(remote) == {address.partition("@")[0]: 1 for address in addresses}
        assert ledger(again) == {"delivered": len(addresses)}


async def test_a_drain_that_is_cut_short_gives_the_claim_back(tmp_path: Path) -> None:
    """The remote never answers: what was under way goes back to the queue as it was, due at the next start."""
    async with net("hang.test") as around:
        remote = around.behave("hang.test", Personality(hooks={Stage.RCPT: Act(then=Then.HANG)}))
        relay = Relay(settings(tmp_path, around))
        async with running(relay):
            await submit(relay, "one@hang.test")
            await until(lambda: len(remote.transactions) or remote.records.open, "the dialogue")
            await until(lambda: recipient(relay, "one@hang.test")["state"] == "sending", "the claim")
            await relay.runner.drain(0.2, 0.2)

            row = recipient(relay, "one@hang.test")
            assert (row["state"], row["attempts"]) == ("queued", 0)
        assert ledger(relay) == {"queued": 1}

        around.behave("hang.test", Personality())
        again = Relay(settings(tmp_path, around))
        async with running(again):
            await in_state(again, "one@hang.test", "delivered")
        assert received(remote) == {"one": 1}
        assert ledger(again) == {"delivered": 1}


async def test_a_drain_that_is_cut_short_behind_the_dot_leaves_an_unknown_outcome(tmp_path: Path) -> None:
    """The remote may have the message already: that must not look as if nothing had been tried."""
    async with net("hang.test") as around:
        remote = around.behave("hang.test", drops_after_dot(Then.HANG))
        relay = Relay(settings(tmp_path, around))
        async with running(relay):
            await submit(relay, "one@hang.test")
            await until(lambda: len(remote.mailbox), "the dot")
            await relay.runner.drain(0.2, 0.2)

        row = recipient(relay, "one@hang.test")
        assert (row["state"], row["class"], row["attempts"], row["host"]) == (
            "deferred",
            "unknown-outcome",
            1,
            "mx.hang.test",
        )
        assert told(relay, "one@hang.test") == [("deferred", "unknown-outcome")]
        assert ledger(relay) == {"deferred": 1}


async def test_a_process_that_died_in_the_middle(tmp_path: Path) -> None:
    """As kill -9 leaves it: recipients in `sending`. They are taken back, shown as interrupted and tried at the registered time."""
    async with net("good.test") as around:
        await around["good.test"].down()
        relay = Relay(settings(tmp_path, around, retry={"schedule": (0.6,)}))
        async with running(relay):
            await submit(relay, "one@good.test")
            await in_state(relay, "one@good.test", "deferred")
        await around["good.test"].up()

        dying = Relay(settings(tmp_path, around, retry={"schedule": (0.6,)}), paused=True)
        await dying.start()
        registered = await dying.store.run(_as_if_claimed)
        await dying.close()
        assert ledger(dying) == {"sending": 1}

        again = Relay(settings(tmp_path, around, retry={"schedule": (0.6,)}))
        async with running(again):
            await in_state(again, "one@good.test", "delivered")

            tries = attempts(again, "one@good.test")
            assert [row["class"] for row in tries] == ["connection", "interrupted", "success"]
            assert tries[-1]["started"] >= registered, "a crash must not hammer the peer"
            assert received(around["good.test"]) == {"one": 1}
            assert ledger(again) == {"delivered": 1}


def _as_if_claimed(db) -> float:  # type: ignore[no-untyped-def]
    import time

    registered = time.time() + 0.5
    db.execute(
        "UPDATE recipient SET state = 'sending', attempts = attempts + 1, next_attempt = ?, changed_at = ?",
        (registered, time.time()),
    )
    return registered


async def test_three_deaths_in_a_row_quarantine_the_message(tmp_path: Path) -> None:
    async with net("good.test") as around:
        await around["good.test"].down()
        relay = Relay(settings(tmp_path, around, retry={"schedule": (30.0,)}))
        async with running(relay):
            await submit(relay, "one@good.test")
            await in_state(relay, "one@good.test", "deferred")
        for _ in range(3):
            dying = Relay(settings(tmp_path, around, retry={"schedule": (30.0,)}), paused=True)
            await dying.start()
            await dying.store.run(_as_if_claimed)
            await dying.close()

        again = Relay(settings(tmp_path, around, retry={"schedule": (30.0,)}), paused=True)
        await again.start()
        await again.close()
        row = recipient(again, "one@good.test")
        assert row["state"] == "held"
        assert "quarantined" in row["text"]
        assert ledger(again) == {"held": 1}


async def test_a_client_that_is_sending_when_the_relay_stops_gets_no_false_promise(tmp_path: Path) -> None:
    content = letter("one", b"x" * 70 + b"\r\n" + (b"y" * 78 + b"\r\n") * 5000)
    async with net("good.test") as around:
        relay = Relay(settings(tmp_path, around))
        accepted: list[int] = []

        async def go_on_sending(address: str) -> None:
            host, port = address.rsplit(":", 1)
            async with SmtpClient((host, int(port))) as client:
                while (outcome := await client.send(SENDER, ("one@good.test",), content)).accepted:
                    accepted.append(outcome.code)

        async with running(relay):
            sending = asyncio.create_task(go_on_sending(relay.listeners.addresses[0]))
            await until(lambda: len(accepted) >= 3, "a few messages")
        await asyncio.wait([sending], timeout=5)
        assert sending.done() and (sending.exception() is None or isinstance(sending.exception(), OSError))

        again = Relay(settings(tmp_path, around))
        async with running(again):
            await settled(again)
        total = ledger(again)["delivered"]
        assert total >= len(accepted)
        assert total <= len(accepted) + 1, "at most the one whose 250 was lost on the way (W1)"
        assert received(around["good.test"]) == {"one": total}
