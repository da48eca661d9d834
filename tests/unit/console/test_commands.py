"""The command line: what lines mean, what is wrong with them and where, what was typed before."""

from __future__ import annotations

import pytest

from mailtui.console.actions import BY_ID, Scope
from mailtui.console.commands import Command, Do, Go, History, Look, Refresh, Theme, Wrong, completed, names, read
from mailtui.console.place import Place

KINDS, THEMES = frozenset({"overview", "queue", "message", "domains", "domain"}), ("relay-dark", "ansi-dark")


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
        ("range  1h 03:10", Look("1h 03:10", 7)),
        ("earlier", Do(BY_ID["time.earlier"])),
        ("quit", Do(BY_ID["app.quit"])),
        ("help", Do(BY_ID["app.help"])),
        ("hold", Do(BY_ID["msg.hold"])),
        ("hold domain:a.test", Do(BY_ID["msg.hold"], Scope("filter", filter="domain:a.test"))),
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
        ("suppress", "suppress", "no command"),
        ("overview now", "now", "nothing may follow overview"),
        ("theme pink", "pink", "there are ansi-dark, relay-dark"),
        ("show a b", "a b", "one name"),
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
        assert not isinstance(wrong, Wrong) or "missing" in wrong.reason, name
    assert "preview" not in names(KINDS, "overview") and "suppress" not in names(KINDS, "queue")


def test_completion_goes_as_far_as_there_is_one_way() -> None:
    known = names(KINDS, "queue")
    assert completed("dom", known) == "domain"
    assert completed("overv", known) == "overview "
    assert completed("queue st", known) == "queue st"
    assert completed("xyz", known) == "xyz"
    assert completed("", known) == ""


def test_history_goes_back_and_returns_to_what_was_begun() -> None:
    history = History()
    for text in ("one", "two", "one", ""):
        history.add(text)
    assert [history.step(-1, "begun"), history.step(-1, "one"), history.step(-1, "two")] == ["one", "two", "two"]
    assert [history.step(1, "two"), history.step(1, "one"), history.step(1, "begun")] == ["one", "begun", "begun"]
