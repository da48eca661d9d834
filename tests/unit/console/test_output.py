"""Textual's updates are read as Textual draws them."""

from __future__ import annotations

import pytest
from rich.color import ColorSystem
from rich.segment import Segment
from textual._compositor import ChopsUpdate, CompositorUpdate
from textual.strip import Strip

from mailtui.console import output
from mailtui.console.cells import Cells


def test_this_textual_is_as_expected() -> None:
    assert output.as_expected()


def test_only_what_changed_is_drawn() -> None:
    drawn = Cells(6, 2)
    chops = [{0: Strip([Segment("abc")]), 3: Strip([Segment("def")])}, {0: None, 3: Strip([Segment("xyz")])}]
    assert output.read(ChopsUpdate(chops, [(0, 3, 6), (1, 0, 6)], [[3, 6], [3, 6]]), drawn, ColorSystem.TRUECOLOR)
    assert ["".join(row) for row in drawn.texts] == ["   def", "   xyz"]


def test_an_update_of_a_kind_that_is_not_known_is_left_to_textual() -> None:
    assert not output.read(CompositorUpdate(), Cells(1, 1), ColorSystem.TRUECOLOR)


def test_a_textual_that_draws_otherwise_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Strip, "crop", lambda self, start, end=None: Strip([Segment("?")]))
    assert not output.as_expected()
