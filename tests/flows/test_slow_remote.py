"""A remote takes its time: within the patience of a stage it is waited for, beyond it is given up, and no stage's clock runs in another."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.relays import (
    attempts,
    in_state,
    ledger,
    net,
    received,
    running_relay,
    submit,
    told,
)  # fmt: skip

from mailtui.lab.personality import Act, Personality, slow
from mailtui.model import Stage

PATIENCE = {"greeting": 0.3, "helo": 0.3, "mail": 0.3, "rcpt": 0.3, "data": 0.3, "final_dot": 3.0}
STAGES = [Stage.GREETING, Stage.HELO, Stage.MAIL, Stage.RCPT, Stage.DATA]


@pytest.mark.parametrize("stage", STAGES)
async def test_beyond_its_patience_a_stage_is_a_deferral(tmp_path: Path, stage: Stage) -> None:
    async with net("slow.test") as around, running_relay(tmp_path, around, timeouts=PATIENCE) as relay:
        late = lambda at: Act("250 2.0.0 at last", delay=0.8) if at.connection == 1 else None  # noqa: E731
        around.behave("slow.test", Personality(hooks={stage: late}))
        await submit(relay, "one@slow.test")

        await in_state(relay, "one@slow.test", "delivered")

        first, _ = attempts(relay, "one@slow.test")
        assert (first["disposition"], first["class"], first["stage"]) == ("deferred", "timeout", stage.value)
        assert 0.25 < first["ended"] - first["started"] < 0.9
        assert received(around["slow.test"]) == {"one": 1}
        assert ledger(relay) == {"delivered": 1}


async def test_the_final_dot_has_a_patience_of_its_own(tmp_path: Path) -> None:
    async with net("slow.test") as around, running_relay(tmp_path, around, timeouts=PATIENCE) as relay:
        around.behave("slow.test", slow({Stage.FINAL_DOT: 0.8}))
        await submit(relay, "one@slow.test")

        await in_state(relay, "one@slow.test", "delivered")

        assert told(relay, "one@slow.test") == [("delivered", "success")]
        assert received(around["slow.test"]) == {"one": 1}
        assert ledger(relay) == {"delivered": 1}


async def test_the_clock_of_an_earlier_stage_does_not_run_on(tmp_path: Path) -> None:
    """Replies that drip in make a stage's clock start again; that clock must be stopped when its stage is over."""
    async with net("slow.test") as around, running_relay(tmp_path, around, timeouts=PATIENCE) as relay:
        drip = {Stage.MAIL: 0.18, Stage.RCPT: 0.18, Stage.DATA: 0.18, Stage.FINAL_DOT: 1.0}
        around.behave("slow.test", slow(drip))
        await submit(relay, "one@slow.test")

        await in_state(relay, "one@slow.test", "delivered")

        assert told(relay, "one@slow.test") == [("delivered", "success")]
        assert received(around["slow.test"]) == {"one": 1}
        assert ledger(relay) == {"delivered": 1}
