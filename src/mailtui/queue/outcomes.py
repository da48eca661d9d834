"""Recording what attempts came to: state, attempt, transcript and any DSN in one transaction.

Owned here: the step out of state sending, the failure groups (fingerprints) and the counts by minute. Functions run in the
writer's thread, inside its transaction; what the outcome *should* be was decided before (`schedule`).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from mailtui.model import Claim, Delivery, Disposition, Reply, State, TranscriptLine
from mailtui.queue import rows
from mailtui.queue.claims import unclaim
from mailtui.queue.lanes import Lanes, make_due
from mailtui.queue.schedule import Move

_DISPOSITIONS: Final = tuple(disposition.value for disposition in Disposition)

#: Longest reply text kept with a recipient and an attempt, in characters; the transcript has more.
TEXT: Final = 1000

Pack = Callable[[tuple[TranscriptLine, ...]], bytes]


class Outcome(msgspec.Struct, frozen=True):
    """A finished claim, ready to be written: the moves decided for its recipients, their groups, the signature if it is new.

    `fingerprints` run parallel to `moves` ("" for a success); `routes` too: the route key of the next attempt.
    """

    claim: Claim
    delivery: Delivery
    moves: tuple[Move, ...]
    fingerprints: tuple[str, ...]
    routes: tuple[str, ...]
    signature: bytes | None = None
    signed: str = ""
    keep_dialogue: bool = True


class Fingerprints:
    """Row numbers of fingerprints; `forget` after a rollback."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def forget(self) -> None:
        """Trust nothing that was remembered."""
        self._ids.clear()

    def id(self, db: sqlite3.Connection, text: str, move: Move, now: float) -> int:
        """The row of a failure group, made or freshened; 0 for a success."""
        if not text:
            return 0
        number = self._ids.get(text)
        if number is None:
            verdict = move.attempt.verdict
            db.execute(
                "INSERT INTO fingerprint (text, class, sample, sentence, first_seen, last_seen) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (text) DO UPDATE SET last_seen = excluded.last_seen",
                (text, verdict.class_, str(move.attempt.reply)[:TEXT], verdict.sentence, now, now),
            )
            number = db.execute("SELECT id FROM fingerprint WHERE text = ?", (text,)).fetchone()[0]
            if len(self._ids) > 5000:
                self._ids.clear()
            self._ids[text] = number
        else:
            db.execute("UPDATE fingerprint SET last_seen = ? WHERE id = ?", (now, number))
        return int(number)


_FINISH = (
    "WITH move (id, state, next_attempt, code, enhanced, text, class, fingerprint, host, lane, changed_at) AS (VALUES {rows})"
    " UPDATE recipient SET state = move.state, next_attempt = move.next_attempt, code = move.code, enhanced = move.enhanced,"
    " text = move.text, class = move.class, fingerprint = move.fingerprint, host = move.host, lane = move.lane, owner = '',"
    " changed_at = move.changed_at FROM move WHERE recipient.id = move.id AND recipient.state = 'sending'"
)
_ATTEMPT = (
    "INSERT OR REPLACE INTO attempt (recipient, n, started, ended, stage, disposition, class, fingerprint, host, address, tls, code,"
    " enhanced, text, timings, preamble, dialogue, wait) VALUES {rows}"
)
_TRANSCRIPT = "INSERT OR IGNORE INTO transcript (id, at, lines) VALUES {rows}"
_SIGNED = (
    "WITH made (id, signature, signed) AS (VALUES {rows})"
    " UPDATE message SET signature = made.signature, signed = made.signed FROM made WHERE message.id = made.id"
)
_SAMPLE = (
    "INSERT INTO sample (minute, lane, delivered, deferred, bounced) VALUES {rows} ON CONFLICT DO UPDATE SET"
    " delivered = delivered + excluded.delivered, deferred = deferred + excluded.deferred, bounced = bounced + excluded.bounced"
)
_FAILURE = (
    "INSERT INTO failure (minute, lane, fingerprint, deferred, bounced) VALUES {rows} ON CONFLICT DO UPDATE SET"
    " deferred = deferred + excluded.deferred, bounced = bounced + excluded.bounced"
)


def record(
    db: sqlite3.Connection,
    lanes: Lanes,
    fingerprints: Fingerprints,
    pack: Pack,
    outcomes: Sequence[tuple[Outcome, float]],
) -> None:
    """Write outcomes, each with its time: recipients, attempts, transcripts, counts by minute. DSNs are added by the caller in the
    same transaction."""
    book = _Book(db, lanes, fingerprints, pack)
    for outcome, now in outcomes:
        book.enter(outcome, now)
    book.write()


