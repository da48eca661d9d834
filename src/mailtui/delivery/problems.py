"""What routing can find wrong with a destination, as exceptions that carry the facts.

Owned here: the five outcomes of resolving a recipient domain that end an attempt before anything is dialled. Raised by
`delivery.dns`, turned into a reply and a verdict by `delivery.failures`; no look-up and no wording for people here.
"""

from __future__ import annotations


class RoutingProblem(Exception):
    """A destination has no way to go; `domain` is the recipient domain as A-labels."""

    def __init__(self, domain: str, detail: str = "") -> None:
        super().__init__(f"{domain}: {detail}" if detail else domain)
        self.domain = domain
        self.detail = detail


class NoSuchDomain(RoutingProblem):
    """NXDOMAIN for the domain itself (RFC 2308): it does not exist."""


class NullMX(RoutingProblem):
    """The domain publishes `MX 0 .` (RFC 7505): it accepts no mail."""


class LookupFailed(RoutingProblem):
    """DNS gave no usable answer (SERVFAIL, REFUSED, time-out, malformed); `detail` says which, in a few words."""


class NoUsableHost(RoutingProblem):
    """The domain exists, but no MX (nor the domain itself) has an address to dial; `detail` names the hosts asked."""


class LoopsToSelf(RoutingProblem):
    """The best MX left is this relay (RFC 5321 section 5.1); `detail` is the host name that is ours."""
