"""Claims: taking due recipients out of the queue for an attempt, and taking them back when the process that owned them died.

Owned here: the step from queued or deferred to sending, registered before anything is dialled (a crash can then not hammer the
peer), and start-up recovery with quarantine. Functions run in the writer's thread, inside its transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from typing import Any, Final

from mailtui.model import CONTENT_BITS, RECIPIENT_BITS, Claim, ClaimedRecipient, format_recipient_id, parse_address
from mailtui.queue.lanes import make_due

#: Consecutive interruptions after which a message is put aside (the last of them alone).
QUARANTINE: Final = 3
#: Octets up to which a content can be a single chunk (intake.door.CHUNK).
CHUNK: Final = 256 * 1024
#: A probe of a broken site is no larger than this, in octets.
PROBE_SIZE: Final = 50_000
ANY_SIZE: Final = 1 << 40

_DUE = (
    "SELECT id >> 20 FROM recipient INDEXED BY recipient_due"
    " WHERE lane = ? AND state IN ('queued', 'deferred') AND next_attempt <= ? ORDER BY next_attempt LIMIT 1"
)
_PROBE = (
    "SELECT r.id >> 20 FROM recipient r INDEXED BY recipient_due JOIN message m ON m.id = r.id >> 20"
    " WHERE r.lane = ?1 AND r.state IN ('queued', 'deferred') AND r.next_attempt <= ?2"
    " AND r.id >> 20 <> ?3 AND m.size <= ?4 ORDER BY r.next_attempt LIMIT 1"
)
_RECIPIENTS = (
    "SELECT id, address, notify, orcpt, attempts + 1, expires_at, notices, iif(class = 'unknown-outcome', host, ''), unsuppress,"
    " rerouted"
    " FROM recipient NOT INDEXED"  # by its rows: SQLite would walk everything due in the lane
    " WHERE id BETWEEN ? AND ? AND lane = ? AND state IN ('queued', 'deferred') AND next_attempt <= ? LIMIT ?"
)
_MESSAGE = (
    "SELECT sender, size, received_at, prefix, signature, ret, envid, eight_bit, smtputf8, user, interruptions"
    " FROM message WHERE id = ?"
)
#: Messages passed over in one transaction because every recipient is stopped.
PASSED_OVER: Final = 50
#: Given waiting recipients (row, address), the rows that are stopped: they are no longer waiting then.
Screen = Callable[[sqlite3.Connection, list[tuple[int, str]]], Collection[int]]

_SEND = "UPDATE recipient SET state = 'sending', attempts = ?, next_attempt = ?, owner = ?, changed_at = ? WHERE id = ?"


class Damaged(Exception):
    """The content of a message is not whole. After SQLite has met a broken page nothing else succeeds in that transaction, so
    the recipients are put aside in another one."""

    def __init__(self, message: int, recipients: tuple[int, ...], problem: str) -> None:
        super().__init__(f"its content is damaged in the queue file: {problem}")
        self.message = message
        self.recipients = recipients


def claim(
    db: sqlite3.Connection,
    lane: tuple[int, str, str],
    now: float,
    limit: int,
    owner: str,
    delay: Callable[[int], float],
    probe_not: int | None = None,
    screen: Screen | None = None,
) -> Claim | None:
    """Up to `limit` due recipients of the longest due message of a lane (row, destination, route), now in state sending.

    `delay(attempts)` is how long they wait should this process die with them. With `probe_not` the claim is a probe: a small
    message, another one than that, if there is any. `screen` stops some of them first; None then means that nothing was left, of
    PASSED_OVER messages at least. Raises Damaged when the content is not whole.
    """
    number, destination, route = lane
    message, rows = _next(db, number, now, limit, probe_not)
    if screen is not None:
        for _ in range(PASSED_OVER):
            stopped = screen(db, [(row[0], row[1]) for row in rows if not row[8]])
            rows = [row for row in rows if row[0] not in stopped]
            if rows or not stopped:
                break
            message, rows = _next(db, number, now, limit, probe_not)
        else:
            return None
    if not rows:
        return None
    db.executemany(_SEND, [(row[4], now + delay(row[4]), owner, now, row[0]) for row in rows])
    sender, size, received_at, prefix, signature, ret, envid, eight_bit, smtputf8, user, interruptions = db.execute(
        _MESSAGE, (message,)
    ).fetchone()
    content, problem = _content(db, message, size)
    claimed = Claim(
        message=message,
        lane=number,
        destination=destination,
        route=route,
        sender=parse_address(sender),
        recipients=tuple(ClaimedRecipient(row[0], parse_address(row[1]), *(*row[2:7], bool(row[9]))) for row in rows),
        size=size,
        received_at=received_at,
        prefix=prefix,
        signature=signature,
        content=content,
        ret=ret,
        envid=envid,
        eight_bit=bool(eight_bit),
        smtputf8=bool(smtputf8),
        user=user,
        interruptions=interruptions,
        prefer=next((row[7] for row in rows if row[7]), ""),
    )
    if problem:
        raise Damaged(message, tuple(row[0] for row in rows), problem)
    return claimed


def _next(
    db: sqlite3.Connection, lane: int, now: float, limit: int, probe_not: int | None
) -> tuple[int, list[tuple[Any, ...]]]:
    """The message whose turn it is, and its due recipients; none when nothing is due."""
    row = None
    if probe_not is not None:
        row = db.execute(_PROBE, (lane, now, probe_not, PROBE_SIZE)).fetchone()
        row = row or db.execute(_PROBE, (lane, now, probe_not, ANY_SIZE)).fetchone()
    if row is None:
        row = db.execute(_DUE, (lane, now)).fetchone()
    if row is None:
        return 0, []
    first = row[0] << RECIPIENT_BITS
    span = (first, first | (1 << RECIPIENT_BITS) - 1)
    return row[0], db.execute(_RECIPIENTS, (*span, lane, now, limit)).fetchall()


def _content(db: sqlite3.Connection, message: int, size: int) -> tuple[bytes | None, str]:
    """The content when it is one chunk, None when there are more; and what is wrong when it is not whole."""
    first = message << CONTENT_BITS
    try:
        if size <= CHUNK:
            row = db.execute("SELECT chunk FROM content WHERE id = ?", (first,)).fetchone()
            whole: bytes = b"" if row is None else row[0]
            if len(whole) == size:
                return whole, ""
        # SQLite knows the lengths without reading the chunks.
        chunks, octets = db.execute(
            "SELECT count(*), ifnull(sum(length(chunk)), 0) FROM content WHERE id BETWEEN ? AND ?",
            (first, first | (1 << CONTENT_BITS) - 1),
        ).fetchone()
        row = db.execute("SELECT chunk FROM content WHERE id = ?", (first,)).fetchone() if chunks == 1 else None
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        return None, str(error)
    problem = "" if octets == size else f"{octets} of its {size} octets are left"
    return (row[0] if row is not None else None if chunks else b""), problem


def unclaim(db: sqlite3.Connection, rows: tuple[int, ...], now: float) -> None:
    """Give recipients back that were not tried after all: no attempt, due at once."""
    for row in rows:
        db.execute(
            "UPDATE recipient SET state = iif(attempts > 1, 'deferred', 'queued'), attempts = attempts - 1, next_attempt = ?,"
            " owner = '', changed_at = ? WHERE id = ? AND state = 'sending'",
            (now, now, row),
        )
    # While they were out, their lane may have looked empty and so stopped being due.
    for (lane,) in db.execute(
        f"SELECT DISTINCT lane FROM recipient WHERE id IN ({', '.join('?' * len(rows))})", rows
    ).fetchall():
        make_due(db, lane, now)


def hold(db: sqlite3.Connection, claim: Claim, reason: str, now: float) -> None:
    """Put a claim aside without an attempt: it must not leave as it is (its signature cannot be made)."""
    for recipient in claim.recipients:
        db.execute(
            "UPDATE recipient SET state = 'held', attempts = attempts - 1, text = ?, former_state = 'queued', former_next = ?,"
            " owner = '', changed_at = ? WHERE id = ? AND state = 'sending'",
            (reason, now, now, recipient.id),
        )
    db.execute("INSERT INTO event (at, message, kind, text) VALUES (?, ?, 'held', ?)", (now, claim.message, reason))


def put_aside(db: sqlite3.Connection, damaged: Damaged, now: float) -> None:
    """Hold what cannot be sent whole: half a message must never leave, and one damaged message must not stop its lane."""
    db.executemany(
        "UPDATE recipient SET state = 'held', text = ?, former_state = 'queued', former_next = next_attempt, changed_at = ?"
        " WHERE id = ? AND state IN ('queued', 'deferred')",
        [(str(damaged), now, recipient) for recipient in damaged.recipients],
    )
    db.execute(
        "INSERT INTO event (at, message, kind, text) VALUES (?, ?, 'quarantined', ?)",
        (now, damaged.message, str(damaged)),
    )


def recover(db: sqlite3.Connection, now: float) -> tuple[list[str], list[str]]:
    """After a start: what the last process was sending. Returns the ids taken back and those quarantined.

    Each keeps the next attempt that was registered with its claim. The attempt is recorded as `interrupted`: its outcome is
    unknown, it may have been delivered (window W2 or W3).
    """
    rows = db.execute(
        "SELECT id, attempts, lane, changed_at, next_attempt FROM recipient INDEXED BY recipient_sending WHERE state = 'sending'"
    ).fetchall()
    messages = {row[0] >> RECIPIENT_BITS for row in rows}
    db.executemany(
        "UPDATE message SET interruptions = interruptions + 1 WHERE id = ?", [(message,) for message in messages]
    )
    taken: list[str] = []
    quarantined: list[str] = []
    for recipient, attempts, lane, since, next_attempt in rows:
        count: int = db.execute(
            "SELECT interruptions FROM message WHERE id = ?", (recipient >> RECIPIENT_BITS,)
        ).fetchone()[0]
        db.execute(
            "INSERT OR IGNORE INTO attempt (recipient, n, started, ended, stage, disposition, class, text)"
            " VALUES (?, ?, ?, ?, 'final-dot', 'deferred', 'interrupted', 'the relay stopped during this attempt; its outcome is unknown')",
            (recipient, attempts, since, now),
        )
        if count >= QUARANTINE:
            _quarantine(db, recipient, now, count)
            quarantined.append(format_recipient_id(recipient))
        else:
            db.execute(
                "UPDATE recipient SET state = 'queued', class = 'interrupted', text = 'interrupted', code = 0, enhanced = '',"
                " owner = '', changed_at = ? WHERE id = ?",
                (now, recipient),
            )
            make_due(db, lane, next_attempt)
            taken.append(format_recipient_id(recipient))
    return taken, quarantined


def _quarantine(db: sqlite3.Connection, recipient: int, now: float, count: int) -> None:
    text = f"quarantined: the relay stopped {count} times while sending this message, the last time with nothing else in flight"
    db.execute(
        "UPDATE recipient SET state = 'held', class = 'interrupted', text = ?, former_state = 'queued', former_next = next_attempt,"
        " changed_at = ? WHERE id = ?",
        (text, now, recipient),
    )
    db.execute(
        "INSERT INTO event (at, message, recipient, kind, text) VALUES (?, ?, ?, 'quarantined', ?)",
        (now, recipient >> RECIPIENT_BITS, recipient & (1 << RECIPIENT_BITS) - 1, text),
    )
