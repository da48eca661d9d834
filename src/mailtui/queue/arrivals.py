"""Taking a message in: its rows, the chunks of its content, its recipients in their lanes.

Owned here: the step from nothing to queued. A message whose content does not fit one chunk stands as `receiving` while it
arrives; only start-up deletes such rows. Functions run in the writer's thread, inside its transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from mailtui.errors import Unavailable
from mailtui.model import CONTENT_BITS, Incoming, recipient_row
from mailtui.queue import rows
from mailtui.queue.lanes import DueLane, Lanes, make_due

_MESSAGE = (
    "INSERT INTO message (id, phase, received_at, sender, ret, envid, eight_bit, smtputf8, size, header_from, subject, message_id,"
    " listener, kind, user, client, helo, protocol, tls, prefix, unfinished, about, tag)"
    " VALUES {rows}"
    " ON CONFLICT (id) DO UPDATE SET phase = 'stored', received_at = excluded.received_at, sender = excluded.sender, ret = excluded.ret,"
    " envid = excluded.envid, eight_bit = excluded.eight_bit, smtputf8 = excluded.smtputf8, size = excluded.size,"
    " header_from = excluded.header_from, subject = excluded.subject, message_id = excluded.message_id, listener = excluded.listener,"
    " kind = excluded.kind, user = excluded.user, client = excluded.client, helo = excluded.helo, protocol = excluded.protocol,"
    " tls = excluded.tls, prefix = excluded.prefix, unfinished = excluded.unfinished, about = excluded.about, tag = excluded.tag"
)
_CONTENT = "INSERT INTO content (id, chunk) VALUES {rows}"
_RECIPIENT = (
    "INSERT INTO recipient (id, address, lane, state, next_attempt, expires_at, notify, orcpt, changed_at)"
    " VALUES {rows}"
)


def store_chunk(db: sqlite3.Connection, message: int, sequence: int, chunk: bytes, now: float) -> None:
    """One chunk of a message that is still arriving; its row stands as `receiving` before the first chunk does."""
    if sequence == 0:
        db.execute("INSERT INTO message (id, phase, received_at) VALUES (?, 'receiving', ?)", (message, now))
    _follows(db, message, sequence)
    db.execute("INSERT INTO content (id, chunk) VALUES (?, ?)", (message << CONTENT_BITS | sequence, chunk))


class Arrival(msgspec.Struct, frozen=True):
    """A message that has arrived whole: `rest` is its last chunk with that `sequence`, `routes` runs parallel to its recipients,
    all of whom are due at `due_at`. Of a DSN, `about` is the message it speaks of."""

    incoming: Incoming
    sequence: int
    rest: bytes
    routes: Sequence[str]
    expires_at: float
    due_at: float
    about: int | None = None


def store_messages(db: sqlite3.Connection, lanes: Lanes, arrivals: Sequence[Arrival]) -> list[tuple[DueLane, ...]]:
    """Whole messages and their recipients; the lanes in which each has some.

    Texts are stored as validated str; raw header bytes of strangers never become parameters that could raise.
    """
    for arrival in arrivals:
        _follows(db, arrival.incoming.number, arrival.sequence)
    rows.execute(db, _MESSAGE, list(map(_message, arrivals)))
    rows.execute(db, _CONTENT, [_content(arrival) for arrival in arrivals if arrival.rest])
    recipients: list[tuple[rows.Value, ...]] = []
    used: list[tuple[DueLane, ...]] = []
    due: dict[int, float] = {}
    for arrival in arrivals:
        found: dict[int, DueLane] = {}
        incoming, due_at = arrival.incoming, arrival.due_at
        for n, (recipient, route) in enumerate(zip(incoming.envelope.recipients, arrival.routes, strict=True), 1):
            lane = lanes.id(db, recipient.address.domain, route)
            if lane not in found:
                found[lane] = DueLane(lane, recipient.address.domain, route, "")
                due[lane] = min(due.get(lane, due_at), due_at)
            recipients.append(
                (
                    *(
                        recipient_row(incoming.number, n),
                        str(recipient.address),
                        lane,
                        "queued",
                        due_at,
                        arrival.expires_at,
                    ),
                    *(recipient.notify, recipient.orcpt, incoming.received),
                )
            )
        used.append(tuple(found.values()))
    rows.execute(db, _RECIPIENT, recipients)
    for lane, at in due.items():
        make_due(db, lane, at)
    return used


def _message(arrival: Arrival) -> tuple[rows.Value, ...]:
    incoming = arrival.incoming
    envelope, origin, facts = incoming.envelope, incoming.origin, incoming.facts
    return (
        incoming.number, "stored", incoming.received, str(envelope.sender), envelope.ret, envelope.envid, envelope.eight_bit,
        envelope.smtputf8, incoming.size, facts.from_, facts.subject, facts.message_id, origin.listener, origin.kind, origin.user,
        origin.client, origin.helo, origin.protocol, origin.tls, incoming.prefix, len(envelope.recipients), arrival.about, facts.tag,
    )  # fmt: skip


def _content(arrival: Arrival) -> tuple[rows.Value, ...]:
    return (arrival.incoming.number << CONTENT_BITS | arrival.sequence, arrival.rest)


def _follows(db: sqlite3.Connection, message: int, sequence: int) -> None:
    """Unavailable when the chunk before is missing: its job failed, and a message with a hole must not be accepted."""
    if sequence >> CONTENT_BITS:
        raise Unavailable(f"a message of more than {1 << CONTENT_BITS} chunks")
    before = (message << CONTENT_BITS) + sequence - 1
    if sequence and db.execute("SELECT 1 FROM content WHERE id = ?", (before,)).fetchone() is None:
        raise Unavailable("an earlier part of the message could not be stored")


def forget_message(db: sqlite3.Connection, message: int) -> None:
    """A message that will not be accepted: only while it is still `receiving`."""
    gone = db.execute("DELETE FROM message WHERE id = ? AND phase = 'receiving'", (message,)).rowcount
    if gone:
        db.execute(
            "DELETE FROM content WHERE id BETWEEN ? AND ?", (message << CONTENT_BITS, (message + 1 << CONTENT_BITS) - 1)
        )


def forget_receiving(db: sqlite3.Connection) -> int:
    """At start: what was arriving when the last process ended. No client has a 250 for these. How many there were."""
    rows = db.execute("SELECT id FROM message WHERE phase = 'receiving'").fetchall()
    for (message,) in rows:
        forget_message(db, message)
    return len(rows)
