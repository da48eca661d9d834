"""Changes that need words: what is asked of the relay, and that the command shown does the same."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import UNSET

from mailtui.console import orders
from mailtui.console.forms import Form, Wrong
from mailtui.console.orders import About
from mailtui.control import api
from mailtui.control.api_holdrules import HoldRuleAdd, HoldRuleRemove
from mailtui.control.api_suppress import SuppressAdd, SuppressRemove
from mailtui.control.api_suspend import Resume, Suspend
from mailtui.holdrules import HoldRule
from mailtui.suppressions import Suppression
from mailtui.suspensions import Suspension
from mailtui.views import AuditRow

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
LISTED = Suppression("-x@a.test", "no-such-user", "relay", NOW, None, "550 no")
STOPPED = Suspension("site", "mx.a.test", NOW, None, "ops", "asked", 7, 3)
RULE = HoldRule(4, "from:x@a.test", "", "ops", NOW, None, "standing", 2, NOW, 9)


def action(**other: object) -> AuditRow:
    fields = {"state": "done", "undone": False} | other
    return AuditRow(12, NOW, "ops", "hold", "domain:a.test", "", 5, 5, 0, 0, 5, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h", 3600), ("1d12h", 129600), ("90m", 5400), ("1h 30m", 5400), ("5s", 5), ("1w", 604_800), ("1.5h", 5400)],
)
def test_how_long(text: str, seconds: int) -> None:
    assert orders.lasts(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "0h", "h", "1", "-1h", "1h1d", "9999999d", "١h", "never"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Wrong, match=r"is not a duration|is no time at all|is too long"):
        orders.lasts(text)


def test_an_address_or_its_domain_is_suppressed() -> None:
    form = orders.suppress(About("x@a.test", "a.test"))
    given = {field.name: field.value for field in form.fields}
    assert given == {"entry": "x@a.test", "reason": "manual", "for": "", "note": ""}
    order = form.order(given)
    assert order.request == SuppressAdd("x@a.test", "manual", UNSET, "")
    assert order.command == "mailtui suppress add x@a.test"
    never = form.order({"entry": "-@a.test", "reason": "complaint", "for": "never", "note": "they asked"})
    assert never.request == SuppressAdd("-@a.test", "complaint", None, "they asked")
    assert shlex.split(never.command)[3:] == [
        *("--reason", "complaint", "--for", "never", "--note", "they asked", "--", "-@a.test")
    ]
    assert orders.suppress(About(destination="a.test")).fields[0].value == "@a.test"
    for wrong in ({"reason": "They asked"}, {"for": "soon"}, {"entry": " "}):
        with pytest.raises(Wrong):
            form.order(given | wrong)


def test_a_destination_is_suspended_for_an_hour_with_a_reason() -> None:
    form = orders.pause(About("x@a.test", "a.test"))
    assert isinstance(form, Form)
    given = {field.name: field.value for field in form.fields}
    assert given == {"what": "a.test", "for": "1h", "reason": ""}
    with pytest.raises(Wrong, match="reason is wanted"):
        form.order(given)
    order = form.order(given | {"reason": "they're down"})
    assert isinstance(order.request, Suspend) and isinstance(order.request.until, datetime)
    assert abs(order.request.until - datetime.now(UTC) - timedelta(hours=1)) < timedelta(seconds=5)
    assert shlex.split(order.command) == ["mailtui", "suspend", "--for", "1h", "--reason", "they're down", "a.test"]


@pytest.mark.parametrize(
    ("what", "kind", "name", "words"),
    [
        ("site:mx.a.test", "site", "mx.a.test", ["--site", "mx.a.test"]),
        ("sender:*@a.test", "sender", "*@a.test", ["--sender", "*@a.test"]),
        ("delivery", "delivery", "", ["--delivery"]),
        ("a.test", "destination", "a.test", ["a.test"]),
    ],
)
def test_other_things_are_suspended_until_resumed(what: str, kind: str, name: str, words: list[str]) -> None:
    order = orders.suspend("").order({"what": what, "for": "until resumed", "reason": "r"})
    assert order.request == Suspend(kind, "r", name, None)  # type: ignore[arg-type]
    assert shlex.split(order.command)[2:] == ["--until", "resumed", "--reason", "r", *words]


@pytest.mark.parametrize("about", [About(row=STOPPED), About(destination="a.test", suspended=STOPPED)])
def test_what_is_suspended_is_resumed(about: About) -> None:
    form = orders.pause(about)
    assert isinstance(form, Form) and "3 recipients" in form.facts[1]
    order = form.order({"reason": ""})
    assert order.request == Resume("site", "mx.a.test", "")
    assert order.command == "mailtui resume --site mx.a.test"


def test_rows_leave_their_lists() -> None:
    listed, rule = orders.remove(About(row=LISTED)), orders.remove(About(row=RULE))
    assert isinstance(listed, Form) and isinstance(rule, Form)
    order = listed.order({"reason": "moved"})
    assert order.request == SuppressRemove(("-x@a.test",), "moved", 1)
    assert order.command == "mailtui suppress remove --reason moved -- -x@a.test"
    assert rule.order({"reason": ""}).request == HoldRuleRemove(4, "")
    assert rule.order({"reason": ""}).command == "mailtui holdrule remove 4"
    assert isinstance(orders.remove(About()), str) and isinstance(orders.pause(About()), str)


def test_each_pane_adds_its_own() -> None:
    titles = [
        form.title
        for pane in ("list", "suspensions", "rules")
        if isinstance(form := orders.add(About(pane=pane)), Form)
    ]
    assert titles == ["Suppress", "Suspend", "Hold rule"]
    order = orders.hold_rule(About()).order({"filter": "from:x@a.test size:1MB+", "for": "2h", "reason": "odd"})
    assert order.request == HoldRuleAdd("from:x@a.test size:1MB+", "2h", "", "odd")
    assert order.command == "mailtui holdrule add --for 2h --reason odd 'from:x@a.test size:1MB+'"


def test_an_action_is_undone_once_and_when_it_is_over() -> None:
    form = orders.undo(About(row=action()))
    assert isinstance(form, Form)
    assert form.order({"reason": "mistake"}).request == api.Undo(action=12, reason="mistake")
    assert form.order({"reason": "mistake"}).command == "mailtui undo --reason mistake 12"
    assert "undone already" in str(orders.undo(About(row=action(undone=True))))
    assert "still" in str(orders.undo(About(row=action(state="open"))))
    assert "no action" in str(orders.undo(About()))


def test_a_route_is_asked_for() -> None:
    order = orders.reroute("mx, a:25", ("A.1", "B.2")).order({"to": "mx"})
    assert order.request == api.Reroute(to="mx")
    assert order.command == "mailtui reroute --to mx A.1 B.2"
