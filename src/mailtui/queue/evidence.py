"""What the queue file knows of a destination lately: the material of an incident bundle.

Owned here: those reads, each bounded; they look at recent attempts, newest first, because no index leads from a destination to its
history. What may be told to strangers is decided by whoever asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import msgspec

from mailtui.bundles import DoneRow, Numbers, TlsRow
from mailtui.model import RECIPIENT_BITS
from mailtui.queue.measures import first_row
from mailtui.queue.reader import Reader, Row
from mailtui.views import moment, moment_or_none

#: Latest failures of all destinations, latest that wait in each group, and latest recipients among which samples and deliveries are
#: looked for; seconds a search may take; attempts whose TLS is looked at, and lines of that; failure minutes; actions.
LATEST: Final = 20_000
OF_EACH: Final = 200
DELIVERED: Final = 50_000
SECONDS: Final = 2.0
ATTEMPTS: Final = 500
MAX_TLS: Final = 50
MAX_MINUTES: Final = 20_000
MAX_ACTIONS: Final = 100
MAX_OTHERS: Final = 2_000

_IN_LANES: Final = "IN (SELECT value FROM json_each(?))"
_NUMBERS: Final = (
    f"SELECT ifnull(sum(n), 0), ifnull(sum(iif(state = 'held', n, 0)), 0) FROM tally WHERE lane {_IN_LANES}"
    " AND state IN ('queued', 'sending', 'deferred', 'held')"
)
_FLOW: Final = (
    f"SELECT minute, '', sum(delivered), sum(deferred), sum(bounced) FROM sample WHERE minute >= ? AND lane {_IN_LANES}"
    " GROUP BY 1 ORDER BY 1"
)
_FAILED: Final = (
    "SELECT t.minute, f.class, 0, sum(t.deferred), sum(t.bounced) FROM failure t JOIN fingerprint f ON f.id = t.fingerprint"
    f" WHERE t.minute >= ? AND t.lane {_IN_LANES} GROUP BY 1, 2 ORDER BY 1, 2 LIMIT {MAX_MINUTES}"
)
#: Failed attempts (?1 on) of its lanes (?2): no index leads from a destination to its history, but one to what waits.
_TRIED: Final = (
    f"tried AS MATERIALIZED (SELECT t.* FROM (SELECT * FROM (SELECT recipient, n FROM attempt INDEXED BY attempt_failed WHERE ended > ?1"
    f" AND fingerprint > 0 ORDER BY ended DESC LIMIT {LATEST}) UNION SELECT a.recipient, a.n FROM (SELECT DISTINCT lane, fingerprint"
    " FROM tally WHERE lane IN (SELECT value FROM json_each(?2)) AND n > 0 AND fingerprint > 0"
    " AND state IN ('queued', 'sending', 'deferred', 'held')) g CROSS JOIN attempt a ON a.recipient IN (SELECT w.id FROM recipient w"
    " INDEXED BY recipient_group WHERE w.lane = g.lane AND w.fingerprint = g.fingerprint"
    f" AND w.state IN ('queued', 'sending', 'deferred', 'held') ORDER BY w.id DESC LIMIT {OF_EACH})"
    " WHERE a.ended > ?1 AND a.fingerprint > 0) p CROSS JOIN recipient r ON r.id = p.recipient"
    " AND r.lane IN (SELECT value FROM json_each(?2)) CROSS JOIN attempt t ON t.recipient = p.recipient AND t.n = p.n)"
)
#: One attempt of each message, because the recipients of a message tell the same; then the best of each group.
_BEST: Final = "ORDER BY p.silent, p.ended DESC"
_SAMPLES: Final = (
    f"WITH {_TRIED} SELECT p.recipient, p.n, f.text FROM (SELECT p.*, row_number() OVER (PARTITION BY p.fingerprint {_BEST}) AS rank FROM ("
    f"SELECT p.*, row_number() OVER (PARTITION BY p.fingerprint, p.recipient >> {RECIPIENT_BITS} {_BEST}) AS place FROM ("
    "SELECT t.recipient, t.n, t.fingerprint, t.ended, t.preamble + t.dialogue = 0 AS silent FROM tried t) p) p WHERE p.place = 1) p"
    " JOIN fingerprint f ON f.id = p.fingerprint WHERE p.rank <= ?3 ORDER BY p.fingerprint, p.rank"
)
_GROUPS: Final = (
    f"WITH w AS (SELECT fingerprint, sum(n) AS n FROM tally WHERE lane {_IN_LANES} AND fingerprint > 0 AND n > 0"
    " AND state IN ('queued', 'sending', 'deferred', 'held') GROUP BY 1), t AS (SELECT fingerprint, sum(deferred + bounced) AS n,"
    f" min(minute) * 60.0 AS first, max(minute) * 60.0 AS last FROM failure WHERE minute >= ? AND lane {_IN_LANES} GROUP BY 1)"
    " SELECT f.text, f.class, f.sentence, ifnull(t.n, 0) AS tried, ifnull(w.n, 0) AS waiting, ifnull(t.first, f.first_seen),"
    " ifnull(t.last, f.last_seen) FROM fingerprint f LEFT JOIN t ON t.fingerprint = f.id LEFT JOIN w ON w.fingerprint = f.id"
    " WHERE f.id IN (SELECT fingerprint FROM t UNION SELECT fingerprint FROM w) ORDER BY tried DESC, waiting DESC, f.id LIMIT ?"
)
_TLS: Final = (
    f"WITH {_TRIED} SELECT host, address, tls, count(*), max(ended) FROM ("
    f"SELECT * FROM (SELECT t.host, t.address, t.tls, t.ended FROM tried t ORDER BY t.ended DESC LIMIT {ATTEMPTS})"
    " UNION ALL SELECT * FROM (SELECT t.host, t.address, t.tls, t.ended FROM (SELECT id, attempts, state, lane FROM recipient"
    f" WHERE id >= ?3 ORDER BY id DESC LIMIT {DELIVERED}) r CROSS JOIN attempt t ON t.recipient = r.id AND t.n = r.attempts"
    " WHERE r.state = 'delivered' AND t.ended > ?1 AND r.lane IN (SELECT value FROM json_each(?2))"
    f" ORDER BY r.id DESC LIMIT {ATTEMPTS}))"
    f" WHERE host <> '' GROUP BY 1, 2, 3 ORDER BY 5 DESC LIMIT {MAX_TLS}"
)
#: An action concerns a destination when it changed recipients of it, or names it or its site.
_ACTIONS: Final = (
    "SELECT a.at, a.verb, (SELECT count(*) FROM action_item i JOIN recipient r ON r.id = i.recipient WHERE i.action = a.id"
    f" AND r.lane {_IN_LANES}) AS own, a.undone_at, a.actor, a.reason, a.filter FROM action a WHERE a.at > ? AND (own > 0"
    " OR a.filter IN (SELECT value FROM json_each(?))"
    " OR EXISTS (SELECT 1 FROM json_each(a.args) WHERE value IN (SELECT value FROM json_each(?))))"
    f" ORDER BY a.id LIMIT {MAX_ACTIONS}"
)
_TOUCHED: Final = (
    "SELECT a.at, a.verb, 1, a.undone_at, a.actor, a.reason, a.filter FROM action_item i JOIN action a ON a.id = i.action"
    f" WHERE i.recipient = ? ORDER BY a.id LIMIT {MAX_ACTIONS}"
)


class Place(msgspec.Struct, frozen=True):
    """A destination as the queue knows it: its lanes with the keys of their routes, the site it belongs to ("": not yet known)."""

    destination: str
    site: str
    lanes: tuple[int, ...]
    routes: tuple[str, ...]


class Minute(msgspec.Struct, frozen=True):
    """Attempts of one minute since 1970, all of them (`class_` "") or those that failed with a class."""

    minute: int
    class_: str
    delivered: int
    deferred: int
    bounced: int


class Pick(msgspec.Struct, frozen=True):
    """An attempt that stands for a group: recipient row, number of the attempt, the group's fingerprint."""

    recipient: int
    n: int
    fingerprint: str


