"""Which hosts take mail for a domain, in which order, at which addresses (RFC 5321 section 5.1), and which site they
form.

Owned here: MX preference and shuffling, implicit and null MX, loops to ourselves, address literals, the limits on what
a hostile zone may cost. Raises the problems of `problems`. No sockets to mail hosts here, and no packets: those are
`dial` and `lookup`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ipaddress
import random
import re
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mailtui.delivery.dial import interleave
from mailtui.delivery.lookup import Answer, Lookup, RecordType, Rows
from mailtui.delivery.ourselves import is_ours, parse_ip
from mailtui.delivery.problems import LookupFailed, LoopsToSelf, NoSuchDomain, NoUsableHost, NullMX

MAX_HOSTS: Final = 10
MAX_ADDRESSES: Final = 10
MAX_ADDRESSES_PER_HOST: Final = 5

# Looser than RFC 952: whatever may exist in the DNS may be asked for, as long as it reads as a name and nothing else.
_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\Z", re.ASCII)

MxChange = Callable[[str, Rows, Rows], None]


@dataclass(frozen=True, slots=True)
class MxAnswer:
    """The MX set of a domain as (preference, host), sorted; empty when it publishes none (then the domain is its own
    host).

    `secure` says that the answer was validated by DNSSEC; always False until DANE asks for it.
    """

    hosts: Rows
    secure: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """A host to dial: its name (what TLS verifies), MX preference (0 when there is no MX) and addresses as text."""

    name: str
    preference: int
    addresses: tuple[str, ...]


class Resolver:
    """Answers for delivery; lives in one event loop, close with `aclose`.

    `own_names` are host names that mean this relay whatever their address; `own_listeners()` gives the (ip, port) pairs
    it is bound to at the moment, wildcards included. `on_change(domain, old, new)` hears of a changed MX set.
    """

    def __init__(
        self,
        nameservers: Sequence[tuple[str, int]] = (),
        *,
        timeout: float = 20.0,
        cache_size: int = 10_000,
        ipv6: bool = True,
        port: int = 25,
        own_names: Collection[str] = (),
        own_listeners: Callable[[], Iterable[tuple[str, int]]] = tuple,
        on_change: MxChange | None = None,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lookup = Lookup(nameservers, timeout=timeout, cache_size=cache_size, on_change=self._changed, clock=clock)
        self._families: tuple[RecordType, ...] = ("AAAA", "A") if ipv6 else ("A",)
        self._port = port
        self._own_names = frozenset(name.lower().rstrip(".") for name in own_names)
        self._own_listeners = own_listeners
        self._on_change = on_change
        self._rng = rng or random.Random()

    async def mx(self, domain: str) -> MxAnswer:
        """The published MX set. Raises NoSuchDomain, NullMX, LookupFailed."""
        domain = domain.lower()
        if not _NAME.match(domain):
            raise NoSuchDomain(domain, "not a domain name")
        answer = await self._lookup.ask(domain, "MX")
        if not answer.exists:
            raise NoSuchDomain(domain, "the domain does not exist")
        real = tuple(row for row in answer.rows if row[1])
        if answer.rows and not real:
            raise NullMX(domain, "the domain accepts no mail (MX 0 .)")
        return MxAnswer(real)  # a null MX beside real ones breaks RFC 7505 section 3; the real ones are used

    async def ask(self, name: str, type_: RecordType) -> tuple[Answer, float]:
        """One question as delivery asks it, and how many seconds ago it was answered. Raises NoSuchDomain for what is no name,
        LookupFailed."""
        name = name.lower()
        if not _NAME.match(name):
            raise NoSuchDomain(name, "not a domain name")
        answer = await self._lookup.ask(name, type_)
        return answer, self._lookup.age(name, type_)

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a host, families alternating, at most five; () when it has none. Raises LookupFailed when
        nothing is known and asking again may help."""
        if not _NAME.match(host) or host.rpartition(".")[2].isdigit():
            return ()
        answers = await asyncio.gather(*(self._try(host, family) for family in self._families))
        found = [row[1] for answer in answers if isinstance(answer, Answer) for row in answer.rows]
        failures = [answer for answer in answers if isinstance(answer, LookupFailed)]
        missing = any(isinstance(answer, Answer) and not answer.exists for answer in answers)
        if failures and not found and not missing:
            raise failures[0]
        return interleave(found)[:MAX_ADDRESSES_PER_HOST]

    async def hosts(self, domain: str, port: int | None = None) -> tuple[Host, ...]:
        """Where mail for `domain` goes, best first, never empty. Raises every problem of `problems`.

        `port` is the one that will be dialled: only our own listeners at that port are ourselves.
        """
        if domain.startswith("["):
            candidates = [Host(domain, 0, (_literal(domain),))]
            return self._usable(domain, candidates, port or self._port, ())
        published = (await self.mx(domain)).hosts or ((0, domain.lower()),)
        ranked = self._rank(domain, published)
        found = await asyncio.gather(*(self._addresses_or_failure(host) for _, host in ranked))
        failures = tuple(item for item in found if isinstance(item, LookupFailed))
        candidates = [
            Host(name, preference, () if isinstance(item, LookupFailed) else item)
            for (preference, name), item in zip(ranked, found, strict=True)
        ]
        return self._usable(domain, candidates, port or self._port, failures)

    async def smarthost(self, host: str, port: int) -> tuple[Host, ...]:
        """A configured next hop: a name or an IP address, no MX. Raises LookupFailed, NoUsableHost, LoopsToSelf."""
        if host == "localhost":  # RFC 6761 section 6.3: not a question for the DNS
            return self._usable(host, [Host(host, 0, ("::1", "127.0.0.1"))], port, ())
        addresses = (host,) if parse_ip(host) else await self.addresses(host)
        return self._usable(host, [Host(host, 0, addresses)], port, ())

    async def site(self, domain: str) -> str:
        """The site a destination belongs to: `site_key` of its published MX set. Raises as `mx`."""
        if domain.startswith("["):
            return f"[{_literal(domain)}]"
        published = (await self.mx(domain)).hosts
        return site_key(host for _, host in published) if published else domain.lower()

    def flush(self, domain: str | None = None) -> int:
        """Forget what is cached for a domain and its MX hosts (None: everything); the count of answers that went."""
        if domain is None:
            return self._lookup.flush()
        domain = domain.lower()
        known = self._lookup.known(domain, "MX")
        names = {domain, *(host for _, host in (known.rows if known else ()))}
        return sum(self._lookup.flush(name) for name in names)

    async def aclose(self) -> None:
        """Give up the queries under way."""
        await self._lookup.aclose()

    def _changed(self, name: str, type_: RecordType, old: Answer, new: Answer) -> None:
        if type_ == "MX" and self._on_change:
            self._on_change(name, old.rows, new.rows)

    async def _try(self, host: str, family: RecordType) -> Answer | LookupFailed:
        try:
            return await self._lookup.ask(host, family)
        except LookupFailed as failure:
            return failure

    async def _addresses_or_failure(self, host: str) -> tuple[str, ...] | LookupFailed:
        try:
            return await self.addresses(host)
        except LookupFailed as failure:
            return failure

    def _rank(self, domain: str, published: Rows) -> Rows:
        """By preference, shuffled within one; our own name ends the list with everything not better than it."""
        ours = [row for row in published if row[1] in self._own_names]
        better = [row for row in published if not ours or row[0] < ours[0][0]]
        if not better:
            raise LoopsToSelf(domain, ours[0][1])
        self._rng.shuffle(better)
        return tuple(sorted(better, key=lambda row: row[0])[:MAX_HOSTS])

    def _usable(
        self, domain: str, candidates: list[Host], port: int, failures: tuple[LookupFailed, ...]
    ) -> tuple[Host, ...]:
        """What is left of the candidates when we, what cannot be dialled and what is too much are gone."""
        listeners = tuple(self._own_listeners())
        ours = [host for host in candidates if any(is_ours(address, port, listeners) for address in host.addresses)]
        better = [host for host in candidates if not ours or host.preference < ours[0].preference]
        if not better:
            raise LoopsToSelf(domain, ours[0].name)
        hosts = self._bounded(better)
        if not hosts and failures:
            raise LookupFailed(domain, f"{failures[0].domain}: {failures[0].detail}")
        if not hosts:
            raise NoUsableHost(domain, "no address: " + ", ".join(host.name for host in better)[:300])
        return hosts

    def _bounded(self, candidates: list[Host]) -> tuple[Host, ...]:
        left, hosts = MAX_ADDRESSES, []
        for host in candidates:
            addresses = tuple(address for address in host.addresses if self._may_dial(address))[:left]
            left -= len(addresses)
            if addresses:
                hosts.append(Host(host.name, host.preference, addresses))
        return tuple(hosts)

    def _may_dial(self, address: str) -> bool:
        ip = ipaddress.ip_address(address)
        return not (ip.is_multicast or ip.is_unspecified) and (ip.version == 4 or "AAAA" in self._families)


