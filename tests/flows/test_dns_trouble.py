"""What DNS can say or not say about a destination: lasting facts bounce at once, trouble defers, and only that destination waits."""

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
    only,
    received,
    recipient,
    running_relay,
    settled,
    submit,
    told,
)  # fmt: skip

from mailtui.config import Endpoint, Listener
from mailtui.lab.zone import NORMAL, SERVFAIL, SILENT, Behaviour


async def test_null_mx_bounces_at_once(tmp_path: Path) -> None:
    async with net() as around, running_relay(tmp_path, around) as relay:
        around.zone.null_mx("null.test")
        around.zone.host("null.test", "127.0.0.11")  # never a fallback to the address (RFC 7505)

        await submit(relay, "one@null.test")

        assert "Status: 5.1.10" in await dsn(around)
        await settled(relay)
        assert told(relay, "one@null.test") == [("bounced", "null-mx")]
        assert ledger(relay) == {"bounced": 1, "delivered": 1}


async def test_no_such_domain_bounces_at_once(tmp_path: Path) -> None:
    async with net() as around, running_relay(tmp_path, around) as relay:
        await submit(relay, "one@nowhere.test", "two@nowhere.test")

        report = await dsn(around)
        await settled(relay)
        assert report.count("Status: 5.1.2") == 2
        assert told(relay, "two@nowhere.test") == [("bounced", "no-such-domain")]
        assert ledger(relay) == {"bounced": 2, "delivered": 1}


async def test_implicit_mx_is_the_domain_itself(tmp_path: Path) -> None:
    async with net(hosts=("plain.test",)) as around, running_relay(tmp_path, around) as relay:
        await submit(relay, "one@plain.test")

        row = await in_state(relay, "one@plain.test", "delivered")
        assert row["host"] == "plain.test"
        assert received(around["plain.test"]) == {"one": 1}
        assert ledger(relay) == {"delivered": 1}


@pytest.mark.parametrize("behaviour", [SERVFAIL, SILENT], ids=["servfail", "silent"])
async def test_trouble_defers_that_destination_alone(tmp_path: Path, behaviour: Behaviour) -> None:
    dns = {"timeout": 0.3}
    async with net("sick.test", "good.test") as around, running_relay(tmp_path, around, dns=dns) as relay:
        around.zone.behave("sick.test", behaviour)
        await submit(relay, "one@sick.test")
        await submit(relay, "two@good.test")

        await in_state(relay, "two@good.test", "delivered", timeout=2)
        (first, *_) = await attempted(relay, "one@sick.test")
        assert (first["stage"], first["class"], first["disposition"]) == ("dns", "dns", "deferred")

        around.zone.behave("sick.test", NORMAL)
        await in_state(relay, "one@sick.test", "delivered")
        assert recipient(relay, "one@sick.test")["lane_failures"] == 0
        assert received(around["sick.test"]) == {"one": 1}
        assert ledger(relay) == {"delivered": 2}


async def test_new_mail_does_not_lengthen_the_wait(tmp_path: Path) -> None:
    """Step n waits `retry.schedule[n]`: what is accepted meanwhile is no failure of its own."""
    async with (
        net("sick.test") as around,
        running_relay(tmp_path, around, retry={"schedule": (30.0, 60.0, 9999.0)}) as relay,
    ):
        around.zone.behave("sick.test", SERVFAIL)
        await submit(relay, "first@sick.test")
        await attempted(relay, "first@sick.test")

        later = [f"m{n}@sick.test" for n in range(4)]
        for address in later:
            await submit(relay, address)
        await submit(relay, "marker@sender.test")
        await in_state(relay, "marker@sender.test", "delivered")

        assert [attempts(relay, address) for address in later] == [[]] * 4
        row = recipient(relay, "first@sick.test")
        assert row["lane_failures"] == 1
        assert ledger(relay) == {"queued": 4, "deferred": 1, "delivered": 1}


async def test_the_rest_of_the_destination_follows_when_it_is_well_again(tmp_path: Path) -> None:
    async with net("sick.test") as around, running_relay(tmp_path, around) as relay:
        around.zone.behave("sick.test", SERVFAIL)
        for n in range(5):
            await submit(relay, f"m{n}@sick.test")
        await attempted(relay, "m0@sick.test")

        around.zone.behave("sick.test", NORMAL)
        await settled(relay)

        assert received(around["sick.test"]) == {f"m{n}": 1 for n in range(5)}
        assert ledger(relay) == {"delivered": 5}


async def test_an_mx_that_leads_back_to_us_is_a_loop(tmp_path: Path) -> None:
    async with net() as around:
        ours = {"listener": (Listener(bind=Endpoint("127.0.0.1", around.port)),)}  # the port MX hosts are dialled at
        async with running_relay(tmp_path, around, **ours) as relay:
            around.zone.host("me.loop.test", "127.0.0.1")
            around.zone.mx("loop.test", "me.loop.test")

            await submit(relay, "one@loop.test")

            row = await in_state(relay, "one@loop.test", "bounced")
            assert (row["class"], row["enhanced"]) == ("loop", "5.4.6")
            assert "Status: 5.4.6" in await dsn(around)
            await settled(relay)
            assert ledger(relay) == {"bounced": 1, "delivered": 1}


async def test_mx_without_an_address_defers(tmp_path: Path) -> None:
    async with net() as around, running_relay(tmp_path, around) as relay:
        around.zone.mx("half.test", "gone.half.test")
        around.zone.add("half.test", "TXT", '"x"')
        await submit(relay, "one@half.test")

        (first, *_) = await attempted(relay, "one@half.test")
        assert (first["disposition"], first["class"]) == ("deferred", "dns")

        around.zone.host("gone.half.test", "127.0.0.11")
        assert received(around["sender.test"]) == {}
        assert ledger(relay).keys() <= {"deferred", "sending"}


async def test_a_wider_zone_is_no_obstacle(tmp_path: Path) -> None:
    """CNAME to a domain with an MX: the address keeps its domain, the route follows the alias."""
    async with net("real.test") as around, running_relay(tmp_path, around) as relay:
        around.zone.add("alias.test", "CNAME", "real.test.")
        await submit(relay, "one@alias.test")

        await in_state(relay, "one@alias.test", "delivered")
        assert only(around["real.test"]).recipients == ("one@alias.test",)
        assert ledger(relay) == {"delivered": 1}
