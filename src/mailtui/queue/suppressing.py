"""What the suppression list does: it stops recipients before they are sent to, and grows by facts about recipients.

Owned here: the step from queued or deferred to suppressed with its DSN, and which outcome is proof enough against an address. The
entries are `suppression`'s. Functions run in the writer's thread, inside its transaction.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from mailtui import config
from mailtui.events import Changed, Notice, Notified
from mailtui.model import RECIPIENT_BITS, Claim, Disposition, Stage, encode_id, format_recipient_id
from mailtui.queue import entries, reports
from mailtui.queue.lanes import DueLane, Lanes, settle_due
from mailtui.queue.outcomes import Outcome
from mailtui.queue.schedule import Move
from mailtui.queue.suppression import Suppressions, ends, key
from mailtui.suppressions import RELAY, Suppression
from mailtui.views import moment

Told = tuple[list[Notified | Changed], list[DueLane]]

#: Seconds that must lie between two answers of DNS before they count as one fact about a domain.
CONFIRM: Final = 3600.0
#: Longest evidence kept, in characters.
EVIDENCE: Final = 500
#: The status (RFC 3463) of a DSN by the reason of the entry; X.7.1 for the others: it is refused here.
_STATUS: Final = {
    "no-such-user": "5.1.1",
    "no-such-domain": "5.1.2",
    "moved": "5.1.6",
    "null-mx": "5.1.10",
    "mailbox-disabled": "5.2.1",
}
#: What a reply here says is said of all recipients of the transaction that had not been refused before.
_SHARED: Final = (Stage.DATA, Stage.FINAL_DOT)
_STOP: Final = (
    "UPDATE recipient SET state = 'suppressed', former_state = state, former_next = next_attempt, code = 0, enhanced = ?, text = ?,"
    " class = 'suppressed', fingerprint = 0, host = '', changed_at = ? WHERE id = ? AND state IN ('queued', 'deferred')"
)


# ---------------------------------------------------------------------- stopping recipients


def stop_listed(
    db: sqlite3.Connection,
    keeper: reports.Keeper,
    lanes: Lanes,
    suppressions: Suppressions,
    recipients: Sequence[tuple[int, str]],
    now: float,
) -> tuple[Collection[int], Told]:
    """Of waiting recipients (row, address) of one message those the list names become suppressed, and their sender is told.
    Their rows, and the news of it."""
    found: dict[int, Suppression] = {}
    for row, address in recipients:
        if (entry := suppressions.find(db, address, now)) is not None:
            found[row] = entry
    return (found.keys(), _stop(db, keeper, lanes, found, now)) if found else ((), ([], []))


def _stop(
    db: sqlite3.Connection, keeper: reports.Keeper, lanes: Lanes, found: Mapping[int, Suppression], now: float
) -> Told:
    rows, used = tuple(found), set[int]()
    for row, entry in found.items():
        text = sentence(entry)
        db.execute(_STOP, (_STATUS.get(entry.reason, "5.7.1"), text, now, row))
        _note(db, row, "suppressed", text, now)
        used.update(db.execute("SELECT lane FROM recipient WHERE id = ?", (row,)).fetchone())
    for lane in used:
        settle_due(db, lane)
    news, touched = reports.for_bounced(db, keeper, lanes, rows, now)
    changed = Changed(now, "suppress", RELAY, len(rows), [format_recipient_id(row) for row in rows[:20]])
    return [changed, *news], touched


def sentence(entry: Suppression) -> str:
    """Why a recipient is suppressed, for its sender too: an operator's name and note stay here."""
    said = f"{entry.host} answered {entry.evidence}" if entry.host and entry.evidence else entry.evidence
    said = said or ("an operator put it there" if entry.source != RELAY else "")
    since = f"{entry.entry} is on the suppression list since {entry.created:%Y-%m-%d %H:%M} UTC ({entry.reason})"
    return f"{since}: {said}" if said else since