def site_key(hosts: Iterable[str]) -> str:
    """The name of a set of MX hosts, the same whatever their order: the host, or "suffix+count~digest".

    The suffix is what the names have in common (at least two labels, else the first name in order), for people; the
    digest is 60 bits of SHA-256 over the sorted names, so that nobody can publish a set that takes another site's name.
    """
    names = sorted(set(hosts))
    if len(names) == 1 and _NAME.match(names[0]):  # a label may hold any octets, those of another site's key too
        return names[0]
    digest = base64.b32encode(hashlib.sha256("\n".join(names).encode()).digest())[:12].decode().lower()
    return f"{_common_suffix(names) or names[0]}+{len(names)}~{digest}"


def _common_suffix(names: list[str]) -> str:
    shared: list[str] = []
    for labels in zip(*(reversed(name.split(".")) for name in names), strict=False):
        if len(set(labels)) > 1:
            break
        shared.append(labels[0])
    return ".".join(reversed(shared)) if len(shared) > 1 else ""


def _literal(domain: str) -> str:
    """The address in "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3)."""
    inner = domain[1:-1] if domain.endswith("]") else ""
    six = inner[:5].lower() == "ipv6:"
    ip = parse_ip(inner[5:] if six else inner)
    if ip is None or (ip.version == 6) is not six:
        raise NoSuchDomain(domain, "not an address literal")
    return str(ip)
