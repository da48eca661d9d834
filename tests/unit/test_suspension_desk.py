"""What operators may write as a name, and what it becomes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.errors import ControlError
from mailtui.suspension_desk import canonical
from mailtui.suspensions import Kind


@pytest.mark.parametrize(
    ("kind", "written", "name"),
    [
        ("destination", "Example.ORG", "example.org"),
        ("destination", " @bücher.example ", "xn--bcher-kva.example"),
        ("site", "MX.Example.org", "mx.example.org"),
        ("sender", "@News.example", "@News.example"),
        ("sender", "bulk-*@news.example", "bulk-*@news.example"),
        ("user", "Web Shop", "Web Shop"),
        ("intake", "", ""),
        ("delivery", " ", ""),
    ],
)
def test_a_name_is_compared_as(kind: Kind, written: str, name: str) -> None:
    assert canonical(kind, written) == name == canonical(kind, name)


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("destination", ""),
        ("destination", "a b"),
        ("destination", "-x.example"),
        ("site", ""),
        ("sender", ""),
        ("sender", "example.org"),
        ("sender", "*a*b*c*d*e@x"),
        ("user", " "),
        ("intake", "all"),
        ("delivery", "x"),
    ],
)
def test_what_is_none_is_refused(kind: Kind, written: str) -> None:
    with pytest.raises(ControlError) as refused:
        canonical(kind, written)
    assert refused.value.code == "bad-name"


@given(st.sampled_from(("destination", "site", "sender", "user")), st.text(max_size=60))
def test_anything_is_a_name_or_refused(kind: Kind, written: str) -> None:
    try:
        name = canonical(kind, written)
    except ControlError:
        return
    assert name and canonical(kind, name) == name
