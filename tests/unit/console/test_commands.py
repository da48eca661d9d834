"""The command line: what lines mean, what is wrong with them and where, what was typed before."""

from __future__ import annotations

import pytest

from mailtui.console import named_orders, orders
from mailtui.console.actions import BY_ID, LISTS, Scope
from mailtui.console.commands import FIELDS, STATES, Completed, History, completed, names, read
from mailtui.console.grammar import Wrong
from mailtui.console.meaning import Bundle, Command, Do, Fill, Go, Load, Look, Lookup, Refresh, Theme, Unload
from mailtui.console.orders import About
from mailtui.console.place import Place
from mailtui.console.verbs import VERBS
from mailtui.control.api_report import Report
from mailtui.model import State
from mailtui.queue import fields

KINDS, THEMES = LISTS, ("relay-dark", "ansi-dark")


def meant(text: str, place: str = "queue") -> Command | Wrong | None:
    return read(text, KINDS, THEMES, place)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("   ", None),
        ("overview", Go(Place("overview"))),
        ("domains", Go(Place("domains"))),
        ("queue", Go(Place("queue"))),
        ("queue list", Go(Place("queue"))),
        ("queue state:held or to:a@b", Go(Place("queue", "state:held or to:a@b"))),
        ("mailtui queue list  state:held ", Go(Place("queue", "state:held"))),
        ("show 05JQ3K8T.1", Go(Place("message", "05JQ3K8T.1"))),
        ("domain a.test", Go(Place("domain", "a.test"))),
        ("theme ansi-dark", Theme("ansi-dark")),
        ("refresh", Refresh()),
        ("range", Do(BY_ID["time.range"])),
        ("range  1h 03:10", Look("1h 03:10")),
        ("earlier", Do(BY_ID["time.earlier"])),
        ("quit", Do(BY_ID["app.quit"])),
        ("help", Do(BY_ID["app.help"])),
        ("hold", Do(BY_ID["msg.hold"])),
        ("hold domain:a.test", Do(BY_ID["msg.hold"], Scope("filter", filter="domain:a.test"), 5)),
        (
            'hold reply~"rate limit" -from:"a b" --reason "they said so"',
            Do(BY_ID["msg.hold"], Scope("filter", filter='reply~"rate limit" -from:"a b"', reason="they said so"), 5),
        ),
        ("purge 05JQ3K8T.1 05JQ3K90", Do(BY_ID["msg.purge"], Scope("named", ("05JQ3K8T.1", "05JQ3K90")))),
        (
            "retry --now --reason=x 05JQ3K8T",
            Do(BY_ID["msg.retry"], Scope("named", ("05JQ3K8T",), reason="x", now=True)),
        ),
        (
            "reroute --to mx domain:a.test",
            Do(BY_ID["msg.reroute"], Scope("filter", filter="domain:a.test", to="mx"), 16),
        ),
        ("why 05JQ3K8T.1", Go(Place("message", "05JQ3K8T.1"))),
        ("log event:x", Go(Place("live", "event:x"))),
        ("suppress", Go(Place("suppress"))),
        ("suppress list", Go(Place("suppress"))),
        (
            "suspend a.test --for 2h --reason 'too much'",
            Fill(named_orders.suspending, (("what", "a.test"), ("for", "2h"), ("reason", "too much"))),
        ),
        ("suspend --intake --until 18:00", Fill(named_orders.suspending, (("what", "intake"), ("for", "until 18:00")))),
        ("resume --site mx.a.test", Fill(named_orders.resuming, (), About(destination="site:mx.a.test"))),
        (
            "suppress add ana@a.test --reason no-such-user --for never",
            Fill(orders.suppress, (("entry", "ana@a.test"), ("reason", "no-such-user"), ("for", "never"))),
        ),
        ("suppress remove a@a.test b@a.test", Fill(named_orders.unsuppressing, (("entries", "a@a.test b@a.test"),))),
        ("suppress lookup a@a.test", Lookup("a@a.test")),
        ("suppress import 'my list.csv' --reason x", Load("my list.csv", "", "x")),
        ("suppress export list.csv", Unload("list.csv")),
        (
            "holdrule add from:*@a.test -size:1MB+ --for 2h",
            Fill(orders.hold_rule, (("filter", "from:*@a.test -size:1MB+"), ("for", "2h"))),
        ),
        ("undo", Do(BY_ID["app.undo"])),
        ("undo 7", Fill(named_orders.undoing, (("action", "7"),))),
        ("report a.test --window 2h --out a.md", Bundle(Report("a.test", "2h"), "a.md")),
        ("  purge --all", Do(BY_ID["msg.purge"], Scope("filter"))),
    ],
)
def test_lines_mean_what_they_mean_on_a_shell(text: str, expected: Command | None) -> None:
    assert meant(text) == expected


