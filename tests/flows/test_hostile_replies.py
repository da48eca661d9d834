"""A remote that says what no server should: too much, for ever, with control characters, out of step. Bounded, stored, never lost (N3)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.relays import (
    attempted,
    attempts,
    dsn,
    in_state,
    ledger,
    net,
    received,
    recipient,
    rows,
    running_relay,
    settled,
    submit,
    told,
    transcripts,
)  # fmt: skip

from mailtui.lab.personality import Act, Hook, Personality, Then
from mailtui.model import Stage

STAGES = [Stage.GREETING, Stage.HELO, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.FINAL_DOT]
PATIENCE = {"greeting": 0.3, "helo": 0.3, "mail": 0.3, "rcpt": 0.3, "data": 0.3, "final_dot": 0.3}


def first(act: Act) -> Hook:
    return lambda at: act if at.connection == 1 else None


HOSTILE = {
    "a megabyte in one line": Act(b"450 " + b"x" * (1 << 20) + b"\r\n"),
    "a megabyte in many lines": Act(b"450-y\r\n" * 150_000 + b"450 y\r\n"),
    "endless": Act(b"250-more and more\r\n" * 100, endless=True),
    "endless line": Act(b"z" * 4096, endless=True),
    "binary": Act(bytes(range(256)) * 4 + b"\r\n"),
    "mixed codes": Act(b"450-one\r\n550 two\r\n"),
    "silence": Act(then=Then.HANG),
    "a reply too many": Act(b"450 4.0.0 one\r\n450 4.0.0 two\r\n450 4.0.0 three\r\n"),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("act", HOSTILE.values(), ids=HOSTILE.keys())
async def test_it_is_a_deferral_and_the_next_attempt_delivers(tmp_path: Path, stage: Stage, act: Act) -> None:
    async with (
        net("evil.test") as around,
        running_relay(tmp_path, around, timeouts=PATIENCE, retry={"schedule": (0.1,)}) as relay,
    ):
        around.behave("evil.test", Personality(hooks={stage: first(act)}))
        await submit(relay, "one@evil.test")

        await in_state(relay, "one@evil.test", "delivered")

        dispositions = [disposition for disposition, _ in told(relay, "one@evil.test")]
        assert dispositions in (["deferred", "delivered"], ["deferred", "deferred", "delivered"])
        longest = rows(relay, "SELECT max(length(text)) a, (SELECT max(length(lines)) FROM transcript) b FROM attempt")[
            0
        ]
        assert longest["a"] <= 1000 and longest["b"] <= 64 * 1024
        assert ledger(relay) == {"delivered": 1}


async def test_control_characters_are_stored_and_reported_harmlessly(tmp_path: Path) -> None:
    nasty = "550 5.1.1 \x1b[2J\x1b]0;owned\x07 \x00 \x9b31m \u202e <b>[/red] \x7f unknown user"
    async with net("evil.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("evil.test", Personality(hooks={Stage.RCPT: Act(nasty)}))
        await submit(relay, "one@evil.test")

        report = await dsn(around)
        await settled(relay)

        assert told(relay, "one@evil.test")[0][0] == "bounced"
        assert not [c for c in report if (c < " " and c not in "\r\n\t") or c in "\x7f\x9b\u202e"]
        assert "unknown user" in report
        assert "\x1b[2J" in recipient(relay, "one@evil.test")["text"], (
            "evidence is kept as it came; showing it is another matter"
        )
        assert ledger(relay) == {"bounced": 1, "delivered": 1}


async def test_a_second_reply_to_the_dot_is_no_duplicate(tmp_path: Path) -> None:
    async with net("evil.test") as around, running_relay(tmp_path, around) as relay:
        twice = Act(b"250 2.0.0 Ok\r\n250 2.0.0 Ok again\r\n")
        around.behave("evil.test", Personality(hooks={Stage.FINAL_DOT: twice}))
        await submit(relay, "one@evil.test")
        await in_state(relay, "one@evil.test", "delivered")
        await submit(relay, "two@evil.test")
        await in_state(relay, "two@evil.test", "delivered")

        assert received(around["evil.test"]) == {"one": 1, "two": 1}
        assert told(relay, "two@evil.test") == [("delivered", "success")]
        assert ledger(relay) == {"delivered": 2}


async def test_an_extra_reply_never_answers_the_next_command(tmp_path: Path) -> None:
    """Two replies to MAIL, without pipelining: the second must not be taken for the verdict on the recipient."""
    double = Act(b"250 2.1.0 Ok\r\n550 5.1.1 User unknown\r\n")
    async with net("evil.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("evil.test", Personality(extensions=(), hooks={Stage.MAIL: first(double)}))
        await submit(relay, "one@evil.test")

        await in_state(relay, "one@evil.test", "delivered")
        assert received(around["evil.test"]) == {"one": 1}
        assert ledger(relay) == {"delivered": 1}


async def test_an_early_verdict_on_the_content_counts(tmp_path: Path) -> None:
    """The host says 552 and closes while we still send: that is its answer, not a lost connection."""
    early = Act(b"354 go on\r\n552 5.3.4 too much of it\r\n", Then.CLOSE)
    async with net("evil.test") as around, running_relay(tmp_path, around) as relay:
        around.behave("evil.test", Personality(hooks={Stage.DATA: early}))
        await submit(relay, "one@evil.test")

        await attempted(relay, "one@evil.test")
        (attempt, *_) = attempts(relay, "one@evil.test")
        assert attempt["disposition"] in ("bounced", "deferred")
        assert not around["evil.test"].mailbox
        assert "connection lost" in transcripts(relay) or attempt["code"] == 552
        assert ledger(relay).keys() <= {"bounced", "delivered", "deferred", "sending", "queued"}
