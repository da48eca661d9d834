"""A server says that there is no such user: from then on mail to that address is not sent, and its sender is told why."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.kit.relays import (
    Net,
    attempts,
    dsn,
    in_state,
    ledger,
    net,
    received,
    recipient,
    rows,
    running_relay,
    said,
    settled,
    submit,
    until,
)  # fmt: skip

from mailtui.config import Retry
from mailtui.control import api
from mailtui.delivery.transcript import unpack
from mailtui.errors import ControlError
from mailtui.lab.personality import FINE, Act, Personality, unknown_users
from mailtui.model import Stage
from mailtui.queue.operate import Operator
from mailtui.queue.reader import Reader
from mailtui.relay import Relay
from mailtui.service import Desk
from mailtui.suppressions import Suppression

ME = getpass.getuser()


@asynccontextmanager
async def desk(relay: Relay) -> AsyncIterator[Desk]:
    """What answers operators, on that relay."""
    reader = await Reader.open(relay.store.path, unpack)
    operator = Operator(relay.store, reader, relay.runner.unblock, relay.journal.publish)
    try:
        yield Desk(relay, reader, operator)
    finally:
        await reader.close()


async def listed(relay: Relay) -> tuple[Suppression, ...]:
    async with desk(relay) as operators:
        return (await operators.suppress_list(api.SuppressList())).rows


async def bounced(relay: Relay, around: Net, address: str = "gone@there.test") -> None:
    """One mail to it, and the server's word that nobody is there."""
    around.behave("there.test", unknown_users("*"))
    await submit(relay, address)
    await settled(relay)
    around.behave("there.test", FINE)


async def test_the_next_mail_is_not_sent_and_the_sender_is_told_why(tmp_path: Path) -> None:
    async with net("there.test") as around, running_relay(tmp_path, around) as relay:
        await bounced(relay, around)
        (entry,) = await listed(relay)
        assert (entry.entry, entry.reason, entry.source, entry.host) == (
            "gone@there.test", "no-such-user", "relay", "mx.there.test",
        )  # fmt: skip
        assert "5.1.1" in entry.evidence and entry.seen is not None and entry.expires is not None
        assert (entry.expires - entry.created).days == 90

        asked = len(said(around["there.test"], "RCPT"))
        await submit(
            relay, "GONE@There.test", "alive@there.test", content=b"Subject: second\r\nX-Test-ID: second\r\n\r\nx\r\n"
        )
        report = await dsn(around, 2)
        await settled(relay)

        assert said(around["there.test"], "RCPT")[asked:] == ["RCPT TO:<alive@there.test>"]
        row = recipient(relay, "GONE@there.test")
        assert (row["state"], row["class"], row["attempts"], row["code"]) == ("suppressed", "suppressed", 0, 0)
        assert attempts(relay, "GONE@there.test") == []
        assert report.count("Final-Recipient:") == 1
        assert "Final-Recipient: rfc822; GONE@there.test" in report and "Status: 5.1.1" in report
        assert (
            "suppression list" in report and entry.evidence.split()[0] in report and "Last-Attempt-Date" not in report
        )
        assert ledger(relay) == {"delivered": 3, "bounced": 1, "suppressed": 1}  # alive, two DSNs


async def test_off_the_list_it_flows_again(tmp_path: Path) -> None:
    async with net("there.test") as around, running_relay(tmp_path, around) as relay:
        await bounced(relay, around)
        async with desk(relay) as operators:
            gone = await operators.suppress_remove(api.SuppressRemove(("Gone@there.test",)), ME)
            assert [row.entry for row in gone.entries] == ["gone@there.test"]
            with pytest.raises(ControlError, match="not on the suppression list"):
                await operators.suppress_remove(api.SuppressRemove(("gone@there.test",)), ME)
        await submit(relay, "gone@there.test", content=b"Subject: back\r\nX-Test-ID: back\r\n\r\nx\r\n")
        await settled(relay)

        assert received(around["there.test"]) == {"back": 1}


