"""Recording what attempts came to: state, attempt, transcript and any DSN in one transaction.

Owned here: the step out of state sending, the failure groups (fingerprints) and the counts by minute. Functions run in the
writer's thread, inside its transaction; what the outcome *should* be was decided before (`schedule`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

import msgspec

from mailtui.model import Claim, Delivery, Disposition, Reply, State, TranscriptLine
from mailtui.queue.claims import unclaim
from mailtui.queue.lanes import Lanes, make_due
from mailtui.queue.schedule import Move

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
    "UPDATE recipient SET state = ?, next_attempt = ?, code = ?, enhanced = ?, text = ?, class = ?, fingerprint = ?, host = ?, lane = ?,"
    " owner = '', changed_at = ? WHERE id = ? AND state = 'sending'"
)
_ATTEMPT = (
    "INSERT OR REPLACE INTO attempt (recipient, n, started, ended, stage, disposition, class, fingerprint, host, address, tls, code,"
    " enhanced, text, timings, preamble, dialogue, wait) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SAMPLE = (
    "INSERT INTO sample (minute, lane, delivered, deferred, bounced) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
    " delivered = delivered + excluded.delivered, deferred = deferred + excluded.deferred, bounced = bounced + excluded.bounced"
)
_FAILURE = (
    "INSERT INTO failure (minute, lane, fingerprint, deferred, bounced) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
    " deferred = deferred + excluded.deferred, bounced = bounced + excluded.bounced"
)


def record(
    db: sqlite3.Connection, lanes: Lanes, fingerprints: Fingerprints, pack: Pack, outcome: Outcome, now: float
) -> None:
    """Write an outcome: recipients, attempts, transcripts, counts by minute. DSNs are added by the caller in the same transaction."""
    claim, delivery = outcome.claim, outcome.delivery
    preamble, dialogue = _transcripts(db, pack, delivery, now) if outcome.keep_dialogue else (0, 0)
    numbers = {recipient.id: recipient.attempts for recipient in claim.recipients}
    counts = {disposition: 0 for disposition in Disposition}
    failed: dict[tuple[int, bool], int] = {}
    encode = msgspec.json.encode
    for move, text, route in zip(outcome.moves, outcome.fingerprints, outcome.routes, strict=True):
        attempt, verdict = move.attempt, move.attempt.verdict
        reply = Reply(attempt.reply.code, attempt.reply.enhanced, attempt.reply.text[:TEXT])
        group = fingerprints.id(db, text, move, now)
        class_ = "expired" if move.expired else verdict.class_
        lane = claim.lane if route == claim.route else lanes.id(db, claim.destination, route)
        db.execute(
            _FINISH,
            (
                move.state.value,
                move.next_attempt,
                reply.code,
                reply.enhanced,
                reply.text,
                class_,
                group,
                attempt.host,
                lane,
                now,
                attempt.recipient,
            ),
        )
        disposition = Disposition.BOUNCED if move.state is State.BOUNCED else verdict.disposition
        db.execute(
            _ATTEMPT,
            (
                attempt.recipient, numbers[attempt.recipient], attempt.started, attempt.ended, attempt.stage.value,
                disposition.value, verdict.class_, group, attempt.host, attempt.address, attempt.tls, reply.code, reply.enhanced,
                reply.text, encode(attempt.timings).decode() if attempt.timings else "", preamble, dialogue,
                verdict.wait,
            ),
        )  # fmt: skip
        counts[disposition] += 1
        if group:
            key = (group, disposition is Disposition.BOUNCED)
            failed[key] = failed.get(key, 0) + 1
        if move.state is State.DEFERRED:
            make_due(db, lane, move.next_attempt)
    if delivery.untouched:
        unclaim(db, delivery.untouched, now)
    db.execute(_SAMPLE, (int(now // 60), claim.lane, *(counts[disposition] for disposition in Disposition)))
    for (group, bounced), n in failed.items():
        db.execute(_FAILURE, (int(now // 60), claim.lane, group, 0 if bounced else n, n if bounced else 0))
    if outcome.signature is not None:
        db.execute(
            "UPDATE message SET signature = ?, signed = ? WHERE id = ?",
            (outcome.signature, outcome.signed, claim.message),
        )
    if claim.interruptions:
        db.execute("UPDATE message SET interruptions = 0 WHERE id = ?", (claim.message,))


def _transcripts(db: sqlite3.Connection, pack: Pack, delivery: Delivery, now: float) -> tuple[int, int]:
    """Store what was said; the preamble only once, however many transactions its connection carries."""
    numbers = []
    for part in (delivery.preamble, delivery.dialogue):
        if part is None:
            numbers.append(0)
            continue
        number, lines = part
        if lines:
            db.execute("INSERT OR IGNORE INTO transcript (id, at, lines) VALUES (?, ?, ?)", (number, now, pack(lines)))
        numbers.append(number)
    return numbers[0], numbers[1]
