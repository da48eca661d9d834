"""Which settings of `[[shaping]]`, and which of those that are shipped, concern a site: found once a site, not once a message.

Owned here: the match by MX host and destination, the shipped file, and the memory of the sites that were met. How entries are laid
over each other is `config.limits`; keeping to the limits is the queue's business.
"""

from __future__ import annotations

import tomllib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final

from mailtui.config import Config, Limits, Shaping
from mailtui.config.checks import check
from mailtui.config.limits import resolve
from mailtui.config.reader import read

#: Sites remembered, and destinations of one site that entries name; the rest is asked again when it is met again.
SITES: Final = 5000
DESTINATIONS: Final = 100


@dataclass(slots=True)
class _Met:
    """A site as it was met: its hosts, the destinations there that some entry names, and what follows from them."""

    hosts: frozenset[str]
    destinations: set[str] = field(default_factory=set)
    limits: Limits | None = None


class Shaper:
    """Knows the limits of sites. `meet` with every plan, `limits` whenever a site is worked on."""

    def __init__(self, config: Config) -> None:
        self._met: OrderedDict[str, _Met] = OrderedDict()
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Use these settings from now on."""
        self._delivery = config.delivery
        self._own = config.shaping
        self._plain = resolve((), (), config.delivery)
        for met in self._met.values():
            met.limits = None

    def meet(self, site: str, hosts: Iterable[str], destination: str = "") -> None:
        """A site with these MX hosts serves `destination` ("" where the route does not depend on it)."""
        names = frozenset(host.lower() for host in hosts)
        met = self._met.get(site)
        if met is None:
            if len(self._met) >= SITES:
                self._met.popitem(last=False)
            met = self._met[site] = _Met(names)
        elif met.hosts != names:  # one of them could not be looked up, say
            met.hosts, met.limits = names, None
        room = destination not in met.destinations and len(met.destinations) < DESTINATIONS
        if destination and room and self._named(destination):
            met.destinations.add(destination)
            met.limits = None

    def _named(self, destination: str) -> bool:
        """Whether an entry speaks of this destination; "*" speaks of every site, by its hosts."""
        return any(entry.match != "*" and covers(entry.match, destination) for entry in (*self._own, *shipped()))

    def limits(self, site: str) -> Limits:
        """What a site may carry; of one that was not met (or has no host), what `[delivery]` says."""
        met = self._met.get(site)
        if met is None or not met.hosts:
            return self._plain
        if met.limits is None:
            own = [entry for entry in self._own if _concerns(entry, met)]
            met.limits = resolve(own, [entry for entry in shipped() if _concerns(entry, met)], self._delivery)
        return met.limits


def covers(match: str, name: str) -> bool:
    """Whether `example.com`, `*.example.com` (names below it) or `*` stands for a lower-case host or domain."""
    if match.startswith("*"):
        return name.endswith(match[1:])
    return name == match


@cache
def shipped() -> tuple[Shaping, ...]:
    """The entries that come with mailtui, in the syntax of the configuration; read on first use."""
    config = read(tomllib.loads(files(__package__).joinpath("shaping.toml").read_text(encoding="utf-8")))
    check(config)
    return config.shaping


def _concerns(entry: Shaping, met: _Met) -> bool:
    return any(covers(entry.match, name) for name in (*met.hosts, *met.destinations))
