"""Entries laid over each other: the operator's first, what is shipped only lowers."""

from __future__ import annotations

from mailtui.config import Delivery, Limits, Rate, Shaping, ShapingRule
from mailtui.config.limits import resolve

DELIVERY = Delivery(per_site=20, per_connection=50)


def rule(name: str, **given: object) -> ShapingRule:
    return ShapingRule(name=name, pattern="x", pause=True, **given)  # type: ignore[arg-type]


def test_without_entries_delivery_says_it() -> None:
    assert resolve((), (), DELIVERY) == Limits(20, 50)


def test_what_is_shipped_only_lowers() -> None:
    shipped = [Shaping(match="*", max_connections=10, per_connection=100)]
    assert resolve((), shipped, DELIVERY) == Limits(10, 50, sources=("shipped *",))
    assert resolve((), shipped, Delivery(per_site=3)).max_connections == 3


def test_the_first_entry_that_says_something_wins_key_by_key() -> None:
    own = [Shaping(match="a.example", rate=Rate(1, 60)), Shaping(match="*", max_connections=40, rate=Rate(9, 1))]
    shipped = [Shaping(match="*", max_connections=5, per_connection=20)]
    found = resolve(own, shipped, DELIVERY)

    assert (found.max_connections, found.per_connection, found.rate) == (40, 20, Rate(1, 60))
    assert found.sources == ("[[shaping]] a.example", "[[shaping]] *", "shipped *")


def test_rules_add_up_and_one_hides_those_of_its_name() -> None:
    own = [Shaping(match="*", rules=(rule("a", threshold=7),))]
    shipped = [Shaping(match="*", rules=(rule("a"), rule("b")))]
    assert resolve(own, shipped, DELIVERY).rules == (rule("a", threshold=7), rule("b"))


def test_what_is_shipped_can_be_turned_off() -> None:
    own = [Shaping(match="*"), Shaping(match="a.example", shipped=False)]
    shipped = [Shaping(match="*", max_connections=5, rules=(rule("b"),))]
    assert resolve(own, shipped, DELIVERY) == Limits(20, 50, sources=("[[shaping]] *", "[[shaping]] a.example"))
