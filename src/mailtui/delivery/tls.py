"""TLS towards the next hop: client contexts, whether to use TLS at all, and how a negotiated session is written down.

Owned here: the policy as a pure function and the two kinds of context. The handshake itself belongs to the session; who
may be trusted with which policy (MTA-STS, DANE) is decided before this is asked.
"""

from __future__ import annotations

import functools
import os
import ssl
from typing import Final, Literal

Level = Literal["opportunistic", "required", "verified", "off"]
Plan = Literal["use", "skip", "refuse"]

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def plan(level: Level, offered: bool, broken_before: bool, has_credentials: bool) -> Plan:
    """Whether to start TLS ("use"), go on in clear text ("skip") or give up on this host for now ("refuse").

    `offered` says whether EHLO listed STARTTLS; `broken_before` whether the handshake with this host failed at the
    previous attempt: clear text is then the fallback, but only where TLS is opportunistic and nothing secret would be
    said.
    """
    if level in ("required", "verified") or has_credentials:
        return "use" if offered and level != "off" else "refuse"
    if level == "off" or not offered or broken_before:
        return "skip"
    return "use"


def opportunistic(min_version: str = "1.2") -> ssl.SSLContext:
    """The shared context that encrypts without asking who is there (RFC 7435); for levels opportunistic and
    required."""
    return _opportunistic(min_version)


def verified(ca_file: str = "", min_version: str = "1.2") -> ssl.SSLContext:
    """The shared context that checks chain and host name against `ca_file` (PEM; "" for the system's store).

    A file that changed on disk is read again. Raises OSError (ssl.SSLError among them) when it cannot be used.
    """
    return _verified(ca_file, os.stat(ca_file).st_mtime_ns if ca_file else 0, min_version)


def describe(session: ssl.SSLObject | ssl.SSLSocket) -> str:
    """A finished handshake in one line, such as "TLSv1.3 TLS_AES_256_GCM_SHA384 verified"."""
    cipher = session.cipher()
    trust = "verified" if session.context.verify_mode == ssl.CERT_REQUIRED else "unverified"
    return " ".join((session.version() or "TLS", cipher[0] if cipher else "unknown", trust))


def _client_context(min_version: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = _VERSIONS[min_version]
    return context


@functools.lru_cache(maxsize=4)
def _opportunistic(min_version: str) -> ssl.SSLContext:
    context = _client_context(min_version)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # An old server is better talked to in a cipher of its time than in the clear text that would follow.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


@functools.lru_cache(maxsize=4)
def _verified(ca_file: str, modified: int, min_version: str) -> ssl.SSLContext:
    context = _client_context(min_version)
    if ca_file:
        context.load_verify_locations(ca_file)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context
