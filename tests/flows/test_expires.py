"""A message grows too old: it is given up after a last attempt and its sender told once; what nobody can be told ends quietly."""

from __future__ import annotations

from pathlib import Path

from tests.kit.relays import (
    attempted,
    attempts,
    dsn,
    in_state,
    ledger,
    net,
    received,
    recipient,
    running_relay,
    settled,
    submit,
    told,
)  # fmt: skip

from mailtui.lab.personality import Act, Personality, mailbox_full, unknown_users
from mailtui.lab.zone import SERVFAIL
from mailtui.model import Stage

SHORT = {"lifetime": 0.8, "bounce_lifetime": 0.8}
STEPS = {"schedule": (0.2, 0.4)}


async def test_a_deferral_past_the_lifetime_is_the_last(tmp_path: Path) -> None:
    async with net("full.test") as around, running_relay(tmp_path, around, queue=SHORT, retry=STEPS) as relay:
        around.behave("full.test", mailbox_full())
        await submit(relay, "one@full.test")

        report = await dsn(around)
        await settled(relay)

        row, tries = recipient(relay, "one@full.test"), attempts(relay, "one@full.test")
        assert (row["state"], row["class"]) == ("bounced", "expired")
        assert len(tries) >= 3 and tries[-1]["ended"] >= row["expires_at"]
        assert [try_["disposition"] for try_ in tries] == ["deferred"] * (len(tries) - 1) + ["bounced"]
        assert "Action: failed" in report
        assert "Mailbox full" in report, "the last reply is the reason"
        assert received(around["sender.test"]) == {"DSN to app@sender.test": 1}
        assert ledger(relay) == {"bounced": 1, "delivered": 1}


async def test_the_probe_of_a_dead_site_is_everybody_s_last_attempt(tmp_path: Path) -> None:
    async with net("dead.test") as around, running_relay(tmp_path, around, queue=SHORT, retry=STEPS) as relay:
        await around["dead.test"].down()
        for n in range(6):
            await submit(relay, f"m{n}@dead.test")

        await settled(relay)

        assert {recipient(relay, f"m{n}@dead.test")["class"] for n in range(6)} == {"expired"}
        assert received(around["sender.test"]) == {"DSN to app@sender.test": 6}
        assert ledger(relay) == {"bounced": 6, "delivered": 6}


async def test_dns_trouble_for_a_lifetime(tmp_path: Path) -> None:
    async with net() as around, running_relay(tmp_path, around, queue=SHORT, retry=STEPS) as relay:
        around.zone.behave("sick.test", SERVFAIL)
        await submit(relay, "one@sick.test")
        await submit(relay, "two@sick.test")

        await settled(relay)

        assert recipient(relay, "one@sick.test")["class"] == recipient(relay, "two@sick.test")["class"] == "expired"
        assert received(around["sender.test"]) == {"DSN to app@sender.test": 2}
        assert ledger(relay) == {"bounced": 2, "delivered": 2}


async def test_nothing_expires_without_a_last_attempt(tmp_path: Path) -> None:
    """Age alone is not enough: the second attempt comes after the lifetime, and may still succeed."""
    async with (
        net("full.test") as around,
        running_relay(tmp_path, around, queue=SHORT, retry={"schedule": (1.5,)}) as relay,
    ):
        around.behave("full.test", mailbox_full())
        await submit(relay, "one@full.test")
        await attempted(relay, "one@full.test")
        around.behave("full.test", Personality())

        await in_state(relay, "one@full.test", "delivered")

        assert attempts(relay, "one@full.test")[-1]["started"] > recipient(relay, "one@full.test")["expires_at"]
        assert ledger(relay) == {"delivered": 1}


async def test_a_bounce_of_a_bounce_is_not_made(tmp_path: Path) -> None:
    async with net("unknown.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("unknown.test", unknown_users("*"))
        around.behave("sender.test", unknown_users("*"))
        await submit(relay, "one@unknown.test")

        await settled(relay)

        assert told(relay, "one@unknown.test") == told(relay, "app@sender.test") == [("bounced", "no-such-user")]
        assert ledger(relay) == {"bounced": 2}


async def test_the_null_sender_gets_none(tmp_path: Path) -> None:
    async with (
        net("unknown.test", "full.test") as around,
        running_relay(tmp_path, around, queue=SHORT, retry=STEPS) as relay,
    ):
        around.behave("unknown.test", unknown_users("*"))
        around.behave("full.test", mailbox_full())
        await submit(relay, "one@unknown.test", sender="")
        await submit(relay, "two@full.test", sender="")

        await settled(relay)

        assert received(around["sender.test"]) == {}
        assert ledger(relay) == {"bounced": 2}


async def test_a_dsn_that_must_wait_is_delivered_in_the_end(tmp_path: Path) -> None:
    async with net("unknown.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("unknown.test", unknown_users("*"))
        around.behave("sender.test", Personality(hooks={Stage.RCPT: Act("450 4.7.1 not now")}))
        await submit(relay, "one@unknown.test")
        await attempted(relay, "app@sender.test")
        around.behave("sender.test", Personality())

        await settled(relay)

        assert received(around["sender.test"]) == {"DSN to app@sender.test": 1}
        assert ledger(relay) == {"bounced": 1, "delivered": 1}
