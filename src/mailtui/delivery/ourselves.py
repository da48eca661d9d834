"""Whether an address is this relay: what keeps mail from looping back into the listener it came from.

Owned here: IP addresses as hostile zones and operators write them, and their comparison with the sockets we are bound
to. Host names that mean us are compared in `dns`, where MX preferences are known.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_ip(text: str) -> IPAddress | None:
    """An IP address, None when it is something else or has a scope ("%eth0"), which no mail host has."""
    try:
        return ipaddress.ip_address(text) if "%" not in text else None
    except ValueError:
        return None


def is_ours(address: str, port: int, listeners: Iterable[tuple[str, int]]) -> bool:
    """Whether dialling (address, port) would reach one of the (ip, port) listeners, wildcard binds included.

    The port counts: another server on this machine, or on the next loopback address, is not this relay.
    """
    target = _reached(ipaddress.ip_address(address))
    for bound, bound_port in listeners:
        ip = ipaddress.ip_address(bound)
        if port == bound_port and (_is_local(target) if ip.is_unspecified else _reached(ip) == target):
            return True
    return False


def _reached(ip: IPAddress) -> IPAddress:
    """Where a connection really ends: an IPv4-mapped address at its IPv4 one, the unspecified address at loopback."""
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.is_unspecified:
        return ipaddress.ip_address("127.0.0.1" if ip.version == 4 else "::1")
    return ip


def _is_local(ip: IPAddress) -> bool:
    """Whether this machine owns the address: only then can a socket be bound to it."""
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(ip), 0))
    except OSError:
        return False
    return True
