"""What is shown of a stream and what waits: bounded, and nothing goes unsaid."""

from __future__ import annotations

from mailtui.console.tail import Tail


def tail(keep: int) -> Tail[str]:
    return Tail(lambda missed: f"{missed} missed", keep)


def test_what_came_waits_until_it_is_taken() -> None:
    lines = tail(5)
    assert not lines.take()
    lines.heard("a")
    lines.heard("b")
    assert list(lines.shown) == [] and lines.newer == 2
    assert lines.take()
    assert list(lines.shown) == ["a", "b"] and lines.newer == 0


def test_both_are_bounded_and_what_is_let_go_is_counted() -> None:
    lines = tail(3)
    lines.heard("old")
    lines.take()
    for number in range(10):
        lines.heard(str(number))
    assert list(lines.shown) == ["old"] and lines.newer == 10
    lines.take()
    assert list(lines.shown) == ["8 missed", "8", "9"]


def test_the_oldest_scroll_away() -> None:
    lines = tail(3)
    for number in range(5):
        lines.heard(str(number))
        lines.take()
    assert list(lines.shown) == ["2", "3", "4"]


def test_another_stream_begins_empty() -> None:
    lines = tail(3)
    lines.heard("a")
    lines.take()
    lines.heard("b")
    lines.clear()
    assert not lines.take() and list(lines.shown) == []
