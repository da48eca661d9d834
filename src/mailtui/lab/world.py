"""The lab as a whole: a name server, mail servers each with a domain and a character, and an incident that unfolds.

Owned here: which domains exist, where their servers listen and how they behave over time. All on loopback, each server
on an address of its own and all on one port, because delivery by MX knows only one.
"""

from __future__ import annotations

import socket
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from mailtui.errors import MailtuiError
from mailtui.lab.certificates import Certificates
from mailtui.lab.dns import DnsServer
from mailtui.lab.personality import (
    FINE,
    Personality,
    Tls,
    blocklisted,
    drops_after_dot,
    greylisting,
    mailbox_full,
    slow,
    throttling,
    unknown_users,
    with_tls,
)
from mailtui.lab.remote import RemoteServer, reserve
from mailtui.lab.traffic import Traffic
from mailtui.lab.zone import SERVFAIL, SILENT
from mailtui.model import Stage

FIRST_HOST: Final = 11  # of 127.0.0.x: the relay and the name server have 127.0.0.1
PORT_TRIES: Final = 50
LOOP_SECONDS: Final = 60.0
BIGMAIL, THROTTLED, DEAD, BLOCKED = "bigmail.test", "throttled.test", "dead.test", "blocked.test"
#: The senders' own domain: nothing is written to it but what comes back.
HOME: Final = "shop.example"

#: Domains with a server of their own: character when left alone, share of the traffic.
SITES: Final[dict[str, tuple[Personality, float]]] = {
    BIGMAIL: (with_tls(Tls.TRUSTED), 40),
    THROTTLED: (throttling(rate=(30, 60.0)), 15),
    "grey.test": (greylisting(20), 5),
    DEAD: (FINE, 6),
    "unknown.test": (unknown_users("*[1-4]@*"), 5),
    BLOCKED: (blocklisted(), 8),
    "slow.test": (slow({Stage.GREETING: 1.5, Stage.FINAL_DOT: 2.5}), 3),
    "full.test": (mailbox_full("*[02468]@*"), 3),
    "flaky.test": (drops_after_dot(odds=0.3), 3),
    "tls.test": (with_tls(Tls.SELF_SIGNED), 5),
    HOME: (FINE, 0),
}
#: Domains that are only names: share of the traffic.
NAMES: Final[dict[str, float]] = {
    "hosted.test": 4,  # its mail is taken by bigmail.test: another destination, the same site
    "nullmx.test": 0.5,
    "nxdomain.test": 0.5,
    "servfail.test": 1,
    "timeout.test": 1,
}


class Phase(StrEnum):
    """The chapters of the incident, in order; each adds to the one before until recovery."""

    CALM = "calm"
    THROTTLED = "throttled"
    DEAD = "dead"
    BLOCKED = "blocked"
    RECOVERY = "recovery"


STARTS: Final = (
    (0.0, Phase.CALM),
    (15.0, Phase.THROTTLED),
    (25.0, Phase.DEAD),
    (35.0, Phase.BLOCKED),
    (50.0, Phase.RECOVERY),
)
_ORDER: Final = tuple(Phase)
_TIGHT: Final = throttling(rate=(3, 10.0), max_connections=2)


def phase_at(seconds: float) -> Phase:
    """The chapter at that time since the beginning; after a minute it begins again."""
    within = seconds % LOOP_SECONDS
    return [phase for start, phase in STARTS if start <= within][-1]


@dataclass(frozen=True, slots=True)
class LabSettings:
    """What the relay's configuration must say to live in this world: `dns.nameservers`, `delivery.port`, the `bind` of
    a listener (free, and kept free until the world ends), and the authority for `tls.ca_file`."""

    nameservers: tuple[str, ...]
    port: int
    listener: str
    ca_file: str


