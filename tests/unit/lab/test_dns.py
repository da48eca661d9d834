"""The name server as dnspython's own resolver and raw datagrams see it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.lab.dns import DnsServer, _build
from mailtui.lab.zone import (
    AUTHENTIC,
    JUNK_FIRST,
    NODATA,
    NORMAL,
    REFUSED,
    SERVFAIL,
    SILENT,
    TRUNCATED,
    WRONG_ID,
    Behaviour,
    Record,
    Zone,
    slow,
)


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer() as running:
        running.zone.mx("a.test", "mx1.a.test", "mx2.a.test")
        running.zone.host("mx1.a.test", "127.0.0.2", "::1")
        yield running


def resolver(server: DnsServer, lifetime: float = 5.0) -> dns.asyncresolver.Resolver:
    made = dns.asyncresolver.Resolver(configure=False)
    made.nameservers = [server.address[0]]
    made.port = server.address[1]
    made.lifetime = lifetime
    return made


async def values(server: DnsServer, name: str, type_: str) -> list[str]:
    answer = await resolver(server).resolve(f"{name}.", type_)
    return sorted(item.to_text() for item in answer)


async def over_udp(server: DnsServer, query: bytes, wanted: int = 1) -> list[bytes]:
    """The next datagrams after a query, sent raw."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
        raw.setblocking(False)
        raw.connect(server.address)
        async with asyncio.timeout(5):
            await loop.sock_sendall(raw, query)
            return [await loop.sock_recv(raw, 4096) for _ in range(wanted)]


async def test_answers_each_type_of_record(server: DnsServer) -> None:
    server.zone.txt("a.test", 'v=spf1 -all; "quoted" \\ ' + "x" * 300)
    assert await values(server, "a.test", "MX") == ["10 mx1.a.test.", "20 mx2.a.test."]
    assert await values(server, "mx1.a.test", "A") == ["127.0.0.2"]
    assert await values(server, "mx1.a.test", "AAAA") == ["::1"]
    assert await values(server, "2.0.0.127.in-addr.arpa", "PTR") == ["mx1.a.test."]
    (record,) = await resolver(server).resolve("a.test.", "TXT")
    assert b"".join(record.strings).decode() == 'v=spf1 -all; "quoted" \\ ' + "x" * 300


async def test_names_are_compared_without_case(server: DnsServer) -> None:
    assert await values(server, "MX1.A.Test", "A") == ["127.0.0.2"]
    assert server.queries[-1].name == "mx1.a.test"


async def test_unknown_name_does_not_exist(server: DnsServer) -> None:
    with pytest.raises(dns.resolver.NXDOMAIN):
        await values(server, "nobody.test", "MX")


async def test_known_name_without_the_type_is_nodata(server: DnsServer) -> None:
    with pytest.raises(dns.resolver.NoAnswer):
        await values(server, "mx1.a.test", "MX")


async def test_empty_non_terminal_exists(server: DnsServer) -> None:
    server.zone.add("x.y.b.test", "A", "127.0.0.9")
    with pytest.raises(dns.resolver.NoAnswer):
        await values(server, "y.b.test", "A")


async def test_null_mx(server: DnsServer) -> None:
    server.zone.null_mx("none.test")
    assert await values(server, "none.test", "MX") == ["0 ."]


async def test_cname_is_followed(server: DnsServer) -> None:
    server.zone.add("alias.test", "CNAME", "a.test")
    answer = await resolver(server).resolve("alias.test.", "MX")
    assert answer.canonical_name.to_text() == "a.test."
    assert len(answer) == 2


async def test_cname_loop_is_a_failure(server: DnsServer) -> None:
    server.zone.add("one.test", "CNAME", "two.test")
    server.zone.add("two.test", "CNAME", "one.test")
    with pytest.raises(dns.resolver.NoNameservers):
        await values(server, "one.test", "MX")


async def test_wildcard_serves_ten_thousand_destinations(server: DnsServer) -> None:
    server.zone.mx("*.example", "mx.big.example")
    server.zone.host("mx.big.example", "127.0.0.3")
    assert await values(server, "d9999.example", "MX") == ["10 mx.big.example."]
    with pytest.raises(
        dns.resolver.NXDOMAIN
    ):  # big.example exists, so the wildcard does not reach below it (RFC 4592 3.3)
        await values(server, "other.big.example", "MX")


@pytest.mark.parametrize("behaviour", [SERVFAIL, REFUSED])
async def test_refusing_codes(server: DnsServer, behaviour: Behaviour) -> None:
    server.zone.behave("a.test", behaviour)
    with pytest.raises(dns.resolver.NoNameservers, match=behaviour.rcode):
        await values(server, "a.test", "MX")
    server.zone.behave("a.test", NORMAL)
    assert len(await values(server, "a.test", "MX")) == 2


async def test_behaviour_of_one_type_only(server: DnsServer) -> None:
    server.zone.behave("mx1.a.test", NODATA, "AAAA")
    assert await values(server, "mx1.a.test", "A") == ["127.0.0.2"]
    with pytest.raises(dns.resolver.NoAnswer):
        await values(server, "mx1.a.test", "AAAA")


async def test_silence(server: DnsServer) -> None:
    server.zone.behave("a.test", SILENT)
    with pytest.raises(dns.resolver.LifetimeTimeout):
        await resolver(server, lifetime=0.2).resolve("a.test.", "MX")
    assert server.asked >= 1


