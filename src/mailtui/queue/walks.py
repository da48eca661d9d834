"""What stands behind the groups of failures of a deep queue: found by short walks in the right order instead of a look-up a lane.

Owned here: those walks. The longest waiting recipients tell the oldest of most groups, the lanes that are due first their next attempt,
the largest counts of the tally their destinations. A group that a walk has missed is told as incomplete; `reasons` looks it up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, Literal, cast

import msgspec

from mailtui.queue.access import WAITS
from mailtui.queue.reader import Reader, Row

By = Literal["site", "class"]

#: How far each walk goes: recipients by age, lanes by when they are due (of the fewer groups by class a fifth), counts by size.
OLDEST: Final = 10_000
FIRST: Final = 500
LARGEST: Final = 5_000

_STANDS: Final = "t.n > 0 AND t.fingerprint > 0 AND t.state IN ('queued', 'sending', 'deferred', 'held')"
#: Whose a lane is, as a number: its site, or without one its destination by the first lane of that.
_WHOSE: Final[dict[By, str]] = {
    "site": "ifnull(l.site, -(SELECT min(x.id) FROM lane x WHERE x.destination = l.destination))",
    "class": "0",
}
_NAME: Final[dict[By, str]] = {
    "site": "ifnull(s.name, ' ' || (SELECT destination FROM lane WHERE id = -g.k))",
    "class": "''",
}
_GROUPS: Final = (
    "SELECT g.k, g.f, {name}, g.n, g.places, f.text, f.class, f.sentence, f.first_seen, f.last_seen FROM (SELECT {whose} AS k,"
    " t.fingerprint AS f, sum(t.n) AS n, count(DISTINCT l.destination) AS places FROM tally t JOIN lane l ON l.id = t.lane"
    f" WHERE {_STANDS} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT ?) g JOIN fingerprint f ON f.id = g.f LEFT JOIN site s ON s.id = g.k"
    " ORDER BY 4 DESC, 3, 2"
)
_BY_AGE: Final = (
    "SELECT {whose}, w.fingerprint, min(w.id) FROM (SELECT r.lane, r.fingerprint, r.id FROM recipient r INDEXED BY recipient_waiting"
    f" WHERE {WAITS} ORDER BY r.id LIMIT {{most}}) w JOIN lane l ON l.id = w.lane WHERE w.fingerprint > 0 GROUP BY 1, 2"
)
_BY_DUE: Final = (
    "SELECT k, f, min(next) FROM (SELECT {whose} AS k, t.fingerprint AS f, (SELECT max(r.next_attempt, l.not_before) FROM recipient r"
    " INDEXED BY recipient_due WHERE r.lane = l.id AND r.state IN ('queued', 'deferred') AND r.fingerprint = t.fingerprint"
    " ORDER BY r.next_attempt LIMIT 1) AS next FROM (SELECT * FROM lane INDEXED BY lane_due WHERE due_at IS NOT NULL"
    " AND suspended_since IS NULL ORDER BY due_at LIMIT {most}) l CROSS JOIN tally t ON t.lane = l.id AND t.n > 0"
    " AND t.fingerprint > 0 AND t.state IN ('queued', 'deferred')) WHERE next IS NOT NULL GROUP BY 1, 2"
)
_BY_SIZE: Final = (
    "SELECT {whose}, c.f, l.destination, sum((SELECT sum(t.n) FROM tally t WHERE t.lane = c.lane AND t.fingerprint = c.f"
    f" AND {_STANDS})) FROM (SELECT DISTINCT lane, f FROM (SELECT t.lane, t.fingerprint AS f FROM tally t WHERE {_STANDS}"
    " ORDER BY t.n DESC LIMIT {most})) c JOIN lane l ON l.id = c.lane GROUP BY 1, 2, 3 ORDER BY 4 DESC, 3"
)


class Walked(msgspec.Struct, frozen=True):
    """A group: `row` is what `reasons` makes a line of; `whole` whether every walk has met it."""

    key: str
    fingerprint: int
    row: Row
    whole: bool


async def groups(reader: Reader, by: By, limit: int, top: int) -> list[Walked]:
    """The largest groups of all that waits, each with up to `top` destinations."""
    whose = _WHOSE[by]
    found = await reader.fetch(_GROUPS.format(whose=whose, name=_NAME[by]), (limit,))
    oldest = _mapped(await reader.fetch(_BY_AGE.format(whose=whose, most=OLDEST)))
    due = _mapped(await reader.fetch(_BY_DUE.format(whose=whose, most=FIRST if by == "site" else FIRST // 5)))
    places: dict[tuple[object, object], list[tuple[str, int]]] = {}
    for k, f, place, n in await reader.fetch(_BY_SIZE.format(whose=whose, most=LARGEST)):
        if len(named := places.setdefault((k, f), [])) < top:
            named.append((cast("str", place), cast("int", n)))
    walked = []
    for k, f, name, n, count, *told in found:
        group, named = (k, f), places.get((k, f), [])
        row = (name, f, n, count, json.dumps(named), oldest.get(group), due.get(group), None, None, *told)
        whole = group in oldest and group in due and len(named) == min(top, cast("int", count))
        walked.append(Walked(cast("str", name), cast("int", f), row, whole))
    return walked


def _mapped(rows: Iterable[Row]) -> dict[tuple[object, object], object]:
    return {(k, f): value for k, f, value in rows}
