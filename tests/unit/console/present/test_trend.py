"""Ranges folded into cells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailtui.console.present.trend import cells_for, folded

END = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def test_a_value_lies_in_the_part_of_the_range_it_is_of() -> None:
    values = [(END - timedelta(minutes=ago), float(ago)) for ago in (1, 14, 15, 59, 60, 90)]
    assert folded(values, END, 3600, 4) == [119.0, 0.0, 0.0, 30.0]
    assert folded(values, END, 3600, 4, highest=True) == [60.0, 0.0, 0.0, 15.0]
    assert folded([(END + timedelta(seconds=30), 3.0)], END, 3600, 4) == [0.0, 0.0, 0.0, 3.0]
    assert folded([], END, 0, 0) == [0.0]


@pytest.mark.parametrize(
    ("seconds", "most", "step", "cells"),
    [
        (3600, 24, 60, 20),
        (3600, 200, 60, 60),
        (900, 24, 60, 15),
        (604_800, 24, 3600, 24),
        (61, 9, 60, 1),
        (0, 9, 60, 1),
    ],
)
def test_all_cells_have_as_many_steps(seconds: int, most: int, step: int, cells: int) -> None:
    assert cells_for(seconds, most, step) == cells
