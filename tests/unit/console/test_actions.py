"""The table: complete, unambiguous, and what follows from a row."""

from __future__ import annotations

import pytest

from mailtui.console.actions import ACTIONS, BY_ID, LISTS, Scope, Standing, command_line, request_for, tier
from mailtui.control import api


def test_ids_are_names_and_no_key_means_two_things_in_one_place() -> None:
    assert len(BY_ID) == len(ACTIONS)
    for place in LISTS:
        keys = [key for action in ACTIONS if place in action.where for key in action.keys.split(",")]
        assert len(keys) == len(set(keys)), place


def test_navigation_is_shadowed_nowhere() -> None:
    for name in ("row.down", "row.up", "row.first", "row.last", "row.open", "app.back"):
        assert BY_ID[name].where == LISTS


@pytest.mark.parametrize(
    ("verb", "recipients", "waiting", "environment", "expected"),
    [
        (api.Hold, 1, 100, "", 0),
        (api.Hold, 5, 100, "", 1),
        (api.Hold, 50, 100, "", 2),
        (api.Hold, 1001, 1_000_000, "", 2),
        (api.Purge, 1, 100, "", 2),
        (api.Bounce, 1, 100, "demo", 2),
        (api.Hold, 1, 100, "prod", 1),
        (api.Retry, 5, 100, "PROD", 2),
    ],
)
def test_danger_asks_for_more(
    verb: type[api.Action], recipients: int, waiting: int, environment: str, expected: int
) -> None:
    assert tier(verb, recipients, waiting, environment) == expected


def test_a_scope_becomes_a_request_and_a_command() -> None:
    marked, everything = Scope("marked", ("A.1", "B.2")), Scope("filter")
    found = Scope("filter", filter='text~"rate limit"')
    assert request_for(api.Hold, marked) == api.Hold(ids=("A.1", "B.2"), dry_run=True)
    assert request_for(api.Purge, everything) == api.Purge(everything=True, dry_run=True)
    assert request_for(api.Purge, found) == api.Purge(filter='text~"rate limit"', dry_run=True)
    assert command_line(api.Hold, marked) == "mailtui hold A.1 B.2"
    assert command_line(api.Purge, everything) == "mailtui purge --all"
    assert command_line(api.Purge, found) == "mailtui purge 'text~\"rate limit\"'"


def test_changes_say_why_they_cannot_be_made() -> None:
    hold, down, domains = BY_ID["msg.hold"], BY_ID["row.down"], BY_ID["go.domains"]
    assert hold.missing(Standing("queue")) == ""
    assert "read-only" in hold.missing(Standing("queue", read_only=True))
    assert "no relay" in hold.missing(Standing("queue", offline="no relay answers"))
    assert "frozen" in hold.missing(Standing("queue", frozen=True))
    then = Standing("domains", past="03:10")
    assert hold.missing(then) == "the past cannot be changed (AT 03:10): . is now" and down.missing(then) == ""
    unkept = Standing("queue", past="03:10", unkept=True, screens=frozenset({"domains"}))
    assert "is not kept" in down.missing(unkept) and "is not kept" in BY_ID["out.export"].missing(unkept)
    for name in ("go.domains", "time.now", "time.range", "view.freeze", "app.quit"):
        assert BY_ID[name].missing(unkept) == "", name
    assert down.missing(Standing("queue", offline="x", frozen=True, read_only=True)) == ""
    assert "not in this version" in domains.missing(Standing("queue"))
