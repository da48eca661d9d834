"""How hosts, networks, mail addresses and globs are written in a setting.

Owned here: parsers like those of `values`, for everything that names a machine or a mailbox; they return canonical
spellings (lower case, A-labels). Resolving a name, or matching a glob, must not live here.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple, TypeAlias

import msgspec

from .values import Rejected

Network: TypeAlias = IPv4Network | IPv6Network


class Endpoint(NamedTuple):
    """A host (IP address or name, IPv6 without brackets) and a port; written `host:port` or `[ipv6]:port`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class NextHop(msgspec.Struct, frozen=True):
    """Where a route leads: `kind` is mx, smarthost or discard.

    `host` and `port` are a smarthost's; port 0 means `delivery.port`.
    """

    kind: str
    host: str = ""
    port: int = 0


_LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_ENDPOINT: Final = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")
_LOCAL_PART: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_BIND: Final = 'an address and port such as "127.0.0.1:2525" or "[::1]:2525"'
_NAMESERVER: Final = 'a resolver such as "127.0.0.1:53" or "[::1]:53"'
_NEXT_HOP: Final = "mx, discard, host[:port] or [ipv6]:port"


def _host_name(text: str) -> str | None:
    """Lower-case A-labels (RFC 5890) of a host name, None when it is none (RFC 1123 2.1)."""
    if len(text) > 254:
        return None
    if not text.isascii():
        import idna  # its tables cover all of Unicode: loaded only for those who need them

        try:
            text = idna.encode(text, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    text = text.lower().removesuffix(".")
    labels = text.split(".")
    good = len(text) <= 253 and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()
    return text if good else None


def _address(value: object) -> str | None:
    try:
        return str(ip_address(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _endpoint(value: object, default_port: int | None) -> Endpoint | None:
    """`host:port` or `[ipv6]:port`; the port may be missing where there is a default."""
    found = _ENDPOINT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    written = found["six"] or found["host"]
    host = _address(written) or _host_name(written)
    port = int(found["port"]) if found["port"] else default_port
    if host is None or port is None or port > 65535 or bool(found["six"]) != (":" in host):
        return None
    return Endpoint(host, port)


def network(value: object) -> Network:
    """An IPv4 or IPv6 network without host bits, or a single address."""
    try:
        if isinstance(value, str):
            return ip_network(value)
    except ValueError:
        pass
    raise Rejected('a network such as "192.0.2.0/24"')


def address(value: object) -> str:
    """An IP address."""
    found = _address(value)
    if found is None:
        raise Rejected('an IP address such as "192.0.2.1"')
    return found


def hostname(value: object) -> str:
    """A host name."""
    name = _host_name(value) if isinstance(value, str) else None
    if name is None:
        raise Rejected('a host name such as "mail.example.org"')
    return name


def domain(value: object) -> str:
    """A mail domain."""
    name = _host_name(value) if isinstance(value, str) else None
    if name is None:
        raise Rejected('a domain such as "example.org"')
    return name


def bind(value: object) -> Endpoint:
    """Where a listener listens; port 0 lets the system choose."""
    endpoint = _endpoint(value, None)
    if endpoint is None:
        raise Rejected(_BIND)
    return endpoint


def nameserver(value: object) -> Endpoint:
    """A resolver by IP address (a name would need a resolver), port 53 unless written."""
    endpoint = _endpoint(value, 53)
    if endpoint is None or endpoint.port == 0 or _address(endpoint.host) is None:
        raise Rejected(_NAMESERVER)
    return endpoint


def parse_next_hop(text: str) -> NextHop:
    """The grammar of `route.to` and `reroute --to`: mx, discard, host[:port], [ipv6][:port]. Raises `Rejected`."""
    if text in ("mx", "discard"):
        return NextHop(text)
    endpoint = _endpoint(text, 0)
    if endpoint is None or re.search(r":0+$", text):
        raise Rejected(_NEXT_HOP)
    return NextHop("smarthost", endpoint.host, endpoint.port)


def next_hop(value: object) -> str:
    """The canonical spelling of what `parse_next_hop` reads."""
    if not isinstance(value, str):
        raise Rejected(_NEXT_HOP)
    hop = parse_next_hop(value)
    if hop.kind != "smarthost":
        return hop.kind
    return str(Endpoint(hop.host, hop.port)) if hop.port else f"[{hop.host}]" if ":" in hop.host else hop.host


def destination_glob(value: object) -> str:
    """`example.com`, `*.example.com` or `*`."""
    if value == "*":
        return "*"
    if isinstance(value, str):
        star = "*." if value.startswith("*.") else ""
        name = _host_name(value.removeprefix("*."))
        if name is not None:
            return star + name
    raise Rejected('a domain, "*.domain" or "*"')


def sender_glob(value: object) -> str:
    """`*`, or a local part (stars allowed, case kept), `@`, and a destination glob."""
    if value == "*":
        return "*"
    if isinstance(value, str) and len(value) <= 320 and value.isprintable() and " " not in value:
        local, _, host = value.rpartition("@")
        if local and "@" not in local:
            try:
                return f"{local}@{destination_glob(host)}"
            except Rejected:
                pass
    raise Rejected('a sender such as "app@example.org" or "*@example.org"')


def mailbox(value: object) -> str:
    """One address, or `local@<hostname>`."""
    if isinstance(value, str):
        local, _, host = value.rpartition("@")
        name = host if host == "<hostname>" else _host_name(host)
        if _LOCAL_PART.fullmatch(local) and name is not None:
            return f"{local}@{name}"
    raise Rejected('an address such as "postmaster@example.org"')