class World:
    """`async with World() as world:` starts everything; leaving it leaves no socket, task or file behind.

    `remotes` are by domain, `dns.zone` can be changed. MailtuiError when this machine lacks loopback addresses beyond
    127.0.0.1 (Linux has them all). `keep_bodies` makes the servers store what they receive.
    """

    def __init__(self, *, keep: int = 10_000, keep_bodies: bool = False, seed: int = 0) -> None:
        self.dns = DnsServer()
        self.certificates = Certificates()
        self.remotes: dict[str, RemoteServer] = {}
        self.phase: Phase | None = None
        self._keep, self._keep_bodies, self._seed = keep, keep_bodies, seed
        self._stack = AsyncExitStack()
        self._settings: LabSettings

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailtui-lab-")))
            listener = stack.enter_context(reserve())
            hosts = [f"127.0.0.{number}" for number, _ in enumerate(SITES, FIRST_HOST)]
            sockets = reserve_everywhere(hosts)
            for place, (domain, reserved) in enumerate(zip(SITES, sockets, strict=True)):
                self.remotes[domain] = remote = self._remote(domain, reserved, place)
                stack.push_async_callback(remote.close)
            for domain, remote in self.remotes.items():
                if domain != DEAD:
                    await remote.up()
            self._fill_zone(dict(zip(SITES, hosts, strict=True)))
            await stack.enter_async_context(self.dns)
            self._settings = LabSettings(
                nameservers=(self.dns.nameserver,),
                port=self.remotes[BIGMAIL].address[1],
                listener=f"127.0.0.1:{listener.getsockname()[1]}",
                ca_file=str(self.certificates.write_authority(directory / "authority.pem")),
            )
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def settings(self) -> LabSettings:
        """What the relay must be told. AttributeError before the world has begun."""
        return self._settings

    @property
    def destinations(self) -> dict[str, float]:
        """Every domain that mail is written to, with its share of the traffic."""
        return {domain: share for domain, (_, share) in SITES.items() if share} | NAMES

    def traffic(self, *, rate: float = 10.0, connections: int = 4) -> Traffic:
        """Mail from the shop's applications to all of these domains, into the relay's listener."""
        host, port = self._settings.listener.split(":")
        return Traffic((host, int(port)), self.destinations, rate=rate, seed=self._seed, connections=connections)

    async def script(self, seconds: float) -> Phase:
        """Brings the world to where the incident stands `seconds` after its beginning; call it every second or so."""
        phase = phase_at(seconds)
        if phase is not self.phase:
            self.phase = phase
            await self._enter(phase)
        return phase

    async def _enter(self, phase: Phase) -> None:
        def now(chapter: Phase) -> bool:
            return phase is not Phase.RECOVERY and _ORDER.index(phase) >= _ORDER.index(chapter)

        self.remotes[THROTTLED].personality = _TIGHT if now(Phase.THROTTLED) else FINE
        self.remotes[BLOCKED].personality = blocklisted() if now(Phase.BLOCKED) else FINE
        if now(Phase.DEAD):
            await self.remotes[DEAD].down()
        else:
            await self.remotes[DEAD].up()

    def _remote(self, domain: str, reserved: socket.socket, place: int) -> RemoteServer:
        return RemoteServer(
            SITES[domain][0],
            name=f"mx.{domain}",
            certificates=self.certificates,
            keep=self._keep,
            keep_bodies=self._keep_bodies,
            seed=self._seed + place,
            reserved=reserved,
        )

    def _fill_zone(self, hosts: dict[str, str]) -> None:
        zone = self.dns.zone
        for domain, address in hosts.items():
            zone.mx(domain, f"mx.{domain}", ttl=60)
            zone.host(f"mx.{domain}", address)
        zone.mx("hosted.test", f"mx.{BIGMAIL}")
        zone.mx("*.hosted.test", f"mx.{BIGMAIL}")
        zone.null_mx("nullmx.test")
        zone.behave("servfail.test", SERVFAIL)
        zone.behave("timeout.test", SILENT)
        zone.host(f"relay.{HOME}", "127.0.0.1")
        zone.mx(f"db1.{HOME}", f"mx.{HOME}")
        for domain in (HOME, f"db1.{HOME}"):
            zone.txt(domain, "v=spf1 ip4:127.0.0.1 -all")
        zone.txt(f"_dmarc.{HOME}", "v=DMARC1; p=none")


def reserve_everywhere(hosts: list[str]) -> list[socket.socket]:
    """One port, bound on each of the addresses. MailtuiError when an address is missing or no port is free on all."""
    for _ in range(PORT_TRIES):
        sockets: list[socket.socket] = []
        try:
            for host in hosts:
                sockets.append(reserve(host, sockets[0].getsockname()[1] if sockets else 0))
        except OSError as error:
            for taken in sockets:
                taken.close()
            if not sockets:
                raise MailtuiError(f"the lab needs the loopback address {hosts[0]}: {error.strerror}") from error
        else:
            return sockets
    raise MailtuiError(f"no port is free on all of {hosts[0]} to {hosts[-1]}")
