"""Lines are exactly as wide as they are said to be, and hold nothing a terminal would obey."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.console.present.line import beside, box, cells, edges, fit, line, middle, pad, spark, wrap
from mailtui.display import width
from mailtui.text import safe_text

ANY = st.text(max_size=30)


@given(st.lists(ANY, max_size=4), st.integers(0, 60))
def test_a_line_fits_exactly_and_is_harmless(texts: list[str], room: int) -> None:
    whole = fit(line(*texts), room)
    assert cells(whole) == room
    assert all(safe_text(part.text) == part.text for part in whole)


@given(ANY, ANY, st.integers(12, 60), st.integers(3, 8))
def test_a_box_is_a_rectangle(title: str, text: str, room: int, height: int) -> None:
    drawn = box(title, [line(text)] * 9, room, height, note=text)
    assert [cells(whole) for whole in drawn] == [room] * height


@given(ANY, st.integers(5, 40))
def test_cut_and_padded_texts_keep_their_cells(text: str, room: int) -> None:
    assert width(pad(text, room)) == width(pad(text, room, True)) == room
    assert width(middle(text, room)) <= room


@given(st.text(max_size=200), st.integers(2, 40))
def test_wrapped_lines_fit_and_lose_no_letter(text: str, room: int) -> None:
    lines = wrap(text, room)
    assert all(width(one) <= room for one in lines)
    assert "".join("".join(lines).split()) == "".join("".join(wrap(text, 100_000)).split())


def test_an_address_is_cut_in_its_middle() -> None:
    assert middle("billing@shop.example", 12) == "billin…ample"


def test_the_right_edge_is_never_cut() -> None:
    assert "".join(part.text for part in edges(line("a long text here"), line("END"), 10)).endswith("END")


def test_a_sparkline_stands_on_zero() -> None:
    assert spark([5000, 5001, 5002], 3) == "███"
    assert spark([0, 0], 2) == "▁▁"
    assert spark([1, 8], 4, top=8) == "  ▁█"


def test_blocks_stand_beside_each_other() -> None:
    assert [cells(whole) for whole in beside([line("ab")], [line("cd")])] == [4]


@pytest.mark.parametrize("room", [-10, 0, 1, 2, 3])
def test_wrapping_ends_where_there_is_hardly_any_room(room: int) -> None:
    assert "".join(wrap("漢字 abc", room)).replace(" ", "") == "漢字abc"
