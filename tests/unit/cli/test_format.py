"""Ages, sizes, times, widths and tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.cli.format import Column, cell, fit, table
from mailtui.display import age, clock, cut, plural, rate, size, width

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (-5, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (61, "1m1s"),
        (7980, "2h13m"),
        (7200, "2h"),
        (273_600, "3d4h"),
        (10**9, "11574d1h"),
    ],
)
def test_age(seconds: float, shown: str) -> None:
    assert age(seconds) == shown


@pytest.mark.parametrize(
    ("octets", "shown"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1.0K"),
        (4200, "4.1K"),
        (10_239, "10K"),
        (1_048_575, "1.0M"),
        (25_000_000, "24M"),
        (2**50, "1024T"),
    ],
)
def test_size(octets: int, shown: str) -> None:
    assert size(octets) == shown


def test_a_time_of_today_needs_no_day() -> None:
    assert clock(None, NOON) == ""
    assert clock(NOON, NOON) == f"{NOON.astimezone():%H:%M:%S}"
    assert clock(NOON + timedelta(days=3), NOON) == f"{(NOON + timedelta(days=3)).astimezone():%b %d %H:%M}"
    assert clock(NOON + timedelta(days=90), NOON).startswith("2027-02-20 ")


def test_numbers() -> None:
    assert (rate(0.04), rate(9.94), rate(12.6)) == ("0.0", "9.9", "13")
    assert (plural(1, "recipient"), plural(1204, "recipient")) == ("1 recipient", "1,204 recipients")


def test_width_counts_cells() -> None:
    assert (width("abc"), width("東京"), width("e\u0301")) == (3, 4, 1)
    assert cut("東京都", 5) == "東京…"
    assert cut("abcdef", 1) == "…" and cut("abcdef", 0) == "" and cut("abc", 3) == "abc"


@given(st.text(), st.integers(0, 40))
def test_a_cut_fits(text: str, cells: int) -> None:
    assert width(cut(cell(text), cells)) <= max(cells, 0)


def test_lines_are_broken_where_they_can_be_read_on() -> None:
    assert list(fit(["  back-off    it is tried next at noon", "short"], 30)) == [
        "  back-off    it is tried next",
        "              at noon",
        "short",
    ]
    assert list(fit(["/min 1m  accepted 1  delivered 2  bounced 3"], 30)) == [
        "/min 1m  accepted 1",
        "         delivered 2",
        "         bounced 3",
    ]
    assert list(fit(["prose goes on below itself"], 14)) == ["prose goes on", "  below itself"]
    command = "to take it back: mailtui undo 12 and more"
    assert list(fit([command], 20)) == [command], "to be copied"
    assert list(fit(["x" * 50], 20)) == ["x" * 50]
    assert list(fit(["x y" * 50], None)) == ["x y" * 50]


@given(st.lists(st.text("abc  ", min_size=1, max_size=60), max_size=4), st.integers(20, 60))
def test_breaking_loses_no_word(lines: list[str], cells: int) -> None:
    broken = list(fit(lines, cells))
    assert " ".join(broken).split() == " ".join(lines).split()
    for line in broken:
        if width(line) > cells:  # a word that is too long, behind its label or indentation
            assert width(line[: line.rindex(line.split()[-1])]) <= cells // 2


def test_a_table_is_aligned_and_cut_where_it_may_be() -> None:
    columns = (Column("ID"), Column("N", right=True), Column("TEXT", least=4))
    rows = [("A", 1, "short"), ("BB", 1000, "a rather long text"), ("C", None, "東京 and more text")]
    assert list(table(columns, rows, None)) == [
        "ID     N  TEXT",
        "A      1  short",
        "BB  1000  a rather long text",
        "C         東京 and more text",
    ]
    assert list(table(columns, rows, 20)) == [
        "ID     N  TEXT",
        "A      1  short",
        "BB  1000  a rather …",
        "C         東京 and …",
    ]
    assert max(map(width, table(columns, rows, 5))) == 14


def test_columns_are_left_out_where_there_is_no_room_or_nothing_in_them() -> None:
    columns = (
        Column("ID"),
        Column("EMPTY", optional=True),
        Column("TEXT", least=6, optional=True),
        Column("N", right=True),
    )
    rows = [("A", "", "some text", 1)]
    assert list(table(columns, rows, None)) == ["ID  TEXT       N", "A   some text  1"]
    assert list(table(columns, rows, 13)) == ["ID  TEXT    N", "A   some …  1"]
    assert list(table(columns, rows, 12)) == ["ID  N", "A   1"]


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=4), st.integers(30, 80))
def test_no_table_is_wider_than_asked_or_sends_more_than_text(rows: list[tuple[str, str]], cells: int) -> None:
    for line in table((Column("ONE", least=5), Column("TWO", least=5)), rows, cells):
        assert width(line) <= cells
        assert line == cell(line)
