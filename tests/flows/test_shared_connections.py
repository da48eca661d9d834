"""Connections are shared where that is right and not where it is wrong: by site and route, for so many messages, never across TLS."""

from __future__ import annotations

from pathlib import Path

from tests.kit.relays import attempts, in_state, ledger, net, received, running_relay, said, settled, submit

from mailtui.config import Route
from mailtui.lab.personality import Tls, with_tls


async def test_destinations_of_one_site_share_a_connection(tmp_path: Path) -> None:
    async with net("big.test") as around, running_relay(tmp_path, around) as relay:
        for domain in ("a.hosted.test", "b.hosted.test"):
            around.zone.mx(domain, "mx.big.test")
        for address in ("one@big.test", "two@a.hosted.test", "three@b.hosted.test"):
            await submit(relay, address)
            await in_state(relay, address, "delivered")

        assert len(around["big.test"].connections) == 1
        assert received(around["big.test"]) == {"one": 1, "two": 1, "three": 1}
        assert ledger(relay) == {"delivered": 3}


async def test_a_connection_is_left_after_so_many_messages(tmp_path: Path) -> None:
    async with net("big.test") as around, running_relay(tmp_path, around, delivery={"per_connection": 2}) as relay:
        for n in range(5):
            await submit(relay, f"m{n}@big.test")
            await in_state(relay, f"m{n}@big.test", "delivered")

        assert [connection.messages for connection in around["big.test"].connections] == [2, 2, 1]
        assert len(said(around["big.test"], "QUIT")) == 2
        assert ledger(relay) == {"delivered": 5}


async def test_mail_that_must_be_verified_never_takes_a_connection_that_is_not(tmp_path: Path) -> None:
    rules = (Route(match="*", sender="vip@*", tls="verified"), Route(match="*", sender="plain@*", tls="off"))
    async with net("big.test") as around, running_relay(tmp_path, around, route=rules) as relay:
        remote = around.behave("big.test", with_tls(Tls.SELF_SIGNED))
        await submit(relay, "clear@big.test", sender="plain@sender.test")
        await in_state(relay, "clear@big.test", "delivered")
        await submit(relay, "open@big.test", sender="app@sender.test")
        await in_state(relay, "open@big.test", "delivered")
        await submit(relay, "secret@big.test", sender="vip@sender.test")
        await in_state(relay, "secret@big.test", "deferred")

        assert {item.test_id: item.tls for item in remote.mailbox} == {"clear": "", "open": "TLSv1.3"}
        assert attempts(relay, "secret@big.test")[0]["class"] == "tls"
        assert ledger(relay).keys() <= {"delivered", "deferred", "sending"}


async def test_leaving_is_polite(tmp_path: Path) -> None:
    async with net("big.test") as around:
        async with running_relay(tmp_path, around) as relay:
            await submit(relay, "one@big.test")
            await settled(relay)
        assert said(around["big.test"], "QUIT") == ["QUIT"]
        assert ledger(relay) == {"delivered": 1}