class _Book:
    """The rows of some outcomes, gathered."""

    def __init__(self, db: sqlite3.Connection, lanes: Lanes, fingerprints: Fingerprints, pack: Pack) -> None:
        self._db = db
        self._lanes = lanes
        self._fingerprints = fingerprints
        self._pack = pack
        self._moves: list[tuple[rows.Value, ...]] = []
        self._attempts: list[tuple[rows.Value, ...]] = []
        self._transcripts: list[tuple[rows.Value, ...]] = []
        self._signatures: list[tuple[rows.Value, ...]] = []
        self._samples: Counter[tuple[int, int, str]] = Counter()
        self._failures: Counter[tuple[int, int, int, bool]] = Counter()
        self._due: dict[int, float] = {}

    def enter(self, outcome: Outcome, now: float) -> None:
        """Add an outcome; what is rare about it is written at once."""
        db, claim, delivery = self._db, outcome.claim, outcome.delivery
        preamble, dialogue = self._said(delivery, now) if outcome.keep_dialogue else (0, 0)
        numbers = {recipient.id: recipient.attempts for recipient in claim.recipients}
        minute, encode = int(now // 60), msgspec.json.encode
        for move, text, route in zip(outcome.moves, outcome.fingerprints, outcome.routes, strict=True):
            attempt, verdict = move.attempt, move.attempt.verdict
            reply = Reply(attempt.reply.code, attempt.reply.enhanced, attempt.reply.text[:TEXT])
            group = self._fingerprints.id(db, text, move, now)
            class_ = "expired" if move.expired else verdict.class_
            lane = claim.lane if route == claim.route else self._lanes.id(db, claim.destination, route)
            self._moves.append(
                (
                    attempt.recipient, move.state.value, move.next_attempt, reply.code, reply.enhanced, reply.text, class_, group,
                    attempt.host, lane, now,
                )
            )  # fmt: skip
            disposition = Disposition.BOUNCED if move.state is State.BOUNCED else verdict.disposition
            self._attempts.append(
                (
                    attempt.recipient, numbers[attempt.recipient], attempt.started, attempt.ended, attempt.stage.value,
                    disposition.value, verdict.class_, group, attempt.host, attempt.address, attempt.tls, reply.code,
                    reply.enhanced, reply.text, encode(attempt.timings).decode() if attempt.timings else "", preamble, dialogue,
                    verdict.wait,
                )
            )  # fmt: skip
            self._samples[minute, claim.lane, disposition.value] += 1
            if group:
                self._failures[minute, claim.lane, group, disposition is Disposition.BOUNCED] += 1
            if move.state is State.DEFERRED:
                self._due[lane] = min(self._due.get(lane, move.next_attempt), move.next_attempt)
        if delivery.untouched:
            unclaim(db, delivery.untouched, now)
        if outcome.signature is not None:
            self._signatures.append((claim.message, outcome.signature, outcome.signed))
        if claim.interruptions:
            db.execute("UPDATE message SET interruptions = 0 WHERE id = ?", (claim.message,))

    def _said(self, delivery: Delivery, now: float) -> tuple[int, int]:
        """Add what was said; the preamble only once, however many transactions its connection carries."""
        numbers = []
        for part in (delivery.preamble, delivery.dialogue):
            number, lines = part or (0, ())
            if lines:
                self._transcripts.append((number, now, self._pack(lines)))
            numbers.append(number)
        return numbers[0], numbers[1]

    def write(self) -> None:
        """Write what was added, a statement a table."""
        db = self._db
        rows.execute(db, _TRANSCRIPT, self._transcripts)
        rows.execute(db, _SIGNED, self._signatures)
        rows.execute(db, _FINISH, self._moves)
        rows.execute(db, _ATTEMPT, self._attempts)
        rows.execute(db, _SAMPLE, _by_disposition(self._samples))
        rows.execute(db, _FAILURE, [(*key, 0 if b else n, n if b else 0) for (*key, b), n in self._failures.items()])
        for lane, at in self._due.items():
            make_due(db, lane, at)


def _by_disposition(samples: Counter[tuple[int, int, str]]) -> list[tuple[rows.Value, ...]]:
    keys = dict.fromkeys((minute, lane) for minute, lane, _ in samples)
    return [(*key, *(samples[*key, disposition] for disposition in _DISPOSITIONS)) for key in keys]
