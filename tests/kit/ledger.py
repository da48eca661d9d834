"""The ledger of a load test: what was accepted, written down before the next message leaves, and the audit against the other side.

Owned here: a source that sends unique messages over several sessions and syncs a line for every 250, and `reconcile`, which
compares that with what remote servers took and with what the queue file holds. Relays and remotes are started by the tests.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from mailtui.lab.client import SmtpClient
from mailtui.lab.records import Received

#: Seconds a client waits before it tries again; short, because a test wants the window, not the politeness.
_PAUSE: Final = 0.02
_TEST_ID: Final = re.compile(rb"^X-Test-ID: (\S+)", re.MULTILINE)
_QUEUED: Final = re.compile(r"queued as (\w+)")


class Accepted(NamedTuple):
    """One 250: the X-Test-ID, the queue id in the reply, who it was for, and the SHA-256 (hex) of the body."""

    test_id: str
    queue_id: str
    recipients: tuple[str, ...]
    sha256: str


class Taken(NamedTuple):
    """One message a remote took, without its body; for a report (null sender) `test_id` is "" and `reports` names what it is about."""

    test_id: str
    recipients: tuple[str, ...]
    sha256: str
    reports: tuple[str, ...] = ()


def taken(mail: Received) -> Taken:
    """What the audit needs of a message, so that a long run need not keep bodies."""
    if mail.sender:
        return Taken(mail.test_id, mail.recipients, body_hash(mail.content))
    about = tuple(identity.decode() for identity in set(_TEST_ID.findall(mail.content)))
    return Taken("", mail.recipients, "", about)


class Ledger:
    """A file with a synced line for every 250; it survives whatever happens to the relay and to the test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab")

    def write(self, accepted: Accepted) -> None:
        """Make one line durable."""
        self._file.write(json.dumps(accepted).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def read(self) -> list[Accepted]:
        """Every line so far."""
        lines = (json.loads(line) for line in self.path.read_bytes().splitlines())
        return [
            Accepted(test_id, queue_id, tuple(recipients), sha256) for test_id, queue_id, recipients, sha256 in lines
        ]

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def body_hash(content: bytes) -> str:
    """SHA-256 (hex) of what follows the header: the part no relay may touch."""
    return hashlib.sha256(content.partition(b"\r\n\r\n")[2]).hexdigest()


def message(test_id: str, sender: str, recipients: Iterable[str], size: int) -> bytes:
    """A message of about `size` octets whose body no other message has."""
    head = (
        f"From: <{sender}>\r\nTo: {', '.join(recipients)}\r\nSubject: {test_id}\r\nMessage-ID: <{test_id}@src.test>\r\n"
        f"X-Test-ID: {test_id}\r\nDate: Sat, 01 Nov 2025 10:00:00 +0000\r\n\r\n"
    )
    lines = (f"{test_id} line {n} {'.' * (n % 60)}\r\n" for n in itertools.count())
    body: list[str] = []
    left = size - len(head)
    while left > 0:
        body.append(next(lines))
        left -= len(body[-1])
    return (head + "".join(body)).encode()


class Source:
    """Sends messages over `sessions` connections until `stop`, or until `count` were accepted.

    A message without an answer, or with a 4yz, is sent again with the same X-Test-ID, as a mail client does. `recipients(n)` says
    whom message n is for, `size(n)` how large it is. `attempts` counts transactions begun.
    """

    def __init__(
        self,
        address: tuple[str, int],
        ledger: Ledger,
        *,
        sessions: int = 10,
        count: int | None = None,
        recipients: Callable[[int], tuple[str, ...]] = lambda n: (f"user{n}@dst.test",),
        size: Callable[[int], int] = lambda n: 1_000 + n * 977 % 20_000,
        sender: str = "sender@src.test",
        mark: str = "m",
    ) -> None:
        self._address, self._ledger, self._sessions = address, ledger, sessions
        self._numbers: Iterator[int] = iter(range(count)) if count is not None else itertools.count()
        self._recipients, self._size, self._sender, self._mark = recipients, size, sender, mark
        self._stopped = False
        self.accepted = 0
        self.attempts = 0
        self.refusals: Counter[str] = Counter()

    def stop(self) -> None:
        """Begin no more messages; one without an answer is given up."""
        self._stopped = True

    async def run(self) -> None:
        """Send."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._sessions):
                group.create_task(self._session())

    async def _session(self) -> None:
        client: SmtpClient | None = None
        for number in self._numbers:
            test_id = f"{self._mark}{number}"
            recipients = self._recipients(number)
            content = message(test_id, self._sender, recipients, self._size(number))
            accepted = False
            while not accepted:
                if self._stopped:
                    break
                try:
                    if client is None:
                        client = SmtpClient(self._address)
                        await client.connect()
                    self.attempts += 1
                    outcome = await client.send(self._sender, recipients, content)
                except OSError:
                    if client is not None:
                        await client.close()
                        client = None
                    await asyncio.sleep(_PAUSE)
                    continue
                accepted = outcome.accepted
                if accepted:
                    queue_id = _QUEUED.search(outcome.text)
                    line = Accepted(test_id, queue_id[1] if queue_id else "", recipients, body_hash(content))
                    self._ledger.write(line)
                    self.accepted += 1
                else:
                    self.refusals[f"{outcome.code} {outcome.text}"] += 1
                    await asyncio.sleep(_PAUSE)
            if self._stopped:
                break
        if client is not None:
            await client.close()


@dataclass
class Audit:
    """What became of everything accepted, in recipients. `lost`, `corrupt` and `unexplained` must be empty.

    Duplicates by window: `w1` a client sent again what had been committed; `w2` an attempt was interrupted; `w3` a remote never
    answered the dot. `unexplained` names deliveries beyond what these windows allow.
    """

    accepted: int = 0
    delivered: int = 0
    dsn: int = 0
    waiting: int = 0
    held: int = 0
    suppressed: int = 0
    purged: int = 0
    w1: int = 0
    w2: int = 0
    w3: int = 0
    lost: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"accepted {self.accepted}, delivered {self.delivered}, DSN {self.dsn}, waiting {self.waiting}, held {self.held}"
            f"{f', suppressed {self.suppressed}, purged {self.purged}' if self.suppressed or self.purged else ''},"
            f" duplicates W1 {self.w1} W2 {self.w2} W3 {self.w3}, unexplained {len(self.unexplained)},"
            f" corrupt {len(self.corrupt)}, lost {len(self.lost)}"
        )

    @property
    def clean(self) -> bool:
        """Whether the contract held."""
        return not (self.lost or self.corrupt or self.unexplained)


class _Row(NamedTuple):
    message: int
    state: str
    interrupted: int
    unknown: int
    reports: int


_ROWS: Final = """
    SELECT m.message_id, r.address, m.id, r.state,
        (SELECT count(*) FROM attempt a WHERE a.recipient = r.id AND a.class = 'interrupted'),
        (SELECT count(*) FROM attempt a WHERE a.recipient = r.id AND a.class = 'unknown-outcome')
    FROM recipient r JOIN message m ON m.id = r.id >> 20 WHERE m.about IS NULL
"""


def reconcile(accepted: Iterable[Accepted], received: Iterable[Taken], queue: Path, *, operated: bool = False) -> Audit:
    """Compare the three sides: the source's ledger, what the remotes took, the queue file (read only). What is suppressed or purged
    is lost, unless operators are at work (`operated`)."""
    audit = Audit()
    delivered: Counter[tuple[str, str]] = Counter()
    hashes: dict[str, set[str]] = {}
    reported: Counter[str] = Counter()
    for mail in received:
        if not mail.test_id:
            reported.update(mail.reports)
            continue
        hashes.setdefault(mail.test_id, set()).add(mail.sha256)
        delivered.update((mail.test_id, address) for address in mail.recipients)
    rows = _rows(queue)
    for line in accepted:
        if hashes.get(line.test_id, {line.sha256}) != {line.sha256}:
            audit.corrupt.append(line.test_id)
        for address in line.recipients:
            audit.accepted += 1
            found = rows.get((line.test_id, address), [])
            _judge(audit, line, address, delivered[line.test_id, address], reported, found, operated)
    return audit


def _judge(
    audit: Audit, line: Accepted, address: str, copies: int, reported: Counter[str], rows: list[_Row], operated: bool
) -> None:
    """One accepted recipient: where it is now, and how often it went out."""
    where = f"{line.test_id} ({line.queue_id}) to {address}"
    states = {row.state for row in rows}
    audit.delivered += copies > 0
    if not copies:
        if "bounced" in states and (reported[line.test_id] or any(row.reports for row in rows)):
            audit.dsn += 1
        elif states & {"queued", "sending", "deferred"}:
            audit.waiting += 1
        elif "held" in states:
            audit.held += 1
        elif operated and "suppressed" in states:
            audit.suppressed += 1
        elif operated and "purged" in states:
            audit.purged += 1
        else:
            audit.lost.append(f"{where}: {sorted(states)}")
    extra = max(0, copies - 1)
    again = min(extra, max(0, len(rows) - 1))
    interrupted = min(extra - again, sum(row.interrupted for row in rows))
    unknown = min(extra - again - interrupted, sum(row.unknown for row in rows))
    audit.w1 += again
    audit.w2 += interrupted
    audit.w3 += unknown
    if extra > again + interrupted + unknown:
        audit.unexplained.append(f"{where}: {copies} copies of {len(rows)} messages")


def _rows(queue: Path) -> dict[tuple[str, str], list[_Row]]:
    with_id: dict[tuple[str, str], list[_Row]] = {}
    connection = sqlite3.connect(f"{queue.as_uri()}?mode=ro", uri=True)
    try:
        reports = Counter(about for (about,) in connection.execute("SELECT about FROM message WHERE about IS NOT NULL"))
        for message_id, address, message, *rest in connection.execute(_ROWS):
            test_id = message_id.strip("<>").partition("@")[0]
            with_id.setdefault((test_id, address), []).append(_Row(message, *rest, reports[message]))
    finally:
        connection.close()
    return with_id
