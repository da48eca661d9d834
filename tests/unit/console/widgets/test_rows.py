"""A window on a list: the cursor and the marks stay with what they are on, whatever comes and goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailtui.console.widgets.rows import KEPT, Rows


def rows(*names: str, height: int = 4) -> Rows[str]:
    made = Rows[str](lambda name: name)
    made.height = height
    made.start(list(names), 0, True)
    return made


def test_the_cursor_stays_with_its_row_when_others_leave() -> None:
    window = rows("a", "b", "c", "d")
    window.place(2)
    window.merge(0, ["b", "c", "d"], True, hold=False)
    assert window.current == "c"


def test_the_neighbour_gets_the_cursor_of_a_row_that_left() -> None:
    window = rows("a", "b", "c", "d")
    window.place(1)
    window.merge(0, ["a", "c", "d"], True, hold=False)
    assert window.current == "c"
    window.merge(0, ["a"], True, hold=False)
    assert window.current == "a"


def test_while_the_order_holds_nothing_moves() -> None:
    window = rows("a", "b", "c", "d")
    window.place(2)
    window.merge(0, ["a", "aa", "c", "d"], True, hold=True)
    assert window.items == ["a", "b", "c", "d"]
    assert window.gone == {"b"}
    assert window.newer == 1
    window.merge(0, ["a", "aa", "c", "d"], True, hold=False)
    assert window.items == ["a", "aa", "c", "d"]
    assert (window.current, window.gone, window.newer) == ("c", set(), 0)


def test_a_fresh_part_says_nothing_of_what_lies_behind_it() -> None:
    window = rows("a", "b", "c", "d", "e")
    window.merge(1, ["c"], False, hold=False)
    assert window.items == ["a", "c", "d", "e"]


def test_marks_are_of_rows_and_go_with_them() -> None:
    window = rows("a", "b", "c")
    window.toggle()
    window.toggle()
    assert list(window.marks) == ["a", "b"]
    window.merge(0, ["b", "c"], True, hold=False)
    assert list(window.marks) == ["b"]
    window.invert()
    assert [window.marked(row) for row in window.items] == [False, True]


def test_a_range_grows_with_the_cursor() -> None:
    window = rows("a", "b", "c", "d")
    window.place(1)
    window.range()
    window.move(2)
    window.range()
    window.move(-3)
    assert list(window.marks) == ["b", "c", "d"]


def test_what_is_missing_is_asked_for_in_time() -> None:
    window = rows(*"abcdefghijkl", height=3)
    window.ends = False
    assert window.wants() == ""
    window.place(9)
    assert window.wants() == "after"
    window.start(list("mnopqrstuvwx"), None, True)
    window.place(0)
    assert window.wants() == "before"


def test_pages_at_either_end_leave_the_cursor_where_it_is() -> None:
    window = rows("m", "n")
    window.above = 5
    window.prepend(["k", "l"], False)
    window.extend(["o"], True)
    assert (window.items, window.current, window.position) == (["k", "l", "m", "n", "o"], "m", 6)


def test_no_more_rows_are_kept_than_there_may_be() -> None:
    window = rows(*(f"{n:05}" for n in range(KEPT)))
    window.place(KEPT - 1)
    window.extend([f"{n:05}" for n in range(KEPT, KEPT + 200)], False)
    assert (len(window.items), window.above, window.current) == (KEPT, 200, f"{KEPT - 1:05}")


@given(
    st.lists(st.sets(st.integers(0, 30), min_size=1), min_size=1, max_size=5), st.lists(st.integers(-9, 9), max_size=8)
)
def test_the_cursor_is_always_on_a_row_in_sight(answers: list[set[int]], moves: list[int]) -> None:
    window = rows(*(f"{n:02}" for n in range(31)))
    for answer in answers:
        for by in moves:
            window.move(by)
        window.merge(0, [f"{n:02}" for n in sorted(answer)], True, hold=False)
        assert window.current in window.visible
        assert [int(name) for name in window.items] == sorted(answer)
