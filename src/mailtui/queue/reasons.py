"""Failures in groups: what waits, or was tried in the last minutes, by whom it concerns and by kind of reply.

Owned here: those reads. Counts by site, destination and class of all that waits come from the tally, which is kept with every change;
what a filter, senders, users or a window narrow is counted, within the reader's time limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, cast

import msgspec
from msgspec import UNSET

from mailtui.model import format_recipient_id
from mailtui.queue import walks
from mailtui.queue.access import FROM, WAITS, way
from mailtui.queue.filter import Filter
from mailtui.queue.queries import age_of, scope
from mailtui.queue.reader import Reader, Row
from mailtui.views import ReasonRow, TopDestination, moment, moment_or_none

By = Literal["site", "destination", "sender", "class", "user"]

#: Destinations named in a row.
TOP: Final = 3
#: Lanes of a group in which its next attempt is looked for.
NEXT_LANES: Final = 20

#: What makes a line beside the kind of reply; a class is a property of that. Lanes without a site are told apart by destination.
_KEY: Final[dict[By, str]] = {
    "site": "ifnull(s.name, ' ' || l.destination)",
    "destination": "l.destination",
    "sender": "m.sender",
    "class": "''",
    "user": "m.user",
}
_LANES: Final = " JOIN lane l ON l.id = t.lane LEFT JOIN site s ON s.id = l.site"
_STANDS: Final = "t.n > 0 AND t.fingerprint > 0 AND t.state IN ('queued', 'sending', 'deferred', 'held')"
_NEXT: Final = "iif(r.state IN ('queued', 'deferred'), max(r.next_attempt, l.not_before), NULL)"
#: Destinations of each group `part` (k: whose, f: kind of reply) folded into one line a group.
_FOLD: Final = (
    "SELECT g.*, f.text, f.class, f.sentence, f.first_seen, f.last_seen FROM (SELECT k, f, sum(n) AS n, count(*),"
    f" json_group_array(json_array(place, n)) FILTER (WHERE rank <= {TOP}), min(oldest), min(next), min(first), max(last)"
    " FROM (SELECT *, row_number() OVER (PARTITION BY k, f ORDER BY n DESC, place) AS rank FROM part) GROUP BY 1, 2) g"
    " JOIN fingerprint f ON f.id = g.f ORDER BY g.n DESC, g.k, g.f LIMIT ?"
)

#: A site or DNS that does not work: what was not tried waits for the same reason as what was.
_BROKEN: Final = "(ifnull(s.failures, 0) > 0 OR l.failures > 0)"
#: Each lane of the groups that are shown (?1), the one that is due first as `turn` 1.
_PAIR: Final = (
    "pair AS MATERIALIZED (SELECT {key} AS k, t.fingerprint AS f, l.destination AS place, t.lane, sum(t.n) AS n, l.not_before,"
    " max(t.state IN ('queued', 'deferred')) AS planned,"
    " row_number() OVER (PARTITION BY {key}, t.fingerprint ORDER BY l.due_at IS NULL, l.due_at) AS turn"
    f" FROM tally t{_LANES} WHERE {_STANDS}"
    " AND ({key}, t.fingerprint) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?)) GROUP BY 1, 2, t.lane)"
)
#: With the oldest and the next of each. Which lane has the next one of a
#: kind is not known: it is looked for in those that are due first.
_PART: Final = (
    "part AS (SELECT k, f, place, n, NULL AS first, NULL AS last,"
    " (SELECT r.id FROM recipient r INDEXED BY recipient_group WHERE r.lane = pair.lane AND r.fingerprint = pair.f"
    f" AND {WAITS} ORDER BY r.id LIMIT 1) AS oldest,"
    " iif(planned AND turn <= {NEXT_LANES}, (SELECT max(r.next_attempt, pair.not_before) FROM recipient r INDEXED BY recipient_due"
    " WHERE r.lane = pair.lane AND r.state IN ('queued', 'deferred') AND r.fingerprint = pair.f ORDER BY r.next_attempt LIMIT 1), NULL)"
    " AS next FROM pair)"
).replace("{NEXT_LANES}", str(NEXT_LANES))

_TOP: Final = msgspec.json.Decoder(list[tuple[str, int]])


async def reasons(
    reader: Reader, filter: Filter, now: float, by: By = "site", limit: int = 100, window: float | None = None
) -> tuple[ReasonRow, ...]:
    """Failures of the same kind, most first: of the recipients that wait, or with `window` the attempts of those last seconds,
    those that ended in a bounce included."""
    if window is not None:
        rows = await _attempted(reader, filter, by, limit, now - window)
    elif filter.everything and by == "destination":
        rows = await _tallied(reader, by, limit)
    elif filter.everything and by in ("site", "class"):
        rows = await _walked(reader, by, limit)
    else:
        rows = await _waiting(reader, filter, by, limit)
    found = tuple(_reason(row, by, now) for row in rows)
    if window is not None or by not in ("site", "destination"):
        return found
    return _with_those_behind(found, [str(row[0]) for row in rows], await _untried(reader, filter, by))


async def _untried(reader: Reader, filter: Filter, by: By) -> Mapping[str, int]:
    """Recipients that were not tried because their site or DNS does not work, by whom it concerns."""
    if filter.everything:
        rows = await reader.fetch(
            f"SELECT {_KEY[by]}, sum(t.n) FROM tally t{_LANES} WHERE t.n > 0 AND t.fingerprint = 0 AND {_BROKEN}"
            " AND t.state IN ('queued', 'deferred') GROUP BY 1"
        )
    else:
        where = scope(filter)
        rows = await reader.fetch(
            f"SELECT {_KEY[by]}, count(*){await way(reader, filter)}{where.sql} AND {WAITS} AND r.state IN ('queued', 'deferred')"
            f" AND r.fingerprint = 0 AND {_BROKEN} GROUP BY 1",
            where.params,
        )
    return {str(key): cast("int", n) for key, n in rows}


def _with_those_behind(
    rows: Sequence[ReasonRow], keys: Sequence[str], behind: Mapping[str, int]
) -> tuple[ReasonRow, ...]:
    """What was not tried stands behind the latest kind of reply of whom it concerns; the largest groups stay first."""
    latest: dict[str, int] = {}
    for place, (key, row) in enumerate(zip(keys, rows, strict=True)):
        if key not in latest or row.last_seen > rows[latest[key]].last_seen:
            latest[key] = place
    told = list(rows)
    for key, place in latest.items():
        told[place] = msgspec.structs.replace(rows[place], behind=behind.get(key, 0))
    return tuple(sorted(told, key=lambda row: -row.count - row.behind))


async def _waiting(reader: Reader, filter: Filter, by: By, limit: int) -> list[Row]:
    where, tables = scope(filter), await way(reader, filter)
    part = (
        f"SELECT {_KEY[by]} AS k, r.fingerprint AS f, l.destination AS place, count(*) AS n, min(r.id) AS oldest,"
        f" min({_NEXT}) AS next, NULL AS first, NULL AS last{tables}{where.sql}"
        f" AND {WAITS} AND r.fingerprint > 0 GROUP BY 1, 2, 3"
    )
    return await reader.fetch(f"WITH part AS ({part}) {_FOLD}", (*where.params, limit))


async def _attempted(reader: Reader, filter: Filter, by: By, limit: int, since: float) -> list[Row]:
    where = scope(filter, history=True)
    joined = FROM.removeprefix(" FROM")
    if filter.everything and by not in ("sender", "user"):  # a message is a look-up an attempt, and tells nothing here
        joined = joined.replace(" JOIN message m ON m.id = r.id >> 20", "")
    tables = f" FROM attempt t INDEXED BY attempt_failed CROSS JOIN{joined}"
    part = (
        f"SELECT {_KEY[by]} AS k, t.fingerprint AS f, l.destination AS place, count(*) AS n, min(r.id) AS oldest, min({_NEXT}) AS next,"
        f" min(t.ended) AS first, max(t.ended) AS last{tables}r.id = t.recipient AND t.ended > ? AND t.fingerprint > 0 AND {where.sql}"
        " GROUP BY 1, 2, 3"
    )
    return await reader.fetch(f"WITH part AS ({part}) {_FOLD}", (since, *where.params, limit))


async def _tallied(reader: Reader, by: By, limit: int) -> list[Row]:
    """The largest groups of the tally, then what else is shown of them, by a few look-ups for each of their lanes."""
    groups = await reader.fetch(
        f"SELECT {_KEY[by]} AS k, t.fingerprint, sum(t.n) FROM tally t{_LANES} WHERE {_STANDS} GROUP BY 1, 2"
        " ORDER BY 3 DESC, 1, 2 LIMIT ?",
        (limit,),
    )
    return await _looked_up(reader, by, [row[:2] for row in groups])


async def _walked(reader: Reader, by: walks.By, limit: int) -> list[Row]:
    """The same with what short walks tell; look-ups only for the groups they have missed."""
    found = await walks.groups(reader, by, limit, TOP)
    missed = [(group.key, group.fingerprint) for group in found if not group.whole]
    looked_up = {row[:2]: row for row in await _looked_up(reader, by, missed)} if missed else {}
    return [looked_up.get(group.row[:2], group.row) for group in found]


async def _looked_up(reader: Reader, by: By, groups: Sequence[Sequence[object]]) -> list[Row]:
    """Groups, each by its key and kind of reply, with what is shown of them."""
    shown = msgspec.json.encode(groups).decode()
    return await reader.fetch(f"WITH {_PAIR.format(key=_KEY[by])}, {_PART} {_FOLD}", (shown, len(groups)))


def _reason(row: Row, by: By, now: float) -> ReasonRow:
    key, group, n, places, top, oldest, at, first, last, text, class_, sentence, known, lately = cast(
        "tuple[str, int, int, int, str, int | None, float | None, float | None, float | None, str, str, str, float, float]",
        row,
    )
    return ReasonRow(
        site=("" if key.startswith(" ") else key) if by == "site" else UNSET,
        destination=key if by == "destination" else UNSET,
        sender=key if by == "sender" else UNSET,
        user=key if by == "user" else UNSET,
        destinations=places,
        group=group,
        fingerprint=text,
        count=n,
        class_=class_,
        sentence=sentence,
        first_seen=moment(known if first is None else first),
        last_seen=moment(lately if last is None else last),
        oldest_seconds=0 if oldest is None else age_of(oldest, now),
        next_attempt=moment_or_none(at),
        sample_id="" if oldest is None else format_recipient_id(oldest),
        top_destinations=_top(top),
    )


def _top(text: str) -> tuple[TopDestination, ...]:
    places: Sequence[tuple[str, int]] = _TOP.decode(text)
    return tuple(TopDestination(place, n) for place, n in sorted(places, key=lambda place: (-place[1], place[0])))
