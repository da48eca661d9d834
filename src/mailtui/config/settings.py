"""The settings as frozen values: one Struct per table, attribute names are the TOML keys, defaults are the product's.

Owned here: which keys exist, their types, defaults and the parser of each (in the annotation). Durations are float
seconds, sizes octets, paths absolute. Looking for files, reading them and cross-checking keys must not live here.
"""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, cast

import msgspec

from . import addresses, values
from .addresses import Endpoint, Network
from .values import Rate

Seconds = Annotated[float, values.duration]
OptionalSeconds = Annotated[float | None, values.optional(values.duration)]
Octets = Annotated[int, values.size]
PositiveOctets = Annotated[int, values.positive_size]
Count = Annotated[int, values.integer(1)]
CountOrNone = Annotated[int, values.integer(0)]
Port = Annotated[int, values.integer(1, 65535)]
OptionalPath = Annotated[Path | None, values.optional(values.path)]
NetworkValue = Annotated[Network, addresses.network]
SenderGlob = Annotated[str, addresses.sender_glob]

ListenerKind = Literal["relay", "submission", "submissions"]
Auth = Literal["required", "optional", "off"]
SuppressingClass = Literal["no-such-user", "mailbox-disabled", "no-such-domain", "moved", "null-mx"]
#: Classes a shaping rule may name: what a site, or the way there, can be the cause of.
SHAPING_CLASSES: Final = (
    *("throttled", "too-many-connections", "ip-reputation", "domain-reputation", "content", "url-reputation"),
    *(
        "greylisted",
        "auth-spf",
        "auth-dkim",
        "auth-dmarc",
        "rdns",
        "tls",
        "relay-denied",
        "auth-failed",
        "sender-rejected",
    ),
    *("protocol", "connection", "timeout", "remote-overload", "remote-storage", "policy", "unknown", "unknown-outcome"),
)
RouteTls = Literal["opportunistic", "required", "verified", "off"]

#: Stands for "not written": `__post_init__` puts the default there that fits the rest of the table.
_BY_KIND: Final = cast(Auth, "")
_BY_USERNAME: Final = cast(RouteTls, "")


def state_directory(environ: Mapping[str, str]) -> Path:
    """The user's state directory of mailtui (XDG base directory specification: a relative value is ignored)."""
    given = environ.get("XDG_STATE_HOME", "")
    return (Path(given) if given.startswith("/") else home_directory(environ) / ".local/state") / "mailtui"


