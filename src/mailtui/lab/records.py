"""What a remote server of the lab saw: its side of the ledger.

Owned here: the values of a received message, a transaction, a connection and a command, and the bounded lists and
counters they are kept in. Nothing here decides or answers anything.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from mailtui.model import Stage

_FIELD: Final = re.compile(rb"^(message-id|x-test-id|subject):[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_HEADER_OCTETS: Final = 64 * 1024


class Received(NamedTuple):
    """A message the server took into custody, each time it did. `reply` is "" when the client was left without an
    answer.

    `content` is without dot-stuffing and empty when bodies are not kept; `size` and `sha256` (hex) are always those of
    the whole content. `at` is POSIX seconds; `tls` the version or ""; `rcpt_params` has one tuple for each of
    `recipients`.
    """

    sender: str
    recipients: tuple[str, ...]
    size: int
    sha256: str
    content: bytes
    message_id: str
    test_id: str
    subject: str
    at: float
    tls: str
    helo: str
    mail_params: tuple[str, ...]
    rcpt_params: tuple[tuple[str, ...], ...]
    connection: int
    reply: str


class Transaction(NamedTuple):
    """One MAIL that was accepted, when it ended: every RCPT with the code it got, and how far it came.

    `outcome` is the code given to the final dot, 0 when it got none or never came; `stage` the last command seen.
    """

    sender: str
    recipients: tuple[tuple[str, int], ...]
    stage: Stage
    outcome: int
    connection: int


class Command(NamedTuple):
    """A command line as it came (without CRLF, AUTH data masked), on which connection, and whether under TLS."""

    connection: int
    line: str
    tls: bool


@dataclass(slots=True)
class Connection:
    """One connection while it lasts and after: `number` from 1, times POSIX seconds, `closed` None while open."""

    number: int
    peer: str
    opened: float
    closed: float | None = None
    helo: str = ""
    tls: str = ""
    login: str = ""
    login_in_clear: bool = False
    turned_away: bool = False
    messages: int = 0


@dataclass(slots=True)
class Envelope:
    """A transaction under way."""

    sender: str
    mail_params: tuple[str, ...]
    asked: list[tuple[str, int]] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    rcpt_params: list[tuple[str, ...]] = field(default_factory=list)


class Records:
    """Bounded lists (the last `keep` of each) and totals that are never cut. `violations` say where a client broke
    SMTP.
    """

    def __init__(self, keep: int, keep_bodies: bool) -> None:
        self.keep_bodies = keep_bodies
        self.mailbox: deque[Received] = deque(maxlen=keep)
        self.connections: deque[Connection] = deque(maxlen=keep)
        self.transactions: deque[Transaction] = deque(maxlen=keep)
        self.commands: deque[Command] = deque(maxlen=keep)
        self.violations: deque[str] = deque(maxlen=1000)
        self.open = self.peak = self.turned_away = 0
        self.total_connections = self.total_received = self.total_recipients = 0

    def connected(self, peer: str) -> Connection:
        """A new connection, counted as open."""
        self.total_connections += 1
        self.open += 1
        self.peak = max(self.peak, self.open)
        connection = Connection(self.total_connections, peer, time.time())
        self.connections.append(connection)
        return connection

    def disconnected(self, connection: Connection) -> None:
        """The connection is gone."""
        self.open -= 1
        connection.closed = time.time()

    def ended(self, envelope: Envelope, stage: Stage, outcome: int, connection: Connection) -> None:
        """A transaction is over, one way or another."""
        self.transactions.append(Transaction(envelope.sender, tuple(envelope.asked), stage, outcome, connection.number))

    def took(self, envelope: Envelope, content: bytes, reply: str, connection: Connection) -> None:
        """Custody of a message, which the client hears of in `reply`."""
        self.total_received += 1
        self.total_recipients += len(envelope.recipients)
        facts = header_facts(content)
        self.mailbox.append(
            Received(
                sender=envelope.sender,
                recipients=tuple(envelope.recipients),
                size=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                content=content if self.keep_bodies else b"",
                message_id=facts.get("message-id", ""),
                test_id=facts.get("x-test-id", ""),
                subject=facts.get("subject", ""),
                at=time.time(),
                tls=connection.tls,
                helo=connection.helo,
                mail_params=envelope.mail_params,
                rcpt_params=tuple(envelope.rcpt_params),
                connection=connection.number,
                reply=reply,
            )
        )


def header_facts(content: bytes) -> dict[str, str]:
    """The first Message-ID, X-Test-ID and Subject of a message, by lower-case name; unfolded no further than one
    line.
    """
    head = content[:_HEADER_OCTETS].partition(b"\r\n\r\n")[0]
    facts: dict[str, str] = {}
    for name, value in _FIELD.findall(head):
        facts.setdefault(name.decode().lower(), value.decode("utf-8", "replace").rstrip())
    return facts


def unstuffed(raw: bytes) -> bytes:
    """Content from what was sent before the final dot; `raw` begins with the CRLF that precedes the first line."""
    return raw.replace(b"\r\n.", b"\r\n")[2:]


def text(octets: bytes | bytearray) -> str:
    """Octets of the wire as text, whatever they are."""
    return octets.decode("utf-8", "replace")
