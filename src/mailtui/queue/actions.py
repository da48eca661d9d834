"""The audit, and what an undo needs: who did what and why, and each recipient as it was before.

Owned here: the rows of `action`, `action_item` and `action_dsn`. Functions run in the writer's thread, inside the transaction of the
change they tell of, so that what is written here is exactly what was done, wherever it was interrupted. How a recipient is brought
back is in `undo`, reading in `audit`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from mailtui.errors import EX_DATAERR, MailtuiError

#: Longest selection kept, in characters: one of ids has as many as were named.
SHOWN: Final = 2000
UNDO: Final = "undo"


class UnknownAction(MailtuiError):
    """There is no such action (any more)."""

    exit_code = EX_DATAERR

    def __init__(self, action: int) -> None:
        super().__init__(f"there is no action {action}; `mailtui audit` lists them")


class CannotUndo(MailtuiError):
    """An action that is not to be undone, and why; nothing was done."""

    exit_code = EX_DATAERR


class Entry(msgspec.Struct, frozen=True):
    """What is noted when an action begins: when, who, what, of which selection (as understood), why, what else was said; `undoes` is
    the action that an undo takes back."""

    at: float
    actor: str
    verb: str
    filter: str = ""
    reason: str = ""
    args: dict[str, int | str | bool] = {}
    undoes: int | None = None


class Inverse(msgspec.Struct, frozen=True):
    """How a verb that changes no recipients is taken back. `restore(db, action, entry)` brings back what the action of that row
    did, in the transaction of the undo that `entry` describes, and returns (restored, moved on since, no way back); `after` is
    called once that is committed, for what memory holds of it."""

    restore: Callable[[sqlite3.Connection, int, Entry], tuple[int, int, int]]
    after: Callable[[], None]


def begin(db: sqlite3.Connection, entry: Entry, matched: int) -> int:
    """The row of an action that begins. UnknownAction, CannotUndo: of an undo, in the transaction that marks what it takes back."""
    if entry.undoes is not None:
        undoable(db, entry.undoes)
    row = db.execute(
        "INSERT INTO action (at, actor, verb, filter, reason, args, matched, undoes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(entry.at, entry.actor, entry.verb, _short(entry.filter), entry.reason),
            *(json.dumps(entry.args), matched, entry.undoes),
        ),
    )
    assert row.lastrowid is not None
    if entry.undoes is not None:
        db.execute(
            "UPDATE action SET undone_by = ?, undone_at = ? WHERE id = ?", (row.lastrowid, entry.at, entry.undoes)
        )
    return row.lastrowid


def at_once(db: sqlite3.Connection, entry: Entry, done: int = 1) -> int:
    """The row of an action that is over when it is written, because it changes no recipients (a suspension, the suppression list):
    `done` is how many of its own things it changed. What its `Inverse` needs is in `entry.args`, or under this row elsewhere."""
    action = begin(db, entry, done)
    count(db, action, (done, 0, 0, 0))
    finish(db, action, entry.at)
    return action


def share(db: sqlite3.Connection, action: int, filter: str, reason: str) -> None:
    """One more thing done by an action of the relay that others share: its selection and its reasons grow with it."""
    row = db.execute("SELECT filter, reason FROM action WHERE id = ?", (action,)).fetchone()
    reasons = row[1] if reason in row[1].split(", ") else f"{row[1]}, {reason}"
    db.execute(
        "UPDATE action SET matched = matched + 1, done = done + 1, filter = ?, reason = ? WHERE id = ?",
        (_short(f"{row[0]} {filter}"), reasons, action),
    )


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def undoable(db: sqlite3.Connection, action: int) -> tuple[str, int]:
    """The verb of an action that may be undone now, and how many it changed; else UnknownAction or CannotUndo. An undo that was
    stopped may be gone on with."""
    found = db.execute(
        "SELECT a.verb, a.state, a.done, a.undone_by, u.state FROM action a LEFT JOIN action u ON u.id = a.undone_by WHERE a.id = ?",
        (action,),
    ).fetchone()
    if found is None:
        raise UnknownAction(action)
    verb, state, done, undone_by, undo_state = found
    if verb == UNDO:
        raise CannotUndo(f"action {action} is an undo itself; do again what it took back")
    if state == "open":
        raise CannotUndo(f"action {action} is still being applied; `mailtui cancel {action}` stops it")
    if undone_by is not None and undo_state != "stopped":
        raise CannotUndo(f"action {action} was undone already, by action {undone_by}")
    if not done:
        raise CannotUndo(f"action {action} changed nothing")
    return str(verb), int(done)


def keep(db: sqlite3.Connection, action: int, rows: Iterable[int]) -> None:
    """Remember recipients as they are now, before the action changes them."""
    params = [(action, row) for row in rows]
    db.executemany(
        "INSERT INTO action_item (action, recipient, state, next_attempt, expires_at, changed_at, former_state, former_next, attempts,"
        " before, enhanced, text, lane, rerouted)"
        " SELECT ?, id, state, next_attempt, expires_at, changed_at, former_state, former_next, attempts, action,"
        " iif(state = 'suppressed', enhanced, NULL), iif(state IN ('suppressed', 'held'), text, NULL), lane, rerouted"
        " FROM recipient WHERE id = ?",
        params,
    )
    db.executemany("UPDATE recipient SET action = ? WHERE id = ?", params)


def keep_dsns(db: sqlite3.Connection, action: int, dsns: Iterable[tuple[int, int]]) -> None:
    """Remember the DSNs of a bounce, each as (message it speaks of, DSN)."""
    db.executemany("INSERT INTO action_dsn (action, message, dsn) VALUES (?, ?, ?)", [(action, *dsn) for dsn in dsns])


def count(db: sqlite3.Connection, action: int, counts: Sequence[int]) -> None:
    """Add to what has been done, skipped and failed so far, and to the messages of what was done."""
    db.execute(
        "UPDATE action SET done = done + ?, skipped = skipped + ?, failed = failed + ?, messages = messages + ? WHERE id = ?",
        (*counts, action),
    )


def finish(db: sqlite3.Connection, action: int, now: float, state: str = "done") -> None:
    """The action is over: `done`, or `stopped` with the part its row says. An undo that brought nothing back (all had been changed
    since, say) was none: it can be tried again."""
    db.execute("UPDATE action SET state = ?, finished_at = ? WHERE id = ? AND state = 'open'", (state, now, action))
    db.execute(
        "UPDATE action SET undone_by = NULL, undone_at = NULL WHERE undone_by = ?1"
        " AND id = (SELECT undoes FROM action WHERE id = ?1 AND done = 0)",
        (action,),
    )


def stop_open(db: sqlite3.Connection, now: float) -> None:
    """At start: what was being applied when the last process ended has stopped there."""
    db.execute("UPDATE action SET state = 'stopped', finished_at = ? WHERE state = 'open'", (now,))


def drop_old(db: sqlite3.Connection, before: float, limit: int) -> int:
    """Let go of up to `limit` rows of actions older than `before`; how many. Ids rise with time, so the first row tells."""
    found = db.execute("SELECT id, at, state FROM action ORDER BY id LIMIT 1").fetchone()
    if found is None or found[1] >= before or found[2] == "open":
        return 0
    action: int = found[0]
    gone = db.execute(
        "DELETE FROM action_item WHERE action = ?1 AND recipient IN (SELECT recipient FROM action_item WHERE action = ?1 LIMIT ?2)",
        (action, limit),
    ).rowcount
    if gone < limit:
        gone += db.execute("DELETE FROM action_dsn WHERE action = ?", (action,)).rowcount
        gone += db.execute("DELETE FROM action_entry WHERE action = ?", (action,)).rowcount
        gone += db.execute("DELETE FROM action WHERE id = ?", (action,)).rowcount
    return gone
