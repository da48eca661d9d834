"""Rows spread over statements: all of them, in order, whatever their number."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.queue import rows


@given(count=st.integers(0, 3 * rows.MOST))
def test_every_row_is_written_once_and_in_order(count: int) -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b INTEGER, c BLOB)")

    rows.execute(db, "INSERT INTO t (b, c) VALUES {rows}", [(n, b"%d" % n) for n in range(count)])

    assert db.execute("SELECT b, c FROM t ORDER BY a").fetchall() == [(n, b"%d" % n) for n in range(count)]
    db.close()


@given(count=st.integers(0, 3 * rows.MOST))
def test_every_row_is_asked_for_with_what_stands_behind_it(count: int) -> None:
    db = sqlite3.connect(":memory:")

    found = rows.query(db, "WITH v (a) AS (VALUES {rows}) SELECT a, ? FROM v", [(n,) for n in range(count)], "more")

    assert list(found) == [(n, "more") for n in range(count)]
    db.close()


def test_a_full_load_takes_one_statement() -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t (a)")
    seen: list[str] = []
    db.set_trace_callback(lambda sql: seen.append(sql) if sql.startswith("INSERT") else None)

    rows.execute(db, "INSERT INTO t VALUES {rows}", [(n,) for n in range(rows.MOST)])
    assert len(seen) == 1
    rows.execute(db, "INSERT INTO t VALUES {rows}", [(n,) for n in range(rows.MOST - 1)])
    assert len(seen) == 1 + 5
    db.close()


def test_what_fails_fails_whole() -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    with pytest.raises(sqlite3.IntegrityError):
        rows.execute(db, "INSERT INTO t VALUES {rows}", [(1,), (1,)])
    assert db.execute("SELECT * FROM t").fetchall() == []
    db.close()
