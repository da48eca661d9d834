"""The verbs of an operator, each as one step of the writer over some recipients: retry, hold, release, purge, bounce, reroute.

Owned here: which states a verb applies to (by `model.EDGES`), what it does to state, schedule and lifetime, and the event rows that
say who did it and why. Functions run in the writer's thread, inside its transaction; which recipients are meant was found before,
so every state is looked at again here: what is being sent meanwhile is skipped.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from mailtui.model import RECIPIENT_BITS, Cause, State, may_move
from mailtui.queue import actions, rerouting
from mailtui.queue.lanes import make_due, settle_due
from mailtui.queue.suppression import lift as lift_list
from mailtui.queue.suspension import owed, suspended_for, suspended_since

#: Why a recipient is skipped, and why it is too late for one.
SENDING: Final = "being sent"
NO_BODY: Final = "its body is gone"
#: Seconds in which a bounce may still be taken back: its DSN does not leave before.
BOUNCE_DELAY: Final = 60.0


class Verb(StrEnum):
    """What an operator can do to recipients."""

    RETRY = "retry"
    HOLD = "hold"
    RELEASE = "release"
    PURGE = "purge"
    BOUNCE = "bounce"
    REROUTE = "reroute"


#: What a recipient held by a rule shows (`holding.shown`), until it is released or given up.
_BY_RULE: Final = "text = 'held by rule ' || hold_rule"
#: What a recipient without any reply shows, and its DSN says, after a bounce; and the way back.
_GIVEN_UP: Final = (
    "UPDATE recipient SET text = 'given up by the operator', enhanced = '5.0.0'"
    f" WHERE id IN (SELECT value FROM json_each(?)) AND code = 0 AND (text = '' OR {_BY_RULE})"
)
NOT_GIVEN_UP: Final = (
    "UPDATE recipient SET text = '', enhanced = '' WHERE id = ? AND code = 0 AND text = 'given up by the operator'"
)

#: The states each verb applies to.
APPLIES: Final[dict[Verb, tuple[State, ...]]] = {
    Verb.RETRY: (State.QUEUED, State.DEFERRED),
    Verb.HOLD: (State.QUEUED, State.DEFERRED),
    Verb.RELEASE: (State.HELD, State.SUPPRESSED),
    Verb.PURGE: (State.QUEUED, State.DEFERRED, State.HELD),
    Verb.BOUNCE: (State.QUEUED, State.DEFERRED, State.HELD),
    Verb.REROUTE: (State.QUEUED, State.DEFERRED, State.HELD),
}


_ASIDE: Final = {Verb.HOLD: State.HELD, Verb.PURGE: State.PURGED, Verb.BOUNCE: State.BOUNCED}


class Change(msgspec.Struct, frozen=True):
    """One step of a verb: on which recipient rows, when, who asked and why. `at` is when row i of a retry is due (POSIX seconds;
    nobody waits longer for it than before); `action` the row of the action it belongs to, 0 when none is kept; `to` the key of the
    route of a reroute."""

    verb: Verb
    rows: Sequence[int]
    now: float
    actor: str
    reason: str = ""
    at: Callable[[int], float] | None = None
    action: int = 0
    to: str = ""


class Step(msgspec.Struct, frozen=True):
    """What a step did: the rows it changed in order, how many were being sent, how many the verb does not apply to (or are gone),
    the lanes they stand in, and why each of the others was left alone, counted."""

    changed: tuple[int, ...] = ()
    skipped: int = 0
    failed: int = 0
    lanes: tuple[int, ...] = ()
    reasons: tuple[tuple[str, int], ...] = ()


class _Recipient(msgspec.Struct, frozen=True):
    id: int
    lane: int
    state: State
    next_attempt: float
    former_state: str | None
    former_next: float | None
    changed_at: float
    body: int


def apply(db: sqlite3.Connection, change: Change) -> Step:
    """Do what `change` says. Of a bounce the DSNs are still to be made, by the caller in the same transaction."""
    found = _read(db, change.rows)
    fit = [recipient for recipient in found if _fits(recipient, change.verb)]
    left = Counter(_unfit(recipient, change.verb) for recipient in found if not _fits(recipient, change.verb))
    if len(found) < len(change.rows):
        left["gone"] = len(change.rows) - len(found)
    skipped = left[SENDING]
    changed = tuple(recipient.id for recipient in fit)
    if change.action:
        actions.keep(db, change.action, changed)
    _DO[change.verb](db, fit, change)
    _tell(db, fit, change)
    stand = _read(db, changed) if change.verb is Verb.REROUTE else fit
    lanes = tuple(dict.fromkeys(recipient.lane for recipient in stand))
    return Step(changed, skipped, left.total() - skipped, lanes, tuple(left.most_common()))


def _fits(recipient: _Recipient, verb: Verb) -> bool:
    """Whether the verb applies; of what is suppressed the body may be gone (`queue.trash`)."""
    return recipient.state in APPLIES[verb] and (recipient.state is not State.SUPPRESSED or bool(recipient.body))


def _unfit(recipient: _Recipient, verb: Verb) -> str:
    """Why the verb does not apply to a recipient."""
    if recipient.state is State.SENDING:
        return SENDING
    return NO_BODY if recipient.state in APPLIES[verb] else recipient.state.value


def _read(db: sqlite3.Connection, rows: Sequence[int]) -> list[_Recipient]:
    found = db.execute(
        "SELECT r.id, lane, state, next_attempt, former_state, former_next, changed_at,"
        " (SELECT body FROM message WHERE id = r.id >> 20) FROM json_each(?) j CROSS JOIN recipient r ON r.id = j.value",
        (json.dumps(list(rows)),),
    )
    return [_Recipient(row, lane, State(state), *rest) for row, lane, state, *rest in found]


def _tell(db: sqlite3.Connection, recipients: Iterable[_Recipient], change: Change) -> None:
    low = (1 << RECIPIENT_BITS) - 1
    text = ": ".join(filter(None, (f"to {change.to}" if change.to else "", change.reason)))
    db.executemany(
        "INSERT INTO event (at, message, recipient, kind, actor, text) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                change.now,
                recipient.id >> RECIPIENT_BITS,
                recipient.id & low,
                change.verb.value,
                change.actor,
                text,
            )
            for recipient in recipients
        ],
    )


def _retry(db: sqlite3.Connection, recipients: list[_Recipient], change: Change) -> None:
    """Due now (or at its turn), with no back-off in the way."""
    first: dict[int, float] = {}
    for i, recipient in enumerate(recipients):
        at = change.now if change.at is None else min(change.at(i), max(recipient.next_attempt, change.now))
        first[recipient.lane] = min(first.get(recipient.lane, at), at)
        _check(recipient.state, State.QUEUED)
        db.execute(
            "UPDATE recipient SET state = 'queued', next_attempt = ?, changed_at = iif(state = 'queued', changed_at, ?) WHERE id = ?",
            (at, change.now, recipient.id),
        )
    lift(db, first, change.now)
    for lane, at in first.items():
        make_due(db, lane, at)


def _set_aside(db: sqlite3.Connection, recipients: list[_Recipient], change: Change) -> None:
    """Held, purged or bounced: take out of the schedule, remembering state and schedule. What was held or
    suspended before has not used up its lifetime meanwhile."""
    state = _ASIDE[change.verb]
    stopped = {lane: suspended_since(db, lane) for lane in {recipient.lane for recipient in recipients}}
    for recipient in recipients:
        _check(recipient.state, state)
        held = change.now - recipient.changed_at if recipient.state is State.HELD else 0.0
        since = None if recipient.state is State.HELD else stopped[recipient.lane]
        lost = suspended_for(since, recipient.id, change.now)
        former_next = recipient.next_attempt if recipient.former_next is None else recipient.former_next
        db.execute(
            "UPDATE recipient SET state = ?, former_state = ?, former_next = ?, expires_at = expires_at + ?, changed_at = ? WHERE id = ?",
            (state.value, recipient.state.value, former_next, max(held, 0.0) + lost, change.now, recipient.id),
        )
    if state is State.BOUNCED:
        db.execute(_GIVEN_UP, (json.dumps([recipient.id for recipient in recipients]),))
    for lane in {recipient.lane for recipient in recipients}:
        settle_due(db, lane)


def _release(db: sqlite3.Connection, recipients: list[_Recipient], change: Change) -> None:
    """Back to the exact former state and schedule; what became due meanwhile is due now, and held time was no lifetime (what a
    suspension will give back is given once). What was suppressed goes past the list from now on."""
    first: dict[int, float] = {}
    for recipient in recipients:
        state = State.DEFERRED if recipient.former_state == State.DEFERRED else State.QUEUED
        _check(recipient.state, state)
        at = max(recipient.next_attempt if recipient.former_next is None else recipient.former_next, change.now)
        first[recipient.lane] = min(first.get(recipient.lane, at), at)
        held = max(change.now - recipient.changed_at, 0.0) - owed(db, recipient.lane, recipient.id, change.now)
        db.execute(
            "UPDATE recipient SET state = ?, next_attempt = ?, former_state = NULL, former_next = NULL,"
            f" text = iif({_BY_RULE}, '', text), expires_at = expires_at + ?, changed_at = ? WHERE id = ?",
            (state.value, at, held, change.now, recipient.id),
        )
        if recipient.state is State.SUPPRESSED:
            lift_list(db, recipient.id)
    for lane, at in first.items():
        make_due(db, lane, at)


def _reroute(db: sqlite3.Connection, recipients: list[_Recipient], change: Change) -> None:
    """Into the lane of the other route, as they are."""
    rerouting.move(db, [recipient.id for recipient in recipients], change.to, change.now)


_DO: Final[dict[Verb, Callable[[sqlite3.Connection, list[_Recipient], Change], None]]] = {
    Verb.RETRY: _retry,
    Verb.HOLD: _set_aside,
    Verb.RELEASE: _release,
    Verb.PURGE: _set_aside,
    Verb.BOUNCE: _set_aside,
    Verb.REROUTE: _reroute,
}


def _check(source: State, target: State) -> None:
    assert source is target or may_move(source, target, Cause.OPERATOR), (
        f"{source} -> {target} is not an operator's to cause"
    )


def lift(db: sqlite3.Connection, lanes: Iterable[int], now: float) -> None:
    """Let lanes be tried now: neither failing DNS nor the back-off of their broken sites keeps them. A site is lifted whole, or
    its other lanes would wait on although it may live again."""
    sites: set[int] = set()
    for lane in lanes:
        db.execute("UPDATE lane SET not_before = 0 WHERE id = ?", (lane,))
        sites.update(row[0] for row in db.execute("SELECT site FROM lane WHERE id = ? AND site IS NOT NULL", (lane,)))
    for site in sites:
        db.execute("UPDATE site SET failures = 0, broken_until = 0, reason = '' WHERE id = ?", (site,))
        db.execute(
            "UPDATE lane SET not_before = 0, due_at = min(due_at, ?1) WHERE site = ?2 AND not_before > 0", (now, site)
        )


def sites_of(db: sqlite3.Connection, lanes: Iterable[int]) -> tuple[str, ...]:
    """The names of the sites that lanes are filed under."""
    found = [
        db.execute("SELECT s.name FROM lane l JOIN site s ON s.id = l.site WHERE l.id = ?", (lane,)).fetchone()
        for lane in lanes
    ]
    return tuple(dict.fromkeys(row[0] for row in found if row is not None))
