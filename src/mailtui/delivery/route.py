"""Which way a message takes: by MX, through a smarthost, or into nothing, by the first rule that fits.

Owned here: the `[[route]]` rules in the form they are matched, and the choice as a pure function. Passwords are read
here once, at start and reload; how a route is resolved, dialled and secured is for `dns`, `dial` and `tls`.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from mailtui import config
from mailtui.delivery.tls import Level
from mailtui.model import Address

Kind = Literal["mx", "smarthost", "discard"]
Key = tuple[Kind, str, int, Level, str]


#: Fits every sender, so that the commonest rule costs no matching.
ANYBODY: Final = re.compile(".*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Route:
    """A way to go. `host` only for a smarthost; `port` is the one to dial (0 for discard); `rule` is the rule as people
    read it."""

    kind: Kind
    host: str
    port: int
    tls: Level
    username: str = ""
    password: config.Secret | None = None
    rule: str = "default"

    @property
    def key(self) -> Key:
        """What connections may be shared over: routes with the same key lead to the same server in the same way."""
        return (self.kind, self.host, self.port, self.tls, self.username)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password in every form a login gives it (RFC 4616 and AUTH LOGIN): a server may say it back."""
        if self.password is None:
            return ()
        plain = self.password.reveal()
        forms = (plain, f"\0{self.username}\0{plain}", f"{self.username}\0{self.username}\0{plain}")
        return (plain, *(base64.b64encode(form.encode()).decode() for form in forms))


@dataclass(frozen=True, slots=True)
class Rule:
    """When a route is taken: `match` is a domain, "*.domain" or "*"; `sender` a compiled glob over the whole
    address."""

    match: str
    sender: re.Pattern[str]
    after_attempts: int
    route: Route

    def fits(self, sender: Address, destination: str, attempts: int) -> bool:
        """Whether a recipient at `destination` with that many finished attempts goes this way."""
        return (
            attempts >= self.after_attempts
            and _covers(self.match, destination)
            and (self.sender is ANYBODY or self.sender.fullmatch(str(sender)) is not None)
        )


def read_rules(
    routes: tuple[config.Route, ...], port: int = 25, environ: Mapping[str, str] = os.environ
) -> tuple[Rule, ...]:
    """The configured rules in their order, ending with the one that sends everything else by MX.

    `port` is `delivery.port`, for routes that name none. Raises ConfigError when a password cannot be read.
    """
    rules = [Rule(item.match, _glob(item.sender), item.after_attempts, _route(item, port, environ)) for item in routes]
    return (*rules, Rule("*", _glob("*"), 0, Route("mx", "", port, "opportunistic")))


def choose(rules: tuple[Rule, ...], sender: Address, destination: str, attempts: int) -> Route:
    """The route of the first rule that fits. A rule with `after_attempts = N` is a fallback: it is passed over until
    the recipient has N attempts behind it, so it belongs above the rule it takes over from."""
    return next(rule.route for rule in rules if rule.fits(sender, destination, attempts))


def _route(item: config.Route, port: int, environ: Mapping[str, str]) -> Route:
    hop = config.parse_next_hop(item.to)
    return Route(
        kind=_kind(hop.kind),
        host=hop.host,
        port=0 if hop.kind == "discard" else hop.port or port,
        tls=item.tls,
        username=item.username,
        password=config.read_secret(item.password_file, item.password_env, environ),
        rule=_describe(item),
    )


def _kind(word: str) -> Kind:
    if word == "smarthost":
        return "smarthost"
    return "discard" if word == "discard" else "mx"


def _describe(item: config.Route) -> str:
    sender = f" from {item.sender}" if item.sender != "*" else ""
    after = f" after {item.after_attempts} attempts" if item.after_attempts else ""
    return f"{item.match}{sender}{after} → {item.to}"


def _covers(match: str, destination: str) -> bool:
    if match == "*":
        return True
    if match.startswith("*."):
        return destination.endswith(match[1:])
    return destination == match


def _glob(pattern: str) -> re.Pattern[str]:
    if pattern == "*":
        return ANYBODY
    return _compiled(pattern)


def _compiled(pattern: str) -> re.Pattern[str]:
    """Only "*" is special. Case is ignored: two local parts that differ in case alone are one mailbox in practice."""
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.IGNORECASE | re.DOTALL)