class Kind(msgspec.Struct, frozen=True):
    """Failures with the same fingerprint: attempts of the window, recipients that wait with it, first and last minute in the window
    (of what only waits: anywhere), POSIX seconds."""

    fingerprint: str
    class_: str
    sentence: str
    attempts: int
    waiting: int
    first: float
    last: float


class Beside(msgspec.Struct, frozen=True):
    """The recipients of a message: their addresses, each with its destination."""

    addresses: tuple[str, ...]
    destinations: tuple[str, ...]


async def place(reader: Reader, destination: str) -> Place | None:
    """None when no mail for it is in the queue or its history."""
    rows = await reader.fetch(
        "SELECT l.id, l.route, ifnull(s.name, '') FROM lane l LEFT JOIN site s ON s.id = l.site WHERE l.destination = ? ORDER BY l.id",
        (destination,),
    )
    if not rows:
        return None
    lanes, routes, sites = zip(*cast("list[tuple[int, str, str]]", rows), strict=True)
    return Place(destination, next(filter(None, reversed(sites)), ""), lanes, routes)


async def numbers(reader: Reader, where: Place, minutes: Sequence[Minute]) -> Numbers:
    """What waits now, and the sums of `minutes` (see `flow`)."""
    ((waiting, held),) = cast("list[tuple[int, int]]", await reader.fetch(_NUMBERS, (_json(where.lanes),)))
    return Numbers(
        waiting,
        held,
        sum(minute.delivered for minute in minutes),
        sum(minute.deferred for minute in minutes),
        sum(minute.bounced for minute in minutes),
    )


