"""The vocabulary of the house as values, and the recipient state table.

Owned here: what a message, recipient, reply and attempt are, which state may follow which and who may cause it, and how a
queue id is written. Imports nothing of ours; does no I/O. Times are POSIX seconds (float, UTC) unless a name says otherwise.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class State(StrEnum):
    """Where a recipient stands. Its word is the same in column, field, wire and screen."""

    QUEUED = "queued"
    SENDING = "sending"
    DEFERRED = "deferred"
    HELD = "held"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    SUPPRESSED = "suppressed"
    PURGED = "purged"


class Cause(StrEnum):
    """Who may move a recipient from one state to another."""

    INTAKE = "intake"
    RUNNER = "runner"
    ATTEMPT = "attempt"
    STARTUP = "start-up"
    OPERATOR = "operator"
    SUPPRESSION = "suppression list"
    EXPIRY = "expiry"
    UNDO = "undo"


WAITING: Final = (State.QUEUED, State.SENDING, State.DEFERRED, State.HELD)
FINISHED: Final = (State.DELIVERED, State.BOUNCED, State.SUPPRESSED, State.PURGED)

_Q, _S, _D, _H = State.QUEUED, State.SENDING, State.DEFERRED, State.HELD
_OK, _B, _X, _P = State.DELIVERED, State.BOUNCED, State.SUPPRESSED, State.PURGED

#: Every edge of the life of a recipient: (from, to) -> who may cause it. `None` is "not yet accepted".
EDGES: Final[dict[tuple[State | None, State], frozenset[Cause]]] = {
    (None, _Q): frozenset({Cause.INTAKE}),
    (None, _H): frozenset({Cause.INTAKE}),
    (None, _X): frozenset({Cause.INTAKE}),
    (_Q, _S): frozenset({Cause.RUNNER}),
    (_D, _S): frozenset({Cause.RUNNER}),
    (_S, _OK): frozenset({Cause.ATTEMPT}),
    (_S, _D): frozenset({Cause.ATTEMPT, Cause.RUNNER}),  # the runner gives back what was not tried after all
    (_S, _B): frozenset({Cause.ATTEMPT}),
    (_S, _Q): frozenset({Cause.STARTUP, Cause.RUNNER}),  # interrupted; given back untried
    (_S, _H): frozenset({Cause.STARTUP, Cause.RUNNER}),  # quarantine; a message that cannot be signed
    (_Q, _H): frozenset({Cause.OPERATOR, Cause.UNDO}),  # of a release
    (_D, _H): frozenset({Cause.OPERATOR, Cause.UNDO}),
    (_Q, _P): frozenset({Cause.OPERATOR, Cause.UNDO}),  # the DSN of a bounce that is undone
    (_D, _P): frozenset({Cause.OPERATOR}),
    (_H, _P): frozenset({Cause.OPERATOR, Cause.UNDO}),
    (_Q, _B): frozenset({Cause.OPERATOR, Cause.EXPIRY}),
    (_D, _B): frozenset({Cause.OPERATOR, Cause.EXPIRY}),
    (_H, _B): frozenset({Cause.OPERATOR}),
    (_Q, _X): frozenset({Cause.SUPPRESSION, Cause.UNDO}),  # of a release past the list
    (_D, _X): frozenset({Cause.SUPPRESSION, Cause.UNDO}),
    (_D, _Q): frozenset({Cause.OPERATOR, Cause.UNDO}),
    (_Q, _D): frozenset({Cause.UNDO}),
    (_H, _Q): frozenset({Cause.OPERATOR, Cause.UNDO}),
    (_H, _D): frozenset({Cause.OPERATOR, Cause.UNDO}),
    (_X, _Q): frozenset({Cause.OPERATOR, Cause.UNDO}),
    (_X, _D): frozenset({Cause.OPERATOR, Cause.UNDO}),
    (_P, _Q): frozenset({Cause.UNDO}),
    (_P, _D): frozenset({Cause.UNDO}),
    (_P, _H): frozenset({Cause.UNDO}),
    (_B, _Q): frozenset({Cause.UNDO}),
    (_B, _D): frozenset({Cause.UNDO}),
    (_B, _H): frozenset({Cause.UNDO}),
}


def may_move(source: State | None, target: State, cause: Cause) -> bool:
    """Whether `cause` may take a recipient from `source` to `target`."""
    return cause in EDGES.get((source, target), frozenset())


class Stage(StrEnum):
    """Where in a delivery something happened (design 2.4); closed list, in the order of the dialogue."""

    DNS = "dns"
    CONNECT = "connect"
    GREETING = "greeting"
    HELO = "helo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    FINAL_DOT = "final-dot"
    QUIT = "quit"


class Disposition(StrEnum):
    """What an attempt decided for a recipient."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"


