"""What went wrong must be readable afterwards: also on a kept connection the transcript shows how it began, under every setting."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.relays import attempts, in_state, ledger, net, running_relay, settled, submit, transcript

from mailtui.lab.personality import unknown_users

HOSTS = ("mx1.two.test", "mx2.two.test")


@pytest.mark.parametrize("kept", ["all", "failures", "off"])
async def test_a_refusal_on_a_kept_connection(tmp_path: Path, kept: str) -> None:
    async with net("mixed.test") as around, running_relay(tmp_path, around, delivery={"transcripts": kept}) as relay:
        remote = around.behave("mixed.test", unknown_users("bad*"))
        await submit(relay, "good@mixed.test")
        await in_state(relay, "good@mixed.test", "delivered")
        await submit(relay, "bad@mixed.test")
        await settled(relay)

        (good,), (bad,) = attempts(relay, "good@mixed.test"), attempts(relay, "bad@mixed.test")
        assert len(remote.connections) == 1
        assert bool(good["dialogue"]) == (kept == "all")
        assert bool(bad["dialogue"]) == bool(bad["preamble"]) == (kept != "off")
        if kept != "off":
            assert "> EHLO relay.test" in transcript(relay, bad["preamble"])
            assert "< 550 5.1.1" in transcript(relay, bad["dialogue"])
            assert "Hello." not in transcript(relay, bad["dialogue"])
        assert ledger(relay) == {"delivered": 2, "bounced": 1}


async def test_what_the_hosts_before_said_is_kept(tmp_path: Path) -> None:
    async with net(hosts=HOSTS) as around, running_relay(tmp_path, around) as relay:
        around.zone.mx("two.test", *HOSTS)
        await around[HOSTS[0]].down()
        await submit(relay, "one@two.test")
        await in_state(relay, "one@two.test", "delivered")

        (attempt,) = attempts(relay, "one@two.test")
        began = transcript(relay, attempt["preamble"])
        assert "Connection refused" in began and began.index("Connection refused") < began.index("220 mx2.two.test")
        assert ledger(relay) == {"delivered": 1}