async def test_a_released_recipient_goes_past_the_list_and_only_it(tmp_path: Path) -> None:
    async with net("there.test") as around, running_relay(tmp_path, around) as relay:
        async with desk(relay) as operators:
            await operators.suppress_add(api.SuppressAdd("there@there.test", note="asked to"), ME)
            first = await submit(relay, "there@there.test")
            await in_state(relay, "there@there.test", "suppressed")
            (row,) = (await operators.queue_list(api.QueueList("state:suppressed"))).rows
            assert (
                row.id == f"{first}.1"
                and "an operator put it there" in row.last_text
                and "asked to" not in row.last_text
            )

            assert (await operators.release(api.Release(everything=True), ME)).done == 0, "not by accident"
            assert (await operators.release(api.Release((first,), dry_run=True), ME)).done == 1
            around.behave(
                "there.test",
                Personality(
                    hooks={
                        Stage.RCPT: lambda at: (
                            Act("451 4.2.1 later") if at.connection == 1 and at.message == 1 else None
                        )
                    }
                ),
            )
            assert (await operators.release(api.Release(filter="state:suppressed"), ME)).done == 1
            await settled(relay)
            assert [row["class"] for row in attempts(relay, "there@there.test")][-1] == "success"
            assert len(attempts(relay, "there@there.test")) == 2, "a deferral does not bring it back to the list"

            await submit(relay, "there@there.test", content=b"Subject: second\r\nX-Test-ID: second\r\n\r\nx\r\n")
            await settled(relay)
        assert received(around["there.test"]) == {"there": 1}
        assert ledger(relay)["suppressed"] == 1


async def test_what_waits_is_stopped_before_it_is_sent(tmp_path: Path) -> None:
    busy = Personality(hooks={Stage.RCPT: Act("451 4.2.1 later")})
    slow = Retry(schedule=(3600.0,), jitter=0.0)
    async with net("there.test") as around, running_relay(tmp_path, around, retry=slow) as relay:
        around.behave("there.test", busy)
        await submit(relay, "one@there.test", "two@there.test")
        for name in ("one", "two"):
            await in_state(relay, f"{name}@there.test", "deferred")
        async with desk(relay) as operators:
            await operators.suppress_add(api.SuppressAdd("@there.test", "moved"), ME)
            asked = len(said(around["there.test"], "RCPT"))
            await operators.retry(api.Retry(everything=True), ME)
            for name in ("one", "two"):
                await in_state(relay, f"{name}@there.test", "suppressed")
            report = await dsn(around)
            await settled(relay)
            assert report.count("Status: 5.1.6") == 2
            assert len(said(around["there.test"], "RCPT")) == asked

            await operators.release(api.Release(filter="to:one@there.test state:suppressed"), ME)
            await until(lambda: len(attempts(relay, "one@there.test")) == 2)
            assert recipient(relay, "one@there.test")["unsuppress"] == 1
            assert recipient(relay, "two@there.test")["state"] == "suppressed"


async def test_a_suppressed_domain_is_not_looked_up(tmp_path: Path) -> None:
    async with net("there.test") as around, running_relay(tmp_path, around) as relay:
        async with desk(relay) as operators:
            await operators.suppress_add(api.SuppressAdd("@nowhere.test"), ME)
        await submit(relay, "a@nowhere.test", "b@there.test")
        await settled(relay)

        assert recipient(relay, "a@nowhere.test")["state"] == "suppressed"
        assert recipient(relay, "a@nowhere.test")["due_at"] is None
        assert recipient(relay, "b@there.test")["state"] == "delivered"


@pytest.mark.parametrize(
    ("stage", "reply"),
    [
        (Stage.RCPT, "550 5.7.1 Service unavailable; client host blocked using Spamhaus"),
        (Stage.RCPT, "550 5.1.1 User unknown; your IP address has a poor reputation"),
        (Stage.RCPT, "552 5.2.2 mailbox full"),
        (Stage.RCPT, "450 4.1.1 User unknown"),
        (Stage.MAIL, "550 5.1.1 User unknown"),
        (Stage.FINAL_DOT, "554 5.7.1 message content rejected as spam"),
    ],
)
async def test_what_is_said_of_us_never_suppresses(tmp_path: Path, stage: Stage, reply: str) -> None:
    slow = Retry(schedule=(3600.0,), jitter=0.0)
    async with net("there.test") as around, running_relay(tmp_path, around, retry=slow) as relay:
        around.behave("there.test", Personality(hooks={stage: Act(reply)}))
        await submit(relay, "one@there.test")
        await until(lambda: attempts(relay, "one@there.test"))

        assert await listed(relay) == ()


