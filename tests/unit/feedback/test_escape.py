"""Hostile text on its way into a DSN."""

from __future__ import annotations

import quopri
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailtui.feedback.escape import escape, field, field_text, mailbox, prose, quoted_printable, unxtext
from mailtui.model import Address

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))  # surrogates too


@given(text=ANY_TEXT, limit=st.integers(0, 60))
def test_field_text_is_short_printable_ascii_without_encoded_words(text: str, limit: int) -> None:
    out = field_text(text, limit)
    assert re.fullmatch(r"[ -~]*", out)
    assert "=?" not in out
    assert len(out) <= limit * 4 + 3  # each "=?" kept apart costs five more


@given(text=ANY_TEXT, limit=st.integers(0, 60))
def test_prose_is_short_and_printable(text: str, limit: int) -> None:
    out = prose(text, limit)
    assert out.isprintable()
    assert len(out.encode()) <= limit + 3


def test_an_encoded_word_is_taken_apart() -> None:
    assert field_text("=?utf-8?q?=0D=0ABcc:?=", 100) == "=\\x{3F}utf-8?q?=0D=0ABcc:?="


def test_escapes_are_those_of_rfc_6533() -> None:
    assert escape("d\u00f6r\nt\U0001f600", 100) == r"d\x{F6}r\x{0A}t\x{1F600}"
    assert escape("d\u00f6r\u202e", 100, utf8=True) == "d\u00f6r\\x{202E}"
    assert escape("a+b", 100, also="+") == r"a\x{2B}b"
    assert escape("abcdef", 3) == "abc..."


@pytest.mark.parametrize(
    ("xtext", "plain"),
    [
        ("QQ314159", "QQ314159"),
        ("a+2Bb+3D", "a+b="),
        ("x+0D+0Ay", "x\r\ny"),
        ("+C3+B6", "\u00f6"),
        ("+c3+b6", "+c3+b6"),  # the hexadecimal digits of xtext are upper-case
        ("+FF", "\ufffd"),
        ("50+", "50+"),
    ],
)
def test_xtext_is_decoded(xtext: str, plain: str) -> None:
    assert unxtext(xtext) == plain


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (Address("bob", "example.net"), "bob@example.net"),
        (Address("b.o.b+tag", "example.net"), "b.o.b+tag@example.net"),
        (Address('"b b"', "example.net"), '"b b"@example.net'),
        (Address("b b", "example.net"), '"b b"@example.net'),
        (Address('b"\\', "example.net"), '"b\\"\\\\"@example.net'),
        (Address("d\u00f6rte", "[192.0.2.1]"), "d\u00f6rte@[192.0.2.1]"),
        (Address("postmaster", ""), "postmaster"),
    ],
)
def test_mailbox_is_quoted_where_it_must_be(address: Address, text: str) -> None:
    assert mailbox(address) == text


@given(words=st.lists(st.text(alphabet="ab,;", min_size=1, max_size=120), min_size=1))
@example(words=["a" * 100, "b" * 70])
def test_folding_changes_nothing(words: list[str]) -> None:
    value = "  ".join(words)
    lines = field("X-Test", value).removesuffix("\r\n").split("\r\n")
    assert "".join(lines) == f"X-Test: {value}"
    assert all(line.strip() and line[0] in " X" for line in lines)
    assert lines[0] != "X-Test:"
    assert all(len(line) <= 76 or len(line.split()) <= 2 for line in lines)


@given(line=st.binary(max_size=400))
def test_quoted_printable_comes_back(line: bytes) -> None:
    encoded = quoted_printable(line)
    assert re.fullmatch(rb"[\t\x20-\x7e]*(\r\n[\t\x20-\x7e]*)*", encoded)
    assert all(len(part) <= 76 for part in encoded.split(b"\r\n"))
    assert quopri.decodestring(encoded) == line
