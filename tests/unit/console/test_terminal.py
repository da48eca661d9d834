"""The net under the screen, and what a crash leaves."""

from __future__ import annotations

import stat
import unicodedata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from textual.color import Color

from mailtui.console.terminal import Net, record_crash
from mailtui.display import width
from mailtui.text import safe_text

GROUND = Color(0, 0, 0)


@given(st.text())
def test_no_control_goes_through_the_net(text: str) -> None:
    (segment,) = Net().apply([Segment(text)], GROUND)
    assert all(unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for one in segment.text)
    assert len(segment.text) == len(text)


@given(st.text())
def test_ascii_is_ascii_in_as_many_cells(text: str) -> None:
    safe = safe_text(text)
    (segment,) = Net(ascii=True).apply([Segment(safe)], GROUND)
    assert segment.text.isascii() and segment.text.isprintable()
    assert len(segment.text) == width(safe)


def test_boxes_and_states_are_drawn_in_ascii() -> None:
    (segment,) = Net(ascii=True).apply([Segment("╭─╮│✓…▁█")], GROUND)
    assert segment.text == "+-+|+~_#"


def test_a_crash_tells_where_and_no_value(tmp_path: Path) -> None:
    def fails(secret: str) -> None:
        raise ValueError(secret)

    try:
        fails("hunter2 \x1b[31m")
    except ValueError as error:
        line = record_crash(error, tmp_path)
    (kept,) = tmp_path.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "in fails" in kept.read_text()
    assert "hunter2" not in kept.read_text() + line
    assert "ValueError" in line and str(kept) in line
