"""How a remote server of the lab treats its clients, as frozen values: what it offers, what it refuses, when it is
slow.

Owned here: `Personality` and the well-known ones, `Act` (one answer and what follows it), and the pure decision which
act a command gets. No sockets; `dialogue.py` performs the acts. A new way to misbehave is a new value, never a
subclass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from mailtui.model import Stage

MAX_TRIPLETS: Final = 200_000


class Tls(StrEnum):
    """What happens at STARTTLS: not offered, a certificate of that kind, or a handshake that fails or never ends."""

    OFF = "off"
    TRUSTED = "trusted"  # signed by the lab's authority for the server's own name
    SELF_SIGNED = "self-signed"
    EXPIRED = "expired"
    WRONG_NAME = "wrong-name"
    OUTDATED = "outdated"  # TLS 1.0 at most
    BROKEN = "broken"
    STALLED = "stalled"


class Then(StrEnum):
    """What follows a reply: the dialogue goes on, a TLS handshake begins, the connection closes, is reset (RST), or
    hears nothing any more."""

    GO_ON = "go-on"
    TLS = "tls"
    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Act:
    """One answer. `reply` as text is one reply (further lines after a line feed; `{peer}` and `{address}` are filled
    in), as bytes goes out untouched; empty says nothing.

    `delay` seconds before it, sent in `pieces` TCP segments `gap` seconds apart, repeated for ever when `endless`;
    `odds` is how often (0-1) the act happens at all, the ordinary answer being given otherwise.
    """

    reply: str | bytes = ""
    then: Then = Then.GO_ON
    delay: float = 0.0
    pieces: int = 1
    gap: float = 0.02
    endless: bool = False
    odds: float = 1.0

    def wire(self, peer: str = "", address: str = "") -> bytes:
        """The octets to send."""
        if isinstance(self.reply, bytes):
            return self.reply
        if not self.reply:
            return b""
        text = self.reply.replace("{peer}", peer).replace("{address}", address)
        code, lines = text[:3], text[4:].split("\n")
        if len(text) <= 3:
            return f"{code}\r\n".encode()
        marks = ["-"] * (len(lines) - 1) + [" "]
        return "".join(f"{code}{mark}{line}\r\n" for mark, line in zip(marks, lines, strict=True)).encode()

    @property
    def code(self) -> int:
        """The basic reply code the client should read; 0 when it gets none or nonsense."""
        head = self.reply[:3]
        return int(head) if len(head) == 3 and head.isdigit() and head.isascii() else 0


@dataclass(frozen=True, slots=True)
class Situation:
    """What a hook may look at: the stage, the address of MAIL or RCPT, and where the session stands.

    `connection` numbers the server's connections from 1, `message` the MAIL commands on this one from 1.
    """

    stage: Stage
    address: str
    sender: str
    recipients: tuple[str, ...]
    peer: str
    connection: int
    message: int
    tls: bool


Hook = Act | Callable[[Situation], Act | None]

EXTENSIONS: Final = ("PIPELINING", "SIZE 26214400", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")
TOO_FAST: Final = Act("421 4.7.0 [{peer}] Our system has detected an unusual rate of mail, try again later", Then.CLOSE)
TOO_MANY: Final = Act("421 4.7.0 Too many concurrent connections from {peer}", Then.CLOSE)
BLOCKED: Final = "554 5.7.1 Service unavailable; Client host [{peer}] blocked using zen.blocklist.test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Personality:
    """A server's character. Zero and empty mean: no limit, no such behaviour.

    `hooks` overrule everything at their stage; `mailboxes` pairs glob patterns of whole addresses with what RCPT gets,
    first match wins; `slow` adds seconds before the reply of a stage; `max_connections` counts simultaneous ones;
    `per_connection` messages on one connection; `rate` is (messages, in seconds); `greylist` seconds until a triplet of
    client, sender and recipient passes; `users` are (name, password) for AUTH; `idle` seconds until 421 4.4.2.
    """

    extensions: tuple[str, ...] = EXTENSIONS
    helo_only: bool = False
    tls: Tls = Tls.OFF
    users: tuple[tuple[str, str], ...] = ()
    needs_auth: bool = False
    max_connections: int = 0
    per_connection: int = 0
    rate: tuple[int, float] | None = None
    greylist: float = 0.0
    mailboxes: tuple[tuple[str, Act], ...] = ()
    slow: Mapping[Stage, float] = field(default_factory=dict)
    hooks: Mapping[Stage, Hook] = field(default_factory=dict)
    idle: float = 300.0

    def but(self, **changes: object) -> Personality:
        """The same character with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


