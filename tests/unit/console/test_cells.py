"""What is sent is enough: a terminal that showed one picture shows the other, and little is sent for little."""

from __future__ import annotations

import pyte
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

from mailtui.console.cells import Cells, difference, split

COLUMNS, ROWS = 14, 4
STYLES = [
    None,
    Style(bold=True),
    Style(color="#102030"),
    Style(color="#102030", bgcolor="#405060", italic=True),
    Style(bgcolor="#405060", bold=True),
    Style(underline=True, color="#ff0000"),
    Style(reverse=True),
    Style(strike=True, bold=True, dim=True),
]
segments = st.lists(st.builds(Segment, st.text("ab  é漢…", max_size=5), st.sampled_from(STYLES)), max_size=5)
pictures = st.lists(segments, min_size=ROWS, max_size=ROWS)


def picture(rows: list[list[Segment]]) -> Cells:
    made = Cells(COLUMNS, ROWS)
    for y, row in enumerate(rows):
        end = made.put(0, y, row, ColorSystem.TRUECOLOR)
        made.put(end, y, [Segment(" " * (COLUMNS - end))], ColorSystem.TRUECOLOR)
        if made.texts[y][-1] == "漢":  # its second half is outside: Textual never makes such a row
            made.texts[y][-1] = " "
    return made


def shown(screen: pyte.Screen) -> list[list[tuple[object, ...]]]:
    """Every cell; of a blank, what can be seen of it."""
    rows = []
    for y in range(ROWS):
        cells = [screen.buffer[y][x] for x in range(COLUMNS)]
        rows.append([look(one) for one in cells])
    return rows


def look(one: pyte.screens.Char) -> tuple[object, ...]:
    marks = (one.underscore, one.reverse, one.strikethrough)
    if one.data == " " and not any(marks):
        return (" ", one.bg)
    return (one.data, one.fg, one.bg, one.bold, one.italics, *marks)


def terminal() -> tuple[pyte.Screen, pyte.Stream]:
    screen = pyte.Screen(COLUMNS, ROWS)
    return screen, pyte.Stream(screen)


@settings(max_examples=60)
@given(pictures, pictures)
def test_a_terminal_that_got_the_difference_shows_what_one_does_that_got_all(
    first: list[list[Segment]], second: list[list[Segment]]
) -> None:
    old, new, nothing = picture(first), picture(second), Cells(COLUMNS, ROWS)
    nothing.forget()
    (changed, one), (whole, other) = terminal(), terminal()
    one.feed(difference(nothing, old))
    one.feed(difference(old, new))
    other.feed(difference(nothing, new))
    assert shown(changed) == shown(whole)
    for y, row in enumerate(whole.display):
        assert row == "".join(new.texts[y])
    assert difference(new, new) == ""


@settings(max_examples=60)
@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 9), st.integers(0, 9))
def test_a_list_that_moves_is_moved_by_the_terminal(first: int, second: int, cursor: int, other: int) -> None:
    old, new = page(first, cursor), page(second, other)
    nothing = Cells(COLUMNS, 12)
    nothing.forget()
    screen = pyte.Screen(COLUMNS, 12)
    stream = pyte.Stream(screen)
    stream.feed(difference(nothing, old))
    moving = difference(old, new)
    stream.feed(moving)
    whole = pyte.Screen(COLUMNS, 12)
    pyte.Stream(whole).feed(difference(nothing, new))
    assert screen.display == whole.display == ["".join(row) for row in new.texts]
    assert [[look(screen.buffer[y][x]) for x in range(COLUMNS)] for y in range(12)] == [
        [look(whole.buffer[y][x]) for x in range(COLUMNS)] for y in range(12)
    ]
    if abs(first - second) == 1 and cursor == other == 9:
        assert len(moving) < 140


def page(first: int, cursor: int) -> Cells:
    """A heading, ten rows of a list from one on, with a cursor, and a line below."""
    made = Cells(COLUMNS, 12)
    made.put(0, 0, [Segment("heading".ljust(COLUMNS), STYLES[3])], ColorSystem.TRUECOLOR)
    for y in range(10):
        row = f"{'>' if y == cursor else ' '} {(first + y) ** 5:>11} "
        made.put(0, y + 1, [Segment(row, STYLES[4] if y == cursor else STYLES[2])], ColorSystem.TRUECOLOR)
    made.put(0, 11, [Segment("below".ljust(COLUMNS))], ColorSystem.TRUECOLOR)
    return made


def test_a_digit_costs_a_jump_a_pen_and_a_digit() -> None:
    ink = Style(color="#102030", bgcolor="#405060")
    old, new = picture([[Segment("12:00:01", ink)]] * ROWS), picture([[Segment("12:00:01", ink)]] * ROWS)
    new.put(7, 2, [Segment("2", ink)], ColorSystem.TRUECOLOR)
    assert difference(old, new) == "\x1b[3;8H\x1b[38;2;16;32;48;48;2;64;80;96m2\x1b[0m"


def test_a_pen_is_changed_and_not_put_down_first() -> None:
    old, new = Cells(COLUMNS, ROWS), Cells(COLUMNS, ROWS)
    letters = [Segment("a", Style(color="#102030", bold=True)), Segment("b", Style(color="#102030"))]
    new.put(0, 0, letters, ColorSystem.TRUECOLOR)
    assert difference(old, new) == "\x1b[1;1H\x1b[1;38;2;16;32;48ma\x1b[22mb\x1b[0m"


def test_a_row_on_whose_width_terminals_may_not_agree_is_sent_whole() -> None:
    old, new = picture([[Segment("漢 1")], [], [], []]), picture([[Segment("漢 2")], [], [], []])
    assert "漢 2" in difference(old, new)


def test_marks_are_with_their_letter() -> None:
    assert split("e\u0301漢\u0301x") == ("e\u0301", "漢\u0301", "", "x")
