"""The verbs behind the colon are those of the shell."""

from __future__ import annotations

import click

from mailtui.cli.root import main
from mailtui.console.verbs import VERBS

#: What has no meaning in a console: what starts or describes things, and what only prints.
ELSEWHERE = {
    *(
        "serve",
        "run",
        "attach",
        "demo",
        "keys",
        "check-config",
        "check-queue",
        "passwd",
        "dkim",
        "samples",
        "failures",
        "forecast",
    ),
    *("queue count", "shaping list"),
}


def shell() -> dict[str, click.Command]:
    """Every verb of the command line by its words."""
    found: dict[str, click.Command] = {}
    for name, command in main.commands.items():
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": one for inner, one in command.commands.items()}
        else:
            found[name] = command
    return found


def test_every_verb_of_the_shell_is_understood_or_left_out_knowingly() -> None:
    missing = {name for name in shell() if name not in VERBS and name.partition(" ")[0] not in ELSEWHERE}
    assert missing - ELSEWHERE == set()


def test_options_are_called_as_on_the_shell() -> None:
    for name, verb in VERBS.items():
        if (command := shell().get(name)) is None:
            continue
        known = {option.removeprefix("--") for one in command.params for option in one.opts if option.startswith("--")}
        assert {*verb.options, *verb.flags} <= known, name
