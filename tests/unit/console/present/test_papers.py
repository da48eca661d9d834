"""Header, body and history as lines: bounded whatever a message contains."""

from __future__ import annotations

import time

import pytest

from mailtui.console.present import papers
from mailtui.console.present.line import cells
from mailtui.text import safe_text

WHOLE = b"Subject: hello\r\nX-Long: a\r\n\tb\r\n\r\nbody \x1b[31m\xff\r\nand: more\r\n"


def text(paper: papers.Paper, octets: bytes, room: int = 73) -> list[str]:
    lines = [written.line for written in papers.content(paper, octets, room)]
    assert all(safe_text(part.text) == part.text for whole in lines for part in whole)
    assert all(cells(whole) <= room + 4 for whole in lines)
    return ["".join(part.text for part in whole) for whole in lines]


def test_a_body_is_marked_and_harmless_and_is_no_header() -> None:
    mark, *body = text("body", WHOLE)
    assert "private" in mark
    assert body == ["body \\x1b[31m\\xff", "and: more"]


def test_a_header_is_shown_line_by_line() -> None:
    assert text("headers", WHOLE.partition(b"\r\n\r\n")[0] + b"\r\n") == ["Subject: hello", "X-Long: a", "    b"]


@pytest.mark.parametrize("flood", [b"x" * 200_000, "漢".encode() * 80_000, b"\r\n" * 80_000, b"a: b\r\n" * 40_000])
@pytest.mark.parametrize("paper", ["headers", "body"])
def test_much_is_cut_and_that_is_said(paper: papers.Paper, flood: bytes) -> None:
    began = time.perf_counter()
    lines = text(paper, b"A: b\r\n\r\n" + flood if paper == "body" else flood)
    assert len(lines) <= 3001 and "there is more" in lines[-1]
    assert time.perf_counter() - began < 5


def test_a_header_without_end_has_no_body() -> None:
    assert "longer than what is shown" in text("body", b"A" * 1000)[-1]
