"""RFC 5321 section 5.1 and RFC 7505 against a real name server on loopback: where mail for a domain goes."""

from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.delivery.dns import MAX_ADDRESSES, MAX_ADDRESSES_PER_HOST, Host, MxAnswer, Resolver, site_key
from mailtui.delivery.problems import LookupFailed, LoopsToSelf, NoSuchDomain, NoUsableHost, NullMX
from mailtui.lab.dns import DnsServer
from mailtui.lab.zone import REFUSED, SERVFAIL, SILENT

MakeResolver = Callable[..., Resolver]


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer() as running:
        yield running


@pytest.fixture
async def make(server: DnsServer) -> AsyncIterator[MakeResolver]:
    made: list[Resolver] = []

    def build(**options: object) -> Resolver:
        made.append(Resolver([server.address], **{"timeout": 2.0, "rng": random.Random(7)} | options))  # type: ignore[arg-type]
        return made[-1]

    yield build
    for resolver in made:
        await resolver.aclose()


@pytest.fixture
def resolver(make: MakeResolver) -> Resolver:
    return make()


async def test_mx_hosts_come_by_preference_with_both_families(server: DnsServer, resolver: Resolver) -> None:
    server.zone.add("a.test", "MX", "20 b.mx.test.", "10 a.mx.test.")
    server.zone.add("a.mx.test", "A", "192.0.2.1", "192.0.2.2")
    server.zone.add("a.mx.test", "AAAA", "2001:db8::1")
    server.zone.add("b.mx.test", "A", "192.0.2.3")
    assert await resolver.mx("a.test") == MxAnswer(((10, "a.mx.test"), (20, "b.mx.test")))
    assert await resolver.hosts("a.test") == (
        Host("a.mx.test", 10, ("2001:db8::1", "192.0.2.1", "192.0.2.2")),
        Host("b.mx.test", 20, ("192.0.2.3",)),
    )


async def test_equal_preferences_are_shuffled_and_unequal_ones_never(server: DnsServer, resolver: Resolver) -> None:
    server.zone.add("a.test", "MX", "10 a.mx.test.", "10 b.mx.test.", "10 c.mx.test.", "20 d.mx.test.")
    for place, name in enumerate("abcd", 1):
        server.zone.add(f"{name}.mx.test", "A", f"192.0.2.{place}")
    orders = {tuple(host.name[0] for host in await resolver.hosts("a.test")) for _ in range(100)}
    assert len(orders) == 6
    assert {order[3] for order in orders} == {"d"}


async def test_domain_without_mx_is_its_own_host(server: DnsServer, resolver: Resolver) -> None:
    server.zone.add("a.test", "A", "192.0.2.1")
    assert await resolver.mx("a.test") == MxAnswer(())
    assert await resolver.hosts("a.test") == (Host("a.test", 0, ("192.0.2.1",)),)
    assert await resolver.site("a.test") == "a.test"


async def test_address_of_the_domain_is_no_fallback_for_dead_mx_hosts(server: DnsServer, resolver: Resolver) -> None:
    server.zone.mx("a.test", "gone.test")
    server.zone.add("a.test", "A", "192.0.2.1")
    with pytest.raises(NoUsableHost, match=r"gone\.test"):
        await resolver.hosts("a.test")


async def test_address_of_the_domain_is_no_fallback_for_a_failed_mx_query(
    server: DnsServer, resolver: Resolver
) -> None:
    server.zone.add("a.test", "A", "192.0.2.1")
    server.zone.behave("a.test", SERVFAIL, "MX")
    with pytest.raises(LookupFailed, match="SERVFAIL"):
        await resolver.hosts("a.test")


async def test_domain_with_neither_mx_nor_address_has_no_host(server: DnsServer, resolver: Resolver) -> None:
    server.zone.txt("a.test", "nothing to see")
    with pytest.raises(NoUsableHost):
        await resolver.hosts("a.test")


@pytest.mark.parametrize("name", ["missing.test", "a..test", "-" * 64 + ".test", "a b.test", "é.test", "a.test.", ""])
async def test_what_does_not_exist_or_is_no_name(resolver: Resolver, name: str) -> None:
    with pytest.raises(NoSuchDomain) as caught:
        await resolver.hosts(name)
    assert caught.value.domain == name


async def test_null_mx_is_refused_even_with_an_address(server: DnsServer, resolver: Resolver) -> None:
    server.zone.null_mx("a.test")
    server.zone.add("a.test", "A", "192.0.2.1")
    with pytest.raises(NullMX):
        await resolver.hosts("a.test")


