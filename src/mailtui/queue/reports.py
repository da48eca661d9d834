"""DSNs, written in the transaction that makes them true: what failed, is late or was relayed, and who is told.

Owned here: gathering the facts of a report from the rows, putting the composed DSN into the queue, and giving up on recipients
past their lifetime. Whether and how to tell is the reporter's. Functions run in the writer's thread, inside its transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from mailtui.events import Notified
from mailtui.model import (
    CONTENT_BITS,
    RECIPIENT_BITS,
    Address,
    HeaderFacts,
    Incoming,
    Origin,
    Reply,
    State,
    encode_id,
    parse_address,
)
from mailtui.queue.arrivals import Arrival, store_messages
from mailtui.queue.lanes import DueLane, Lanes
from mailtui.queue.outcomes import Outcome
from mailtui.report import Composed, Kind, Original, Report, ReportedRecipient

News = tuple[list[Notified], list[DueLane]]

#: Recipients given up in one transaction, so that an expiring backlog does not stop the mail that flows.
EXPIRE_BATCH = 200


#: What is told of recipients, all of them in one statement.
_FACTS: Final = (
    "SELECT r.id, m.sender, notify, address, orcpt, code, enhanced, r.text, r.class, host, changed_at, ifnull(f.sentence, '')"
    f" FROM json_each(?) j CROSS JOIN recipient r ON r.id = j.value JOIN message m ON m.id = r.id >> {RECIPIENT_BITS}"
    " LEFT JOIN fingerprint f ON f.id = r.fingerprint"
)


class Reporter(Protocol):
    """Who knows when a sender is told and in which words (feedback.reporter)."""

    def wanted(self, kind: Kind, notify: str, sender: Address) -> bool: ...
    def delays_passed(self, notify: str, accepted_at: float, now: float) -> int: ...
    def returns_body(self, kind: Kind, ret: str, size: int) -> bool: ...
    def compose(self, report: Report, original: Original, number: int, now: float) -> Composed: ...
    def leave_at(self, now: float) -> float: ...


class Keeper(Protocol):
    """The part of the store that a DSN needs."""

    @property
    def reporter(self) -> Reporter: ...
    def new_number(self) -> int: ...
    def lifetime(self, sender: Address) -> float: ...
    def route_of(self, sender: Address, destination: str, attempts: int) -> str: ...


def after_attempts(db: sqlite3.Connection, keeper: Keeper, lanes: Lanes, outcome: Outcome, now: float) -> News:
    """The DSNs a finished claim calls for: one for all that failed in it, one for all relayed, one for all delayed."""
    claim, reporter = outcome.claim, keeper.reporter
    if not claim.sender:
        return [], []
    by_id = {recipient.id: recipient for recipient in claim.recipients}
    told: dict[Kind, list[ReportedRecipient]] = {}
    for move in outcome.moves:
        recipient, attempt = by_id[move.attempt.recipient], move.attempt
        kind = _kind_of(move.state, attempt.relayed)
        if not reporter.wanted(kind, recipient.notify, claim.sender):
            continue
        if kind is Kind.DELAYED:
            passed = reporter.delays_passed(recipient.notify, claim.received_at, now)
            if passed <= recipient.notices:
                continue
            db.execute("UPDATE recipient SET notices = ? WHERE id = ?", (passed, recipient.id))
        told.setdefault(kind, []).append(
            ReportedRecipient(
                address=recipient.address,
                reply=attempt.reply,
                class_=attempt.verdict.class_,
                sentence=attempt.verdict.sentence,
                remote_mta=attempt.host if attempt.reply.code else "",
                orcpt=recipient.orcpt,
                expired=move.expired,
                last_attempt=attempt.ended,
                will_retry_until=recipient.expires_at if kind is Kind.DELAYED else None,
            )
        )
    return _issue(db, lanes, _notices(db, keeper, claim.message, told, now, now), now)


def _kind_of(state: State, relayed: bool) -> Kind:
    if state is State.BOUNCED:
        return Kind.FAILED
    if state is State.DEFERRED:
        return Kind.DELAYED
    return Kind.RELAYED if relayed else Kind.DELIVERED


def for_bounced(
    db: sqlite3.Connection, keeper: Keeper, lanes: Lanes, rows: Iterable[int], now: float, delay: float = 0.0
) -> News:
    """The failure reports for recipients that have just been set to bounced, or to suppressed, otherwise than by an attempt.

    `delay` seconds pass before they leave: the time in which an operator may still take the bounce back.
    """
    by_message: dict[int, list[ReportedRecipient]] = {}
    for row, sender, notify, *facts in db.execute(_FACTS, (json.dumps(list(rows)),)).fetchall():
        told = by_message.setdefault(row >> RECIPIENT_BITS, [])
        if sender and keeper.reporter.wanted(Kind.FAILED, notify, parse_address(sender)):
            told.append(_reported(*facts))
    notices: list[_Notice] = []
    for message, told in by_message.items():
        notices += _notices(db, keeper, message, {Kind.FAILED: told}, now, now + delay)
    return _issue(db, lanes, notices, now)


def _reported(
    address: str, orcpt: str, code: int, enhanced: str, text: str, class_: str, host: str, at: float, sentence: str
) -> ReportedRecipient:
    return ReportedRecipient(
        parse_address(address),
        Reply(code, enhanced, text),
        class_,
        sentence,
        host if code else "",
        orcpt,
        expired=class_ == "expired",
        last_attempt=None if class_ == "suppressed" else at,
    )


def expire(
    db: sqlite3.Connection, keeper: Keeper, lanes: Lanes, numbers: Sequence[int], now: float
) -> tuple[News, bool]:
    """Give up on recipients of these lanes whose lifetime is over, at most EXPIRE_BATCH; whether there are more. Not in lanes that
    are suspended: their lifetime stands still.

    Called when a probe of their site (or a look-up of their domain) has failed: that was their last attempt (design 2.3).
    """
    rows: list[int] = []
    for lane in numbers:
        rows += [
            row
            for (row,) in db.execute(
                "SELECT id FROM recipient INDEXED BY recipient_due WHERE lane = ? AND state IN ('queued', 'deferred') AND expires_at <= ?"
                " AND (SELECT suspended_since FROM lane WHERE id = recipient.lane) IS NULL LIMIT ?",
                (lane, now, EXPIRE_BATCH - len(rows)),
            )
        ]
        if len(rows) >= EXPIRE_BATCH:
            break
    for row in rows:
        db.execute(
            "UPDATE recipient SET state = 'bounced', class = 'expired', text = iif(text = '', 'not delivered within its lifetime', text),"
            " enhanced = iif(enhanced = '', '4.4.7', enhanced), changed_at = ? WHERE id = ?",
            (now, row),
        )
        db.execute(
            "INSERT INTO event (at, message, recipient, kind, text) VALUES (?, ?, ?, 'expired', ?)",
            (
                now,
                row >> RECIPIENT_BITS,
                row & (1 << RECIPIENT_BITS) - 1,
                "its site did not answer and its lifetime is over",
            ),
        )
    return for_bounced(db, keeper, lanes, rows, now), len(rows) >= EXPIRE_BATCH


def lanes_of_site(db: sqlite3.Connection, site: str) -> list[int]:
    """The lanes filed under a site."""
    return [
        row[0] for row in db.execute("SELECT id FROM lane WHERE site = (SELECT id FROM site WHERE name = ?)", (site,))
    ]


# ---------------------------------------------------------------------- putting a DSN into the queue


class _Notice(msgspec.Struct, frozen=True):
    """A DSN that is composed and not yet in the queue: what is told of it, and how many recipients it reports."""

    arrival: Arrival
    news: Notified
    reported: int


def _notices(
    db: sqlite3.Connection,
    keeper: Keeper,
    message: int,
    told: dict[Kind, list[ReportedRecipient]],
    now: float,
    due_at: float,
) -> list[_Notice]:
    """The DSNs of one message, each with as many recipients as have room in it."""
    notices: list[_Notice] = []
    for kind, recipients in told.items():
        while recipients:
            notices.append(_composed(db, keeper, message, kind, recipients, now, due_at))
            recipients = recipients[notices[-1].reported :]
    return notices


def _composed(
    db: sqlite3.Connection,
    keeper: Keeper,
    message: int,
    kind: Kind,
    recipients: list[ReportedRecipient],
    now: float,
    due_at: float,
) -> _Notice:
    """One DSN, as a message of its own."""
    sender, arrived, envid, ret, size, from_, subject, message_id, prefix = db.execute(
        "SELECT sender, received_at, envid, ret, size, header_from, subject, message_id, prefix FROM message WHERE id = ?",
        (message,),
    ).fetchone()
    to = parse_address(sender)
    facts = HeaderFacts(from_, subject, message_id)
    report = Report(kind, to, tuple(recipients), encode_id(message), arrived, facts, envid)
    number = keeper.new_number()
    original = _original(db, message, prefix, keeper.reporter.returns_body(kind, ret, size))
    composed = keeper.reporter.compose(report, original, number, now)
    incoming = Incoming(
        number=number,
        envelope=composed.envelope,
        origin=Origin(listener="", kind="dsn", user="", client="", helo="", protocol="", tls=""),
        facts=composed.facts,
        prefix=b"",
        size=len(composed.content),
        received=now,
    )
    leaves = max(due_at, keeper.reporter.leave_at(now))
    routes = [
        keeper.route_of(composed.envelope.sender, item.address.domain, 0) for item in composed.envelope.recipients
    ]
    expires_at = now + keeper.lifetime(composed.envelope.sender)
    arrival = Arrival(incoming, 0, composed.content, routes, expires_at, leaves, message)
    news = Notified(now, encode_id(number), encode_id(message), kind.value, sender)
    return _Notice(arrival, news, composed.reported)


def _issue(db: sqlite3.Connection, lanes: Lanes, notices: Sequence[_Notice], now: float) -> News:
    """Put composed DSNs into the queue, all together."""
    due = store_messages(db, lanes, [notice.arrival for notice in notices])
    db.executemany(
        "INSERT INTO event (at, message, kind, text) VALUES (?, ?, 'dsn', ?)",
        [
            (now, notice.arrival.about, f"{notice.news.kind}: {notice.news.id} to {notice.news.to}")
            for notice in notices
        ],
    )
    return [notice.news for notice in notices], [lane for lanes_due in due for lane in lanes_due]


def _original(db: sqlite3.Connection, message: int, prefix: bytes, whole: bool) -> Original:
    """Header and, if wanted, body of a message whose content is still there (a purged one has only what we put in front)."""
    row = db.execute("SELECT chunk FROM content WHERE id = ?", (message << CONTENT_BITS,)).fetchone()
    header, _, body = (row[0] if row is not None else b"").partition(b"\r\n\r\n")
    return Original(prefix + header + b"\r\n", body if whole else None)
