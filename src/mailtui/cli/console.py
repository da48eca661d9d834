"""The verbs that open the console: attach, run, demo.

Owned here: which relay the console is for, and what becomes of one that was started for it. The console is imported when it is opened.
"""

from __future__ import annotations

import functools
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Concatenate, Final, ParamSpec

import click

from mailtui.console.launch import Ended, Options, open_console
from mailtui.errors import EX_UNAVAILABLE, ControlError, RelayRunning

from .child import answers, child
from .context import Context, pass_context

P = ParamSpec("P")

_DEMO: Final = 86_400
_HINT: Final = "an incident unfolds within a minute; enter opens, esc goes back, q ends"


def looks(command: Callable[Concatenate[Options, P], None]) -> Callable[P, None]:
    """The options every console has, as `Options` without a socket."""

    @functools.wraps(command)
    def packed(*arguments: P.args, **given: P.kwargs) -> None:
        names = ("read_only", "ascii", "theme", "slow", "plain", "interval")
        wanted = {name: given.pop(name) for name in names}
        wanted["mouse"] = not given.pop("no_mouse")
        command(Options(Path(), **wanted), *arguments, **given)  # type: ignore[arg-type]

    for option in (
        click.option("--read-only", is_flag=True, help="Look, change nothing."),
        click.option("--ascii", is_flag=True, help="Draw with ASCII characters alone."),
        click.option("--no-mouse", is_flag=True, help="Leave the mouse to the terminal: selecting text needs no key."),
        click.option("--theme", default="", metavar="NAME", help="Colours: relay-dark, relay-light, ansi-dark, ..."),
        click.option("--slow", is_flag=True, help="For a slow line: few colours, no clock, no mouse, every 5 seconds."),
        click.option(
            "--plain", is_flag=True, help="Print lines about what changes, for a screen reader or a serial line."
        ),
        click.option(
            "--interval",
            type=click.FloatRange(1, 3600),
            default=5.0,
            show_default=True,
            help="Seconds between two looks, with --plain.",
        ),
    ):
        packed = option(packed)
    return packed


@click.command()
@click.argument("host", default="", metavar="[USER@HOST]")
@pass_context
@looks
def attach(options: Options, here: Context, host: str) -> None:
    """The console for a relay that runs; with a host, for the one over there, by ssh."""
    if host:
        _over_there(host, options)
    sys.exit(open_console(replace(options, socket=here.socket_path())).code)


def _over_there(host: str, wanted: Options) -> None:
    """Become `ssh -t HOST mailtui attach`; what is given goes with it."""
    if host.startswith("-"):
        raise click.UsageError(f"{host} is no host")
    options = [
        f"--{name.replace('_', '-')}" for name in ("read_only", "ascii", "slow", "plain") if getattr(wanted, name)
    ]
    options += [] if wanted.mouse else ["--no-mouse"]
    options += ["--theme", shlex.quote(wanted.theme)] if wanted.theme else []
    options += ["--interval", f"{wanted.interval:g}"] if wanted.plain else []
    try:
        os.execvp("ssh", ["ssh", "-t", host, "mailtui", "attach", *options])
    except FileNotFoundError:
        raise ControlError("ssh", "there is no ssh on this machine", exit_code=EX_UNAVAILABLE) from None


@click.command()
@pass_context
@looks
def run(options: Options, here: Context) -> None:
    """The relay in a process of its own, and the console for it; at the end it is stopped or goes on."""
    config = here.load(files=True)
    control = here.socket or config.relay.socket
    if answers(control):
        raise RelayRunning("a relay runs there already; `mailtui attach` opens a console for it", 0)
    before = ["--config", str(here.config_path)] if here.config_path else []
    log = config.relay.data_dir / "relay.log"
    sys.exit(_hosted([*before, "serve"], control, log, replace(options, socket=control, leaves="ask")))


@click.command()
@click.option("--headless", is_flag=True, help="Without a console: progress lines.")
@click.option(
    "--seconds", type=click.IntRange(1, _DEMO), default=60, show_default=True, help="How long, when headless."
)
@click.option("--folder", type=click.Path(path_type=Path), hidden=True)
@looks
def demo(options: Options, headless: bool, seconds: int, folder: Path | None) -> None:
    """A relay, a lab of misbehaving mail servers and traffic, on this machine alone, and the console for it. Nothing is left of it.
    With --headless the last line is the ledger."""
    if headless:
        from mailtui import host

        sys.exit(host.demo(float(seconds), folder))
    with tempfile.TemporaryDirectory(prefix="mailtui-demo-", ignore_cleanup_errors=True) as own:
        control = Path(own) / "data" / "control.sock"
        options = replace(options, socket=control, leaves="stop", hint=_HINT)
        arguments = ["demo", "--headless", "--seconds", str(_DEMO), "--folder", own]
        code = _hosted(arguments, control, Path(own) / "demo.log", options)
    sys.exit(code)


@click.command(hidden=True)
def keys() -> None:
    """The keys of the console, as docs/keys.md has them."""
    from mailtui.console.present.help import keys_page

    click.echo(keys_page(), nl=False)


def _hosted(arguments: list[str], control: Path, log: Path, options: Options) -> int:
    """The console over a relay of its own."""
    ended = Ended()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _hung_up)  # before the console takes them, and after
    with child(arguments, control, log, lambda: ended.relay_goes_on):
        ended = open_console(options)
        _deaf()
    return ended.code


def _hung_up(number: int, frame: object) -> None:
    _deaf()
    raise SystemExit(128 + number)


def _deaf() -> None:
    """What is left is to end the relay and take things away: that takes seconds, and is done whole."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