class Reply(msgspec.Struct, frozen=True):
    """What a server answered: basic code, enhanced code ("" when it sent none), text (lines joined with a line feed).

    Text is as received, decoded as UTF-8 with replacement, bounded by the session that read it: hostile, escape it before a
    terminal sees it.
    """

    code: int
    enhanced: str = ""
    text: str = ""

    @property
    def positive(self) -> bool:
        """2yz: RFC 5321 4.2.1; any 2yz is success, not only 250."""
        return 200 <= self.code < 300

    @property
    def permanent(self) -> bool:
        """5yz, by the first digit."""
        return 500 <= self.code < 600

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code) if self.code else "", self.enhanced, self.text) if part)


class Address(msgspec.Struct, frozen=True):
    """A mailbox of an envelope: `local` with its case kept, `domain` lower-case A-labels (or an address literal).

    The null reverse-path (RFC 5321 4.5.5) is `Address("", "")`.
    """

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}" if self.domain else self.local

    def __bool__(self) -> bool:
        return bool(self.local or self.domain)


NULL_SENDER: Final = Address("", "")


class EnvelopeRecipient(msgspec.Struct, frozen=True):
    """One RCPT: mailbox plus the DSN parameters of RFC 3461 (`notify` is "" when the client gave none, else a comma list of
    NEVER or SUCCESS, FAILURE, DELAY; `orcpt` keeps its case and xtext)."""

    address: Address
    notify: str = ""
    orcpt: str = ""


class Envelope(msgspec.Struct, frozen=True):
    """What MAIL and RCPT said. `ret` is "", FULL or HDRS; `envid` keeps its xtext; `eight_bit` is BODY=8BITMIME."""

    sender: Address
    recipients: tuple[EnvelopeRecipient, ...]
    ret: str = ""
    envid: str = ""
    eight_bit: bool = False
    smtputf8: bool = False


class Origin(msgspec.Struct, frozen=True):
    """Where a message came from: listener address, its kind, authenticated user ("" when none), client IP and HELO name,
    protocol keyword of the Received line (ESMTP, ESMTPS, ESMTPSA ...) and TLS version ("" in clear)."""

    listener: str
    kind: str
    user: str
    client: str
    helo: str
    protocol: str
    tls: str


class HeaderFacts(msgspec.Struct, frozen=True):
    """The few header fields the queue keeps for finding a message again; bounded, undecoded, hostile. `tag` is the sender's own word
    for this kind of mail (X-Mailtui-Tag), which only users and networks may give."""

    from_: str = ""
    subject: str = ""
    message_id: str = ""
    tag: str = ""


class Incoming(msgspec.Struct, frozen=True):
    """A message at the moment its final dot was read: everything but the content, which travels beside it in chunks.

    `number` is its row (see `encode_id`); `prefix` the header lines this relay puts in front of the content (Received, a missing
    Date or Message-ID), CRLF-terminated; `size` the octets of the content without the prefix; `received` POSIX seconds.
    """

    number: int
    envelope: Envelope
    origin: Origin
    facts: HeaderFacts
    prefix: bytes
    size: int
    received: float


class TranscriptLine(msgspec.Struct, frozen=True):
    """One line of a dialogue: milliseconds since the session (or transaction) began, direction ">" ours, "<" theirs, "*" a note
    of ours, and the line without CRLF, secrets already masked."""

    ms: int
    dir: str
    line: str


class Verdict(msgspec.Struct, frozen=True):
    """What classification says about an outcome: class name, whose fault, disposition, what to do, one human sentence.

    `wait` is the hint of the reply in seconds (None when it gave none); `scope` is what failed and so what backs off:
    "recipient", "destination" (DNS) or "site".
    """

    class_: str
    fault: str
    disposition: Disposition
    sentence: str
    scope: str = "recipient"
    wait: int | None = None
    suppress: bool = False


class ClaimedRecipient(msgspec.Struct, frozen=True):
    """A recipient of a claim: row id, mailbox, DSN parameters, attempts made (this one included), when its lifetime ends;
    `rerouted`: an operator chose its route, the rules of the configuration do not."""

    id: int
    address: Address
    notify: str
    orcpt: str
    attempts: int
    expires_at: float
    notices: int = 0
    rerouted: bool = False