async def test_null_mx_beside_a_real_one_is_ignored(server: DnsServer, resolver: Resolver) -> None:
    server.zone.add("a.test", "MX", "0 .", "10 mx.test.")
    server.zone.add("mx.test", "A", "192.0.2.1")
    assert await resolver.hosts("a.test") == (Host("mx.test", 10, ("192.0.2.1",)),)


async def test_mx_host_that_is_an_alias_is_followed(server: DnsServer, resolver: Resolver) -> None:
    server.zone.mx("a.test", "alias.test")
    server.zone.add("alias.test", "CNAME", "real.test.")
    server.zone.add("real.test", "A", "192.0.2.1")
    assert await resolver.hosts("a.test") == (Host("alias.test", 10, ("192.0.2.1",)),)


async def test_mx_that_names_an_address_is_not_a_host(server: DnsServer, resolver: Resolver) -> None:
    server.zone.mx("a.test", "192.0.2.1")
    with pytest.raises(NoUsableHost, match=r"192\.0\.2\.1"):
        await resolver.hosts("a.test")
    assert [query.name for query in server.queries] == ["a.test"]


@pytest.mark.parametrize(("broken", "answering"), [("A", "AAAA"), ("AAAA", "A")])
async def test_one_family_failing_is_survived(
    server: DnsServer, resolver: Resolver, broken: str, answering: str
) -> None:
    address = {"A": "192.0.2.1", "AAAA": "2001:db8::1"}[answering]
    server.zone.add("mx.test", answering, address)
    server.zone.behave("mx.test", SERVFAIL, broken)
    assert await resolver.addresses("mx.test") == (address,)


async def test_one_family_failing_and_the_other_empty_is_temporary(server: DnsServer, resolver: Resolver) -> None:
    server.zone.txt("mx.test", "exists")
    server.zone.behave("mx.test", REFUSED, "AAAA")
    with pytest.raises(LookupFailed, match="REFUSED"):
        await resolver.addresses("mx.test")


async def test_name_that_does_not_exist_in_one_family_has_no_address(server: DnsServer, resolver: Resolver) -> None:
    server.zone.behave("mx.test", SERVFAIL, "AAAA")
    assert await resolver.addresses("mx.test") == ()


async def test_both_families_failing_is_temporary_for_the_domain(server: DnsServer, resolver: Resolver) -> None:
    server.zone.mx("a.test", "mx.test", "gone.test")
    server.zone.behave("mx.test", SERVFAIL)
    with pytest.raises(LookupFailed) as caught:
        await resolver.hosts("a.test")
    assert caught.value.domain == "a.test"
    assert caught.value.detail == "mx.test: SERVFAIL"


async def test_host_that_cannot_be_resolved_is_passed_over(server: DnsServer, make: MakeResolver) -> None:
    resolver = make(timeout=0.3)
    server.zone.mx("a.test", "slow.test", "mx.test")
    server.zone.behave("slow.test", SILENT)
    server.zone.add("mx.test", "A", "192.0.2.1")
    assert await resolver.hosts("a.test") == (Host("mx.test", 20, ("192.0.2.1",)),)


async def test_without_ipv6_nobody_asks_for_it(server: DnsServer, make: MakeResolver) -> None:
    resolver = make(ipv6=False)
    server.zone.mx("a.test", "mx.test")
    server.zone.add("mx.test", "A", "192.0.2.1")
    server.zone.add("mx.test", "AAAA", "2001:db8::1")
    assert await resolver.hosts("a.test") == (Host("mx.test", 10, ("192.0.2.1",)),)
    assert "AAAA" not in {query.type for query in server.queries}
    with pytest.raises(NoUsableHost):
        await resolver.hosts("[IPv6:2001:db8::1]")


async def test_fifty_mx_hosts_cost_ten_addresses(server: DnsServer, resolver: Resolver) -> None:
    server.zone.mx("a.test", *(f"mx{place}.test" for place in range(50)))
    for place in range(50):
        server.zone.add(f"mx{place}.test", "A", f"192.0.2.{place + 1}")
    hosts = await resolver.hosts("a.test")
    assert [host.name for host in hosts] == [f"mx{place}.test" for place in range(MAX_ADDRESSES)]
    assert server.asked <= 1 + 1 + 2 * MAX_ADDRESSES  # MX over UDP and TCP, two families each