def home_directory(environ: Mapping[str, str]) -> Path:
    """$HOME, or what the user database says; "/" for a user without an entry (a container's random uid)."""
    try:
        return Path(environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/")


@cache
def local_hostname() -> str:
    """This machine's name for HELO and Received, asked once: qualified if known, else short, else "localhost"."""
    for ask in (socket.getfqdn, socket.gethostname):
        try:
            name = addresses.hostname(ask())
        except (values.Rejected, OSError, UnicodeError):
            continue
        if not name.startswith("localhost") and not name.endswith(".arpa"):
            return name
    return "localhost"


class Relay(msgspec.Struct, frozen=True, kw_only=True):
    """Who this relay is and where it lives. `<data_dir>` in `socket` is expanded when the value is made."""

    hostname: Annotated[str, addresses.hostname] = msgspec.field(default_factory=local_hostname)
    environment: Annotated[str, values.or_empty(values.word)] = ""
    data_dir: Annotated[Path, values.path] = msgspec.field(default_factory=lambda: state_directory(os.environ))
    socket: Annotated[Path, values.socket_path] = Path("<data_dir>/control.sock")
    socket_group: Annotated[str, values.or_empty(values.group)] = ""

    def __post_init__(self) -> None:
        if self.socket.parts[:1] == ("<data_dir>",):
            msgspec.structs.force_setattr(self, "socket", self.data_dir.joinpath(*self.socket.parts[1:]))


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """One address that takes mail. `auth` unset is off for a relay listener, required for the submission kinds."""

    bind: Annotated[Endpoint, addresses.bind] = Endpoint("127.0.0.1", 2525)
    kind: ListenerKind = "relay"
    networks: tuple[NetworkValue, ...] = (ip_network("127.0.0.0/8"), ip_network("::1"))
    tls_cert: OptionalPath = None
    tls_key: OptionalPath = None
    auth: Auth = _BY_KIND

    def __post_init__(self) -> None:
        if not self.auth:
            msgspec.structs.force_setattr(self, "auth", "off" if self.kind == "relay" else "required")


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Who may log in, and with which sender addresses (globs). `rate` None is unlimited."""

    name: Annotated[str, values.word]
    password_hash: Annotated[str, values.password_hash]
    senders: tuple[SenderGlob, ...]
    rate: Annotated[Rate | None, values.optional(values.rate)] = None

    def __repr__(self) -> str:
        return f"User(name={self.name!r}, password_hash=***, senders={self.senders!r}, rate={self.rate!r})"


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """Limits on what comes in. `bare_newline` auto: reject from strangers, normalise for networks and users."""

    max_size: PositiveOctets = 25_000_000
    max_recipients: Count = 1000
    max_sessions: Count = 300
    max_sessions_per_ip: Count = 50
    memory_budget: PositiveOctets = 128_000_000
    min_free_disk: Octets = 500_000_000
    max_hops: Count = 50
    bare_newline: Literal["auto", "reject", "normalise"] = "auto"


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """How long things are kept. `max_messages` 0 is no limit but the disk."""

    lifetime: Seconds = 5 * 86400.0
    bounce_lifetime: Seconds = 2 * 86400.0
    history: Seconds = 14 * 86400.0
    history_size: Octets = 2_000_000_000
    trash: Seconds = 86400.0
    max_messages: CountOrNone = 0


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """Waits between attempts; the last step repeats. `jitter` is the share of a step it may vary by, 0 to 1."""

    schedule: tuple[Seconds, ...] = (300.0, 600.0, 1200.0, 2400.0, 4800.0, 9600.0, 14400.0)
    jitter: Annotated[float, values.fraction] = 0.2


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How mail leaves: the port of MX hosts, how much at once, from where, what is recorded."""

    port: Port = 25
    concurrency: Count = 100
    per_site: Count = 20
    per_connection: Count = 50
    max_recipients: Count = 50
    source_addresses: tuple[Annotated[str, addresses.address], ...] = ()
    ipv6: bool = True
    transcripts: Literal["all", "failures", "off"] = "all"


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Patience with remote servers by stage (RFC 5321 4.5.3.2); `block` is between two writes of content."""

    connect: Seconds = 30.0
    greeting: Seconds = 300.0
    helo: Seconds = 300.0
    mail: Seconds = 300.0
    rcpt: Seconds = 300.0
    data: Seconds = 120.0
    block: Seconds = 180.0
    final_dot: Seconds = 600.0
    quit: Seconds = 5.0


class Dns(msgspec.Struct, frozen=True, kw_only=True):
    """Resolvers (empty: the system's), total time of one lookup, entries of the cache."""

    nameservers: tuple[Annotated[Endpoint, addresses.nameserver], ...] = ()
    timeout: Seconds = 10.0
    cache_size: Count = 10_000


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Which mail goes where; the first that matches wins. `to` is text for `parse_next_hop`.

    `tls` unset means opportunistic, or required when there is a username: credentials never travel in clear.
    """

    match: Annotated[str, addresses.destination_glob] = "*"
    sender: SenderGlob = "*"
    to: Annotated[str, addresses.next_hop] = "mx"
    tls: RouteTls = _BY_USERNAME
    username: Annotated[str, values.or_empty(values.word)] = ""
    password_file: OptionalPath = None
    password_env: Annotated[str, values.or_empty(values.variable)] = ""
    after_attempts: CountOrNone = 0

    def __post_init__(self) -> None:
        if not self.tls:
            msgspec.structs.force_setattr(self, "tls", "required" if self.username else "opportunistic")


class ShapingRule(msgspec.Struct, frozen=True, kw_only=True, rename={"class_": "class", "for_": "for"}):
    """What is done to a site for a while (`for`) once it has given `threshold` replies of a kind within `window`.

    `class` and `pattern` (on "421 4.7.0 text", case ignored) must both hold where both are given. `slower` is a factor on
    connections and rate, 1 changes nothing; `max_connections` 0 changes nothing.
    """

    name: Annotated[str, values.word]
    class_: Annotated[str, values.or_empty(values.choice(SHAPING_CLASSES))] = ""
    pattern: Annotated[str, values.or_empty(values.pattern)] = ""
    threshold: Annotated[int, values.integer(1, 1000)] = 1
    window: Seconds = 600.0
    slower: Annotated[float, values.fraction] = 1.0
    rate: Annotated[Rate | None, values.optional(values.rate)] = None
    max_connections: CountOrNone = 0
    pause: bool = False
    for_: Seconds = 3600.0


class Shaping(msgspec.Struct, frozen=True, kw_only=True):
    """How much the sites that `match` (by an MX host, or a destination there) get; 0 and None leave it to others.

    `shipped` false: nothing of the settings that come with mailtui applies to these sites.
    """

    match: Annotated[str, addresses.destination_glob]
    max_connections: CountOrNone = 0
    rate: Annotated[Rate | None, values.optional(values.rate)] = None
    per_connection: CountOrNone = 0
    shipped: bool = True
    rules: tuple[ShapingRule, ...] = ()


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """TLS in both directions; `ca_file` None trusts the system's authorities."""

    min_version: Literal["1.2", "1.3"] = "1.2"
    ca_file: OptionalPath = None


class Dkim(msgspec.Struct, frozen=True, kw_only=True):
    """One signing key of a domain."""

    domain: Annotated[str, addresses.domain]
    selector: Annotated[str, values.selector]
    key_file: Annotated[Path, values.path]
    algorithm: Literal["rsa-sha256", "ed25519-sha256"] = "rsa-sha256"


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to a message that cannot be signed."""

    on_error: Literal["hold", "unsigned"] = "hold"


class Dsn(msgspec.Struct, frozen=True, kw_only=True):
    """Delivery status notifications. `delay_notice`: ages in seconds at which a delay is reported; empty is never."""

    delay_notice: tuple[Seconds, ...] = ()
    postmaster: Annotated[str, addresses.mailbox] = "postmaster@<hostname>"
    return_body: Literal["headers", "full"] = "headers"
    rate: Annotated[Rate, values.rate] = Rate(600, 60)


class SuppressionExpiry(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """How long an entry of the suppression list stands, by its reason, in seconds; None is until it is removed."""

    no_such_user: OptionalSeconds = 90 * 86400.0
    mailbox_disabled: OptionalSeconds = 30 * 86400.0
    no_such_domain: OptionalSeconds = 7 * 86400.0
    moved: OptionalSeconds = 90 * 86400.0
    null_mx: OptionalSeconds = 30 * 86400.0
    manual: OptionalSeconds = None

    def of(self, reason: str) -> float | None:
        """The seconds of a reason; a class that has no key here stands until it is removed."""
        key = reason.replace("-", "_")
        value: float | None = getattr(self, key) if key in self.__struct_fields__ else None
        return value


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """The list of addresses that get no mail: which classes of failure put an address there, and for how long."""

    on: tuple[SuppressingClass, ...] = ("no-such-user", "mailbox-disabled", "no-such-domain", "moved", "null-mx")
    expiry: SuppressionExpiry = SuppressionExpiry()


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """Who may change things (users, `@groups`); how many recipients one purge may take."""

    operators: tuple[Annotated[str, values.account], ...] = ()
    max_purge: Count = 10_000


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """How facts are written to standard error."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All settings; `path` is the file they came from, None without one."""

    relay: Relay = msgspec.field(default_factory=Relay)
    listener: tuple[Listener, ...] = (Listener(),)
    user: tuple[User, ...] = ()
    intake: Intake = Intake()
    queue: Queue = Queue()
    retry: Retry = Retry()
    delivery: Delivery = Delivery()
    timeouts: Timeouts = Timeouts()
    dns: Dns = Dns()
    route: tuple[Route, ...] = ()
    shaping: tuple[Shaping, ...] = ()
    tls: Tls = Tls()
    dkim: tuple[Dkim, ...] = ()
    trust: Trust = Trust()
    dsn: Dsn = Dsn()
    suppression: Suppression = Suppression()
    control: Control = Control()
    log: Log = Log()
    path: Path | None = None

    def __post_init__(self) -> None:
        if "<hostname>" in self.dsn.postmaster:
            named = self.dsn.postmaster.replace("<hostname>", self.relay.hostname)
            msgspec.structs.force_setattr(self, "dsn", msgspec.structs.replace(self.dsn, postmaster=named))
