"""A real queue file to work on: messages are taken in by the store's own functions, outcomes written as rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from mailtui.model import (
    CONTENT_BITS,
    ID_EPOCH,
    Address,
    Attempt,
    Claim,
    Delivery,
    Disposition,
    Envelope,
    EnvelopeRecipient,
    HeaderFacts,
    Incoming,
    Origin,
    Reply,
    Stage,
    State,
    TranscriptLine,
    Verdict,
    encode_id,
    recipient_row,
)
from mailtui.queue import arrivals, claims, lanes, outcomes
from mailtui.queue.database import FILE, open_writer
from mailtui.queue.schedule import Move

NOW = 1_790_000_000.0
BODY = b"Subject: x\r\n\r\nhello\r\n"


def incoming(
    number: int,
    *to: str,
    sender: str = "app@example.org",
    subject: str = "x",
    size: int = len(BODY),
    at: float = NOW,
    user: str = "",
    client: str = "127.0.0.1",
) -> Incoming:
    """A message as the intake hands it over."""
    return Incoming(
        number,
        Envelope(_address(sender), tuple(EnvelopeRecipient(_address(address)) for address in to)),
        Origin("127.0.0.1:2525", "relay", user, client, "client", "ESMTP", ""),
        HeaderFacts(sender, subject, f"<{number}@example.org>"),
        b"Received: x\r\n",
        size,
        at,
    )


class Office:
    """One queue file with its writing connection, outside of any transaction."""

    def __init__(self, folder: Path, packs: Callable[[tuple[TranscriptLine, ...]], bytes] | None = None) -> None:
        self._pack = packs or pack
        self.path = folder / FILE
        self.db = open_writer(self.path)
        self.lanes = lanes.Lanes()
        self.fingerprints = outcomes.Fingerprints()
        self._last = 0
        self._transcript = 0

    def close(self) -> None:
        self.db.close()

    def message(
        self,
        *to: str,
        sender: str = "app@example.org",
        age: float = 0.0,
        body: bytes = BODY,
        subject: str = "x",
        lifetime: float = 432000.0,
    ) -> int:
        """Take a message in that is `age` seconds old; its number."""
        received = NOW - age
        number = (
            max(int((received - ID_EPOCH) * 1000), self._last + 1) if age == 0 else int((received - ID_EPOCH) * 1000)
        )
        while self.db.execute("SELECT 1 FROM message WHERE id = ?", (number,)).fetchone():
            number += 1
        self._last = max(self._last, number)
        message = incoming(number, *to, sender=sender, subject=subject, size=len(body), at=received)
        self.db.execute("BEGIN")
        arrival = arrivals.Arrival(message, 0, body, ["mx"] * len(to), received + lifetime, received)
        arrivals.store_messages(self.db, self.lanes, [arrival])
        self.db.execute("COMMIT")
        return number

    def claim(self, lane: int, now: float = NOW) -> Claim | None:
        """Take what is due in a lane."""
        destination, route = self.db.execute("SELECT destination, route FROM lane WHERE id = ?", (lane,)).fetchone()
        ask = claims.Ask((lane, destination, route), now, 50, lambda attempts: 300.0)
        return claims.claim(self.db, [ask], "1")[0]

    def try_all(
        self,
        destination: str,
        disposition: Disposition = Disposition.DEFERRED,
        reply: Reply | None = None,
        now: float = NOW,
    ) -> int:
        """Attempt everything due for a destination, all with the same outcome; how many recipients that were."""
        row = self.db.execute("SELECT id FROM lane WHERE destination = ?", (destination,)).fetchone()
        n = 0
        self.db.execute("BEGIN")
        while (claim := self.claim(row[0], now)) is not None:
            self._record(claim, disposition, reply or _REPLIES[disposition], now)
            n += len(claim.recipients)
        self.db.execute("COMMIT")
        return n

    def _record(self, claim: Claim, disposition: Disposition, reply: Reply, now: float) -> None:
        verdict = Verdict(_CLASSES.get(reply.code, "throttled"), "them", disposition, "They are busy.")
        attempts = tuple(
            Attempt(
                recipient.id,
                now - 1,
                now,
                Stage.RCPT,
                verdict,
                reply,
                "mx.example",
                "192.0.2.1",
                "TLSv1.3",
                {"rcpt": 5},
            )
            for recipient in claim.recipients
        )
        state = {
            Disposition.DELIVERED: State.DELIVERED,
            Disposition.BOUNCED: State.BOUNCED,
            Disposition.DEFERRED: State.DEFERRED,
        }[disposition]
        moves = tuple(Move(attempt, state, now + 300 if state is State.DEFERRED else now) for attempt in attempts)
        self._transcript += 2
        lines = (TranscriptLine(3, "<", str(reply)),)
        delivery = Delivery(
            attempts, (self._transcript, lines), (self._transcript - 1, (TranscriptLine(0, "<", "220 mx"),)), True
        )
        groups = tuple("" if state is State.DELIVERED else f"{reply.code} {reply.text}" for _ in moves)
        outcome = outcomes.Outcome(claim, delivery, moves, groups, (claim.route,) * len(moves))
        outcomes.record(self.db, self.lanes, self.fingerprints, self._pack, [(outcome, now)])

    def state(self, message: int, n: int = 1) -> str:
        return str(self.recipient(message, n, "state")[0])

    def recipient(self, message: int, n: int, columns: str) -> tuple[object, ...]:
        row: tuple[object, ...] = self.db.execute(
            f"SELECT {columns} FROM recipient WHERE id = ?", (recipient_row(message, n),)
        ).fetchone()
        return row

    def due_at(self, destination: str) -> float | None:
        row: tuple[float | None] = self.db.execute(
            "SELECT due_at FROM lane WHERE destination = ?", (destination,)
        ).fetchone()
        return row[0]

    def has_body(self, message: int) -> bool:
        return self.db.execute("SELECT 1 FROM content WHERE id = ?", (message << CONTENT_BITS,)).fetchone() is not None

    def balanced(self) -> bool:
        """The ledger, and the counters against the rows."""
        n = dict(self.db.execute("SELECT name, n FROM counter"))
        rows = dict(self.db.execute("SELECT state, count(*) FROM recipient GROUP BY state"))
        waiting = ("queued", "sending", "deferred", "held")
        return n["accepted"] == sum(n.values()) - n["accepted"] and all(
            n[state] == rows.get(state, 0) for state in waiting
        )


_CLASSES = {452: "mailbox-full", 450: "greylisted", 421: "too-many-connections"}
_REPLIES = {
    Disposition.DELIVERED: Reply(250, "2.0.0", "ok"),
    Disposition.DEFERRED: Reply(451, "4.7.1", "slow down"),
    Disposition.BOUNCED: Reply(550, "5.1.1", "no such user"),
}


def _address(text: str) -> Address:
    local, _, domain = text.rpartition("@")
    return Address(local, domain)


def pack(lines: Sequence[TranscriptLine]) -> bytes:
    return msgspec.json.encode(lines)


def unpack(data: bytes) -> tuple[TranscriptLine, ...]:
    return msgspec.json.decode(data, type=tuple[TranscriptLine, ...])


def id_of(message: int, n: int = 0) -> str:
    return encode_id(message) + (f".{n}" if n else "")


def transaction(db: sqlite3.Connection) -> sqlite3.Connection:
    """For `with`: commit or roll back."""
    db.execute("BEGIN")
    return db
