"""421 can come at any point (RFC 5321 3.8): the attempt is a deferral, the connection is over, the next one delivers."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.relays import attempts, in_state, ledger, net, received, running_relay, submit

from mailtui.lab.personality import Act, Personality, Then
from mailtui.model import Stage

STAGES = [Stage.GREETING, Stage.HELO, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.FINAL_DOT]


@pytest.mark.parametrize("then", [Then.CLOSE, Then.GO_ON], ids=["closes", "stays"])
@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "one by one"])
@pytest.mark.parametrize("stage", STAGES)
async def test_421_defers_and_the_connection_is_not_used_again(
    tmp_path: Path, stage: Stage, pipelining: bool, then: Then
) -> None:
    act = Act("421 4.3.2 Service shutting down", then)
    shy = Personality(hooks={stage: lambda at: act if at.connection == 1 else None})
    async with net("shy.test") as around, running_relay(tmp_path, around) as relay:
        remote = around.behave("shy.test", shy if pipelining else shy.but(extensions=("8BITMIME",)))
        await submit(relay, "one@shy.test", "two@shy.test")

        await in_state(relay, "two@shy.test", "delivered")

        first, second = attempts(relay, "two@shy.test")
        assert (first["disposition"], first["code"], first["stage"]) == ("deferred", 421, stage.value)
        assert second["disposition"] == "delivered"
        assert {item.connection for item in remote.mailbox} == {2}
        assert received(remote) == {"one": 1}
        assert ledger(relay) == {"delivered": 2}