async def flow(reader: Reader, where: Place, since: float) -> tuple[Minute, ...]:
    """Attempts by minute from that of `since` on, minutes without any left out."""
    return _minutes(await reader.fetch(_FLOW, (int(since // 60), _json(where.lanes))))


async def failures(reader: Reader, where: Place, since: float) -> tuple[Minute, ...]:
    """Failed attempts by minute and class."""
    return _minutes(await reader.fetch(_FAILED, (int(since // 60), _json(where.lanes))))


def _minutes(rows: Sequence[Row]) -> tuple[Minute, ...]:
    return tuple(Minute(*cast("tuple[int, str, int, int, int]", row)) for row in rows)


async def picks(reader: Reader, where: Place, since: float, each: int) -> tuple[Pick, ...]:
    """The latest failed attempts of each group, up to `each` of them, those with a transcript first."""
    rows = await reader.fetch(_SAMPLES, (since, _json(where.lanes), each), SECONDS)
    return tuple(Pick(*cast("tuple[int, int, str]", row)) for row in rows)


async def groups(reader: Reader, where: Place, since: float, limit: int) -> tuple[Kind, ...]:
    """Failures by kind of reply, most attempts first; from the counts by minute, however many there were."""
    lanes = _json(where.lanes)
    rows = await reader.fetch(_GROUPS, (lanes, int(since // 60), lanes, limit))
    return tuple(Kind(*cast("tuple[str, str, str, int, int, float, float]", row)) for row in rows)


async def bounded(reader: Reader, since: float) -> bool:
    """Whether there may be more failures of the window than samples are chosen among."""
    many = "SELECT count(*) FROM (SELECT 1 FROM attempt INDEXED BY attempt_failed WHERE ended > ? AND fingerprint > 0 LIMIT ?)"
    return cast("int", (await reader.fetch(many, (since, LATEST + 1)))[0][0]) > LATEST


async def from_the_end(reader: Reader, recipient: int, n: int) -> int:
    """Which attempt of a recipient the `n`th is, counted from its last (1)."""
    ((count,),) = await reader.fetch("SELECT count(*) FROM attempt WHERE recipient = ? AND n >= ?", (recipient, n))
    return cast("int", count)


async def attempts_of(reader: Reader, recipient: int, limit: int) -> tuple[int, ...]:
    """The numbers of the latest attempts of a recipient, oldest first."""
    rows = await reader.fetch("SELECT n FROM attempt WHERE recipient = ? ORDER BY n DESC LIMIT ?", (recipient, limit))
    return tuple(cast("int", row[0]) for row in reversed(rows))


async def beside(reader: Reader, recipient: int) -> Beside:
    """All recipients of the message of a recipient."""
    message = recipient >> RECIPIENT_BITS
    rows = await reader.fetch(
        "SELECT r.address, l.destination FROM recipient r JOIN lane l ON l.id = r.lane WHERE r.id BETWEEN ? AND ? ORDER BY r.id LIMIT ?",
        (message << RECIPIENT_BITS, (message + 1 << RECIPIENT_BITS) - 1, MAX_OTHERS),
    )
    return Beside(tuple(str(row[0]) for row in rows), tuple(str(row[1]) for row in rows))


async def tls(reader: Reader, where: Place, since: float, oldest: float) -> tuple[TlsRow, ...]:
    """How the latest attempts were secured, the last first. `oldest` is when mail delivered since then may have come in."""
    lanes = _json(where.lanes)
    rows = await reader.fetch(_TLS, (since, lanes, first_row(oldest)), SECONDS)
    return tuple(
        TlsRow(host, address, secured, n, moment(last))
        for host, address, secured, n, last in cast("list[tuple[str, str, str, int, float]]", rows)
    )


async def actions(reader: Reader, where: Place, since: float) -> tuple[DoneRow, ...]:
    """What was done to its recipients, or to itself or its site, oldest first."""
    names = [name for name in (where.destination, where.site) if name]
    fields = ("domain", "destination", "site")
    words = [*names, "delivery", *(f"{field}:{name}" for field in fields for name in names)]
    rows = await reader.fetch(_ACTIONS, (_json(where.lanes), since, _json(words), _json(names)), SECONDS)
    return tuple(map(_done, rows))


async def touched(reader: Reader, recipient: int) -> tuple[DoneRow, ...]:
    """What was done to one recipient, oldest first."""
    return tuple(map(_done, await reader.fetch(_TOUCHED, (recipient,))))


def _done(row: Row) -> DoneRow:
    at, verb, n, undone, actor, reason, filter = cast("tuple[float, str, int, float | None, str, str, str]", row)
    return DoneRow(moment(at), verb, n, moment_or_none(undone), actor, reason, filter)


def _json(values: Sequence[int] | Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()
