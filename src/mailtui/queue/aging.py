"""What waits by lane and age, counted once it has waited for a moment, so that a deep queue need not be counted to say how old it is.

Owned here: moving the mark on up to which recipients are counted, in small steps. From there on the triggers of the schema keep the
counts; mail that is delivered at once never enters them. What is asked of them is in `groups`. Functions run in the writer's thread,
inside its transaction.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from mailtui.model import ID_EPOCH, RECIPIENT_BITS

#: Milliseconds of a stretch of `age`, as in the triggers.
QUARTER: Final = 900_000
#: Seconds after which a recipient that still waits is counted, and recipients of one step.
RESTS: Final = 60.0
STEP: Final = 2000

_NEXT: Final = (
    "SELECT id, lane FROM recipient INDEXED BY recipient_waiting WHERE id > (SELECT aged FROM waiting) AND id <= ?"
    " AND state IN ('queued', 'sending', 'deferred', 'held') ORDER BY id LIMIT ?"
)
_COUNT: Final = (
    f"INSERT INTO age (lane, quarter, n) SELECT lane, (id >> {RECIPIENT_BITS}) / {QUARTER}, count(*) FROM ({_NEXT}) WHERE 1"
    " GROUP BY 1, 2 ON CONFLICT DO UPDATE SET n = n + excluded.n"
)
_MARK: Final = f"UPDATE waiting SET aged = max(aged, (SELECT max(id) FROM ({_NEXT})))"
#: All of them anew, where no trigger has kept them.
_ALL: Final = (
    f"INSERT INTO age (lane, quarter, n) SELECT lane, (id >> {RECIPIENT_BITS}) / {QUARTER}, count(*) FROM recipient"
    " WHERE state IN ('queued', 'sending', 'deferred', 'held') GROUP BY 1, 2"
)


def advance(db: sqlite3.Connection, now: float, step: int = STEP) -> bool:
    """Count the next `step` recipients that have waited for a moment; whether there may be more."""
    bounds = (int((now - RESTS - ID_EPOCH) * 1000) << RECIPIENT_BITS, step)
    found = db.execute(f"SELECT count(*) FROM ({_NEXT})", bounds).fetchone()[0]
    if found:
        db.execute(_COUNT, bounds)
        db.execute(_MARK, bounds)
    return bool(found == step)


def recount(db: sqlite3.Connection) -> None:
    """Make the counts of `age` and `waiting` true."""
    db.execute("DELETE FROM age")
    db.execute(_ALL)
    db.execute(
        "UPDATE waiting SET messages = (SELECT count(*) FROM message WHERE unfinished > 0), aged = (SELECT ifnull(max(id), 0)"
        " FROM recipient WHERE state IN ('queued', 'sending', 'deferred', 'held'))"
    )
