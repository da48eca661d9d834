"""The past of the relay and of destinations, read for any range: by minute for two days, by hour for three months.

Owned here: those reads. Hours that are over come from their sums, the last one or two from their minutes, by the same arithmetic.
A range is in POSIX seconds and widened to whole minutes or hours.
"""

from __future__ import annotations

from itertools import groupby
from typing import Final, Literal, cast

import msgspec

from mailtui.findings import DestinationFlow, DestinationMoment, FailureRow, MomentRow
from mailtui.queue import hours
from mailtui.queue.delays import percentile
from mailtui.queue.reader import Reader
from mailtui.views import moment

Unit = Literal["minute", "hour"]

_SECONDS: Final = {"minute": 60, "hour": 3600}
_HOURS: Final = "SELECT * FROM moment_hour WHERE hour >= ? AND hour < ? ORDER BY hour"
_OPEN_MINUTES: Final = hours.MINUTES.replace("WHERE", f"WHERE minute >= {hours.OPEN} * 60 AND")

#: Rows (at, lane, counts) of attempts and of failures, by unit.
_ATTEMPTS: Final = {
    "minute": "SELECT minute AS at, lane, delivered, deferred, bounced FROM sample",
    "hour": "SELECT hour AS at, lane, delivered, deferred, bounced FROM sample_hour"
    f" UNION ALL SELECT minute / 60, lane, delivered, deferred, bounced FROM sample WHERE minute >= {hours.OPEN} * 60",
}
_FAILED: Final = {
    "minute": "SELECT minute AS at, lane, fingerprint, deferred, bounced FROM failure",
    "hour": "SELECT hour AS at, lane, fingerprint, deferred, bounced FROM failure_hour"
    f" UNION ALL SELECT minute / 60, lane, fingerprint, deferred, bounced FROM failure WHERE minute >= {hours.OPEN} * 60",
}


