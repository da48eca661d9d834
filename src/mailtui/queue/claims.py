"""Claims: taking due recipients out of the queue for an attempt, and taking them back when the process that owned them died.

Owned here: the step from queued or deferred to sending, registered before anything is dialled (a crash can then not hammer the
peer), and start-up recovery with quarantine. Functions run in the writer's thread, inside its transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec

from mailtui.model import CONTENT_BITS, RECIPIENT_BITS, Claim, ClaimedRecipient, format_recipient_id, parse_address
from mailtui.queue import rows
from mailtui.queue.lanes import make_due

#: Consecutive interruptions after which a message is put aside (the last of them alone).
QUARANTINE: Final = 3
#: Octets up to which a content is read with its message: most are one chunk then (intake.door.CHUNK).
CHUNK: Final = 256 * 1024
#: A probe of a broken site is no larger than this, in octets.
PROBE_SIZE: Final = 50_000
ANY_SIZE: Final = 1 << 40

_DUE = (
    "SELECT id >> 20 FROM recipient INDEXED BY recipient_due"
    " WHERE lane = ? AND state IN ('queued', 'deferred') AND next_attempt <= ? ORDER BY next_attempt LIMIT ?"
)
_PROBE = (
    "SELECT r.id >> 20 FROM recipient r INDEXED BY recipient_due JOIN message m ON m.id = r.id >> 20"
    " WHERE r.lane = ?1 AND r.state IN ('queued', 'deferred') AND r.next_attempt <= ?2"
    " AND r.id >> 20 <> ?3 AND m.size <= ?4 ORDER BY r.next_attempt LIMIT 1"
)
_RECIPIENTS = (
    "WITH turn (place, first, last, lane, now) AS (VALUES {rows})"
    " SELECT turn.place, id, address, notify, orcpt, attempts + 1, expires_at, notices,"
    " iif(class = 'unknown-outcome', host, ''), unsuppress, rerouted"
    " FROM turn CROSS JOIN recipient AS r NOT INDEXED"  # by their rows: SQLite would walk everything due in the lane
    " ON id BETWEEN turn.first AND turn.last AND r.lane = turn.lane"
    " WHERE state IN ('queued', 'deferred') AND next_attempt <= turn.now LIMIT ?"
)
_MESSAGES = (
    "WITH turn (message) AS (VALUES {rows})"
    " SELECT m.id, sender, size, received_at, prefix, signature, ret, envid, eight_bit, smtputf8, user, interruptions,"
    f" iif(size <= {CHUNK}, (SELECT chunk FROM content WHERE content.id = m.id << 12), NULL)"
    " FROM turn CROSS JOIN message AS m ON m.id = turn.message"
)
#: Messages passed over in one transaction because every recipient is stopped.
PASSED_OVER: Final = 50
#: Given waiting recipients (row, address), the rows that are stopped: they are no longer waiting then.
Screen = Callable[[sqlite3.Connection, list[tuple[int, str]]], Collection[int]]

_SEND = (
    "WITH sent (id, attempts, next_attempt, owner, changed_at) AS (VALUES {rows})"
    " UPDATE recipient SET state = 'sending', attempts = sent.attempts, next_attempt = sent.next_attempt, owner = sent.owner,"
    " changed_at = sent.changed_at FROM sent WHERE recipient.id = sent.id"
)


class Damaged(Exception):
    """The content of a message is not whole. After SQLite has met a broken page nothing else succeeds in that transaction, so
    the recipients are put aside in another one."""

    def __init__(self, message: int, recipients: tuple[int, ...], problem: str) -> None:
        super().__init__(f"its content is damaged in the queue file: {problem}")
        self.message = message
        self.recipients = recipients


class Ask(msgspec.Struct, frozen=True):
    """A slot wants up to `limit` due recipients of the longest due message of a lane (row, destination, route).

    `delay(attempts)` is how long they wait should this process die with them. With `probe_not` the claim is a probe: a small
    message, another one than that, if there is any. `screen` stops some of them first; None then means that nothing was left, of
    PASSED_OVER messages at least. `only` is the one recipient row that is wanted, 0 for any.
    """

    lane: tuple[int, str, str]
    now: float
    limit: int
    delay: Callable[[int], float]
    probe_not: int | None = None
    screen: Screen | None = None
    only: int = 0

    @property
    def plain(self) -> bool:
        """Whether it can be served together with others of its lane."""
        return self.probe_not is None and self.screen is None and not self.only


#: Recipient rows to look at: whose place among the asks, from row to row, in which lane, due when.
_Span = tuple[int, int, int, int, float]


class _Turn(msgspec.Struct, frozen=True):
    """Whose turn it is: a message, and those of its recipients that are meant (rows of _RECIPIENTS)."""

    ask: Ask
    message: int
    recipients: list[tuple[Any, ...]]


def claim(db: sqlite3.Connection, asks: Sequence[Ask], owner: str) -> list[Claim | None]:
    """What is claimed for each ask, now in state sending; None where nothing is due. Damaged when a content is not whole."""
    claims: list[Claim | None] = [None] * len(asks)
    left: Sequence[int] = range(len(asks))
    while left:
        turns, left = _turns(db, asks, left)
        for place, claimed in zip(turns, _take(db, list(turns.values()), owner), strict=True):
            claims[place] = claimed
    return claims


def _turns(db: sqlite3.Connection, asks: Sequence[Ask], places: Sequence[int]) -> tuple[dict[int, _Turn], list[int]]:
    """A turn for as many asks as can be served at once; and who has to ask again when these are taken."""
    lanes: dict[int, list[int]] = {}
    for place in places:
        lanes.setdefault(asks[place].lane[0], []).append(place)
    turns: dict[int, _Turn] = {}
    due: list[_Span] = []
    again: list[int] = []
    for lane, (first, *others) in lanes.items():
        if all(asks[place].plain for place in (first, *others)):
            now, most = max(asks[place].now for place in (first, *others)), 1 + len(others)
            found = db.execute(_DUE, (lane, now, most)).fetchall()
            messages = list(dict.fromkeys(row[0] for row in found))
            due += [_span(place, m, lane, now) for place, m in zip((first, *others), messages, strict=False)]
            again += (first, *others)[len(messages) :] if len(found) == most else ()
        else:
            if (turn := _screened(db, asks[first])) is not None:
                turns[first] = turn
            again += others
    limit = sum(asks[row[0]].limit for row in due)
    for place, *recipient in rows.query(db, _RECIPIENTS, due, limit):
        ask = asks[place]
        turn = turns.setdefault(place, _Turn(ask, recipient[0] >> RECIPIENT_BITS, []))
        if len(turn.recipients) < ask.limit:
            turn.recipients.append(tuple(recipient))
    # Behind a message of very many recipients none may have been read.
    return turns, again + [row[0] for row in due if row[0] not in turns]


def _screened(db: sqlite3.Connection, ask: Ask) -> _Turn | None:
    """The turn of a probe, or of a lane some of whose recipients may have to be stopped."""
    for _ in range(PASSED_OVER):
        message = _next(db, ask)
        if message is None:
            return None
        span = (0, ask.only, ask.only, ask.lane[0], ask.now) if ask.only else _span(0, message, ask.lane[0], ask.now)
        recipients = [row[1:] for row in rows.query(db, _RECIPIENTS, [span], ask.limit)]
        if not recipients:
            return None
        if ask.screen is None:
            return _Turn(ask, message, recipients)
        stopped = ask.screen(db, [(row[0], row[1]) for row in recipients if not row[8]])
        recipients = [row for row in recipients if row[0] not in stopped]
        if recipients:
            return _Turn(ask, message, recipients)
    return None


def _span(place: int, message: int, lane: int, now: float) -> _Span:
    first = message << RECIPIENT_BITS
    return place, first, first | (1 << RECIPIENT_BITS) - 1, lane, now


def _next(db: sqlite3.Connection, ask: Ask) -> int | None:
    """The message whose turn it is, None when nothing is due."""
    if ask.only:
        return ask.only >> RECIPIENT_BITS
    lane, row = ask.lane[0], None
    if ask.probe_not is not None:
        row = db.execute(_PROBE, (lane, ask.now, ask.probe_not, PROBE_SIZE)).fetchone()
        row = row or db.execute(_PROBE, (lane, ask.now, ask.probe_not, ANY_SIZE)).fetchone()
    row = row or db.execute(_DUE, (lane, ask.now, 1)).fetchone()
    return None if row is None else row[0]


def _take(db: sqlite3.Connection, turns: Sequence[_Turn], owner: str) -> list[Claim]:
    """Claim what has its turn. Damaged."""
    rows.execute(
        db,
        _SEND,
        [
            (row[0], row[4], turn.ask.now + turn.ask.delay(row[4]), owner, turn.ask.now)
            for turn in turns
            for row in turn.recipients
        ],
    )
    try:
        messages = {row[0]: row[1:] for row in rows.query(db, _MESSAGES, [(turn.message,) for turn in turns])}
    except sqlite3.DatabaseError as error:
        if len(turns) > 1 or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise  # several: each will be tried in a transaction of its own
        raise _damaged(turns[0], str(error)) from None
    return [_claimed(db, turn, messages[turn.message]) for turn in turns]


def _claimed(db: sqlite3.Connection, turn: _Turn, message: tuple[Any, ...]) -> Claim:
    sender, size, received_at, prefix, signature, ret, envid, eight_bit, smtputf8, user, interruptions, chunk = message
    content, problem = (chunk, "") if chunk is not None and len(chunk) == size else _content(db, turn.message, size)
    if problem:
        raise _damaged(turn, problem)
    number, destination, route = turn.ask.lane
    return Claim(
        message=turn.message,
        lane=number,
        destination=destination,
        route=route,
        sender=parse_address(sender),
        recipients=tuple(
            ClaimedRecipient(row[0], parse_address(row[1]), *(*row[2:7], bool(row[9]))) for row in turn.recipients
        ),
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
        prefer=next((row[7] for row in turn.recipients if row[7]), ""),
    )


def _damaged(turn: _Turn, problem: str) -> Damaged:
    return Damaged(turn.message, tuple(row[0] for row in turn.recipients), problem)


def _content(db: sqlite3.Connection, message: int, size: int) -> tuple[bytes | None, str]:
    """The content when it is one chunk, None when there are more; and what is wrong when it is not whole."""
    first = message << CONTENT_BITS
    try:
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


def unclaim(db: sqlite3.Connection, recipients: tuple[int, ...], now: float) -> None:
    """Give recipients back that were not tried after all: no attempt, due at once."""
    for row in recipients:
        db.execute(
            "UPDATE recipient SET state = iif(attempts > 1, 'deferred', 'queued'), attempts = attempts - 1, next_attempt = ?,"
            " owner = '', changed_at = ? WHERE id = ? AND state = 'sending'",
            (now, now, row),
        )
    # While they were out, their lane may have looked empty and so stopped being due.
    for (lane,) in db.execute(
        f"SELECT DISTINCT lane FROM recipient WHERE id IN ({', '.join('?' * len(recipients))})", recipients
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


def put_aside(db: sqlite3.Connection, damaged: Damaged, now: float) -> bool:
    """Hold what cannot be sent whole: half a message must never leave, and one damaged message must not stop its lane. False when
    another who met it was faster."""
    held = db.executemany(
        "UPDATE recipient SET state = 'held', text = ?, former_state = 'queued', former_next = next_attempt, changed_at = ?"
        " WHERE id = ? AND state IN ('queued', 'deferred')",
        [(str(damaged), now, recipient) for recipient in damaged.recipients],
    ).rowcount
    if held:
        db.execute(
            "INSERT INTO event (at, message, kind, text) VALUES (?, ?, 'quarantined', ?)",
            (now, damaged.message, str(damaged)),
        )
    return held > 0


def recover(db: sqlite3.Connection, now: float) -> tuple[list[str], list[str]]:
    """After a start: what the last process was sending. Returns the ids taken back and those quarantined.

    Each keeps the next attempt that was registered with its claim. The attempt is recorded as `interrupted`: its outcome is
    unknown, it may have been delivered (window W2 or W3).
    """
    sending = db.execute(
        "SELECT id, attempts, lane, changed_at, next_attempt FROM recipient INDEXED BY recipient_sending WHERE state = 'sending'"
    ).fetchall()
    messages = {row[0] >> RECIPIENT_BITS for row in sending}
    db.executemany(
        "UPDATE message SET interruptions = interruptions + 1 WHERE id = ?", [(message,) for message in messages]
    )
    taken: list[str] = []
    quarantined: list[str] = []
    for recipient, attempts, lane, since, next_attempt in sending:
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
