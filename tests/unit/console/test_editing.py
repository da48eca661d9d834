"""A line that is typed in: what editing keys do, and what it does not take."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailtui.console.editing import Editor

KEYS = ("left", "right", "home", "end", "backspace", "delete", "ctrl+u", "ctrl+k", "ctrl+w", "ctrl+a", "ctrl+e")


def test_keys_edit_where_the_cursor_is() -> None:
    editor = Editor("hold state:held")
    editor.key("ctrl+w")
    assert (editor.text, editor.at) == ("hold", 4)
    editor.put("abcdef")
    for key in ("home", "right", "right", "ctrl+k"):
        assert editor.key(key)
    assert editor.text == "ab"
    editor.insert("x")
    editor.key("left")
    editor.key("delete")
    assert editor.text == "ab" and not editor.key("f1")


@given(st.lists(st.sampled_from(KEYS) | st.text(max_size=20), max_size=40))
def test_whatever_comes_it_stays_a_line(moves: list[str]) -> None:
    editor = Editor("some text", 60)
    for move in moves:
        if not editor.key(move):
            editor.insert(move)
        assert 0 <= editor.at <= len(editor.text) <= 60
        assert not editor.text or editor.text.isprintable()
