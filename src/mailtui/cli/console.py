"""The verbs that open the console: attach, run, demo.

Owned here: which relay the console is for, and what becomes of one that was started for it. The console is imported when it is opened.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import click

from mailtui.console.launch import Ended, Options, open_console, unfit
from mailtui.errors import EX_UNAVAILABLE, ControlError, RelayRunning

from .child import answers, child
from .context import Context, pass_context

F = TypeVar("F", bound=Callable[..., object])

_DEMO: Final = 86_400
_HINT: Final = "an incident unfolds within a minute; enter opens, esc goes back, q ends"


def looks(command: F) -> F:
    """The options every console has."""
    for option in (
        click.option("--read-only", is_flag=True, help="Look, change nothing."),
        click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII characters alone."),
        click.option("--no-mouse", is_flag=True, help="Leave the mouse to the terminal: selecting text needs no key."),
        click.option("--theme", default="", metavar="NAME", help="Colours: relay-dark, relay-light, ansi-dark, ..."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("host", default="", metavar="[USER@HOST]")
@looks
@pass_context
def attach(here: Context, host: str, read_only: bool, ascii_only: bool, theme: str, no_mouse: bool) -> None:
    """The console for a relay that runs; with a host, for the one over there, by ssh."""
    if host:
        _over_there(host, read_only, ascii_only, theme, no_mouse)
    control = here.socket_path()
    sys.exit(open_console(Options(control, theme, ascii_only, read_only, mouse=not no_mouse)).code)


def _over_there(host: str, read_only: bool, ascii_only: bool, theme: str, no_mouse: bool) -> None:
    """Become `ssh -t HOST mailtui attach`; what is given goes with it."""
    if host.startswith("-"):
        raise click.UsageError(f"{host} is no host")
    options = [*(["--read-only"] if read_only else []), *(["--ascii"] if ascii_only else [])]
    options += ["--no-mouse"] if no_mouse else []
    options += ["--theme", shlex.quote(theme)] if theme else []
    try:
        os.execvp("ssh", ["ssh", "-t", host, "mailtui", "attach", *options])
    except FileNotFoundError:
        raise ControlError("ssh", "there is no ssh on this machine", exit_code=EX_UNAVAILABLE) from None


@click.command()
@looks
@pass_context
def run(here: Context, read_only: bool, ascii_only: bool, theme: str, no_mouse: bool) -> None:
    """The relay in a process of its own, and the console for it; at the end it is stopped or goes on."""
    config = here.load(files=True)
    control = here.socket or config.relay.socket
    _fit()
    if answers(control):
        raise RelayRunning("a relay runs there already; `mailtui attach` opens a console for it", 0)
    before = ["--config", str(here.config_path)] if here.config_path else []
    log = config.relay.data_dir / "relay.log"
    options = Options(control, theme, ascii_only, read_only, leaves="ask", mouse=not no_mouse)
    sys.exit(_hosted([*before, "serve"], control, log, options))


@click.command()
@click.option("--headless", is_flag=True, help="Without a console: progress lines.")
@click.option(
    "--seconds", type=click.IntRange(1, _DEMO), default=60, show_default=True, help="How long, when headless."
)
@click.option("--folder", type=click.Path(path_type=Path), hidden=True)
@looks
def demo(
    headless: bool, seconds: int, folder: Path | None, read_only: bool, ascii_only: bool, theme: str, no_mouse: bool
) -> None:
    """A relay, a lab of misbehaving mail servers and traffic, on this machine alone, and the console for it. Nothing is left of it.
    With --headless the last line is the ledger."""
    if headless:
        from mailtui import host

        sys.exit(host.demo(float(seconds), folder))
    _fit()
    with tempfile.TemporaryDirectory(prefix="mailtui-demo-", ignore_cleanup_errors=True) as own:
        control = Path(own) / "data" / "control.sock"
        options = Options(control, theme, ascii_only, read_only, leaves="stop", hint=_HINT, mouse=not no_mouse)
        arguments = ["demo", "--headless", "--seconds", str(_DEMO), "--folder", own]
        code = _hosted(arguments, control, Path(own) / "demo.log", options)
    sys.exit(code)


@click.command(hidden=True)
def keys() -> None:
    """The keys of the console, as docs/keys.md has them."""
    from mailtui.console.present.help import keys_page

    click.echo(keys_page(), nl=False)


def _fit() -> None:
    """Before anything is started: can it be shown?"""
    if problem := unfit(os.environ):
        raise ControlError("terminal", problem, exit_code=EX_UNAVAILABLE)


def _hosted(arguments: list[str], control: Path, log: Path, options: Options) -> int:
    """The console over a relay of its own."""
    ended = Ended()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _hung_up)  # before the console takes them, and after
    with child(arguments, control, log, lambda: ended.relay_goes_on):
        ended = open_console(options)
    return ended.code


def _hung_up(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
