"""What a listener tells its sessions: settings resolved once, replies built once, the TLS context.

Owned here: the values a session reads and never changes. A reload makes new profiles; sessions that run keep the one
they began with.
"""

from __future__ import annotations

import ssl
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

import msgspec

from mailtui.config import Config, Listener
from mailtui.errors import ConfigError

from . import replies
from .policy import Policy

_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Profile(msgspec.Struct, frozen=True):
    """One listener as its sessions see it. `tls` is None without a certificate; "submissions" is `implicit_tls`."""

    address: str
    kind: str
    hostname: str
    networks: tuple[IPv4Network | IPv6Network, ...]
    auth_required: bool
    offers_auth: bool
    tls: ssl.SSLContext | None
    implicit_tls: bool
    policy: Policy
    max_size: int
    max_recipients: int
    max_hops: int
    bare_newline: Literal["auto", "reject", "normalise"]
    greeting: bytes
    helo: bytes
    ehlo_clear: bytes
    ehlo_tls: bytes

    @classmethod
    def of(cls, config: Config, listener: Listener, address: str) -> Profile:
        """Resolve `listener`. ConfigError when its certificate or key cannot be loaded."""
        context = tls_context(listener.tls_cert, listener.tls_key, config.tls.min_version)
        if listener.kind == "submissions" and context is None:
            raise ConfigError(f"listener {listener.bind}: submissions needs tls_cert, it would be in clear text")
        offers_auth = listener.auth != "off" and bool(config.user)
        size = config.intake.max_size
        return cls(
            address=address,
            kind=listener.kind,
            hostname=config.relay.hostname,
            networks=listener.networks,
            auth_required=listener.auth == "required",
            offers_auth=offers_auth,
            tls=context,
            implicit_tls=listener.kind == "submissions",
            policy=Policy.of(config),
            max_size=size,
            max_recipients=config.intake.max_recipients,
            max_hops=config.intake.max_hops,
            bare_newline=config.intake.bare_newline,
            greeting=replies.greeting(config.relay.hostname),
            helo=replies.helo(config.relay.hostname),
            ehlo_clear=replies.ehlo(config.relay.hostname, _extensions(size, starttls=context is not None, auth=False)),
            ehlo_tls=replies.ehlo(config.relay.hostname, _extensions(size, starttls=False, auth=offers_auth)),
        )


def _extensions(max_size: int, *, starttls: bool, auth: bool) -> list[str]:
    """What EHLO offers: only what is complete."""
    offered = ["PIPELINING", f"SIZE {max_size}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN"]
    if starttls:
        offered.append("STARTTLS")
    if auth:
        offered.append("AUTH PLAIN LOGIN")
    return offered


def tls_context(cert: Path | None, key: Path | None, min_version: str) -> ssl.SSLContext | None:
    """A server context; None without a certificate. ConfigError names the file and what is wrong with it."""
    if cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = _MINIMUM[min_version]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"TLS certificate {cert}{f' with key {key}' if key else ''}: {_reason(error)}") from None
    return context


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not a certificate and key").replace("_", " ").lower()
    return error.strerror or "not readable"