@pytest.mark.parametrize(("addresses", "expected"), [(("one",), ["one@there.test"]), (("one", "two"), [])])
async def test_a_reply_to_the_dot_accuses_one_recipient_but_not_several(
    tmp_path: Path, addresses: tuple[str, ...], expected: list[str]
) -> None:
    async with net("there.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("there.test", Personality(hooks={Stage.FINAL_DOT: Act("550 5.1.1 User unknown")}))
        await submit(relay, *(f"{name}@there.test" for name in addresses))
        await settled(relay)

        assert [entry.entry for entry in await listed(relay)] == expected


async def test_a_domain_that_does_not_exist_is_listed_when_that_is_so_an_hour_later(tmp_path: Path) -> None:
    async with net() as around, running_relay(tmp_path, around) as relay:
        await submit(relay, "one@nowhere.test", "two@nowhere.test")
        await settled(relay)
        assert await listed(relay) == ()
        await submit(relay, "three@nowhere.test")
        await settled(relay)
        assert await listed(relay) == (), "minutes later is the same trouble"

        await relay.store.run(lambda db: db.execute("UPDATE lane SET gone_since = gone_since - 3600").rowcount)
        await submit(relay, "four@nowhere.test")
        await settled(relay)
        (entry,) = await listed(relay)
        assert (entry.entry, entry.reason, entry.host) == ("@nowhere.test", "no-such-domain", "")
        await submit(relay, "five@nowhere.test")
        await settled(relay)
        assert recipient(relay, "five@nowhere.test")["state"] == "suppressed"


async def test_a_domain_that_came_back_is_not_remembered_as_gone(tmp_path: Path) -> None:
    async with net() as around, running_relay(tmp_path, around) as relay:
        await submit(relay, "one@nowhere.test")
        await settled(relay)
        around.zone.mx("nowhere.test", "mx.sender.test")
        relay.resolver.flush("nowhere.test")
        await submit(relay, "two@nowhere.test")
        await settled(relay)

        assert recipient(relay, "two@nowhere.test")["state"] == "delivered"
        assert rows(relay, "SELECT gone_since FROM lane WHERE destination = 'nowhere.test'")[0]["gone_since"] is None


async def test_classes_that_are_not_named_do_not_suppress(tmp_path: Path) -> None:
    async with net("there.test") as around, running_relay(tmp_path, around, suppression={"on": ("moved",)}) as relay:
        await bounced(relay, around)

        assert await listed(relay) == ()


async def test_the_list_stands_after_a_restart_and_a_long_backlog_goes(tmp_path: Path) -> None:
    busy = Personality(hooks={Stage.RCPT: Act("451 4.2.1 later")})
    slow = Retry(schedule=(3600.0,), jitter=0.0)
    async with net("there.test") as around:
        around.behave("there.test", busy)
        async with running_relay(tmp_path, around, retry=slow) as relay:
            for n in range(90):
                await submit(
                    relay, f"u{n}@there.test", content=b"Subject: x\r\n\r\nx\r\n", sender=f"s{n % 3}@there.test"
                )
            await until(lambda: ledger(relay).get("deferred") == 90)
            async with desk(relay) as operators:
                await operators.suppress_add(api.SuppressAdd("@there.test"), ME)
        async with running_relay(tmp_path, around, retry=slow) as relay:
            asked = len(said(around["there.test"], "RCPT"))
            async with desk(relay) as operators:
                await operators.retry(api.Retry(everything=True), ME)
            await until(
                lambda: ledger(relay).get("suppressed", 0) >= 180, timeout=60
            )  # their DSNs are for the same domain
            assert len(said(around["there.test"], "RCPT")) == asked
            assert ledger(relay) == {"suppressed": 180}
