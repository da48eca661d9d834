"""Delivery by MX with real DNS: the relay asks unbound, which asks knot."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

import pytest
from tests.kit import nameservers
from tests.kit.background import Background
from tests.kit.mail import message
from tests.kit.nameservers import NameServers
from tests.kit.processes import wait_until
from tests.kit.relay import Relay

from mailtui.lab.remote import RemoteServer, reserve

pytestmark = [pytest.mark.peers, pytest.mark.skipif(bool(nameservers.missing()), reason=nameservers.missing())]

FIRST, SECOND = "127.0.0.11", "127.0.0.12"
MANY = [f"many MX {number} nowhere{number}" for number in range(1, 40)]
RECORDS = (
    "shop MX 10 mx.shop",
    "mx.shop A 127.0.0.11",
    "two MX 10 mx.shop",
    "two MX 20 mx2.shop",
    "mx2.shop A 127.0.0.12",
    "down MX 10 mx.down",
    "down MX 20 mx2.shop",
    "mx.down A 127.0.0.13",
    "bare A 127.0.0.11",
    "alias CNAME shop",
    "null MX 0 .",
    "nothing TXT unused",
    "self MX 10 ns",
    "lost MX 10 no-such-host",
    "xn--bcher-kva MX 10 mx.shop",
    *MANY,
)


@pytest.fixture(scope="module")
def dns() -> Iterator[NameServers]:
    with NameServers(*RECORDS) as servers:
        yield servers


@pytest.fixture
def hosts(background: Background) -> tuple[RemoteServer, RemoteServer]:
    """The mail hosts at both addresses, on one port: delivery by MX knows only one."""
    first = background.enter(RemoteServer(reserved=reserve(FIRST)))
    second = background.enter(RemoteServer(reserved=reserve(SECOND, first.address[1])))
    return first, second


@pytest.fixture
def relay(dns: NameServers, hosts: tuple[RemoteServer, RemoteServer]) -> Iterator[Relay]:
    port = hosts[0].address[1]  # of the relay too, so that an MX with its address is the relay itself
    with Relay({"dns": {"nameservers": [dns.address]}, "delivery": {"port": port}}, port=port) as relay:
        yield relay


def send(relay: Relay, *recipients: str) -> None:
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=30) as client:
        options = () if all(map(str.isascii, recipients)) else ("SMTPUTF8",)
        client.sendmail("app@shop.test", recipients, message("by MX"), mail_options=options)


def deferred(relay: Relay) -> str:
    """What the one deferral says, once there is one."""
    wait_until(lambda: relay.status()["queue"]["deferred"] == 1, "the deferral", 30)
    return relay.cli("queue", "list", "--json").stdout


@pytest.mark.parametrize("domain", ["shop.test", "bare.test", "alias.test", "SHOP.Test", "bücher.test"])
def test_mail_finds_its_host(relay: Relay, hosts: tuple[RemoteServer, RemoteServer], domain: str) -> None:
    send(relay, f"user@{domain}")
    wait_until(lambda: hosts[0].mailbox, f"mail for {domain}")
    relay.wait_until_empty()
    assert relay.totals()["delivered"] == 1


def test_the_preferred_host_gets_everything(relay: Relay, hosts: tuple[RemoteServer, RemoteServer]) -> None:
    for number in range(10):
        send(relay, f"user{number}@two.test")
    relay.wait_until_empty()
    assert (len(hosts[0].mailbox), len(hosts[1].mailbox)) == (10, 0)


@pytest.mark.parametrize("domain", ["down.test", "two.test"])
def test_the_next_host_serves_when_the_first_is_down(
    relay: Relay, hosts: tuple[RemoteServer, RemoteServer], background: Background, domain: str
) -> None:
    background.run(hosts[0].down())
    send(relay, f"user@{domain}")
    wait_until(lambda: hosts[1].mailbox, "mail at the second host")
    relay.wait_until_empty()
    assert relay.totals()["delivered"] == 1


@pytest.mark.parametrize(
    ("domain", "enhanced"), [("null.test", b"5.1.10"), ("no-such.test", b"5.1.2"), ("self.test", b"5.4.6")]
)
def test_what_can_never_be_delivered_comes_back(
    relay: Relay, hosts: tuple[RemoteServer, RemoteServer], domain: str, enhanced: bytes
) -> None:
    send(relay, f"user@{domain}")
    wait_until(lambda: hosts[0].mailbox, "the DSN")
    relay.wait_until_empty()
    assert relay.totals()["bounced"] == 1
    (dsn,) = hosts[0].mailbox
    assert (dsn.sender, dsn.recipients) == ("", ("app@shop.test",))
    assert b"Status: " + enhanced in dsn.content


@pytest.mark.parametrize("domain", ["mail.broken", "many.test"])
def test_what_may_be_better_later_waits(relay: Relay, domain: str) -> None:
    send(relay, f"user@{domain}")
    assert f'"destination":"{domain}"' in deferred(relay).replace(": ", ":")


def test_a_broken_domain_holds_up_nobody(relay: Relay, hosts: tuple[RemoteServer, RemoteServer]) -> None:
    send(relay, *(f"user@sub{number}.broken" for number in range(50)), "user@shop.test")
    wait_until(lambda: hosts[0].mailbox, "mail for the good domain", 5)
    assert hosts[0].mailbox[0].recipients == ("user@shop.test",)
