"""The whole lab, seen by dnspython's resolver and by smtplib: each domain does what its name says."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import dns.asyncresolver
import dns.resolver
import pytest

from mailtui.errors import MailtuiError
from mailtui.lab.remote import RemoteServer, reserve
from mailtui.lab.world import SITES, Phase, World, phase_at, reserve_everywhere

CONTENT = b"Subject: Hello\r\n\r\ntext\r\n"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World(keep_bodies=True) as running:
        yield running


def resolver(world: World, lifetime: float = 5.0) -> dns.asyncresolver.Resolver:
    host, port = world.settings().nameservers[0].split(":")
    made = dns.asyncresolver.Resolver(configure=False)
    made.nameservers = [host]
    made.port = int(port)
    made.lifetime = lifetime
    return made


async def route(world: World, domain: str) -> tuple[str, int]:
    """Where mail for a domain goes, as a relay finds out."""
    (exchanger,) = await resolver(world).resolve(f"{domain}.", "MX")
    (address,) = await resolver(world).resolve(exchanger.exchange, "A")
    return address.to_text(), world.settings().port


async def deliver(world: World, recipient: str) -> int:
    """The code a message to that recipient ends with; OSError when the connection does not come about or breaks."""
    address = await route(world, recipient.partition("@")[2])

    def run() -> int:
        with smtplib.SMTP(*address, local_hostname="relay.shop.example", timeout=8) as client:
            try:
                client.sendmail("orders@shop.example", recipient, CONTENT)
            except smtplib.SMTPRecipientsRefused as refused:
                return int(next(iter(refused.recipients.values()))[0])
            except smtplib.SMTPResponseException as refused:
                return refused.smtp_code
            return 250

    return await asyncio.to_thread(run)


@pytest.mark.parametrize(
    ("recipient", "code"),
    [
        ("fern.wren1@bigmail.test", 250),
        ("fern.wren1@hosted.test", 250),
        ("fern.wren1@any.hosted.test", 250),
        ("fern.wren1@throttled.test", 250),
        ("fern.wren1@grey.test", 451),
        ("fern.wren1@unknown.test", 550),
        ("fern.wren9@unknown.test", 250),
        ("fern.wren1@blocked.test", 554),
        ("fern.wren2@full.test", 452),
        ("fern.wren1@full.test", 250),
        ("fern.wren1@tls.test", 250),
    ],
)
async def test_each_domain_does_what_its_name_says(world: World, recipient: str, code: int) -> None:
    assert await deliver(world, recipient) == code


async def test_dead_refuses(world: World) -> None:
    with pytest.raises(ConnectionRefusedError):
        await deliver(world, "x@dead.test")


async def test_throttled_throttles_after_a_while(world: World) -> None:
    codes = [await deliver(world, f"x{number}@throttled.test") for number in range(32)]
    assert codes == [250] * 30 + [421] * 2


async def test_flaky_drops_sometimes(world: World) -> None:
    async def once() -> bool:
        try:
            return await deliver(world, "x@flaky.test") == 250
        except smtplib.SMTPServerDisconnected:
            return False

    outcomes = [await once() for _ in range(20)]
    assert 0 < outcomes.count(False) < 20
    replies = [message.reply for message in world.remotes["flaky.test"].mailbox]
    assert [bool(reply) for reply in replies] == outcomes


async def test_slow_is_slow(world: World) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert await deliver(world, "x@slow.test") == 250
    assert loop.time() - begun >= 3.9


async def test_names_that_are_only_names(world: World) -> None:
    (null,) = await resolver(world).resolve("nullmx.test.", "MX")
    assert null.to_text() == "0 ."
    with pytest.raises(dns.resolver.NXDOMAIN):
        await resolver(world).resolve("nxdomain.test.", "MX")
    with pytest.raises(dns.resolver.NoNameservers):
        await resolver(world).resolve("servfail.test.", "MX")
    with pytest.raises(dns.resolver.LifetimeTimeout):
        await resolver(world, lifetime=0.2).resolve("timeout.test.", "MX")


async def test_hosts_have_addresses_of_their_own_that_lead_back(world: World) -> None:
    addresses = {(await route(world, domain))[0] for domain in SITES}
    assert len(addresses) == len(SITES)
    assert "127.0.0.1" not in addresses
    for domain in SITES:
        address, _ = await route(world, domain)
        (back,) = await resolver(world).resolve_address(address)
        assert back.to_text() == f"mx.{domain}."


async def test_certificates_verify_where_they_should(world: World) -> None:
    context = ssl.create_default_context(cafile=world.settings().ca_file)

    async def verified(domain: str) -> bool:
        address, port = await route(world, domain)

        def run() -> bool:
            with smtplib.SMTP(address, port, timeout=5) as client:
                client._host = f"mx.{domain}"  # type: ignore[attr-defined]  # the name smtplib verifies
                try:
                    client.starttls(context=context)
                except ssl.SSLCertVerificationError:
                    return False
                return True

        return await asyncio.to_thread(run)

    assert await verified("bigmail.test")
    assert not await verified("tls.test")


@pytest.mark.parametrize(
    ("seconds", "phase"),
    [
        (0, Phase.CALM),
        (14.9, Phase.CALM),
        (15, Phase.THROTTLED),
        (25, Phase.DEAD),
        (35, Phase.BLOCKED),
        (50, Phase.RECOVERY),
        (59.9, Phase.RECOVERY),
        (60, Phase.CALM),
        (3615, Phase.THROTTLED),
    ],
)
def test_phases(seconds: float, phase: Phase) -> None:
    assert phase_at(seconds) is phase


async def incidents(world: World) -> dict[str, bool]:
    """Which of the three providers fails now."""
    throttled = [await deliver(world, "x@throttled.test") for _ in range(4)][-1] == 421
    try:
        dead = await deliver(world, "x@dead.test") != 250
    except ConnectionRefusedError:
        dead = True
    return {"throttled": throttled, "dead": dead, "blocked": await deliver(world, "x@blocked.test") == 554}


async def test_the_incident_unfolds_and_begins_again(world: World) -> None:
    seen = []
    for seconds in (0.0, 15.0, 25.0, 35.0, 50.0, 60.0):
        await world.script(seconds)
        seen.append([name for name, failing in (await incidents(world)).items() if failing])
    assert seen == [[], ["throttled"], ["throttled", "dead"], ["throttled", "dead", "blocked"], [], []]


async def test_traffic_reaches_the_listener_it_names(world: World) -> None:
    host, port = world.settings().listener.split(":")
    async with RemoteServer(reserved=reserve(host, int(port), again=True)) as relay:
        tally = await world.traffic(rate=10_000.0).run(limit=50)
        assert tally.accepted == relay.records.total_received == 50
        domains = {address.partition("@")[2] for message in relay.mailbox for address in message.recipients}
        assert domains <= set(world.destinations)
        assert "bigmail.test" in domains


async def test_leaving_closes_everything() -> None:
    async with World() as world:
        await world.script(25.0)
        settings = world.settings()
        assert await deliver(world, "x@bigmail.test") == 250
    assert len(asyncio.all_tasks()) == 1
    assert not Path(settings.ca_file).parent.exists()
    for remote in world.remotes.values():
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*remote.address)
    for taken in reserve_everywhere([remote.address[0] for remote in world.remotes.values()]):
        taken.close()


async def test_two_worlds_at_once() -> None:
    async with World() as one, World() as two:
        assert one.settings().listener != two.settings().listener
        assert await deliver(one, "x@bigmail.test") == 250
        assert await deliver(two, "x@bigmail.test") == 250
        assert [world.remotes["bigmail.test"].records.total_received for world in (one, two)] == [1, 1]


def test_a_machine_without_the_addresses_is_told_so() -> None:
    with pytest.raises(MailtuiError, match=r"loopback address 203\.0\.113\.1"):
        reserve_everywhere(["203.0.113.1"])
