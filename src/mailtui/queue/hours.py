"""Hours: what the minutes of one come to when it is over, so that three months of history stay small.

Owned here: which hour is next, its sums, and writing them. Of destinations and their failures only those with the most are kept by
name, the others together. Summing reads beside the writer, because an hour of a large queue has many rows; the writer gets the few
that come out. When it happens and how long hours are kept is the pruner's business.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import msgspec

from mailtui.queue.database import open_reader
from mailtui.queue.delays import Delays, added, decoded, encoded

#: Lanes, and failures of a lane, that an hour keeps by name.
TOP: Final = 200
#: Failures of a site that are remembered as usual, of one hour.
USUAL: Final = 20_000
#: Seconds after which no attempt of an hour is still being recorded.
SETTLED: Final = 120.0

_FLOW: Final = (
    "minute, queued, sending, deferred, held, accepted, refused_4xx, refused_5xx, delivered, deferrals, bounced, delays"
)
_LANES: Final = (
    "SELECT lane, sum(delivered), sum(deferred), sum(bounced) FROM sample WHERE minute BETWEEN ? AND ? GROUP BY lane"
    " ORDER BY sum(delivered + deferred + bounced) DESC, lane"
)
_FAILURES: Final = (
    "SELECT lane, fingerprint, sum(deferred), sum(bounced) FROM failure WHERE minute BETWEEN ? AND ? GROUP BY lane, fingerprint"
    " ORDER BY sum(deferred + bounced) DESC, lane, fingerprint"
)
_USUAL: Final = (
    "SELECT ifnull(l.site, 0), iif(l.site IS NULL, t.lane, 0), t.fingerprint, sum(t.n), min(t.first), max(t.last) FROM (SELECT lane,"
    " fingerprint, sum(deferred + bounced) AS n, min(minute) AS first, max(minute) AS last FROM failure WHERE minute BETWEEN ? AND ?"
    f" GROUP BY lane, fingerprint) t LEFT JOIN lane l ON l.id = t.lane GROUP BY 1, 2, 3 ORDER BY 4 DESC LIMIT {USUAL}"
)
#: The first hour that is not summed yet.
OPEN: Final = "(SELECT ifnull(max(CAST(value AS INTEGER)) + 1, 0) FROM setting WHERE name = 'summed')"
_WRITE: Final = "INSERT INTO moment_hour VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Depth(msgspec.Struct, frozen=True):
    """Recipients that waited at one moment, by state."""

    queued: int
    sending: int
    deferred: int
    held: int

    @property
    def waiting(self) -> int:
        """All of them."""
        return self.queued + self.sending + self.deferred + self.held


class Moment(msgspec.Struct, frozen=True):
    """A stretch of time: its number (of the minute, or of the hour, since 1970), minutes in it in which the relay ran, depth at the
    end of the last one, the deepest (`peak`), recipients accepted, refusals, attempts by disposition, delays of deliveries."""

    number: int
    minutes: int
    peak: int
    depth: Depth
    accepted: int
    refused_4xx: int
    refused_5xx: int
    delivered: int
    deferrals: int
    bounced: int
    delays: Delays


class Hour(msgspec.Struct, frozen=True):
    """What an hour comes to: of the relay (None: no minute of it was kept), rows of lanes (lane, delivered, deferred, bounced) and of
    failures (lane, fingerprint, deferred, bounced), both with the others last, as 0; and of failures by site (site, lane where there
    is none, fingerprint, attempts, first and last minute)."""

    hour: int
    whole: Moment | None
    lanes: tuple[tuple[int, ...], ...]
    failures: tuple[tuple[int, ...], ...]
    usual: tuple[tuple[int, ...], ...] = ()


def minute_row(row: Sequence[object]) -> Moment:
    """A row of MINUTES."""
    minute, *counts = cast("tuple[int, ...]", tuple(row[:-1]))
    depth = Depth(*counts[:4])
    return Moment(minute, 1, depth.waiting, depth, *_flow(counts[4:]), decoded(cast("str", row[-1])))


def hour_row(row: Sequence[object]) -> Moment:
    """A row of `moment_hour`, in the order of its columns."""
    hour, minutes, peak, *counts = cast("tuple[int, ...]", tuple(row[:-1]))
    return Moment(hour, minutes, peak, Depth(*counts[:4]), *_flow(counts[4:]), decoded(cast("str", row[-1])))


def _flow(counts: Sequence[int]) -> tuple[int, int, int, int, int, int]:
    """Accepted, refused twice, delivered, deferrals, bounced: exactly those."""
    accepted, refused_4xx, refused_5xx, delivered, deferrals, bounced = counts
    return accepted, refused_4xx, refused_5xx, delivered, deferrals, bounced


def summed(hour: int, minutes: Sequence[Moment]) -> Moment:
    """The minutes of an hour, in order and at least one, together."""
    return Moment(
        hour,
        len(minutes),
        max(minute.peak for minute in minutes),
        minutes[-1].depth,
        sum(minute.accepted for minute in minutes),
        sum(minute.refused_4xx for minute in minutes),
        sum(minute.refused_5xx for minute in minutes),
        sum(minute.delivered for minute in minutes),
        sum(minute.deferrals for minute in minutes),
        sum(minute.bounced for minute in minutes),
        added(minute.delays for minute in minutes),
    )


#: Minutes of a range, in order.
MINUTES: Final = f"SELECT {_FLOW} FROM moment WHERE minute >= ? AND minute < ? ORDER BY minute"


def next_hour(db: sqlite3.Connection, now: float) -> int | None:
    """The first hour that is over and not yet summed; None when there is none. An hour in which nothing was kept is passed over."""
    last = int((now - SETTLED) // 3600) - 1
    first_open = int(db.execute(f"SELECT {OPEN}").fetchone()[0])
    if first_open > last + 1:  # a clock was ahead once: that must not end history
        first_open = last
    rows = db.execute(
        "SELECT min(minute) FROM moment WHERE minute >= ?1 UNION ALL SELECT min(minute) FROM sample WHERE minute >= ?1"
        " UNION ALL SELECT min(minute) FROM failure WHERE minute >= ?1",
        (first_open * 60,),
    )
    first = min((int(found[0]) for found in rows if found[0] is not None), default=None)
    return first // 60 if first is not None and first // 60 <= last else None


def gather(path: Path, hour: int) -> Hour:
    """Sum up an hour, beside the writer."""
    db = open_reader(path)
    try:
        minutes = [minute_row(row) for row in db.execute(MINUTES, (hour * 60, hour * 60 + 60))]
        span = (hour * 60, hour * 60 + 59)
        lanes, failures = db.execute(_LANES, span).fetchall(), db.execute(_FAILURES, span).fetchall()
        usual = tuple(db.execute(_USUAL, span).fetchall())
    finally:
        db.close()
    return Hour(hour, summed(hour, minutes) if minutes else None, _most(lanes, 1), _most(failures, 2), usual)


def _most(rows: Sequence[tuple[int, ...]], keys: int) -> tuple[tuple[int, ...], ...]:
    """The first rows, and the sum of the others under zeros; `keys` columns name a row, the others count."""
    named, rest = tuple(rows[:TOP]), rows[TOP:]
    if not rest:
        return named
    return (*named, (*(0,) * keys, *(sum(column) for column in zip(*(row[keys:] for row in rest), strict=True))))


def write(db: sqlite3.Connection, hour: Hour) -> None:
    """Keep an hour, in place of what there was of it. In the writer's thread, inside its transaction."""
    for table in ("moment_hour", "sample_hour", "failure_hour", "usual"):
        db.execute(f"DELETE FROM {table} WHERE hour = ?", (hour.hour,))
    if (whole := hour.whole) is not None:
        db.execute(
            _WRITE,
            (
                *(hour.hour, whole.minutes, whole.peak, *msgspec.structs.astuple(whole.depth)),
                *(
                    whole.accepted,
                    whole.refused_4xx,
                    whole.refused_5xx,
                    whole.delivered,
                    whole.deferrals,
                    whole.bounced,
                ),
                encoded(whole.delays),
            ),
        )
    db.executemany("INSERT INTO sample_hour VALUES (?, ?, ?, ?, ?)", [(hour.hour, *row) for row in hour.lanes])
    db.executemany("INSERT INTO failure_hour VALUES (?, ?, ?, ?, ?)", [(hour.hour, *row) for row in hour.failures])
    db.executemany("INSERT INTO usual VALUES (?, ?, ?, ?, ?, ?, ?)", [(hour.hour, *row) for row in hour.usual])
    db.execute("INSERT OR REPLACE INTO setting (name, value) VALUES ('summed', ?)", (str(hour.hour),))
