"""What our resolver says of a destination, question by question, as it is written down for others.

Owned here: which questions those are, their limits, and that a failure is an answer like any other. Where mail goes is decided in
`dns`, by the same answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from mailtui.bundles import DnsRow
from mailtui.delivery.dns import MAX_HOSTS, Resolver
from mailtui.delivery.lookup import RecordType
from mailtui.delivery.problems import RoutingProblem

_ADDRESSES: Final[tuple[RecordType, ...]] = ("A", "AAAA")


async def destination(resolver: Resolver, domain: str, seconds: float) -> tuple[DnsRow, ...]:
    """MX of a domain, and the addresses of its hosts (its own when it publishes none). `seconds` bound each of the two rounds; an
    address literal has nothing to ask for."""
    if domain.startswith("["):
        return ()
    mx = await look(resolver, domain, "MX", seconds)
    hosts = [answer.partition(" ")[2] for answer in mx.answers][:MAX_HOSTS] or [domain]
    hosts = [host for host in hosts if host != "."]  # a null MX (RFC 7505)
    return (mx, *await addresses(resolver, hosts, seconds))


async def addresses(resolver: Resolver, hosts: Iterable[str], seconds: float) -> tuple[DnsRow, ...]:
    """A and AAAA of some hosts."""
    questions = [(host, type_) for host in hosts for type_ in _ADDRESSES]
    return tuple(await asyncio.gather(*(look(resolver, host, type_, seconds) for host, type_ in questions)))


async def look(resolver: Resolver, name: str, type_: RecordType, seconds: float) -> DnsRow:
    """One question and what came of it."""
    try:
        async with asyncio.timeout(seconds):
            answer, age = await resolver.ask(name, type_)
    except TimeoutError:
        return DnsRow(name, type_, (), f"no answer within {seconds:g} s")
    except RoutingProblem as problem:
        return DnsRow(name, type_, (), f"failed: {problem.detail or 'no answer'}")
    told = tuple(f"{preference} {host or '.'}" if type_ == "MX" else host for preference, host in answer.rows)
    note = "" if told else "no such record" if answer.exists else "no such name"
    return DnsRow(name, type_, told, note, round(answer.ttl), datetime.fromtimestamp(int(time.time() - age), UTC))
