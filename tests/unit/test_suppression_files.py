"""Lists as files: what is written is read again, what is wrong is named by its line, formulas stay text."""

from __future__ import annotations

import csv
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from mailtui.errors import ControlError
from mailtui.suppression_files import COLUMNS, FORMATS, format_of, read, write
from mailtui.suppressions import Suppression, Wanted

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ROW = Suppression("a@d.test", "moved", "relay", AT, AT, "551 moved", "mx.d.test", AT, "1QHQZRES.1", "so")


def back(row: Suppression, format_: str) -> Wanted:
    lines = (
        [msgspec.json.encode(row).decode()] if format_ == "json" else [f"{line}\n" for line in write([row], format_)]
    )
    (wanted,) = read(lines, format_, "file")
    return wanted


@pytest.mark.parametrize("format_", FORMATS)
def test_what_is_written_is_read_again(format_: str) -> None:
    for expires in (AT, None):
        row = msgspec.structs.replace(ROW, expires=expires)
        if format_ == "plain":
            assert back(row, format_) == Wanted("a@d.test")
        else:
            assert back(row, format_) == Wanted("a@d.test", "moved", expires, "551 moved", "mx.d.test", AT, "so")


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30)


@given(st.builds(lambda head, rest: head + rest, st.sampled_from("=+-@'|ax\""), texts), texts)
def test_csv_gives_back_any_text_and_holds_no_formula(evidence: str, note: str) -> None:
    row = msgspec.structs.replace(ROW, entry="@d.test", evidence=evidence, note=note)
    wanted = back(row, "csv")
    assert (wanted.entry, wanted.evidence, wanted.note) == ("@d.test", evidence, note)
    for cell in list(csv.reader(write([row], "csv")))[1]:
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("head", ["email", "Address", "ENTRY ", "status,recipient"])
def test_the_csv_of_others_is_read(head: str) -> None:
    line = "active,a@d.test" if "," in head else "a@d.test"
    assert list(read([f"{head}\n", f"{line}\n", "\n"], "csv", "file")) == [Wanted("a@d.test")]


def test_plain_lines_may_be_empty_or_remarks() -> None:
    assert list(read(["# ours\n", "\n", " a@d.test \n", "@d.test"], "plain", "f")) == [
        Wanted("a@d.test"),
        Wanted("@d.test"),
    ]


def test_what_json_leaves_out_is_left_out() -> None:
    (wanted,) = read(['{"entry": "a@d.test", "source": "somebody", "more": 1}'], "json", "f")
    assert (wanted.reason, wanted.expires) == (UNSET, UNSET)


@pytest.mark.parametrize(
    ("format_", "lines", "problem"),
    [
        ("json", ['{"entry": "a@d.test"}', "a@d.test"], "f: line 2: JSON is malformed"),
        ("json", ["{}"], "f: line 1: Object missing required field `entry`"),
        ("json", ['{"entry": "a@d.test", "expires": "soon"}'], "f: line 1: Invalid RFC3339"),
        (
            "json",
            ['{"entry": "a@d.test", "expires": "2026-11-22T10:00:00"}'],
            "f: line 1: Expected `datetime` with a timezone",
        ),
        ("csv", [], "f: line 1: a heading with a column `entry` is expected"),
        ("csv", ["a@d.test\n"], "f: line 1: a heading"),
        ("csv", ["entry,reason\n", "a@d.test,No Such User!\n"], "f: line 2: Expected `str` matching regex"),
        ("csv", ["reason,entry\n", "moved\n"], "f: line 2: Expected `str` of length >= 1"),
        ("csv", ["entry\n", '"a@d.test\n'], "f: line 2: unexpected end of data"),
        ("csv", ["entry,expires\n", "a@d.test,tomorrow\n"], "f: line 2: Invalid RFC3339"),
        ("plain", ["x" * 400], "f: line 1: Expected `str` of length <= 320"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(format_: str, lines: list[str], problem: str) -> None:
    with pytest.raises(ControlError) as caught:
        list(read(lines, format_, "f"))
    assert str(caught.value).startswith(problem)


@given(st.sampled_from(FORMATS), st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=4))
def test_any_file_is_read_or_refused(format_: str, lines: list[str]) -> None:
    try:
        found = list(read(lines, format_, "f"))
    except ControlError:
        return
    assert all(isinstance(item, Wanted) and item.entry for item in found)


def test_the_name_tells_the_format() -> None:
    assert [format_of(name) for name in ("a.csv", "a.JSON", "a.jsonl", "a.txt", "-")] == [
        "csv", "json", "json", "plain", "plain",
    ]  # fmt: skip
    assert COLUMNS[0] == "entry"