async def test_slow_answer_comes_after_its_delay(server: DnsServer) -> None:
    server.zone.behave("a.test", slow(0.1))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert len(await values(server, "a.test", "MX")) == 2
    assert loop.time() - begun >= 0.09


async def test_truncated_over_udp_answers_over_tcp(server: DnsServer) -> None:
    server.zone.behave("a.test", TRUNCATED)
    assert len(await values(server, "a.test", "MX")) == 2
    assert [query.transport for query in server.queries] == ["udp", "tcp"]


async def test_what_does_not_fit_is_truncated(server: DnsServer) -> None:
    server.zone.mx("many.test", *(f"mx{n}.some-long-label.many.test" for n in range(50)))
    assert len(await values(server, "many.test", "MX")) == 50
    assert [query.transport for query in server.queries] == ["udp", "tcp"]


async def test_junk_comes_first(server: DnsServer) -> None:
    server.zone.behave("a.test", JUNK_FIRST)
    query = dns.message.make_query("a.test.", "MX")
    junk, answer = await over_udp(server, query.to_wire(), wanted=2)
    with pytest.raises(dns.exception.DNSException):
        dns.message.from_wire(junk)
    assert dns.message.from_wire(answer).id == query.id
    assert len(await values(server, "a.test", "MX")) == 2


async def test_wrong_id(server: DnsServer) -> None:
    server.zone.behave("a.test", WRONG_ID)
    query = dns.message.make_query("a.test.", "MX")
    (answer,) = await over_udp(server, query.to_wire())
    assert dns.message.from_wire(answer).id != query.id
    with pytest.raises(dns.resolver.LifetimeTimeout):
        await resolver(server, lifetime=0.2).resolve("a.test.", "MX")


async def test_authentic_data_flag(server: DnsServer) -> None:
    server.zone.behave("a.test", AUTHENTIC)
    answer = await resolver(server).resolve("a.test.", "MX")
    assert answer.response.flags & dns.flags.AD
    plain = await resolver(server).resolve("mx1.a.test.", "A")
    assert not plain.response.flags & dns.flags.AD


async def test_time_to_live_and_changes_at_run_time(server: DnsServer) -> None:
    server.zone.add("a.test", "A", "127.0.0.7", ttl=1)
    answer = await resolver(server).resolve("a.test.", "A")
    assert answer.rrset is not None
    assert answer.rrset.ttl == 1
    server.zone.remove("a.test", "A")
    server.zone.add("a.test", "A", "127.0.0.8", ttl=0)
    assert await values(server, "a.test", "A") == ["127.0.0.8"]
    server.zone.remove("mx1.a.test")
    with pytest.raises(dns.resolver.NXDOMAIN):
        await values(server, "mx1.a.test", "A")


async def test_malformed_record_is_a_failure_and_not_a_crash(server: DnsServer) -> None:
    server.zone.add("bad.test", "A", "not an address")
    with pytest.raises(dns.resolver.NoNameservers, match="SERVFAIL"):
        await values(server, "bad.test", "A")


async def test_hostile_datagrams_are_ignored(server: DnsServer) -> None:
    query = dns.message.make_query("a.test.", "MX")
    response = dns.message.make_response(query)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
        raw.setblocking(False)
        raw.connect(server.address)
        for hostile in (b"", b"x", b"\xff" * 900, query.to_wire()[:-1], response.to_wire(), b"\0" * 2000):
            await loop.sock_sendall(raw, hostile)
        async with asyncio.timeout(5):
            await loop.sock_sendall(raw, query.to_wire())
            answer = dns.message.from_wire(await loop.sock_recv(raw, 4096))
    assert (answer.id, answer.rcode()) == (query.id, dns.rcode.NOERROR)
    assert server.asked == 1


async def test_tcp_carries_several_queries_and_closes_on_nonsense(server: DnsServer) -> None:
    reader, writer = await asyncio.open_connection(*server.address)
    wire = dns.message.make_query("a.test.", "MX").to_wire()
    framed = len(wire).to_bytes(2) + wire
    writer.write(framed + framed[:5])
    await writer.drain()
    writer.write(framed[5:] + b"\xff\xff")
    async with asyncio.timeout(5):
        for _ in range(2):
            size = int.from_bytes(await reader.readexactly(2))
            assert len(dns.message.from_wire(await reader.readexactly(size)).answer[0]) == 2
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(2)
    writer.close()
    await writer.wait_closed()


async def test_queries_are_bounded_and_counted() -> None:
    async with DnsServer(keep=3) as server:
        server.zone.mx("*.example", "mx.example")
        for number in range(5):
            await values(server, f"d{number}.example", "MX")
        assert [query.name for query in server.queries] == ["d2.example", "d3.example", "d4.example"]
        assert server.asked == 5


async def test_closing_frees_the_port_and_forgets_delayed_answers() -> None:
    server = DnsServer()
    await server.start()
    server.zone.behave("a.test", slow(60))
    with pytest.raises(dns.resolver.LifetimeTimeout):
        await resolver(server, lifetime=0.1).resolve("a.test.", "MX")
    await server.close()
    await server.close()
    async with DnsServer(port=server.address[1]) as again:
        assert again.nameserver == server.nameserver
    assert len(asyncio.all_tasks()) == 1


@given(st.binary(max_size=600))
def test_no_octets_break_the_server(octets: bytes) -> None:
    zone = Zone([Record("*.test", "A", "127.0.0.1")])
    prepared = _build(zone, octets)
    assert prepared is None or dns.message.from_wire(octets[:2] + prepared.tcp).id == int.from_bytes(octets[:2])