class Memory:
    """What a server remembers between sessions: when it first saw a triplet, and its latest messages."""

    def __init__(self) -> None:
        self.first_seen: dict[tuple[str, str, str], float] = {}
        self.recent: deque[float] = deque(maxlen=10_000)

    def wait_left(self, triplet: tuple[str, str, str], seconds: float, now: float) -> float:
        """Seconds a greylisted triplet still has to wait; the first sight starts the clock."""
        if len(self.first_seen) >= MAX_TRIPLETS:
            self.first_seen.clear()
        return self.first_seen.setdefault(triplet, now) + seconds - now

    def exceeds(self, rate: tuple[int, float], now: float) -> bool:
        """Whether one more message now would be over the rate; if not, it is counted."""
        limit, window = rate
        while self.recent and self.recent[0] <= now - window:
            self.recent.popleft()
        if len(self.recent) >= limit:
            return True
        self.recent.append(now)
        return False


def decide(
    personality: Personality, at: Situation, memory: Memory, now: float, chance: Callable[[], float]
) -> Act | None:
    """The act for this command; None for the ordinary answer. `now` is monotonic seconds, `chance` gives 0-1."""
    hook = personality.hooks.get(at.stage)
    act = hook(at) if callable(hook) else hook
    if act is None:
        act = _policy(personality, at, memory, now)
    if act is not None and act.odds < 1.0 and chance() >= act.odds:
        return None
    return act


def _policy(personality: Personality, at: Situation, memory: Memory, now: float) -> Act | None:
    if at.stage is Stage.MAIL:
        if personality.per_connection and at.message > personality.per_connection:
            return TOO_FAST
        if personality.rate is not None and memory.exceeds(personality.rate, now):
            return TOO_FAST
    if at.stage is Stage.RCPT:
        for pattern, act in personality.mailboxes:
            if fnmatchcase(at.address.lower(), pattern):
                return act
        if personality.greylist:
            wait = memory.wait_left((at.peer, at.sender, at.address), personality.greylist, now)
            if wait > 0:
                return Act(f"451 4.7.1 <{{address}}>: Greylisted, try again in {int(wait) + 1} seconds")
    return None


FINE: Final = Personality()
HELO_ONLY: Final = Personality(helo_only=True, extensions=())
REFUSING: Final = Personality(hooks={Stage.GREETING: Act("554 5.3.2 {peer} no SMTP service here", Then.CLOSE)})


def greylisting(seconds: float) -> Personality:
    """451 4.7.1 with the seconds left, until a triplet has waited."""
    return Personality(greylist=seconds)


def throttling(
    *, per_connection: int = 0, max_connections: int = 0, rate: tuple[int, float] | None = None
) -> Personality:
    """421 4.7.0 and a closed connection over any of the limits."""
    return Personality(per_connection=per_connection, max_connections=max_connections, rate=rate)


def mailbox_full(pattern: str = "*", *, permanent: bool = False) -> Personality:
    """452 4.2.2 (or 552 5.2.2) for the addresses that match."""
    code = "552 5.2.2" if permanent else "452 4.2.2"
    return Personality(mailboxes=((pattern, Act(f"{code} <{{address}}>: Mailbox full, over quota")),))


def unknown_users(pattern: str = "unknown*") -> Personality:
    """550 5.1.1 for the addresses that match."""
    refusal = Act("550 5.1.1 <{address}>: Recipient address rejected: User unknown in local recipient table")
    return Personality(mailboxes=((pattern, refusal),))


def blocklisted(stage: Stage = Stage.RCPT) -> Personality:
    """554 5.7.1 with the name of a block list; at the greeting the connection closes too."""
    return Personality(hooks={stage: Act(BLOCKED, Then.CLOSE if stage is Stage.GREETING else Then.GO_ON)})


def slow(seconds: Mapping[Stage, float]) -> Personality:
    """Fine, but takes its time: seconds by stage."""
    return Personality(slow=seconds)


def drops_after_dot(then: Then = Then.CLOSE, *, odds: float = 1.0) -> Personality:
    """Takes the message and gives no reply: closes, resets, or stays silent."""
    return Personality(hooks={Stage.FINAL_DOT: Act(then=then, odds=odds)})


def unavailable(stage: Stage) -> Personality:
    """421 4.3.2 and a closed connection at that stage."""
    return Personality(hooks={stage: Act("421 4.3.2 Service shutting down, closing connection", Then.CLOSE)})


def with_tls(kind: Tls) -> Personality:
    """Fine, with STARTTLS of that kind."""
    return Personality(tls=kind)


def with_auth(name: str, password: str, *, tls: Tls = Tls.TRUSTED) -> Personality:
    """A smarthost: takes mail from that user only; AUTH PLAIN and LOGIN are offered, in clear text too."""
    return Personality(users=((name, password),), needs_auth=True, tls=tls)