async def test_addresses_of_a_domain_are_bounded(server: DnsServer, resolver: Resolver) -> None:
    server.zone.mx("a.test", "mx1.test", "mx2.test", "mx3.test")
    server.zone.add("mx1.test", "A", *(f"192.0.2.{place}" for place in range(1, 5)))
    server.zone.add("mx2.test", "A", *(f"192.0.2.{place}" for place in range(11, 15)))
    server.zone.add("mx3.test", "A", *(f"192.0.2.{place}" for place in range(21, 25)))
    assert [len(host.addresses) for host in await resolver.hosts("a.test")] == [4, 4, 2]


async def test_host_with_many_addresses_keeps_both_families(server: DnsServer, resolver: Resolver) -> None:
    server.zone.add("mx.test", "A", *(f"192.0.2.{place}" for place in range(1, 30)))
    server.zone.add("mx.test", "AAAA", *(f"2001:db8::{place}" for place in range(1, 30)))
    addresses = await resolver.addresses("mx.test")
    assert len(addresses) == MAX_ADDRESSES_PER_HOST
    assert {":" in address for address in addresses} == {True, False}


async def test_addresses_nobody_can_be_dialled_at_are_dropped(server: DnsServer, resolver: Resolver) -> None:
    server.zone.add("mx.test", "A", "0.0.0.0", "224.0.0.1", "192.0.2.1")
    server.zone.mx("a.test", "mx.test")
    assert await resolver.hosts("a.test") == (Host("mx.test", 10, ("192.0.2.1",)),)


async def test_own_name_ends_the_list(server: DnsServer, make: MakeResolver) -> None:
    resolver = make(own_names={"Us.test."})
    server.zone.add("a.test", "MX", "5 best.test.", "10 us.test.", "10 equal.test.", "20 worse.test.")
    for name in ("best.test", "us.test", "equal.test", "worse.test"):
        server.zone.add(name, "A", "192.0.2.1")
    assert [host.name for host in await resolver.hosts("a.test")] == ["best.test"]


async def test_own_name_at_the_top_is_a_loop(server: DnsServer, make: MakeResolver) -> None:
    resolver = make(own_names={"us.test"})
    server.zone.mx("a.test", "us.test", "worse.test")
    server.zone.add("worse.test", "A", "192.0.2.1")
    with pytest.raises(LoopsToSelf) as caught:
        await resolver.hosts("a.test")
    assert caught.value.detail == "us.test"


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0", "::"])
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
async def test_own_listener_is_a_loop_at_its_port_only(
    server: DnsServer, make: MakeResolver, bound: str, address: str
) -> None:
    resolver = make(own_listeners=lambda: {(bound, 2525)}, port=2525)
    server.zone.mx("a.test", "mx.test")
    server.zone.add("mx.test", "A", address)
    with pytest.raises(LoopsToSelf):
        await resolver.hosts("a.test")
    if address == "127.0.0.1":
        assert await resolver.hosts("a.test", 25) == (Host("mx.test", 10, ("127.0.0.1",)),)


async def test_own_listener_ends_the_list(server: DnsServer, make: MakeResolver) -> None:
    resolver = make(own_listeners=lambda: [("127.0.0.5", 25)])
    server.zone.mx("a.test", "first.test", "second.test", "third.test")
    for place, name in enumerate(("first.test", "second.test", "third.test"), 4):
        server.zone.add(name, "A", f"127.0.0.{place}")
    assert [host.name for host in await resolver.hosts("a.test")] == ["first.test"]


async def test_other_loopback_servers_and_other_machines_are_not_ourselves(
    server: DnsServer, make: MakeResolver
) -> None:
    resolver = make(own_listeners=lambda: [("127.0.0.1", 25), ("0.0.0.0", 587)])
    server.zone.mx("lab.test", "mx.lab.test")
    server.zone.add("mx.lab.test", "A", "127.0.0.2")
    server.zone.mx("far.test", "mx.far.test")
    server.zone.add("mx.far.test", "A", "192.0.2.1")
    assert (await resolver.hosts("lab.test"))[0].addresses == ("127.0.0.2",)
    assert (await resolver.hosts("far.test", 587))[0].addresses == ("192.0.2.1",)


async def test_address_literals_are_dialled_as_they_are(server: DnsServer, resolver: Resolver) -> None:
    assert await resolver.hosts("[192.0.2.1]") == (Host("[192.0.2.1]", 0, ("192.0.2.1",)),)
    assert await resolver.hosts("[IPv6:2001:db8::1]") == (Host("[IPv6:2001:db8::1]", 0, ("2001:db8::1",)),)
    assert await resolver.site("[IPv6:2001:0db8::1]") == "[2001:db8::1]"
    assert server.asked == 0


