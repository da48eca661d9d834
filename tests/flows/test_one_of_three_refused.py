"""One of three recipients is refused: two are delivered, and one DSN names exactly the third."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.relays import (
    attempts,
    dsn,
    in_state,
    ledger,
    net,
    only,
    received,
    recipient,
    running_relay,
    said,
    settled,
    submit,
    told,
)  # fmt: skip

from mailtui.lab.personality import EXTENSIONS, Act, Personality, unknown_users
from mailtui.model import Stage

DEFER = Act("450 4.2.1 <{address}>: try again later")
REFUSE = Act("550 5.1.1 <{address}>: User unknown")


async def test_the_dsn_names_the_refused_one(tmp_path: Path) -> None:
    async with net("three.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("three.test", unknown_users("two@*"))
        queue_id = await submit(relay, "one@three.test", "two@three.test", "three@three.test")

        report = await dsn(around)
        await settled(relay)

        assert only(around["three.test"]).recipients == ("one@three.test", "three@three.test")
        assert report.count("Final-Recipient:") == 1
        assert "Final-Recipient: rfc822; two@three.test" in report
        assert "Status: 5.1.1" in report
        assert "Remote-MTA: dns; mx.three.test" in report
        assert queue_id in report
        assert told(relay, "two@three.test") == [("bounced", "no-such-user")]
        assert ledger(relay) == {"delivered": 3, "bounced": 1}  # the DSN is one of the delivered


async def test_two_refused_are_in_one_dsn(tmp_path: Path) -> None:
    async with net("three.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("three.test", unknown_users("t*@*"))
        await submit(relay, "one@three.test", "two@three.test", "three@three.test")

        report = await dsn(around)
        await settled(relay)

        assert report.count("Final-Recipient:") == 2
        assert received(around["sender.test"]) == {"DSN to app@sender.test": 1}
        assert ledger(relay) == {"delivered": 2, "bounced": 2}


async def test_everybody_refused_ends_the_transaction_without_content(tmp_path: Path) -> None:
    async with net("three.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("three.test", unknown_users("*"))
        await submit(relay, "one@three.test", "two@three.test")
        await dsn(around)
        around.behave("three.test", Personality())
        await submit(relay, "after@three.test")
        await settled(relay)

        assert received(around["three.test"]) == {"after": 1}
        assert len(around["three.test"].connections) == 1, "the connection is in step and can be kept"
        assert said(around["three.test"], "RSET")
        assert ledger(relay) == {"delivered": 2, "bounced": 2}


async def test_354_for_nobody_is_answered_with_a_lone_dot(tmp_path: Path) -> None:
    """RFC 2920 3.1: DATA was pipelined and a careless server said 354 although it had refused everybody."""
    hooks = {Stage.RCPT: Act("250 2.1.5 fooled"), Stage.DATA: Act(b"354 go on\r\n")}
    careless = Personality(hooks={**hooks, Stage.RCPT: lambda at: Act(b"550 5.1.1 User unknown\r\n")})
    async with net("three.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("three.test", careless)
        await submit(relay, "one@three.test")

        await settled(relay)

        assert told(relay, "one@three.test") == [("bounced", "no-such-user")]
        assert ledger(relay) == {"bounced": 1, "delivered": 1}


async def test_accepted_deferred_and_refused_each_go_their_way(tmp_path: Path) -> None:
    async with net("three.test") as around, running_relay(tmp_path, around) as relay:
        boxes = (("two@*", REFUSE), ("three@*", DEFER))
        around.behave("three.test", Personality(mailboxes=boxes))
        await submit(relay, "one@three.test", "two@three.test", "three@three.test")
        await in_state(relay, "three@three.test", "deferred")
        assert recipient(relay, "one@three.test")["state"] == "delivered"
        assert recipient(relay, "two@three.test")["state"] == "bounced"

        around.behave("three.test", Personality())
        await settled(relay)

        taken = [item.recipients for item in around["three.test"].mailbox]
        assert taken == [("one@three.test",), ("three@three.test",)], "only the deferred one is tried again"
        assert [len(attempts(relay, f"{name}@three.test")) for name in ("one", "two")] == [1, 1]
        assert ledger(relay) == {"delivered": 3, "bounced": 1}


@pytest.mark.parametrize("extensions", [EXTENSIONS, ()], ids=["pipelined", "one by one"])
async def test_a_refused_sender_is_the_verdict_for_everybody(tmp_path: Path, extensions: tuple[str, ...]) -> None:
    """MAIL is refused and what was pipelined behind it gets 503: that is no answer to any recipient."""
    refusal = Act("550 5.1.8 <{address}>: Sender address rejected: Domain not found")
    async with net("three.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("three.test", Personality(extensions=extensions, hooks={Stage.MAIL: refusal}))
        await submit(relay, "one@three.test", "two@three.test")

        report = await dsn(around)
        await settled(relay)

        assert report.count("Status: 5.1.8") == 2
        assert told(relay, "one@three.test") == told(relay, "two@three.test") == [("bounced", "sender-rejected")]
        assert ledger(relay) == {"bounced": 2, "delivered": 1}


async def test_a_final_554_bounces_those_that_were_accepted(tmp_path: Path) -> None:
    async with net("three.test") as around, running_relay(tmp_path, around) as relay:
        hooks = {Stage.FINAL_DOT: Act("554 5.7.1 message content rejected as spam")}
        around.behave("three.test", Personality(hooks=hooks, mailboxes=(("two@*", REFUSE), ("three@*", DEFER))))
        await submit(relay, "one@three.test", "two@three.test", "three@three.test")

        report = await dsn(around)
        await in_state(relay, "three@three.test", "deferred")

        assert report.count("Final-Recipient:") == 2, "one DSN for the refused RCPT and the refused content"
        assert told(relay, "one@three.test")[0][0] == told(relay, "two@three.test")[0][0] == "bounced"
        assert ledger(relay).keys() <= {"delivered", "bounced", "deferred", "sending"}


async def test_a_final_451_defers_those_that_were_accepted(tmp_path: Path) -> None:
    async with net("three.test") as around, running_relay(tmp_path, around) as relay:
        hooks = {Stage.FINAL_DOT: lambda at: Act("451 4.3.0 busy") if at.connection == 1 and at.message == 1 else None}
        around.behave("three.test", Personality(hooks=hooks, mailboxes=(("two@*", REFUSE),)))
        await submit(relay, "one@three.test", "two@three.test", "three@three.test")

        await settled(relay)

        assert only(around["three.test"]).recipients == ("one@three.test", "three@three.test")
        assert [kind for kind, _ in told(relay, "one@three.test")] == ["deferred", "delivered"]
        assert [kind for kind, _ in told(relay, "two@three.test")] == ["bounced"]
        assert ledger(relay) == {"delivered": 3, "bounced": 1}
