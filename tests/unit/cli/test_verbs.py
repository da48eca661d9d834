"""Options and requests: what the words of a command line become."""

from __future__ import annotations

import click
import pytest

from mailtui.cli.root import main
from mailtui.cli.verbs import build, parameters
from mailtui.control.api import ACTIONS, REQUESTS, Hold, QueueAges, QueueList


def test_every_request_is_a_verb() -> None:
    for name in REQUESTS:
        command: click.Command | None = main
        for word in name.split("."):
            assert isinstance(command, click.Group)
            command = command.commands.get(word)
        assert command is not None, name
        assert any(parameter.name == "as_json" for parameter in command.params), name


def test_every_action_has_the_same_manners() -> None:
    for action in ACTIONS:
        names = {parameter.name for parameter in main.commands[action.name].params}
        own = {"reroute": {"to"}, "retry": {"now"}}.get(action.name, set())
        assert names - own == {"filter", "everything", "reason", "expect", "dry_run", "plan", "yes", "as_json"}


def test_every_change_can_be_told_why_and_not_to_ask() -> None:
    for request in REQUESTS.values():
        command: click.Command = main
        for word in request.name.split("."):
            assert isinstance(command, click.Group)
            command = command.commands[word]
        names = {parameter.name for parameter in command.params}
        if request.changes:
            assert {"yes", "as_json"} < names and names & {"reason", "note"}, request.name


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        ((), Hold()),
        (("1QHQZRES", "1QHQZRES.2"), Hold(ids=("1QHQZRES", "1QHQZRES.2"))),
        (("domain:a.example", "state:deferred"), Hold(filter="domain:a.example state:deferred")),
        (("1QHQZRES", "state:held"), Hold(filter="1QHQZRES state:held")),
        (("from:a b",), Hold(filter='from:"a b"')),
        (("text~rate limit", "age>2h"), Hold(filter='text~"rate limit" age>2h')),
        (("-subject:a b",), Hold(filter='-subject:"a b"')),
        (("not", "1QHQZRES"), Hold(filter="not 1QHQZRES")),
        (("domain:a.example (mx:192.0.2.1 or tls:no)",), Hold(filter="domain:a.example (mx:192.0.2.1 or tls:no)")),
        (("(", "tries=5", "or", "tls:no", ")"), Hold(filter="( tries=5 or tls:no )")),
    ],
)
def test_words_select(words: tuple[str, ...], request_: Hold) -> None:
    assert build(Hold, {"filter": words, "reason": None}) == request_


def test_words_of_a_read_are_a_filter() -> None:
    assert build(QueueList, {"filter": ("two words", "x"), "limit": 5}) == QueueList('"two words" x', limit=5)


def test_options_have_the_bounds_of_the_request() -> None:
    by = {parameter.name: parameter for parameter in parameters(QueueAges)}
    assert isinstance(by["limit"].type, click.IntRange) and (by["limit"].type.min, by["limit"].type.max) == (1, 10_000)
    assert isinstance(by["by"].type, click.Choice) and set(by["by"].type.choices) == {"site", "destination"}


def test_a_value_the_request_refuses_is_a_usage_error() -> None:
    with pytest.raises(click.UsageError, match="length <= 500"):
        build(Hold, {"reason": "x" * 501})
