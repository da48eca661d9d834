"""What our resolver says, written down: answers with their age, and failures as such."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from mailtui.delivery import sighting
from mailtui.delivery.dns import Resolver
from mailtui.lab.dns import DnsServer
from mailtui.lab.zone import SERVFAIL, SILENT


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer() as running:
        yield running


@pytest.fixture
async def resolver(server: DnsServer) -> AsyncIterator[Resolver]:
    made = Resolver([server.address], timeout=2.0)
    yield made
    await made.aclose()


async def test_mx_and_the_addresses_behind_it(server: DnsServer, resolver: Resolver) -> None:
    server.zone.add("a.test", "MX", "20 b.mx.test.", "10 a.mx.test.", ttl=120)
    server.zone.add("a.mx.test", "A", "192.0.2.1", "192.0.2.2")
    server.zone.add("b.mx.test", "AAAA", "2001:db8::1")
    rows = await sighting.destination(resolver, "a.test", 5.0)
    assert [(row.name, row.type, row.answers, row.note) for row in rows] == [
        ("a.test", "MX", ("10 a.mx.test", "20 b.mx.test"), ""),
        ("a.mx.test", "A", ("192.0.2.1", "192.0.2.2"), ""),
        ("a.mx.test", "AAAA", (), "no such record"),
        ("b.mx.test", "A", (), "no such record"),
        ("b.mx.test", "AAAA", ("2001:db8::1",), ""),
    ]
    assert rows[0].ttl == 120
    assert rows[0].asked is not None and abs(datetime.now(UTC) - rows[0].asked) < timedelta(seconds=10)
    asked = server.asked
    assert await sighting.destination(resolver, "a.test", 5.0) == rows and server.asked == asked


async def test_null_mx_no_mx_and_no_name(server: DnsServer, resolver: Resolver) -> None:
    server.zone.null_mx("null.test")
    server.zone.add("bare.test", "A", "192.0.2.1")
    (null,) = await sighting.destination(resolver, "null.test", 5.0)
    assert null.answers == ("0 .",)
    mx, a, _ = await sighting.destination(resolver, "bare.test", 5.0)
    assert (mx.note, a.answers) == ("no such record", ("192.0.2.1",))
    missing, *_ = await sighting.destination(resolver, "missing.test", 5.0)
    assert (missing.answers, missing.note) == ((), "no such name")
    assert await sighting.destination(resolver, "[192.0.2.1]", 5.0) == ()


async def test_a_failure_is_an_answer_too(server: DnsServer, resolver: Resolver) -> None:
    server.zone.behave("sick.test", SERVFAIL)
    server.zone.behave("silent.test", SILENT)
    assert (await sighting.look(resolver, "sick.test", "MX", 5.0)).note == "failed: SERVFAIL"
    silent = await sighting.look(resolver, "silent.test", "MX", 0.1)
    assert (silent.note, silent.asked) == ("no answer within 0.1 s", None)
    assert (await sighting.look(resolver, "no name", "A", 5.0)).note == "failed: not a domain name"
