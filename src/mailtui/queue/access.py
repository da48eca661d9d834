"""Which way a search goes through what waits: by the lanes its filter names, or by age.

Owned here: that choice. SQLite would have to guess how much waits in a lane; the tally knows. A page of a large destination is found
soonest by age, because every tenth recipient belongs there; of a small one only its lane leads to the few there are. A state that few
are in is found in the groups of the tally that have it. Whatever looks at
everything does so by age, in the order in which the rows lie in the file.
"""

from __future__ import annotations

from typing import Final, cast

from mailtui.model import WAITING, State
from mailtui.queue.conditions import Where, all_of
from mailtui.queue.field_kinds import meant
from mailtui.queue.fields import FIELDS
from mailtui.queue.filter_tree import And, Filter, Node, Term
from mailtui.queue.reader import Reader

#: Spelled as in the partial indexes, or SQLite would not use them.
WAITS: Final = "r.state IN ('queued', 'sending', 'deferred', 'held')"
#: Recipients up to which the lanes are the shorter way: to a page, which must be sorted by age then, and to all of them.
PAGE: Final = 20_000
WHOLE: Final = 200_000

_WAITING: Final = frozenset(WAITING)

_TABLES: Final = (
    " JOIN message m ON m.id = r.id >> 20 JOIN lane l ON l.id = r.lane LEFT JOIN site s ON s.id = l.site WHERE "
)
FROM: Final = f" FROM recipient r{_TABLES}"
BY_LANE: Final = f" FROM recipient r INDEXED BY recipient_group{_TABLES}{WAITS} AND "
#: States that have an index of their own, which SQLite does not always prefer.
_FEW: Final = {
    state: f" FROM recipient r INDEXED BY recipient_{state.value}{_TABLES}r.state = '{state.value}' AND "
    for state in (State.HELD, State.SENDING)
}
#: With `lanes_alone` behind it.
OF_LANES: Final = f" FROM recipient r INDEXED BY recipient_group WHERE {WAITS} AND "
BY_AGE: Final = f" FROM recipient r INDEXED BY recipient_waiting{_TABLES}{WAITS} AND "
_COUNTED: Final = "SELECT ifnull(sum(n), 0) FROM counter WHERE name IN ({states})"
#: What waits with the same lane and kind of reply as something in these states; and how many that are.
_GROUPS: Final = "(r.lane, r.fingerprint) IN (SELECT lane, fingerprint FROM tally WHERE n > 0 AND state IN ({states}))"
_AMONG: Final = f"SELECT ifnull(sum(r.n), 0) FROM tally r WHERE r.n > 0 AND {WAITS} AND {_GROUPS}"


async def way(reader: Reader, filter: Filter, history: bool = False, page: bool = False) -> str:
    """FROM and the beginning of WHERE for what a filter finds: as `recipient r`, `message m`, `lane l` and `site s`. `page`: the first
    few in order of age are wanted, not all."""
    terms = _each(filter.root)
    states = _states(filter, terms, history)
    if not states <= _WAITING:
        return FROM
    lanes = all_of(_condition(term) for term in terms if _index(term) == "lane")
    if lanes.params:
        sql = f"SELECT ifnull(sum(r.n), 0) FROM tally r WHERE r.n > 0 AND {WAITS} AND {lanes.sql}"
        found = cast("int", (await reader.fetch(sql, lanes.params))[0][0])
        if found <= (PAGE if page else WHOLE):
            return BY_LANE
    if len(states) == 1 and (own := _FEW.get(*states)) is not None:
        return own
    if states != _WAITING:
        most, words = PAGE if page else WHOLE, _words(states)
        if await _sum(reader, _COUNTED, words) <= most and await _sum(reader, _AMONG, words) <= most:
            return f"{BY_LANE}{_GROUPS.format(states=words)} AND "
    return BY_AGE


async def _sum(reader: Reader, sql: str, states: str) -> int:
    return cast("int", (await reader.fetch(sql.format(states=states)))[0][0])


def _words(states: frozenset[State]) -> str:
    return ", ".join(f"'{state.value}'" for state in sorted(states))


def _each(root: Node) -> tuple[Term, ...]:
    """The words of which every one must hold."""
    parts = root.parts if isinstance(root, And) else (root,)
    return tuple(part for part in parts if isinstance(part, Term))


def lanes_alone(filter: Filter) -> Where | None:
    """The condition of a filter that asks for lanes and kinds of reply and nothing else, of `r`: a row of the tally or a recipient,
    found by the index of the lanes alone. None when it asks for more."""
    terms = _each(filter.root)
    whole = terms == (filter.root.parts if isinstance(filter.root, And) else (filter.root,))
    if not terms or not whole or any(_index(term) != "lane" for term in terms):
        return None
    return all_of(map(_condition, terms))


def _index(term: Term) -> str:
    return FIELDS[term.field].index if term.field in FIELDS else ""


def _condition(term: Term) -> Where:
    return FIELDS[term.field].condition(term.operator, term.values, 0.0)


def _states(filter: Filter, terms: tuple[Term, ...], history: bool) -> frozenset[State]:
    """States in which something can be found: all of them when it is not plain to see which."""
    if not filter.names_state:
        return frozenset(State) if history else _WAITING
    found = frozenset(State)
    for term in terms:
        if term.field == "state":
            found &= {State(word) for value in term.values for word in meant(State, term.operator, value)}
    return found