@pytest.mark.parametrize(
    ("text", "marked", "reason"),
    [
        ("hodl state:held", "hodl", "did you mean hold?"),
        (" mailtui  xyzzy", "xyzzy", 'no command "xyzzy"'),
        ("suppress ad a@b", "ad", 'no command "ad"'),
        ("dns", "dns", "dns what? flush"),
        ("suspend --for 2h", "", "name one thing"),
        ("suspend a.test --fro 2h", "--fro", "no option --fro; there are"),
        ("hold --yes --all", "--yes", "y goes on"),
        ("hold --all domain:x", "domain:x", "one of them"),
        ("undo 7 8", "8", "nothing may follow"),
        ("suspend a.test --for", "", "--for wants a value"),
        ("overview now", "now", "nothing may follow overview"),
        ("theme pink", "pink", "there are ansi-dark, relay-dark"),
        ("show a b", "b", "nothing may follow show ID"),
        ("show", "", "ID: what is missing"),
        ("row.down", "row.down", "no command"),
    ],
)
def test_what_is_wrong_is_pointed_at(text: str, marked: str, reason: str) -> None:
    wrong = meant(text)
    assert isinstance(wrong, Wrong) and reason in wrong.reason
    _, shown, carets = wrong.lines(text)
    assert (
        "".join(one for one, caret in zip(shown.ljust(len(carets)), carets, strict=False) if caret == "^").strip()
        == marked
    )


def test_every_name_is_understood() -> None:
    for name in names(KINDS, "queue"):
        wrong = meant(name)
        assert (
            not isinstance(wrong, Wrong)
            or "missing" in wrong.reason
            or "name one" in wrong.reason
            or " what? " in wrong.reason
        ), name
    assert "preview" not in names(KINDS, "overview") and "suspend" in names(KINDS, "queue")


def test_every_verb_says_what_it_lacks_or_means_something() -> None:
    for name in VERBS:
        assert meant(f"{name} 7") is not None


def test_completion_goes_as_far_as_there_is_one_way() -> None:
    known = names(KINDS, "queue")

    def done(text: str) -> Completed:
        return completed(text, known, THEMES, ("a.test", "b.test"))

    assert done("dom") == Completed("domain", ("domain", "domains"))
    assert done("overv") == Completed("overview ")
    assert done("suppress im") == Completed("suppress import ")
    assert done("hold --al") == Completed("hold --all ")
    assert done("hold sta") == Completed("hold sta", ("stage:", "state:"))
    assert done("queue state:def") == Completed("queue state:deferred ")
    assert done("hold domain:b") == Completed("hold domain:b.test ")
    assert done("suspend a.t") == Completed("suspend a.test ")
    assert done("theme an") == Completed("theme ansi-dark ")
    assert done("xyz") == Completed("xyz") and done("") == Completed("")


def test_the_filter_language_is_completed_as_it_is() -> None:
    assert set(FIELDS) == set(fields.FIELDS) and set(STATES) == set(State)


def test_history_goes_back_and_returns_to_what_was_begun() -> None:
    history = History()
    for text in ("one", "two", "one", ""):
        history.add(text)
    assert [history.step(-1, "begun"), history.step(-1, "one"), history.step(-1, "two")] == ["one", "two", "two"]
    assert [history.step(1, "two"), history.step(1, "one"), history.step(1, "begun")] == ["one", "begun", "begun"]
