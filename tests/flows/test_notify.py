"""What a sender asks to be told (RFC 3461): success, nothing, delay; and whose business the report is."""

from __future__ import annotations

from pathlib import Path

from tests.kit.relays import (
    attempted,
    dsn,
    in_state,
    ledger,
    net,
    only,
    received,
    running_relay,
    settled,
    submit,
)  # fmt: skip

from mailtui.lab.personality import EXTENSIONS, Personality, mailbox_full, unknown_users

NO_DSN = Personality(extensions=tuple(word for word in EXTENSIONS if word != "DSN"))
OPTIONS = ["RET=HDRS", "ENVID=QQ314159+2Bx"]
PARAMETERS = ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;One+2BOrder@old.test"]


async def test_success_is_reported_as_relayed_where_the_next_host_has_no_dsn(tmp_path: Path) -> None:
    async with net("plain.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("plain.test", NO_DSN)
        await submit(relay, "one@plain.test", options=OPTIONS, rcpt_options=PARAMETERS)

        report = await dsn(around)
        await settled(relay)

        assert "Action: relayed" in report
        assert "Original-Recipient: rfc822;One+Order@old.test" in report.replace("rfc822; ", "rfc822;")
        assert "Original-Envelope-Id: QQ314159+x" in report
        assert only(around["plain.test"]).mail_params == ("SIZE=" + str(only(around["plain.test"]).size),)
        assert ledger(relay) == {"delivered": 2}


async def test_success_is_passed_on_to_a_host_that_has_dsn(tmp_path: Path) -> None:
    async with net("modern.test") as around, running_relay(tmp_path, around) as relay:
        await submit(relay, "one@modern.test", options=OPTIONS, rcpt_options=PARAMETERS)
        await in_state(relay, "one@modern.test", "delivered")

        item = only(around["modern.test"])
        assert item.mail_params[-2:] == ("RET=HDRS", "ENVID=QQ314159+2Bx")
        assert item.rcpt_params == (tuple(PARAMETERS),)
        assert received(around["sender.test"]) == {}
        assert ledger(relay) == {"delivered": 1}


async def test_never_means_never(tmp_path: Path) -> None:
    async with net("unknown.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("unknown.test", unknown_users("*"))
        await submit(relay, "one@unknown.test", rcpt_options=["NOTIFY=NEVER"])

        await in_state(relay, "one@unknown.test", "bounced")

        assert received(around["sender.test"]) == {}
        assert ledger(relay) == {"bounced": 1}


async def test_a_delay_is_reported_once_for_each_age(tmp_path: Path) -> None:
    notices = {"delay_notice": (0.3, 0.9)}
    async with (
        net("full.test") as around,
        running_relay(tmp_path, around, dsn=notices, retry={"schedule": (0.2,)}) as relay,
    ):
        around.behave("full.test", mailbox_full())
        await submit(relay, "one@full.test")

        report = await dsn(around)
        assert "Action: delayed" in report
        assert "Will-Retry-Until:" in report
        await dsn(around, 2)
        await attempted(relay, "one@full.test", 8)
        around.behave("full.test", Personality())
        await settled(relay)

        assert received(around["sender.test"]) == {"DSN to app@sender.test": 2}
        assert received(around["full.test"]) == {"one": 1}
        assert ledger(relay) == {"delivered": 3}
