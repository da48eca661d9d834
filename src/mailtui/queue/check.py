"""Looking a queue file over while no relay runs: is it sound, and do its counts agree with its rows.

Owned here: the findings of `mailtui check-queue`. Nothing here changes the file; `salvage` makes a new one.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from mailtui.model import CONTENT_BITS, RECIPIENT_BITS, encode_id
from mailtui.queue.aging import QUARTER
from mailtui.queue.database import migrations, open_reader

#: Findings of one kind that are listed; the rest is counted.
LISTED: Final = 20

_AGES: Final = (
    "SELECT count(*) FROM (SELECT lane, quarter, sum(n) FROM (SELECT lane, quarter, n FROM age UNION ALL"
    f" SELECT lane, (id >> {RECIPIENT_BITS}) / {QUARTER}, -1 FROM recipient WHERE id <= (SELECT aged FROM waiting)"
    " AND state IN ('queued', 'sending', 'deferred', 'held')) GROUP BY 1, 2 HAVING sum(n) <> 0)"
)
_WAITS: Final = "state IN ('queued', 'sending', 'deferred', 'held')"


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it should be. `harm`: mail may be lost, stuck or sent wrongly; else only a count is off."""

    harm: bool
    text: str


def check_queue(path: Path) -> list[Finding]:
    """Everything wrong with a queue file, worst first. QueueError when there is none."""
    try:
        db = open_reader(path)
    except sqlite3.DatabaseError as error:
        return [Finding(True, f"the file cannot be opened: {error}")]
    try:
        db.execute("BEGIN")
        findings = _structure(db)
        if not findings:  # what a damaged file counts means nothing
            findings = [*_bodies(db), *_schedule(db), *_counts(db)]
    except sqlite3.DatabaseError as error:
        findings = [Finding(True, f"the file cannot be read: {error}")]
    finally:
        db.close()
    return sorted(findings, key=lambda finding: not finding.harm)


def _structure(db: sqlite3.Connection) -> list[Finding]:
    found = [
        Finding(True, f"damaged: {text}") for (text,) in db.execute(f"PRAGMA integrity_check({LISTED})") if text != "ok"
    ]
    if found:
        return found
    newest = migrations()[-1][0]
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if 0 < version < newest:
        text = f"the file is whole, and of an earlier version (schema {version}): the next start brings it to {newest}, and keeps a copy"
        return [Finding(False, f"{text}; only then its counts can be looked at")]
    if version != newest:
        return [Finding(True, f"the schema is {version}, this version of mailtui works with {newest}")]
    return [
        Finding(True, f"row {row} of {table} points to a row of {parent} that is not there")
        for table, row, parent, _ in db.execute("PRAGMA foreign_key_check").fetchmany(LISTED)
    ]


def _bodies(db: sqlite3.Connection) -> list[Finding]:
    """Content and messages belong together, octet for octet."""
    found = _listed(
        db,
        "recipients of {} are in the queue, but the message is not",
        f"SELECT DISTINCT r.id >> {RECIPIENT_BITS} FROM recipient r LEFT JOIN message m ON m.id = r.id >> {RECIPIENT_BITS}"
        " WHERE m.id IS NULL",
    )
    # A look-up a message: joining sums over all of them may be done by looking through those sums again and again.
    whole = (
        f"SELECT ifnull(sum(length(chunk)), 0) = m.size AND count(*) = ifnull(max(c.id & {(1 << CONTENT_BITS) - 1}), -1) + 1"
        f" FROM content c WHERE c.id BETWEEN m.id << {CONTENT_BITS} AND (m.id + 1 << {CONTENT_BITS}) - 1"
    )
    found += _listed(
        db,
        "the body of {} is not whole, and it has waiting recipients",
        f"SELECT m.id FROM message m WHERE m.phase = 'stored' AND m.unfinished > 0 AND NOT ({whole})",
    )
    return found + _listed(
        db,
        "there is a body without a message, or of one that no longer has it: {}",
        f"SELECT DISTINCT c.id >> {CONTENT_BITS} FROM content c LEFT JOIN message m ON m.id = c.id >> {CONTENT_BITS}"
        " WHERE m.id IS NULL OR m.body = 0",
        harm=False,
    )


