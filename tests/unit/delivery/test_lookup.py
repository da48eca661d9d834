"""Caching, joining and failing of single questions, against a real name server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import dns.resolver
import pytest

from mailtui.delivery.lookup import MAX_ROWS, NEGATIVE_TTL_CAP, TTL_CAP, TTL_FLOOR, Answer, Lookup, RecordType
from mailtui.delivery.problems import LookupFailed
from mailtui.lab.dns import DnsServer
from mailtui.lab.zone import JUNK_FIRST, REFUSED, SERVFAIL, SILENT, TRUNCATED, WRONG_ID, Behaviour, slow


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def asked(server: DnsServer, count: int) -> None:
    """Waits until the server was asked that often."""
    for _ in range(2000):
        if server.asked >= count:
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"asked {server.asked} times, not {count}")


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def lookup(server: DnsServer, clock: Clock) -> AsyncIterator[Lookup]:
    ready = Lookup([server.address], timeout=2.0, clock=clock)
    yield ready
    await ready.aclose()


async def test_rows_are_sorted_and_lower_case(server: DnsServer, lookup: Lookup) -> None:
    server.zone.add("a.test", "MX", "20 MX2.A.test.", "10 mx1.a.test.", ttl=600)
    assert await lookup.ask("a.test", "MX") == Answer(((10, "mx1.a.test"), (20, "mx2.a.test")), True, 600.0)


async def test_answer_is_cached_until_its_ttl_is_over(server: DnsServer, lookup: Lookup, clock: Clock) -> None:
    server.zone.add("a.test", "A", "192.0.2.1", ttl=60)
    for _ in range(3):
        await lookup.ask("a.test", "A")
    assert server.asked == 1
    clock.now += 60.0
    await lookup.ask("a.test", "A")
    assert server.asked == 2


@pytest.mark.parametrize(("ttl", "kept"), [(0, TTL_FLOOR), (86400, TTL_CAP)])
async def test_ttl_is_clamped(server: DnsServer, lookup: Lookup, clock: Clock, ttl: int, kept: float) -> None:
    server.zone.add("a.test", "A", "192.0.2.1", ttl=ttl)
    await lookup.ask("a.test", "A")
    clock.now += kept - 0.1
    await lookup.ask("a.test", "A")
    assert server.asked == 1
    clock.now += 0.1
    await lookup.ask("a.test", "A")
    assert server.asked == 2


@pytest.mark.parametrize("name", ["missing.test", "a.test"])
async def test_negative_answers_are_cached_briefly(server: DnsServer, lookup: Lookup, clock: Clock, name: str) -> None:
    server.zone.add("a.test", "A", "192.0.2.1")
    answer = await lookup.ask(name, "MX")
    assert answer.rows == ()
    assert answer.exists is (name == "a.test")
    assert answer.ttl <= NEGATIVE_TTL_CAP
    await lookup.ask(name, "MX")
    assert server.asked == 1
    clock.now += NEGATIVE_TTL_CAP
    await lookup.ask(name, "MX")
    assert server.asked == 2


async def test_cname_chain_is_followed_with_its_lowest_ttl(server: DnsServer, lookup: Lookup) -> None:
    server.zone.add("a.test", "CNAME", "b.test.", ttl=300)
    server.zone.add("b.test", "CNAME", "c.test.", ttl=30)
    server.zone.add("c.test", "A", "192.0.2.1", ttl=600)
    assert await lookup.ask("a.test", "A") == Answer(((0, "192.0.2.1"),), True, 30.0)


async def test_cname_to_a_missing_name_does_not_exist(server: DnsServer, lookup: Lookup) -> None:
    server.zone.add("a.test", "CNAME", "gone.test.")
    assert (await lookup.ask("a.test", "MX")).exists is False


async def test_cname_loop_fails(server: DnsServer, lookup: Lookup) -> None:
    server.zone.add("a.test", "CNAME", "b.test.")
    server.zone.add("b.test", "CNAME", "a.test.")
    with pytest.raises(LookupFailed):
        await lookup.ask("a.test", "A")


@pytest.mark.parametrize(
    ("behaviour", "word"),
    [(SERVFAIL, "SERVFAIL"), (REFUSED, "REFUSED"), (Behaviour(rcode="YXDOMAIN"), "YXDOMAIN")],
)
async def test_errors_of_the_server_are_temporary(
    server: DnsServer, lookup: Lookup, behaviour: Behaviour, word: str
) -> None:
    server.zone.behave("a.test", behaviour)
    with pytest.raises(LookupFailed) as caught:
        await lookup.ask("a.test", "MX")
    assert caught.value.domain == "a.test"
    assert word in caught.value.detail


@pytest.mark.parametrize("behaviour", [SILENT, WRONG_ID])
async def test_no_answer_in_time_is_temporary(server: DnsServer, behaviour: Behaviour) -> None:
    server.zone.behave("a.test", behaviour)
    lookup = Lookup([server.address], timeout=0.2)
    began = asyncio.get_running_loop().time()
    with pytest.raises(LookupFailed, match=r"no answer within 0\.2 s"):
        await lookup.ask("a.test", "MX")
    assert asyncio.get_running_loop().time() - began < 1.0
    await lookup.aclose()


async def test_failure_is_not_cached(server: DnsServer, lookup: Lookup) -> None:
    server.zone.add("a.test", "A", "192.0.2.1")
    server.zone.behave("a.test", SERVFAIL)
    with pytest.raises(LookupFailed):
        await lookup.ask("a.test", "A")
    server.zone.behave("a.test", Behaviour())
    assert (await lookup.ask("a.test", "A")).rows == ((0, "192.0.2.1"),)


async def test_unreachable_name_server_is_temporary() -> None:
    lookup = Lookup([("127.0.0.1", 1)], timeout=0.3)
    with pytest.raises(LookupFailed):
        await lookup.ask("a.test", "MX")
    await lookup.aclose()


async def test_second_name_server_answers_for_a_broken_first(server: DnsServer) -> None:
    server.zone.add("a.test", "A", "192.0.2.1")
    async with DnsServer() as broken:
        broken.zone.behave("a.test", SERVFAIL)
        lookup = Lookup([broken.address, server.address], timeout=2.0)
        assert (await lookup.ask("a.test", "A")).rows == ((0, "192.0.2.1"),)
        assert broken.asked == 1
        await lookup.aclose()


async def test_truncated_answer_is_asked_again_over_tcp(server: DnsServer, lookup: Lookup) -> None:
    server.zone.add("a.test", "A", "192.0.2.1")
    server.zone.behave("a.test", TRUNCATED)
    assert (await lookup.ask("a.test", "A")).rows == ((0, "192.0.2.1"),)
    assert [query.transport for query in server.queries] == ["udp", "tcp"]


async def test_junk_datagram_before_the_answer_is_survived(server: DnsServer, lookup: Lookup) -> None:
    """Contract with dnspython >= 2.6.1 (CVE-2023-29483): rubbish must not end the wait for the real answer."""
    server.zone.add("a.test", "A", "192.0.2.1")
    server.zone.behave("a.test", JUNK_FIRST)
    assert (await lookup.ask("a.test", "A")).rows == ((0, "192.0.2.1"),)
    assert server.asked == 1


async def test_huge_answer_is_bounded(server: DnsServer, lookup: Lookup) -> None:
    server.zone.add("a.test", "MX", *(f"{place} mx{place}.a.test." for place in range(1, 301)))
    rows = (await lookup.ask("a.test", "MX")).rows
    assert len(rows) == MAX_ROWS
    assert rows[0] == (1, "mx1.a.test")


async def test_identical_questions_are_joined(server: DnsServer, lookup: Lookup) -> None:
    server.zone.add("a.test", "A", "192.0.2.1")
    server.zone.behave("a.test", slow(0.05))
    answers = await asyncio.gather(*(lookup.ask("a.test", "A") for _ in range(50)))
    assert server.asked == 1
    assert {answer.rows for answer in answers} == {((0, "192.0.2.1"),)}


async def test_every_waiter_gets_its_own_failure(server: DnsServer, lookup: Lookup) -> None:
    server.zone.behave("a.test", Behaviour(rcode="SERVFAIL", delay=0.05))
    failures = await asyncio.gather(*(lookup.ask("a.test", "A") for _ in range(3)), return_exceptions=True)
    assert all(isinstance(failure, LookupFailed) for failure in failures)
    assert len({id(failure) for failure in failures}) == 3
    assert server.asked == 1


async def test_cancelled_waiter_does_not_cancel_the_others(server: DnsServer, lookup: Lookup) -> None:
    server.zone.add("a.test", "A", "192.0.2.1")
    server.zone.behave("a.test", slow(0.05))
    first, second = (asyncio.create_task(lookup.ask("a.test", "A")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await second).rows == ((0, "192.0.2.1"),)
    assert server.asked == 1


async def test_change_is_reported_with_both_answers(server: DnsServer, clock: Clock) -> None:
    heard: list[tuple[str, RecordType, Answer, Answer]] = []
    lookup = Lookup([server.address], timeout=2.0, clock=clock, on_change=lambda *change: heard.append(change))
    server.zone.add("a.test", "MX", "10 old.test.", ttl=60)
    await lookup.ask("a.test", "MX")
    clock.now += 60
    await lookup.ask("a.test", "MX")
    assert heard == []
    server.zone.remove("a.test")
    server.zone.add("a.test", "MX", "10 new.test.", ttl=60)
    assert lookup.flush("a.test") == 1
    await lookup.ask("a.test", "MX")
    [(name, type_, old, new)] = heard
    assert (name, type_, old.rows, new.rows) == ("a.test", "MX", ((10, "old.test"),), ((10, "new.test"),))


async def test_flush_counts_live_answers_once(server: DnsServer, lookup: Lookup, clock: Clock) -> None:
    for name in ("a.test", "b.test"):
        server.zone.add(name, "A", "192.0.2.1", ttl=60)
        await lookup.ask(name, "A")
    assert lookup.flush("a.test") == 1
    assert lookup.flush("a.test") == 0
    await lookup.ask("a.test", "A")
    assert server.asked == 3
    assert lookup.flush() == 2
    clock.now += 60
    assert lookup.flush() == 0


async def test_flush_detaches_a_query_under_way(server: DnsServer, lookup: Lookup) -> None:
    server.zone.behave("a.test", Behaviour(rcode="SERVFAIL", delay=0.05))
    early = asyncio.create_task(lookup.ask("a.test", "A"))
    await asked(server, 1)
    lookup.flush("a.test")
    server.zone.behave("a.test", Behaviour(rcode="SERVFAIL", delay=0.2))
    late = asyncio.create_task(lookup.ask("a.test", "A"))
    await asked(server, 2)
    await asyncio.gather(early, return_exceptions=True)
    assert not late.done()
    await asyncio.gather(late, lookup.ask("a.test", "A"), return_exceptions=True)
    assert server.asked == 2  # the end of the detached query left the new one to be joined


async def test_cache_drops_the_least_recently_used(server: DnsServer) -> None:
    lookup = Lookup([server.address], timeout=2.0, cache_size=2)
    for name in ("a.test", "b.test", "c.test"):
        server.zone.add(name, "A", "192.0.2.1")
    for name in ("a.test", "b.test", "a.test", "c.test"):
        await lookup.ask(name, "A")
    assert server.asked == 3
    await lookup.ask("a.test", "A")
    assert server.asked == 3
    await lookup.ask("b.test", "A")
    assert server.asked == 4
    await lookup.aclose()


async def test_close_gives_up_what_is_under_way(server: DnsServer, lookup: Lookup) -> None:
    server.zone.behave("a.test", SILENT)
    waiter = asyncio.create_task(lookup.ask("a.test", "A"))
    await asyncio.sleep(0)
    await lookup.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiter


def test_machine_without_resolver_configuration_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(self: object, path: str) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.BaseResolver, "read_resolv_conf", unreadable)
    lookup = Lookup()
    with pytest.raises(LookupFailed, match="no nameserver to ask"):
        asyncio.run(lookup.ask("a.test", "MX"))
