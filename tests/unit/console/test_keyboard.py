"""What comes from the terminal, in any pieces."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mailtui.console.keyboard import Pasted

BEGINS, ENDS = "\x1b[200~", "\x1b[201~"


def fed(text: str, cuts: list[int]) -> str:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    pasted = Pasted()
    return "".join(pasted.clean(text[low:high]) for low, high in pairwise(places))


@given(st.text("\x1b[aB201~\n", max_size=40), st.lists(st.integers(0, 80), max_size=12))
def test_in_a_paste_there_is_no_escape_character(text: str, cuts: list[int]) -> None:
    text = text.replace(ENDS, "").replace("\x1b", "\x1b[31m")
    assert fed(f"\x1bOA{BEGINS}{text}{ENDS}\x1bOB", cuts) == f"\x1bOA{BEGINS}{text.replace(chr(27), '')}{ENDS}\x1bOB"


def test_a_key_is_not_held_back() -> None:
    pasted = Pasted()
    assert [pasted.clean(piece) for piece in ("\x1b", "\x1b[", "\x1b[20", "x")] == ["\x1b", "\x1b[", "\x1b[20", "x"]


def test_a_paste_that_is_cut_off_ends_all_the_same() -> None:
    pasted = Pasted()
    assert pasted.clean(f"{BEGINS}some\x1b[201") == f"{BEGINS}some"
    assert pasted.inside
    assert pasted.over() == ENDS
    assert pasted.clean("\x1b[A") == "\x1b[A"
