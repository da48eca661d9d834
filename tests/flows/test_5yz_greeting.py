"""A host greets with 5yz: that says nothing about any recipient. The next host, then a deferral; never a bounce."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.relays import attempted, in_state, ledger, net, received, running_relay, submit, told

from mailtui.lab.personality import FINE, REFUSING, Act, Personality, Then, blocklisted
from mailtui.model import Stage

HOSTS = ("mx1.two.test", "mx2.two.test")
REFUSING_EHLO = Personality(hooks={Stage.HELO: Act("554 5.7.1 You are not welcome here", Then.CLOSE)})


@pytest.mark.parametrize(
    "rude", [REFUSING, blocklisted(Stage.GREETING), REFUSING_EHLO], ids=["554", "block list", "EHLO"]
)
async def test_the_next_host_is_tried(tmp_path: Path, rude: Personality) -> None:
    async with net(hosts=HOSTS) as around, running_relay(tmp_path, around) as relay:
        around.zone.mx("two.test", *HOSTS)
        around.behave(HOSTS[0], rude)
        await submit(relay, "one@two.test")

        await in_state(relay, "one@two.test", "delivered")
        assert told(relay, "one@two.test") == [("delivered", "success")]
        assert received(around[HOSTS[1]]) == {"one": 1}
        assert ledger(relay) == {"delivered": 1}


@pytest.mark.parametrize("rude", [REFUSING, blocklisted(Stage.GREETING)], ids=["554", "block list"])
async def test_when_every_host_does_it_the_mail_waits(tmp_path: Path, rude: Personality) -> None:
    async with net(hosts=HOSTS) as around, running_relay(tmp_path, around) as relay:
        around.zone.mx("two.test", *HOSTS)
        for host in HOSTS:
            around.behave(host, rude)
        await submit(relay, "one@two.test")

        (first, *_) = await attempted(relay, "one@two.test")
        assert (first["disposition"], first["code"]) == ("deferred", 554)
        for host in HOSTS:
            around.behave(host, FINE)
        await in_state(relay, "one@two.test", "delivered")
        assert received(around["sender.test"]) == {}, "nobody was told of a failure"
        assert ledger(relay) == {"delivered": 1}
