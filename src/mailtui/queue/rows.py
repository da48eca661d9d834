"""Many rows in one statement: what makes a commit that serves forty jobs cost little more than one that serves five.

Owned here: spreading rows over statements with lists of VALUES. Between any two statements the writer's thread lets go of the
interpreter and has to win it back from the loop, which costs more than the row itself (docs/performance.md): so fewer, longer ones.
No table is named here.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

#: Rows of one statement. Powers of two only, so that a handful of prepared statements serves every number of rows.
MOST = 32

Value = str | bytes | int | float | None


def execute(db: sqlite3.Connection, statement: str, rows: Sequence[tuple[Value, ...]]) -> None:
    """Run `statement`, in which `{rows}` stands for a list of VALUES, over all `rows`, in order. They are of one width."""
    start, left = 0, len(rows)
    while left:
        size = min(MOST, 1 << left.bit_length() - 1)
        part = rows[start : start + size]
        db.execute(_sql(statement, len(part[0]), size), tuple(chain.from_iterable(part)))
        start, left = start + size, left - size


def query(
    db: sqlite3.Connection, statement: str, rows: Sequence[tuple[Value, ...]], *more: Value
) -> Iterator[tuple[Any, ...]]:
    """What `statement` finds for `rows`, in their order; `more` are the parameters behind the list."""
    for start in range(0, len(rows), MOST):
        part = rows[start : start + MOST]
        yield from db.execute(_sql(statement, len(part[0]), len(part)), (*chain.from_iterable(part), *more)).fetchall()


@functools.cache
def _sql(statement: str, width: int, count: int) -> str:
    row = f"({', '.join('?' * width)})"
    return statement.replace("{rows}", ", ".join([row] * count))
