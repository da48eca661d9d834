"""`safe_text` against what hostile senders put into addresses, subjects and replies."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.text import decoded, safe_text

EVIL = {
    "clear screen": ("\x1b[2J\x1b[H", r"\x1b[2J\x1b[H"),
    "title and answerback": ("\x1b]0;owned\x07\x05", r"\x1b]0;owned\x07\x05"),
    "clipboard": ("\x1b]52;c;cm0gLXJm\x1b\\", r"\x1b]52;c;cm0gLXJm\x1b" + "\\"),
    "C1 CSI": ("\x9b31m", r"\x9b31m"),
    "C1 OSC and DCS": ("\x9d0;x\x9c\x90q", r"\x9d0;x\x9c\x90q"),
    "delete": ("abc\x7f", r"abc\x7f"),
    "return over the line": ("550 no\r250 ok", r"550 no\x0d250 ok"),
    "a second line": ("a\nb\tc\x0b\x0c", r"a\x0ab\x09c\x0b\x0c"),
    "line and paragraph separators": ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
    "NUL": ("a\0b", r"a\x00b"),
    "right-to-left override": ("moc.\u202eelgoog", r"moc.\u202eelgoog"),
    "isolates": ("\u2066a\u2067b\u2068c\u2069", r"\u2066a\u2067b\u2068c\u2069"),
    "marks of direction": ("\u200ea\u200fb\u061c", r"\u200ea\u200fb\u061c"),
    "zero width": ("pay\u200bpal\u200c\u200d\u2060\ufeff", r"pay\u200bpal\u200c\u200d\u2060\ufeff"),
    "soft hyphen": ("exam\xadple", r"exam\xadple"),
    "tag characters": ("a\U000e0041\U000e007f", r"a\U000e0041\U000e007f"),
    "lone surrogates": ("\ud800x\udc9b", r"\ud800x\udc9b"),
    "private use": ("\ue000\U000f0000", r"\ue000\U000f0000"),
    "noncharacters": ("\ufdd0\uffff\U0010ffff", r"\ufdd0\uffff\U0010ffff"),
    "fillers": ("\u3164\u115f\uffa0\u2800", r"\u3164\u115f\uffa0\u2800"),
    "variation selectors": ("a\ufe0f\U000e0100", r"a\ufe0f\U000e0100"),
    "mark without a letter": ("\u0301a", r"\u0301a"),
    "pile of marks": ("a" + "\u0301" * 6, "a" + "\u0301" * 4 + r"\u0301\u0301"),
}


@pytest.mark.parametrize(("evil", "shown"), EVIL.values(), ids=EVIL)
def test_evil_text_is_written_out(evil: str, shown: str) -> None:
    assert safe_text(evil) == shown


@pytest.mark.parametrize(
    "text", ["", "250 2.0.0 Ok", "Grüße, 東京 — привет", "a\xa0b\u3000c", "नमस्ते", "é and e\u0301", "🙂"]
)
def test_plain_text_stays(text: str) -> None:
    assert safe_text(text) == text


@given(st.text())
def test_nothing_reaches_the_terminal_but_text(text: str) -> None:
    shown = safe_text(text)
    assert all(unicodedata.category(c)[0] not in "C" and unicodedata.category(c) not in ("Zl", "Zp") for c in shown)
    assert shown.splitlines() in ([], [shown])
    assert safe_text(shown) == shown


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("plain", "plain"),
        ("=?utf-8?b?V2ludGVyLcOcYmVycmFzY2h1bmc=?= und mehr", "Winter-Überraschung und mehr"),
        ("=?iso-8859-1?q?Gr=FC=DFe?=", "Grüße"),
        ("=?no-such-charset?q?a?=", "=?no-such-charset?q?a?="),
        ("=?utf-8?b?%%%?=", "=?utf-8?b?%%%?="),
    ],
)
def test_encoded_words_are_read_or_left(written: str, read: str) -> None:
    assert decoded(written) == read


@given(st.text(max_size=200).map(lambda text: f"=?utf-8?q?{text}?= =?utf-8?b?{text}?="))
def test_whatever_encoded_words_hold_is_harmless(text: str) -> None:
    shown = safe_text(decoded(text))
    assert all(unicodedata.category(c)[0] not in "C" and unicodedata.category(c) not in ("Zl", "Zp") for c in shown)
