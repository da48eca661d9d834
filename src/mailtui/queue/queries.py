"""What is in the queue, recipient by recipient: pages of rows, counts, the totals of `status`, and the rows a verb is for.

Owned here: those reads. Groups of recipients are in `groups`, one message in `message_view`. Nothing here changes anything.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Final, cast

from mailtui.model import (
    FINISHED,
    ID_EPOCH,
    RECIPIENT_BITS,
    WAITING,
    State,
    format_recipient_id,
    parse_item_id,
    recipient_row,
)
from mailtui.queue import filter as filters
from mailtui.queue.access import OF_LANES, WAITS, lanes_alone, way
from mailtui.queue.conditions import Where
from mailtui.queue.filter import Filter, FilterError
from mailtui.queue.measures import id_range
from mailtui.queue.reader import Reader
from mailtui.queue.selection import Ids, Selection, UnknownId, filter_of
from mailtui.queue.suspension import END
from mailtui.views import Counts, Depth, QueuePage, QueueRow, Standing, StateCounts, Totals, moment_or_never

#: Most rows of one page.
MAX_LIMIT: Final = 10_000
#: The cursor behind the last row, and the row it stands for.
END_CURSOR: Final = "end"
_LAST: Final = 2**63 - 1
#: Rows fetched at once, and seconds it may take, when a verb freezes its selection.
_FREEZE: Final = 20_000
_FREEZE_LIMIT: Final = 60.0

_ROW: Final = (
    "SELECT r.id, r.address, m.sender, m.subject, m.message_id, r.state, l.destination, ifnull(s.name, ''), r.attempts,"
    f" max(r.next_attempt, l.not_before, iif(l.suspended_since IS NULL, 0, {END})), m.received_at, m.size"
    ", r.code, r.enhanced, r.text, r.class"
)


def scope(filter: Filter, history: bool = False) -> Where:
    """The condition of a filter with the states it means: what is unfinished, unless it or the history says otherwise."""
    found = filters.compile(filter)
    if history or filter.names_state:
        return found
    return Where(f"{WAITS} AND {found.sql}", found.params)


def age_of(row: int, now: float) -> int:
    """Seconds since a recipient was taken in, by its id: that of its message counts milliseconds (model.ID_EPOCH)."""
    return max(0, int(now - ID_EPOCH - (row >> RECIPIENT_BITS) / 1000))


async def queue_list(
    reader: Reader,
    filter: Filter,
    now: float,
    history: bool = False,
    limit: int = 100,
    after: str = "",
    before: str = "",
) -> QueuePage:
    """Up to `limit` recipients a filter finds, oldest first: behind the cursor `after`, or those next in front of `before` (`END_CURSOR`:
    the newest), whose page names no next one. FilterError when a cursor is none."""
    where = scope(filter, history)
    limit = max(1, min(limit, MAX_LIMIT))
    tables = await way(reader, filter, history, page=True)
    if before:
        end = _LAST if before == END_CURSOR else _cursor(before)
        sql = f"{_ROW}{tables}{where.sql} AND r.id < ? AND r.id > ? ORDER BY r.id DESC LIMIT ?"
        rows = await reader.fetch(sql, (*where.params, end, _cursor(after), limit))
        return QueuePage(tuple(_row(row, now) for row in reversed(rows)))
    sql = f"{_ROW}{tables}{where.sql} AND r.id > ? ORDER BY r.id LIMIT ?"
    rows = await reader.fetch(sql, (*where.params, _cursor(after), limit + 1))
    page = tuple(_row(row, now) for row in rows[:limit])
    return QueuePage(page, page[-1].id if len(rows) > limit else None)


def _cursor(after: str) -> int:
    if not after:
        return 0
    try:
        message, n = parse_item_id(after)
    except ValueError:
        raise FilterError(f'"{after[:50]}" is not a cursor: use the id of the last row', "") from None
    return recipient_row(message, n)


def _row(row: Sequence[object], now: float) -> QueueRow:
    id, address, sender, subject, message_id, state, destination, site, attempts, at, received, size, *last = cast(
        "tuple[int, str, str, str, str, str, str, str, int, float, float, int, int, str, str, str]", tuple(row)
    )
    return QueueRow(
        id=format_recipient_id(id),
        recipient=address,
        sender=sender,
        subject=subject,
        message_id=message_id,
        state=state,
        destination=destination,
        site=site,
        attempts=attempts,
        next_attempt=moment_or_never(at) if state in (State.QUEUED, State.DEFERRED) else None,
        age_seconds=max(0, int(now - received)),
        size=size,
        last_code=cast("int", last[0]),
        last_enhanced=str(last[1]),
        last_text=str(last[2]),
        class_=str(last[3]),
    )


async def count(reader: Reader, filter: Filter, history: bool = False) -> Counts:
    """Recipients and messages a filter finds. Without a filter nothing is counted: there are counters."""
    where = scope(filter, history)
    if filter.everything:
        return await _everything(reader, history)
    if not history and (lanes := lanes_alone(filter)) is not None:
        tally = f"SELECT r.state, sum(r.n) FROM tally r WHERE r.n > 0 AND {WAITS} AND {lanes.sql} GROUP BY r.state"
        return await _counts(reader, tally, f"{OF_LANES}{lanes.sql}", lanes.params)
    tables = await way(reader, filter, history)
    by_state = f"SELECT r.state, count(*){tables}{where.sql} GROUP BY r.state"
    return await _counts(reader, by_state, f"{tables}{where.sql}", where.params)


async def _everything(reader: Reader, history: bool) -> Counts:
    by_state = await _counters(reader)
    by_state = {state: by_state[state] for state in (State if history else WAITING)}
    if history:  # the counters are life-long, the history is not
        by_state |= await _finished(reader)
    messages = "SELECT count(*) FROM message WHERE phase = 'stored'" if history else "SELECT messages FROM waiting"
    return Counts(sum(by_state.values()), _number(await reader.fetch(messages)), StateCounts(**by_state))


async def _counts(reader: Reader, sql: str, found: str, params: Sequence[object]) -> Counts:
    """Recipients by state as `sql` has them, and messages of what is `found`."""
    by_state = {str(state): cast("int", n) for state, n in await reader.fetch(sql, params)}
    messages = await reader.fetch(f"SELECT count(*) FROM (SELECT DISTINCT r.id >> 20{found})", params)
    return Counts(sum(by_state.values()), _number(messages), StateCounts(**by_state))


async def _finished(reader: Reader) -> dict[str, int]:
    rows = await reader.fetch("SELECT state, sum(n) FROM tally GROUP BY state")
    return {str(state): cast("int", n) for state, n in rows if state in FINISHED}


async def _counters(reader: Reader) -> dict[str, int]:
    return {str(name): cast("int", n) for name, n in await reader.fetch("SELECT name, n FROM counter")}


def _number(rows: Sequence[Sequence[object]]) -> int:
    return cast("int", rows[0][0])


async def standing(reader: Reader, now: float) -> Standing:
    """What `status` says of the queue: four look-ups whatever its length."""
    n = await _counters(reader)
    oldest = await reader.fetch(f"SELECT r.id FROM recipient r WHERE {WAITS} ORDER BY r.id LIMIT 1")
    return Standing(
        Depth(n["queued"], n["sending"], n["deferred"], n["held"]),
        Totals(n["accepted"], n["delivered"], n["bounced"], n["suppressed"], n["purged"]),
        age_of(_number(oldest), now) if oldest else 0,
    )


# ---------------------------------------------------------------------- what a verb is for


async def freeze(reader: Reader, selection: Selection, states: Iterable[State]) -> array[int]:
    """The recipients a selection stands for now, as rows in order. Named ids in any state, else those in one of `states`.

    UnknownId when a named one does not exist.
    """
    if isinstance(selection, Ids):
        return await _named(reader, selection)
    wanted = tuple(state.value for state in states)
    where = scope(filter_of(selection))
    tables = await way(reader, filter_of(selection), page=True)
    sql = f"SELECT r.id{tables}{where.sql} AND r.state IN ({', '.join('?' * len(wanted))}) AND r.id > ? ORDER BY r.id LIMIT {_FREEZE}"
    found: array[int] = array("q")
    while True:
        last = found[-1] if found else 0
        rows = await reader.fetch(sql, (*where.params, *wanted, last), _FREEZE_LIMIT)
        found.extend(cast("int", row[0]) for row in rows)
        if len(rows) < _FREEZE:
            return found


async def _named(reader: Reader, selection: Ids) -> array[int]:
    found: set[int] = set()
    unknown: list[str] = []
    for value in selection.values:
        rows = await reader.fetch("SELECT id FROM recipient WHERE id BETWEEN ? AND ?", id_range(value))
        found.update(cast("int", row[0]) for row in rows)
        if not rows:
            unknown.append(value)
    if unknown:
        raise UnknownId(unknown)
    return array("q", sorted(found))
