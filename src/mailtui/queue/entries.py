"""The audit of the suppression list: who changed which entries, and how that is taken back.

Owned here: the rows of `action_entry`, written with the change they tell of. What the relay lists by itself is noted like what
operators do; entries of the same minute share an action, so that a mailing to many dead addresses does not bury what people did.
Functions run in the writer's thread, inside its transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import msgspec

from mailtui.queue import actions
from mailtui.queue.actions import Entry, Inverse
from mailtui.queue.suppression import Suppressions, standing
from mailtui.suppressions import RELAY, Suppression
from mailtui.views import moment

T = TypeVar("T")

ADD: Final = "suppress.add"
REMOVE: Final = "suppress.remove"
IMPORT: Final = "suppress.import"
#: Entries named in the row of an action.
NAMED: Final = 20

_KEEP: Final = (
    "INSERT INTO action_entry (action, entry, was, became) VALUES (?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET became = excluded.became"
)
_read: Final = msgspec.json.Decoder(Suppression).decode


def audited(db: sqlite3.Connection, entry: Entry, names: Iterable[str], change: Callable[[], T]) -> tuple[T, int]:
    """Do what `change` does to the entries `names`, and note what that came to: its action, 0 when nothing is otherwise."""
    wanted = tuple(names)
    before = standing(db, wanted)
    result = change()
    after = standing(db, wanted)
    changed = [name for name in wanted if before.get(name) != after.get(name)]
    action = 0
    if changed:
        action = actions.at_once(db, msgspec.structs.replace(entry, filter=_named(changed)), len(changed))
        db.executemany(_KEEP, [(action, name, _json(before.get(name)), _json(after.get(name))) for name in changed])
    return result, action


def listed(db: sqlite3.Connection, suppressions: Suppressions, entry: Suppression, now: float) -> bool:
    """Put on the list what the relay found out; whether it is there now."""
    before = standing(db, [entry.entry]).get(entry.entry)
    if not suppressions.put(db, entry):
        return False
    action = _of_this_minute(db, suppressions, now)
    if action is None:
        action = actions.at_once(db, Entry(now, RELAY, ADD, entry.entry, reason=entry.reason))
        suppressions.noted = (int(now // 60), action)
    else:
        known = db.execute(
            "SELECT 1 FROM action_entry WHERE action = ? AND entry = ?", (action, entry.entry)
        ).fetchone()
        if known is None:
            actions.share(db, action, entry.entry, entry.reason)
    db.execute(_KEEP, (action, entry.entry, _json(before), _json(entry)))
    return True


def _of_this_minute(db: sqlite3.Connection, suppressions: Suppressions, now: float) -> int | None:
    """The action that the relay's entries of this minute share, unless it was undone already."""
    minute, action = suppressions.noted
    if minute != int(now // 60):
        return None
    found = db.execute("SELECT 1 FROM action WHERE id = ? AND undone_by IS NULL", (action,)).fetchone()
    return action if found else None


def inverses(suppressions: Suppressions) -> dict[str, Inverse]:
    """How changes of the list are taken back, by verb."""

    def restore(db: sqlite3.Connection, action: int, entry: Entry) -> tuple[int, int, int]:
        rows = db.execute("SELECT entry, was, became FROM action_entry WHERE action = ?", (action,)).fetchall()
        now = standing(db, [row[0] for row in rows])
        done = skipped = failed = 0
        for name, was, became in rows:
            if now.get(name) != _value(became):
                skipped += 1
            elif _ended(_value(was), entry.at):
                failed += 1
            else:
                suppressions.replace(db, name, _value(was))
                done += 1
        return done, skipped, failed

    return {verb: Inverse(restore, suppressions.forget) for verb in (ADD, REMOVE, IMPORT)}


def _ended(was: Suppression | None, now: float) -> bool:
    """Whether an entry that stood there would have ended by now."""
    return was is not None and was.expires is not None and was.expires <= moment(now)


def _json(entry: Suppression | None) -> str | None:
    return None if entry is None else msgspec.json.encode(entry).decode()


def _value(text: str | None) -> Suppression | None:
    return None if text is None else _read(text)


def _named(names: list[str]) -> str:
    rest = len(names) - NAMED
    return " ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
