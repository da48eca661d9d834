"""Undoing: each recipient of an action back to the state and schedule it had, unless it has moved on since.

Owned here: who can be brought back, what exactly comes back, and the DSNs of a bounce that are withdrawn with it. Functions run in
the writer's thread, inside its transaction. What an action remembers is written by `actions`, the order of the steps is `operate`'s.
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from mailtui.model import RECIPIENT_BITS, Cause, State, may_move
from mailtui.queue import rerouting
from mailtui.queue.actions import UNDO
from mailtui.queue.lanes import make_due, settle_due
from mailtui.queue.suspension import owed
from mailtui.queue.verbs import NO_BODY, NOT_GIVEN_UP, SENDING, Step, Verb

_SCHEDULED: Final = (State.QUEUED, State.DEFERRED)
#: The states an action leaves its recipients in: from others they have moved on.
_LEFT_IN: Final[dict[Verb, tuple[State, ...]]] = {
    Verb.RETRY: _SCHEDULED,
    Verb.HOLD: (State.HELD,),
    Verb.RELEASE: _SCHEDULED,
    Verb.PURGE: (State.PURGED,),
    Verb.BOUNCE: (State.BOUNCED,),
    Verb.REROUTE: (*_SCHEDULED, State.HELD),
}
#: What was released past the suppression list shows again why it was on it, and is no longer let past.
_LISTED_AGAIN: Final = (
    "UPDATE recipient SET unsuppress = 0, code = 0, class = 'suppressed', fingerprint = 0, host = '', (enhanced, text) ="
    " (SELECT ifnull(i.enhanced, ''), ifnull(i.text, '') FROM action_item i WHERE i.action = ? AND i.recipient = recipient.id) WHERE id = ?"
)
#: What was held shows again what it showed: a release or bounce may have changed that.
_HELD_AGAIN: Final = (
    "UPDATE recipient SET text = ifnull((SELECT i.text FROM action_item i WHERE i.action = ? AND i.recipient = recipient.id), text)"
    " WHERE id = ?"
)
_LOW: Final = (1 << RECIPIENT_BITS) - 1
#: Seconds of life that what comes back has at least, unless it had less when it went.
_LIFE: Final = 86_400.0

#: Why recipients stay as they are.
GONE, ATTEMPTED = "no longer known", "attempted since"
RESTORED, DSN_LEFT = "restored already", "its DSN has left"


class Undoing(msgspec.Struct, frozen=True):
    """One step of an undo: the action `undoes`, of that verb, is taken back by the action `action`, for its recipient rows from
    `first` to `last`; when, who asked and why. What became due meanwhile is due at once, or within `spread` seconds."""

    undoes: int
    verb: Verb
    action: int
    first: int
    last: int
    now: float
    actor: str
    reason: str = ""
    spread: float = 0.0


class _Item(msgspec.Struct, frozen=True, array_like=True):
    """A recipient as it was before the action (`was_...`) and as it is; `state` is None when its row is gone. Read in this order."""

    id: int
    was: State
    was_next: float
    was_expires: float
    was_changed: float
    former_state: str | None
    former_next: float | None
    was_attempts: int
    was_action: int
    lane: int
    state: State | None
    attempts: int
    changed_at: float
    action: int
    body: int
    expires_at: float


def restore(db: sqlite3.Connection, step: Undoing) -> Step:
    """Take one step of an action back."""
    items = _items(db, step)
    told = _dsns_left(db, step) if step.verb is Verb.BOUNCE else frozenset()
    fit: list[_Item] = []
    skipped: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for item in items:
        if why := moved_on(item, step):
            skipped[why] += 1
        elif why := lost(item, step.verb, told):
            failed[why] += 1
        else:
            fit.append(item)
    reasons = tuple((skipped + failed).most_common())
    if step.verb is Verb.REROUTE:
        lanes = _send_back(db, fit, step)
        return Step(tuple(item.id for item in fit), skipped.total(), failed.total(), lanes, reasons)
    _bring_back(db, fit, step)
    if step.verb is Verb.BOUNCE:
        _withdraw(db, {item.id >> RECIPIENT_BITS for item in fit}, step)
    lanes = tuple(dict.fromkeys(item.lane for item in fit))
    return Step(tuple(item.id for item in fit), skipped.total(), failed.total(), lanes, reasons)


def moved_on(item: _Item, step: Undoing) -> str:
    """Why a recipient is no longer as the action left it, "" when it is."""
    if item.state is None:
        return GONE
    if item.state is State.SENDING:
        return SENDING
    if item.action != step.undoes:
        return RESTORED if item.action == item.was_action else f"changed by action {item.action} since"
    if item.state not in _LEFT_IN[step.verb]:
        return f"{item.state.value} since"
    if step.verb is Verb.REROUTE:  # the way back is open however often this way was tried
        return ""
    return ATTEMPTED if item.state in _SCHEDULED and item.attempts != item.was_attempts else ""


def lost(item: _Item, verb: Verb, told: frozenset[int]) -> str:
    """Why there is no way back for a recipient, "" when there is."""
    if verb is Verb.REROUTE:  # its state is not touched
        return ""
    if item.state is not item.was and not may_move(item.state, item.was, Cause.UNDO):
        return f"it was {item.was.value}: no way back"
    if verb in (Verb.PURGE, Verb.BOUNCE) and not item.body:
        return NO_BODY
    return DSN_LEFT if item.id >> RECIPIENT_BITS in told else ""


def _items(db: sqlite3.Connection, step: Undoing) -> list[_Item]:
    rows = db.execute(
        "SELECT i.recipient, i.state, i.next_attempt, i.expires_at, i.changed_at, i.former_state, i.former_next, i.attempts, i.before,"
        " ifnull(r.lane, 0), r.state, ifnull(r.attempts, 0), ifnull(r.changed_at, 0.0), ifnull(r.action, 0), ifnull(m.body, 0),"
        " ifnull(r.expires_at, 0.0)"
        f" FROM action_item i LEFT JOIN recipient r ON r.id = i.recipient LEFT JOIN message m ON m.id = i.recipient >> {RECIPIENT_BITS}"
        " WHERE i.action = ? AND i.recipient BETWEEN ? AND ? ORDER BY i.recipient",
        (step.undoes, step.first, step.last),
    )
    return msgspec.convert(rows.fetchall(), list[_Item])


def _dsns_left(db: sqlite3.Connection, step: Undoing) -> frozenset[int]:
    """Messages of which a DSN has left, or may have: it was tried. What is not in the queue any more has."""
    rows = db.execute(
        "SELECT d.message FROM action_dsn d LEFT JOIN recipient r"
        f" ON r.id BETWEEN d.dsn << {RECIPIENT_BITS} AND (d.dsn + 1 << {RECIPIENT_BITS}) - 1"
        " WHERE d.action = ? AND d.message BETWEEN ? AND ? AND (r.id IS NULL OR r.attempts > 0 OR r.state NOT IN ('queued', 'held'))",
        (step.undoes, step.first >> RECIPIENT_BITS, step.last >> RECIPIENT_BITS),
    )
    return frozenset(row[0] for row in rows)


def _bring_back(db: sqlite3.Connection, items: Iterable[_Item], step: Undoing) -> None:
    """Exactly as they were. What became due meanwhile may wait its turn; what could have been tried meanwhile has not lost its last
    day by that."""
    first: dict[int, float] = {}
    for item in items:
        at, expires = item.was_next, item.was_expires
        if item.was in _SCHEDULED:
            if item.state not in _SCHEDULED:
                expires = _expires(db, item, step.now)
            if item.changed_at < at <= step.now and step.spread:
                at = step.now + random.random() * step.spread
            first[item.lane] = min(first.get(item.lane, at), at)
        db.execute(
            "UPDATE recipient SET state = ?, next_attempt = ?, expires_at = ?, changed_at = ?, former_state = ?, former_next = ?,"
            " action = ? WHERE id = ?",
            (
                *(item.was.value, at, expires, item.was_changed, item.former_state, item.former_next),
                *(item.was_action, item.id),
            ),
        )
        if step.verb is Verb.BOUNCE:
            db.execute(NOT_GIVEN_UP, (item.id,))
        if item.was is State.SUPPRESSED:
            db.execute(_LISTED_AGAIN, (step.undoes, item.id))
        if item.was is State.HELD:
            db.execute(_HELD_AGAIN, (step.undoes, item.id))
        _tell(db, item.id, UNDO, step, step.reason or f"of {step.verb.value}, action {step.undoes}")
    for lane, at in first.items():
        make_due(db, lane, at)
    for lane in {item.lane for item in items}:
        settle_due(db, lane)


def _expires(db: sqlite3.Connection, item: _Item, now: float) -> float:
    """When the lifetime of one that was set aside ends: it keeps what a suspension before gave it, what one that stands will give is
    not given twice, and what could have been tried meanwhile has not lost its last day by that."""
    aside, coming = max(0.0, now - item.changed_at), owed(db, item.lane, item.id, now)
    kept = item.expires_at + min(aside, coming) - coming
    if item.was_next > now:
        return kept
    return max(kept, min(item.expires_at + aside - coming, now + _LIFE))


def _send_back(db: sqlite3.Connection, items: Sequence[_Item], step: Undoing) -> tuple[int, ...]:
    """By the way they had; state and schedule stay as they are now."""
    for item in items:
        _tell(db, item.id, UNDO, step, step.reason or f"of {step.verb.value}, action {step.undoes}")
    return rerouting.bring_back(db, step.undoes, [item.id for item in items], step.now)


def _withdraw(db: sqlite3.Connection, messages: Iterable[int], step: Undoing) -> None:
    """The DSNs about these messages go to the trash: nobody is told of what did not happen."""
    for message in messages:
        rows = db.execute(
            "SELECT r.id, r.lane, r.state FROM action_dsn d JOIN recipient r"
            f" ON r.id BETWEEN d.dsn << {RECIPIENT_BITS} AND (d.dsn + 1 << {RECIPIENT_BITS}) - 1"
            " WHERE d.action = ? AND d.message = ?",
            (step.undoes, message),
        ).fetchall()
        for row, lane, state in rows:
            assert may_move(State(state), State.PURGED, Cause.UNDO), f"{state} -> purged by undo"
            db.execute(
                "UPDATE recipient SET state = 'purged', former_state = state, former_next = next_attempt, changed_at = ?, action = ?"
                " WHERE id = ?",
                (step.now, step.action, row),
            )
            _tell(db, row, "purge", step, f"the bounce it reports, action {step.undoes}, was undone")
            settle_due(db, lane)


def _tell(db: sqlite3.Connection, row: int, kind: str, step: Undoing, text: str) -> None:
    db.execute(
        "INSERT INTO event (at, message, recipient, kind, actor, text) VALUES (?, ?, ?, ?, ?, ?)",
        (step.now, row >> RECIPIENT_BITS, row & _LOW, kind, step.actor, text),
    )