def idle(db: sqlite3.Connection, lane: int) -> bool:
    """Whether nothing waits in a lane that was settled."""
    return db.execute("SELECT due_at FROM lane WHERE id = ?", (lane,)).fetchone()[0] is None


# ---------------------------------------------------------------------- facts about recipients


def after_attempts(
    db: sqlite3.Connection, suppressions: Suppressions, settings: config.Suppression, outcome: Outcome, now: float
) -> list[Notice]:
    """Put on the list what an outcome proves not to take mail; a notice for each new entry."""
    suspects = [move for move in outcome.moves if move.attempt.verdict.suppress]
    if not suspects:
        return []
    claim = outcome.claim
    stages = Counter(move.attempt.stage for move in outcome.moves)
    addresses = {recipient.id: str(recipient.address) for recipient in claim.recipients}
    told: dict[str, Notice] = {}
    for move in suspects:
        reason = move.attempt.verdict.class_
        if reason not in settings.on or move.attempt.verdict.disposition is not Disposition.BOUNCED:
            continue
        if _said_of_one(move, stages):
            entry = key(addresses[move.attempt.recipient])
        elif _is_of_dns(move):
            entry = f"@{claim.destination}"
            if entry in told or not _confirmed(db, claim, reason, now):
                continue
        else:
            continue
        if notice := _put(db, suppressions, settings, entry, move, now):
            told[entry] = notice
    return list(told.values())


def _said_of_one(move: Move, stages: Mapping[Stage, int]) -> bool:
    """A 5yz of a server about this recipient and no other."""
    attempt = move.attempt
    return attempt.reply.permanent and (attempt.stage not in _SHARED or stages[attempt.stage] == 1)


def _is_of_dns(move: Move) -> bool:
    return move.attempt.stage is Stage.DNS and not move.attempt.reply.code


def _confirmed(db: sqlite3.Connection, claim: Claim, reason: str, now: float) -> bool:
    """Whether DNS said the same of the domain CONFIRM seconds ago or longer, and it has had no mail host since. A first time is
    remembered; the lane leaves its site, so that finding one again (`lanes.enter_site`) forgets it."""
    since, class_ = db.execute("SELECT gone_since, gone_class FROM lane WHERE id = ?", (claim.lane,)).fetchone()
    if since is None or class_ != reason:
        db.execute(
            "UPDATE lane SET gone_since = ?, gone_class = ?, site = NULL WHERE id = ?", (now, reason, claim.lane)
        )
        return False
    return bool(since <= now - CONFIRM)


def _put(
    db: sqlite3.Connection,
    suppressions: Suppressions,
    settings: config.Suppression,
    entry: str,
    move: Move,
    now: float,
) -> Notice | None:
    attempt, reason = move.attempt, move.attempt.verdict.class_
    evidence = " ".join(str(attempt.reply).split())[:EVIDENCE]
    listed = Suppression(
        entry=entry,
        reason=reason,
        source=RELAY,
        created=moment(now),
        expires=ends(settings.expiry, reason, now),
        evidence=evidence,
        host=attempt.host if attempt.reply.code else "",
        seen=moment(attempt.ended),
        id=format_recipient_id(attempt.recipient),
    )
    if not entries.listed(db, suppressions, listed, now):
        return None
    text = f"{entry} gets no mail from now on ({reason}: {evidence})"
    _note(db, attempt.recipient, "listed", text, now)
    return Notice(now, "info", text, encode_id(attempt.recipient >> RECIPIENT_BITS))


def _note(db: sqlite3.Connection, row: int, kind: str, text: str, now: float) -> None:
    db.execute(
        "INSERT INTO event (at, message, recipient, kind, text) VALUES (?, ?, ?, ?, ?)",
        (now, row >> RECIPIENT_BITS, row & (1 << RECIPIENT_BITS) - 1, kind, text),
    )