def _schedule(db: sqlite3.Connection) -> list[Finding]:
    """Nothing may wait where nobody looks."""
    rows = db.execute(
        "SELECT l.destination, l.route, count(*) FROM lane l JOIN recipient r ON r.lane = l.id AND r.state IN ('queued', 'deferred')"
        " GROUP BY l.id HAVING l.due_at IS NULL OR l.due_at > max(l.not_before, min(r.next_attempt)) + 1"
    ).fetchmany(LISTED)
    return [
        Finding(True, f"{n} recipients wait for {destination} by {route}, but are not due when they should be")
        for destination, route, n in rows
    ]


def _counts(db: sqlite3.Connection) -> list[Finding]:
    """Counters, tally and the counts of messages against the rows; the ledger against itself."""
    found = []
    counter: dict[str, int] = dict(db.execute("SELECT name, n FROM counter"))
    rows: dict[str, int] = dict(db.execute("SELECT state, count(*) FROM recipient GROUP BY state"))
    for state in ("queued", "sending", "deferred", "held"):
        if counter.get(state) != rows.get(state, 0):
            found.append(
                Finding(False, f"{state}: the counter says {counter.get(state)}, there are {rows.get(state, 0)}")
            )
    for state in ("delivered", "bounced", "suppressed", "purged"):
        if counter.get(state, 0) < rows.get(state, 0):
            found.append(
                Finding(False, f"{state}: the life-long counter says {counter.get(state)}, there are {rows[state]}")
            )
    total = sum(n for name, n in counter.items() if name != "accepted")
    if counter.get("accepted") != total:
        found.append(
            Finding(False, f"the ledger does not balance: accepted {counter.get('accepted')}, accounted for {total}")
        )
    differing = db.execute(
        "SELECT count(*) FROM (SELECT lane, state, fingerprint, sum(n) AS n FROM (SELECT lane, state, fingerprint, n FROM tally"
        " UNION ALL SELECT lane, state, fingerprint, -1 FROM recipient) GROUP BY 1, 2, 3 HAVING sum(n) <> 0)"
    ).fetchone()[0]
    if differing:
        found.append(Finding(False, f"the tally differs from the rows in {differing} places"))
    differing = db.execute(_AGES).fetchone()[0]
    if differing:
        found.append(Finding(False, f"the counts by age differ from the rows in {differing} places"))
    told, messages = db.execute(
        "SELECT messages, (SELECT count(*) FROM message WHERE unfinished > 0) FROM waiting"
    ).fetchone() or (None, 0)
    if told != messages:
        found.append(Finding(False, f"the counter says that {told} messages wait, there are {messages}"))
    return found + _listed(
        db,
        "{} counts its unfinished recipients wrongly",
        f"SELECT id FROM (SELECT m.id, m.unfinished, m.finished_at, (SELECT count(*) FROM recipient r WHERE {_WAITS} AND r.id"
        f" BETWEEN m.id << {RECIPIENT_BITS} AND (m.id + 1 << {RECIPIENT_BITS}) - 1) AS n FROM message m WHERE m.phase = 'stored')"
        " WHERE unfinished <> n OR (finished_at IS NULL) <> (n > 0)",
    )


def _listed(db: sqlite3.Connection, text: str, sql: str, harm: bool = True) -> list[Finding]:
    """A finding for each message number a query gives."""
    numbers = [row[0] for row in db.execute(sql)]
    found = [Finding(harm, text.format(_id(number))) for number in numbers[:LISTED]]
    if len(numbers) > LISTED:
        found.append(Finding(harm, f"… and {len(numbers) - LISTED} more of this kind"))
    return found


def _id(number: int) -> str:
    try:
        return encode_id(number)
    except ValueError:
        return f"message number {number}"
