"""Forms: typing in fields, what is wanted, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mailtui.console.editing import SHORT
from mailtui.console.forms import Field, Form, Order, Typing, Wrong
from mailtui.control import api


def build(values: Mapping[str, str]) -> Order:
    return Order(api.Status(), f"{values['first']} {values['second']}")


FORM = Form("Title", "do", (Field("first", "given"), Field("second", required=True)), build)


def test_the_first_thing_that_is_missing_is_typed_in() -> None:
    assert Typing(FORM).active == 1
    assert Typing(FORM, {"second": "there"}).active == 0


def test_editing_keys() -> None:
    typing = Typing(FORM)
    typing.insert("wrold")
    for key in ("left", "left", "left", "backspace", "right"):
        assert typing.key(key)
    typing.insert("r")
    assert typing.text == "world"
    assert typing.key("home") and typing.key("delete") and typing.text == "orld"
    assert typing.key("end") and typing.key("ctrl+u") and typing.text == ""
    assert not typing.key("f1")
    assert typing.key("tab") and typing.text == "given" and typing.at == 5
    assert typing.key("shift+tab") and typing.last


def test_only_characters_of_a_line_are_taken_and_not_too_many() -> None:
    typing = Typing(FORM)
    typing.insert("a\nb\x1b[31m\u202ec")
    assert typing.text == "a b[31mc"
    typing.insert("x" * SHORT)
    assert typing.text == "a b[31mc"


def test_what_is_required_is_wanted() -> None:
    with pytest.raises(Wrong, match="second is wanted"):
        FORM.order({"first": "a", "second": "  "})
    assert FORM.order({"first": " a ", "second": "b"}).command == "a b"