class Claim(msgspec.Struct, frozen=True):
    """The right to try some recipients of one message for one destination now; registered as an attempt before it is given.

    `content` is the whole content when it fits one chunk, else None (read it chunk by chunk); `signature` is None until DKIM has
    been dealt with; `route` is the key of the route the recipients were filed under; `prefer` a host that may have taken the
    message already (its last attempt had an unknown outcome): it is asked first, because it may recognise the message.
    """

    message: int
    lane: int
    destination: str
    route: str
    sender: Address
    recipients: tuple[ClaimedRecipient, ...]
    size: int
    received_at: float
    prefix: bytes
    signature: bytes | None
    content: bytes | None
    ret: str = ""
    envid: str = ""
    eight_bit: bool = False
    smtputf8: bool = False
    user: str = ""
    interruptions: int = 0
    prefer: str = ""

    @property
    def solo(self) -> bool:
        """Interrupted twice: the third attempt is made with nothing else in flight, so that it can be blamed."""
        return self.interruptions >= 2

    @property
    def queue_id(self) -> str:
        """The id the operator knows it by."""
        return encode_id(self.message)


class Attempt(msgspec.Struct, frozen=True):
    """One try for one recipient, finished. `recipient` is the row id; `timings` milliseconds by stage.

    `relayed`: success at a host that does not offer DSN, so the "relayed" report of RFC 3461 5.2.2 is ours to send.
    """

    recipient: int
    started: float
    ended: float
    stage: Stage
    verdict: Verdict
    reply: Reply
    host: str = ""
    address: str = ""
    tls: str = ""
    timings: dict[str, int] = {}
    relayed: bool = False


class Obstacle(msgspec.Struct, frozen=True):
    """Why a lane leads nowhere right now, before any host: a fact of DNS or of the configuration."""

    reply: Reply
    verdict: Verdict


class Delivery(msgspec.Struct, frozen=True):
    """What came of a claim: an attempt for each of its recipients, and the dialogue behind them.

    `dialogue` is this transaction (None: nothing was said), `preamble` how the connection began, each as (transcript number,
    lines); the same preamble number is given again for every transaction of a kept connection. `proved`: some complete reply to
    MAIL, RCPT or the dot was read, so the site lives. `untouched`: recipients that were not tried after all (too many for this
    host at once): back to the queue without an attempt.
    """

    attempts: tuple[Attempt, ...]
    dialogue: tuple[int, tuple[TranscriptLine, ...]] | None = None
    preamble: tuple[int, tuple[TranscriptLine, ...]] | None = None
    proved: bool = False
    untouched: tuple[int, ...] = ()


_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32: sortable, no I L O U to misread
_VALUE: Final = {character: value for value, character in enumerate(_ALPHABET)}
ID_EPOCH: Final = 1735689600  # 2025-01-01 UTC; a message id counts milliseconds from here, so ids sort by time
ID_LENGTH: Final = 8


def encode_id(number: int) -> str:
    """The queue id of a message row: 8 characters that sort as the numbers do. ValueError outside 40 bits."""
    if not 0 <= number < 1 << 40:
        raise ValueError(f"message number out of range: {number}")
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(35, -1, -5))


def decode_id(text: str) -> int:
    """The row of a queue id, in either case. ValueError when it is not one."""
    if len(text) != ID_LENGTH or not text.isascii():  # "ß".upper() has two characters
        raise ValueError(f"not a queue id: {text!r}")
    number = 0
    for character in text.upper():
        if character not in _VALUE:
            raise ValueError(f"not a queue id: {text!r}")
        number = number << 5 | _VALUE[character]
    return number


RECIPIENT_BITS: Final = 20
CONTENT_BITS: Final = 12


def recipient_row(message: int, n: int) -> int:
    """The row of recipient `n` (from 1) of a message."""
    return message << RECIPIENT_BITS | n


def format_recipient_id(row: int) -> str:
    """`<queue id>.<n>` of a recipient row."""
    return f"{encode_id(row >> RECIPIENT_BITS)}.{row & (1 << RECIPIENT_BITS) - 1}"


def parse_item_id(text: str) -> tuple[int, int]:
    """Message number and recipient n of `<queue id>.<n>` or a bare queue id (n = 0: all of them). ValueError otherwise."""
    head, dot, tail = text.partition(".")
    if not dot:
        return decode_id(head), 0
    if not tail.isascii() or not tail.isdigit() or not 0 < int(tail) < 1 << RECIPIENT_BITS:
        raise ValueError(f"not a recipient id: {text!r}")
    return decode_id(head), int(tail)


def parse_address(text: str) -> Address:
    """The mailbox that `str(Address)` wrote. Not a parser for foreign input: that one is in intake."""
    local, _, domain = text.rpartition("@")
    return Address(local, domain) if local else Address(domain, "")
