"""Which configured route a word means."""

from __future__ import annotations

import pytest

from mailtui.config import Route
from mailtui.delivery.courier import route_key
from mailtui.delivery.naming import UnknownRoute, named
from mailtui.delivery.route import read_rules

RULES = (
    Route(match="a.test", to="smart.example:587", tls="verified"),
    Route(match="b.test", to="smart.example:25"),
    Route(match="c.test", to="one.example"),
    Route(match="d.test", to="[2001:db8::1]:2525"),
    Route(match="e.test", to="two.example:25"),
    Route(match="f.test", to="two.example:25", tls="required"),
    Route(match="g.test", to="mx", tls="verified"),
    Route(match="h.test", to="discard"),
)
ROUTES = {route_key(rule.route): rule.route for rule in read_rules(RULES, 2500)}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("mx", "mx"),
        ("mx verified", "mx verified"),
        ("smart.example:587", "smarthost smart.example:587 verified"),
        ("SMART.example.:587", "smarthost smart.example:587 verified"),
        ("one.example", "smarthost one.example:2500 opportunistic"),
        ("one.example:2500", "smarthost one.example:2500 opportunistic"),
        ("[2001:db8::1]", "smarthost 2001:db8::1:2525 opportunistic"),
        ("smarthost two.example:25 required", "smarthost two.example:25 required"),
    ],
)
def test_a_route_is_named_as_in_the_configuration_or_by_its_key(text: str, key: str) -> None:
    assert named(ROUTES, text) == key


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", r"Give --to ROUTE; there are: smart\.example:587, smart\.example:25, one\.example:2500"),
        ("smart.example", r"may be any of: smarthost smart\.example:587 verified, smarthost smart\.example:25"),
        (
            "two.example:25",
            r"may be any of: smarthost two\.example:25 opportunistic, smarthost two\.example:25 required",
        ),
        (
            "other.example",
            r'no route "other\.example" is configured; there are: .*\[2001:db8::1\]:2525.*mx verified, mx$',
        ),
        ("a b", "is configured; there are"),
        ("discard", "not rerouted into nothing: `mailtui purge`"),
        ("discard h.test → discard", "not rerouted into nothing"),
    ],
)
def test_what_no_or_several_routes_are_called_is_refused(text: str, told: str) -> None:
    with pytest.raises(UnknownRoute, match=told):
        named(ROUTES, text)
