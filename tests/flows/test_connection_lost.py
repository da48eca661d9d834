"""The connection ends where it should not: before DATA, within the content, behind the dot, or while it was kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.relays import (
    attempted,
    attempts,
    in_state,
    ledger,
    letter,
    net,
    received,
    recipient,
    running_relay,
    said,
    settled,
    submit,
    told,
    until,
)  # fmt: skip

from mailtui.lab.personality import Act, Hook, Personality, Then, drops_after_dot
from mailtui.model import Stage


def once(act: Act) -> Hook:
    """The act on the first connection only."""
    return lambda at: act if at.connection == 1 else None


@pytest.mark.parametrize("then", [Then.CLOSE, Then.RESET])
@pytest.mark.parametrize("stage", [Stage.GREETING, Stage.HELO, Stage.MAIL, Stage.RCPT, Stage.DATA])
async def test_before_the_content_it_is_a_deferral_of_the_site(tmp_path: Path, stage: Stage, then: Then) -> None:
    async with net("drop.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("drop.test", Personality(hooks={stage: once(Act(then=then))}))
        await submit(relay, "one@drop.test")

        await in_state(relay, "one@drop.test", "delivered")

        first, second = attempts(relay, "one@drop.test")
        assert (first["disposition"], first["class"]) == ("deferred", "connection")
        assert second["disposition"] == "delivered"
        assert received(around["drop.test"]) == {"one": 1}
        assert ledger(relay) == {"delivered": 1}


async def test_what_was_answered_before_stands(tmp_path: Path) -> None:
    """MAIL and two RCPT are answered, then the line goes dead: the refusal is a fact and is not asked for again."""
    hooks: dict[Stage, Hook] = {Stage.DATA: once(Act(then=Then.CLOSE))}
    refuse = (("two@*", Act("550 5.1.1 User unknown")),)
    async with net("drop.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("drop.test", Personality(hooks=hooks, mailboxes=refuse))
        await submit(relay, "one@drop.test", "two@drop.test")

        await settled(relay)

        assert told(relay, "two@drop.test") == [("bounced", "no-such-user")]
        assert [kind for kind, _ in told(relay, "one@drop.test")] == ["deferred", "delivered"]
        assert said(around["drop.test"], "RCPT TO:<two") == ["RCPT TO:<two@drop.test>"]
        assert ledger(relay) == {"delivered": 2, "bounced": 1}


@pytest.mark.parametrize("pipelining", [True, False])
async def test_within_the_content_it_is_a_deferral(tmp_path: Path, pipelining: bool) -> None:
    content = letter("one", b"x" * 70 + b"\r\n" + (b"y" * 78 + b"\r\n") * 50_000)  # 4 MB: many chunks
    async with net("drop.test") as around, running_relay(tmp_path, around) as relay:
        remote = around["drop.test"]
        personality = Personality(hooks={Stage.DATA: once(Act(b"354 go on\r\n", Then.RESET, delay=0.05))})
        remote.personality = personality if pipelining else personality.but(extensions=())
        await submit(relay, "one@drop.test", content=content)

        await in_state(relay, "one@drop.test", "delivered")

        assert told(relay, "one@drop.test") == [("deferred", "connection"), ("delivered", "success")]
        assert received(remote) == {"one": 1}
        assert remote.mailbox[0].content.endswith(content)
        assert ledger(relay) == {"delivered": 1}


@pytest.mark.parametrize("then", [Then.CLOSE, Then.RESET, Then.HANG])
async def test_behind_the_dot_the_outcome_is_unknown(tmp_path: Path, then: Then) -> None:
    """The remote has taken the message, we cannot know: the retry is the same message, octet by octet, at the same host."""
    hosts = ("mx1.drop.test", "mx2.drop.test", "mx3.drop.test")
    async with net(hosts=hosts) as around, running_relay(tmp_path, around, timeouts={"final_dot": 0.3}) as relay:
        around.zone.add("drop.test", "MX", *(f"10 {host}." for host in hosts))  # equal preference: shuffled
        lost = set()

        def lose_one(at) -> Act | None:  # type: ignore[no-untyped-def]
            if at.sender and at.recipients not in lost:
                lost.add(at.recipients)
                return Act(then=then)
            return None

        for host in hosts:
            around.behave(host, Personality(hooks={Stage.FINAL_DOT: lose_one}))
        names = [f"m{n}" for n in range(4)]
        for name in names:
            await submit(relay, f"{name}@drop.test")
            await attempted(relay, f"{name}@drop.test")
        await settled(relay)

        for name in names:
            first, second = attempts(relay, f"{name}@drop.test")
            assert (first["disposition"], first["class"], first["stage"]) == (
                "deferred",
                "unknown-outcome",
                "final-dot",
            )
            assert second["host"] == first["host"], "another host would surely make a duplicate"
            copies = [item for item in around[first["host"]].mailbox if item.test_id == name]
            assert len(copies) == 2 and copies[0].content == copies[1].content
            assert copies[0].message_id == copies[1].message_id != ""
        assert ledger(relay) == {"delivered": len(names)}


async def test_behind_the_dot_the_site_is_not_broken(tmp_path: Path) -> None:
    async with net("drop.test") as around, running_relay(tmp_path, around, retry={"schedule": (30.0,)}) as relay:
        around.behave("drop.test", drops_after_dot())
        await submit(relay, "one@drop.test")
        await attempted(relay, "one@drop.test")
        around.behave("drop.test", Personality())
        await submit(relay, "two@drop.test")

        await in_state(relay, "two@drop.test", "delivered")

        row = recipient(relay, "one@drop.test")
        assert (row["state"], row["class"], row["site_failures"]) == ("deferred", "unknown-outcome", 0)
        assert ledger(relay) == {"deferred": 1, "delivered": 1}


@pytest.mark.parametrize("farewell", ["", "421 4.4.2 mx.kept.test Error: timeout exceeded"])
async def test_a_kept_connection_that_was_closed_costs_no_attempt(tmp_path: Path, farewell: str) -> None:
    async with net("kept.test") as around, running_relay(tmp_path, around) as relay:
        remote = around["kept.test"]
        await submit(relay, "one@kept.test")
        await in_state(relay, "one@kept.test", "delivered")
        remote.drop(Then.CLOSE, farewell)

        await submit(relay, "two@kept.test")
        await in_state(relay, "two@kept.test", "delivered")

        assert len(remote.connections) == 2
        assert told(relay, "two@kept.test") == [("delivered", "success")]
        assert ledger(relay) == {"delivered": 2}


@pytest.mark.parametrize(
    "act", [Act(then=Then.CLOSE), Act(then=Then.RESET), Act("421 4.4.2 idle for too long", Then.CLOSE)]
)
async def test_a_kept_connection_that_dies_at_the_next_mail_costs_no_attempt(tmp_path: Path, act: Act) -> None:
    """The server closes at the very moment we speak: nothing was asked of it yet, so a fresh connection is tried at once."""
    async with net("kept.test") as around, running_relay(tmp_path, around) as relay:
        remote = around.behave("kept.test", Personality(hooks={Stage.MAIL: lambda at: act if at.message > 1 else None}))
        await submit(relay, "one@kept.test")
        await in_state(relay, "one@kept.test", "delivered")

        await submit(relay, "two@kept.test")
        await in_state(relay, "two@kept.test", "delivered")

        assert len(remote.connections) == 2
        assert told(relay, "two@kept.test") == [("delivered", "success")]
        assert ledger(relay) == {"delivered": 2}


async def test_a_host_that_stops_reading_is_given_up(tmp_path: Path) -> None:
    content = letter("one", (b"y" * 898 + b"\r\n") * 18_000)  # 16 MB: more than the kernel's buffers of both ends
    async with net("deaf.test") as around, running_relay(tmp_path, around, timeouts={"block": 0.3}) as relay:
        remote = around["deaf.test"]

        def deaf(at) -> Act | None:  # type: ignore[no-untyped-def]
            if at.connection > 1:
                return None
            for dialogue in remote.dialogues:
                dialogue._voice.transport.pause_reading()
            return Act(b"354 go on\r\n")

        remote.personality = Personality(hooks={Stage.DATA: deaf})
        await submit(relay, "one@deaf.test", content=content)

        await in_state(relay, "one@deaf.test", "delivered")
        assert told(relay, "one@deaf.test") == [("deferred", "timeout"), ("delivered", "success")]
        remote.drop(Then.RESET)
        await until(lambda: not remote.dialogues, "the deaf session to be gone")
        assert received(remote) == {"one": 1}
        assert ledger(relay) == {"delivered": 1}
