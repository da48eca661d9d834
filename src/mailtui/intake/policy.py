"""Who may send from and to which address: the relay's decisions over configuration values.

Owned here: trust in an IP, ownership of senders, and the rule that makes this no open relay: it looks at the client and
the final mailbox, never at what the client says about itself. Parsing, authentication and rates live elsewhere.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

import msgspec

from mailtui.config import Config, Network
from mailtui.model import Address

from . import replies


class Client(msgspec.Struct, frozen=True):
    """Who is connected: IP as text, listener kind, authenticated user ("" when none), whether TLS is active, whether
    the IP is in the listener's networks (`Policy.trusts`), and whether the listener demands authentication."""

    ip: str
    kind: str
    user: str = ""
    tls: bool = False
    trusted: bool = False
    auth_required: bool = False


class Policy(msgspec.Struct, frozen=True):
    """The decisions under one configuration; a reload builds another.

    `postmaster` is where mail for the relay's own postmaster goes, None when nothing but the relay itself is
    configured; `owned` has for each user the pattern that the senders ("local@domain") must match.
    """

    hostname: str
    postmaster: Address | None
    owned: dict[str, re.Pattern[str]]

    @classmethod
    def of(cls, config: Config) -> Policy:
        """Resolve what the decisions need."""
        hostname = config.relay.hostname.lower()
        local, _, domain = config.dsn.postmaster.rpartition("@")
        own = domain.lower() == hostname and local.lower() == "postmaster"
        return cls(
            hostname=hostname,
            postmaster=None if own or not domain else Address(local, domain.lower()),
            owned={user.name: _ownership(user.senders) for user in config.user},
        )

    def trusts(self, networks: tuple[Network, ...], ip: str) -> bool:
        """Whether the client IP is in the listener's networks; False for what is no IP."""
        return _within(networks, ip)

    def sender(self, client: Client, sender: Address) -> bytes | None:
        """The refusal of a MAIL, or None: 530 5.7.0 without a demanded login, 550 5.7.1 for somebody else's address.

        The null sender belongs to everybody: bounces and receipts must get through (RFC 5321 4.5.5).
        """
        if client.auth_required and not client.user:
            return replies.AUTH_REQUIRED
        if not client.user or not sender:
            return None
        owned = self.owned.get(client.user)
        return None if owned is not None and owned.fullmatch(str(sender)) else replies.SENDER_NOT_OWNED

    def recipient(self, client: Client, address: Address) -> bytes | None:
        """The refusal of a RCPT, or None: 550 5.7.1 for a stranger's mail to anybody but our configured postmaster.

        `address` is the strictly parsed final mailbox; `%`, `!` and quoted `@` in its local part mean nothing here.
        """
        if client.auth_required and not client.user:
            return replies.AUTH_REQUIRED
        if self.is_postmaster(address) and self.postmaster is not None:
            return None
        if not (client.user or client.trusted):
            return replies.RELAY_DENIED
        return None if address.domain else replies.NO_POSTMASTER

    def is_postmaster(self, address: Address) -> bool:
        """Whether the address is the relay's own postmaster (RFC 5321 4.5.1), in any case."""
        return address.local.lower() == "postmaster" and address.domain in ("", self.hostname)


def _ownership(globs: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern for a user's globs: `*` is any text on its side of the last "@"; ASCII letters match in any case."""
    sides = (glob.rpartition("@") for glob in globs)
    patterns = [
        f"{_side(local, '.*')}@{_side(host, '[^@]*')}" if at else _side(host, ".*") for local, at, host in sides
    ]
    return re.compile("|".join(patterns) or "(?!)", re.IGNORECASE | re.ASCII | re.DOTALL)


def _side(glob: str, anything: str) -> str:
    return anything.join(map(re.escape, glob.split("*")))


@lru_cache(8192)
def _within(networks: tuple[Network, ...], ip: str) -> bool:
    try:
        address = ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