@pytest.mark.parametrize(
    "literal", ["[", "[]", "[192.0.2.1", "[192.0.2.999]", "[2001:db8::1]", "[IPv6:192.0.2.1]", "[IPv6:fe80::1%lo]"]
)
async def test_malformed_literals_are_no_domain(resolver: Resolver, literal: str) -> None:
    with pytest.raises(NoSuchDomain, match="not an address literal"):
        await resolver.hosts(literal)


@pytest.mark.parametrize("literal", ["[127.0.0.1]", "[IPv6:::ffff:127.0.0.1]", "[0.0.0.0]"])
async def test_literal_of_our_listener_is_a_loop(make: MakeResolver, literal: str) -> None:
    with pytest.raises(LoopsToSelf):
        await make(own_listeners=lambda: [("127.0.0.1", 25)]).hosts(literal)


async def test_smarthost_has_no_mx(server: DnsServer, make: MakeResolver) -> None:
    resolver = make(own_listeners=lambda: [("127.0.0.1", 2525)])
    server.zone.mx("smart.test", "elsewhere.test")
    server.zone.add("smart.test", "A", "192.0.2.1")
    assert await resolver.smarthost("smart.test", 587) == (Host("smart.test", 0, ("192.0.2.1",)),)
    assert await resolver.smarthost("192.0.2.9", 587) == (Host("192.0.2.9", 0, ("192.0.2.9",)),)
    assert (await resolver.smarthost("localhost", 25))[0].addresses == ("::1", "127.0.0.1")
    with pytest.raises(LoopsToSelf):
        await resolver.smarthost("localhost", 2525)
    with pytest.raises(NoUsableHost):
        await resolver.smarthost("missing.test", 587)
    server.zone.behave("smart.test", SERVFAIL)
    resolver.flush()
    with pytest.raises(LookupFailed):
        await resolver.smarthost("smart.test", 587)


async def test_destinations_with_the_same_mx_set_share_a_site(server: DnsServer, resolver: Resolver) -> None:
    server.zone.add("a.test", "MX", "10 mx1.big.test.", "20 mx2.big.test.")
    server.zone.add("b.test", "MX", "50 mx2.big.test.", "50 mx1.big.test.")
    server.zone.add("c.test", "MX", "10 mx1.big.test.")
    site = await resolver.site("a.test")
    assert site.startswith("big.test+2~")
    assert await resolver.site("b.test") == site
    assert await resolver.site("c.test") == "mx1.big.test"


async def test_changed_mx_set_is_heard_after_a_flush(server: DnsServer, make: MakeResolver) -> None:
    heard: list[object] = []
    resolver = make(on_change=lambda *change: heard.append(change))
    server.zone.mx("a.test", "old.test")
    server.zone.add("old.test", "A", "192.0.2.1")
    server.zone.add("new.test", "A", "192.0.2.2")
    await resolver.hosts("a.test")
    server.zone.remove("a.test")
    server.zone.mx("a.test", "new.test")
    assert (await resolver.hosts("a.test"))[0].name == "old.test"
    assert resolver.flush("A.test") == 3  # MX, and both families of its host
    assert (await resolver.hosts("a.test"))[0].name == "new.test"
    assert heard == [("a.test", ((10, "old.test"),), ((10, "new.test"),))]


def test_site_key_of_unrelated_hosts_names_the_first() -> None:
    assert site_key(["mx.b.example", "mx.a.test"]).startswith("mx.a.test+2~")


async def test_site_of_another_cannot_be_claimed_by_a_strange_host_name(server: DnsServer, resolver: Resolver) -> None:
    server.zone.add("a.test", "MX", "10 mx1.big.test.", "20 mx2.big.test.")
    site = await resolver.site("a.test")
    server.zone.add("evil.test", "MX", f"10 {site}.")
    assert (await resolver.mx("evil.test")).hosts == ((10, site),)
    assert await resolver.site("evil.test") != site
    with pytest.raises(NoUsableHost):
        await resolver.hosts("evil.test")


names = st.lists(st.from_regex(r"[a-z]{1,3}\.[a-z]{1,3}\.[a-z]{2}", fullmatch=True), min_size=1, max_size=6)


@given(names, names, st.randoms())
def test_site_key_depends_on_the_set_alone(first: list[str], second: list[str], rng: random.Random) -> None:
    shuffled = first + first[:1]
    rng.shuffle(shuffled)
    assert site_key(shuffled) == site_key(first)
    assert (site_key(first) == site_key(second)) is (set(first) == set(second))


def test_the_loopback_network_is_local_here() -> None:
    """What the wildcard test rests on: binding tells a local address from a remote one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, pytest.raises(OSError, match="assign"):
        probe.bind(("192.0.2.1", 0))