class Range(msgspec.Struct, frozen=True):
    """From when until when, POSIX seconds, in which steps."""

    since: float
    until: float
    unit: Unit

    @property
    def seconds(self) -> int:
        """Of a step."""
        return _SECONDS[self.unit]

    @property
    def first(self) -> int:
        """The number of the first step."""
        return int(self.since // self.seconds)

    @property
    def end(self) -> int:
        """The number behind the last step."""
        return int(-(-self.until // self.seconds))


async def samples(reader: Reader, wanted: Range, limit: int) -> tuple[MomentRow, ...]:
    """The relay as a whole, in order, at most `limit` steps."""
    if wanted.unit == "minute":
        found = [hours.minute_row(row) for row in await reader.fetch(hours.MINUTES, (wanted.first, wanted.end))]
    else:
        found = await _hours(reader, wanted)
    return tuple(_moment(row, wanted.seconds) for row in found[:limit])


async def _hours(reader: Reader, wanted: Range) -> list[hours.Moment]:
    span = (wanted.first, wanted.end)
    summed = [hours.hour_row(row) for row in await reader.fetch(_HOURS, span)]
    minutes = [hours.minute_row(row) for row in await reader.fetch(_OPEN_MINUTES, (span[0] * 60, span[1] * 60))]
    known = {row.number for row in summed}
    return summed + [
        hours.summed(hour, list(of_hour))
        for hour, of_hour in groupby(minutes, lambda minute: minute.number // 60)
        if hour not in known
    ]


def _moment(row: hours.Moment, seconds: int) -> MomentRow:
    p50, p95, p99 = (percentile(row.delays, share) for share in (0.5, 0.95, 0.99))
    return MomentRow(
        at=moment(row.number * seconds),
        queued=row.depth.queued,
        sending=row.depth.sending,
        deferred=row.depth.deferred,
        held=row.depth.held,
        accepted=row.accepted,
        delivered=row.delivered,
        deferrals=row.deferrals,
        bounced=row.bounced,
        p50=p50,
        p95=p95,
        p99=p99,
        refused_4xx=row.refused_4xx,
        refused_5xx=row.refused_5xx,
        minutes=row.minutes,
        peak=row.peak,
    )


async def destination(reader: Reader, name: str, wanted: Range, limit: int) -> tuple[DestinationMoment, ...]:
    """One destination, in order, at most `limit` steps; those in which nothing was tried are missing."""
    where = "WHERE at >= ? AND at < ? AND lane IN (SELECT id FROM lane WHERE destination = ?)"
    span = (wanted.first, wanted.end, name)
    tried = await reader.fetch(
        f"SELECT at, sum(delivered), sum(deferred), sum(bounced) FROM ({_ATTEMPTS[wanted.unit]}) {where}"
        " GROUP BY at ORDER BY at LIMIT ?",
        (*span, limit),
    )
    failed = await reader.fetch(
        f"SELECT at, class, sentence FROM ({_FAILED[wanted.unit]}) JOIN fingerprint f ON f.id = fingerprint {where}"
        " GROUP BY at, fingerprint ORDER BY sum(deferred + bounced)",
        span,
    )
    mostly = {
        cast("int", at): (str(class_), str(sentence)) for at, class_, sentence in failed
    }  # the last is the commonest
    return tuple(
        DestinationMoment(moment(at * wanted.seconds), name, ok, deferred, bounced, *mostly.get(at, ("", "")))
        for at, ok, deferred, bounced in cast("list[tuple[int, int, int, int]]", tried)
    )


async def failures(reader: Reader, name: str, wanted: Range, limit: int) -> tuple[FailureRow, ...]:
    """What failed, by destination ("": all of them) and kind of reply, the most first."""
    only = " AND lane IN (SELECT id FROM lane WHERE destination = ?)" if name else ""
    rows = await reader.fetch(
        "SELECT t.destination, ifnull(f.class, ''), t.n, t.deferred, t.bounced, t.first, t.last, ifnull(f.text, ''),"
        " ifnull(f.sentence, ''), ifnull(f.sample, '') FROM (SELECT ifnull(l.destination, '') AS destination, p.fingerprint,"
        " sum(p.deferred + p.bounced) AS n, sum(p.deferred) AS deferred, sum(p.bounced) AS bounced, min(p.first) AS first,"
        " max(p.last) AS last FROM (SELECT lane, fingerprint, sum(deferred) AS deferred, sum(bounced) AS bounced, min(at) AS first,"
        f" max(at) AS last FROM ({_FAILED[wanted.unit]}) WHERE at >= ? AND at < ?{only} GROUP BY 1, 2) p"
        " LEFT JOIN lane l ON l.id = p.lane GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT ?) t"
        " LEFT JOIN fingerprint f ON f.id = t.fingerprint ORDER BY t.n DESC, t.destination",
        (wanted.first, wanted.end, *([name] if name else []), limit),
    )
    return tuple(
        FailureRow(
            place, class_, n, deferred, bounced, moment(first * wanted.seconds), moment(last * wanted.seconds), *told
        )
        for place, class_, n, deferred, bounced, first, last, *told in cast(
            "list[tuple[str, str, int, int, int, int, int, str, str, str]]", rows
        )
    )


async def destinations(reader: Reader, name: str, wanted: Range, limit: int) -> tuple[DestinationFlow, ...]:
    """What was tried at each destination ("": at all of them), the most first. Counted by lane before names are looked at."""
    span = (wanted.first, wanted.end)
    only = " AND lane IN (SELECT id FROM lane WHERE destination = ?)" if name else ""
    tried = await reader.fetch(
        "SELECT ifnull(l.destination, ''), ifnull(max(s.name), ''), sum(t.ok), sum(t.deferred), sum(t.bounced) FROM (SELECT lane,"
        f" sum(delivered) AS ok, sum(deferred) AS deferred, sum(bounced) AS bounced FROM ({_ATTEMPTS[wanted.unit]})"
        f" WHERE at >= ? AND at < ?{only} GROUP BY lane) t LEFT JOIN lane l ON l.id = t.lane LEFT JOIN site s ON s.id = l.site"
        " GROUP BY 1 ORDER BY sum(t.ok + t.deferred + t.bounced) DESC, 1 LIMIT ?",
        (*span, *([name] if name else []), limit),
    )
    names = msgspec.json.encode([row[0] for row in tried]).decode()
    failed = await reader.fetch(
        f"SELECT l.destination, f.class FROM (SELECT lane, fingerprint, sum(deferred + bounced) AS n FROM ({_FAILED[wanted.unit]})"
        " WHERE at >= ? AND at < ? AND lane IN (SELECT id FROM lane WHERE destination IN (SELECT value FROM json_each(?)))"
        " GROUP BY 1, 2) t JOIN lane l ON l.id = t.lane JOIN fingerprint f ON f.id = t.fingerprint GROUP BY 1, 2 ORDER BY sum(t.n)",
        (*span, names),
    )
    mostly = {str(name): str(class_) for name, class_ in failed}  # the last is the commonest
    return tuple(
        DestinationFlow(name, site, ok, deferred, bounced, mostly.get(name, ""))
        for name, site, ok, deferred, bounced in cast("list[tuple[str, str, int, int, int]]", tried)
    )
