"""What operators may write as an entry, and what it becomes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.errors import ControlError
from mailtui.suppression_desk import canonical


@pytest.mark.parametrize(
    ("written", "entry"),
    [
        ("Bob@Example.ORG", "bob@example.org"),
        (" bob@example.org ", "bob@example.org"),
        ("@Example.org", "@example.org"),
        ("@BÜCHER.example", "@xn--bcher-kva.example"),
        ("info@bücher.example", "info@xn--bcher-kva.example"),
        ("José@example.org", "josé@example.org"),
        ("*@example.org", "*@example.org"),  # a star is a letter like any other in a local part
        ('"a b"@example.org', '"a b"@example.org'),
        ("x@[192.0.2.1]", "x@[192.0.2.1]"),
        ("x@[IPv6:2001:DB8::1]", "x@[ipv6:2001:db8::1]"),
    ],
)
def test_an_entry_is_a_mailbox_or_a_domain(written: str, entry: str) -> None:
    assert canonical(written) == entry == canonical(entry)


@pytest.mark.parametrize(
    "written",
    ["", "@", "bob", "bob@", "example.org", "a b@example.org", "bob@example.org>", "<bob@example.org>",
     "@*.example.org", "bob@example.org SIZE=1", "b\x00b@example.org", "bob@-x.example", "@under_score.example", "a@b@example.org"],
)  # fmt: skip
def test_what_is_neither_is_refused(written: str) -> None:
    with pytest.raises(ControlError, match="neither an address nor a domain"):
        canonical(written)


@given(st.text(max_size=40))
def test_whatever_is_written_it_is_an_entry_or_refused(text: str) -> None:
    try:
        entry = canonical(text)
    except ControlError:
        return
    assert canonical(entry) == entry and "@" in entry
