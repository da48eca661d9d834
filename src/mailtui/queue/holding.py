"""Holding new mail: recipients of a message just stored that a hold rule finds never become due.

Owned here: the step from queued to held at the moment of acceptance, and what is noted of it. The rules are `hold_rules`'. Our own DSNs
do not come this way: a rule is about what others send, and who is told of a failure is `feedback`'s to say. Functions run in the
writer's thread, inside its transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from mailtui.events import Changed, Notice, Notified
from mailtui.model import RECIPIENT_BITS, Incoming, format_recipient_id
from mailtui.queue.hold_rules import Rule
from mailtui.queue.lanes import DueLane, settle_due
from mailtui.queue.suppressing import idle
from mailtui.suppressions import RELAY

#: What happened, and the lanes in which something is due.
News = tuple[Sequence[Notified | Notice | Changed], Sequence[DueLane]]

_LOW: Final = (1 << RECIPIENT_BITS) - 1
_FIND: Final = (
    "SELECT r.id, r.lane FROM recipient r NOT INDEXED JOIN message m ON m.id = ? JOIN lane l ON l.id = r.lane"
    " WHERE r.id BETWEEN ? AND ? AND r.state = 'queued' AND "
)
#: The text is what `queue list` shows; who made the rule and why is told to operators alone, in the event.
_HOLD: Final = (
    "UPDATE recipient SET state = 'held', former_state = 'queued', former_next = next_attempt, text = ?, hold_rule = ?,"
    " changed_at = ? WHERE id = ?"
)
#: Characters of the filter in an event.
_SHOWN: Final = 200


def hold_new(db: sqlite3.Connection, rules: Sequence[Rule], message: Incoming, so_far: News) -> News:
    """Hold the recipients of a message that rules find, each by the first that does; the news, beside those `so_far`."""
    number, now = message.number, message.received
    first = number << RECIPIENT_BITS
    news: list[Changed] = []
    lanes: set[int] = set()
    for rule in rules:
        found = db.execute(f"{_FIND}{rule.where.sql}", (number, first, first | _LOW, *rule.where.params)).fetchall()
        if found:
            _hold(db, rule, [row for row, _ in found], now)
            lanes.update(lane for _, lane in found)
            news.append(Changed(now, "hold", RELAY, len(found), [format_recipient_id(row) for row, _ in found[:20]]))
    for lane in lanes:
        settle_due(db, lane)
    return [*so_far[0], *news], [lane for lane in so_far[1] if lane.id not in lanes or not idle(db, lane.id)]


def _hold(db: sqlite3.Connection, rule: Rule, rows: Sequence[int], now: float) -> None:
    db.executemany(_HOLD, [(shown(rule.id), rule.id, now, row) for row in rows])
    text = f"hold rule {rule.id} of {rule.actor}, {rule.filter[:_SHOWN]}"
    text = f"{text}: {rule.reason}" if rule.reason else text
    db.executemany(
        "INSERT INTO event (at, message, recipient, kind, text) VALUES (?, ?, ?, 'held', ?)",
        [(now, row >> RECIPIENT_BITS, row & _LOW, text) for row in rows],
    )
    db.execute("UPDATE hold_rule SET held = held + ?, last_held = ? WHERE id = ?", (len(rows), now, rule.id))


def shown(rule: int) -> str:
    """What a recipient shows that the rule of this number holds. `verbs` knows this spelling."""
    return f"held by rule {rule}"
