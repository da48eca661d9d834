"""The command `mailtui`: the options before the verb and the tree of verbs.

Owned here: which verb is called what. Verbs of the table of requests are made from it; a name with a dot is a verb in a group.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from mailtui import __version__
from mailtui.control.api import ACTIONS, REQUESTS, Audit, Backup, Prune, Show, Status, Undo
from mailtui.control.api_report import Report
from mailtui.control.api_suspend import Resume, Suspend, Suspensions

from . import (
    actions,
    console,
    context,
    host,
    offline,
    reads,
    report,
    shaping,
    suppress,
    suppress_import,
    suspend,
    verbs,
)
from .context import Context

WAYS: Final = """\
mailtui serve                       the relay, on 127.0.0.1:2525 unless a configuration says otherwise
mailtui status                      is mail flowing? (asks the relay that runs)
mailtui attach [USER@HOST]          the console for a relay that runs
mailtui demo                        the console for a relay among misbehaving mail servers, all on this machine
mailtui --help                      all verbs"""


@click.group(
    invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="The configuration file.")
@click.option("--socket", type=click.Path(path_type=Path), help="The relay's socket, instead of the configured one.")
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, config_path: Path | None, socket: Path | None) -> None:
    """A mail relay and its operator's tools."""
    ctx.obj = Context(config_path, socket)
    if ctx.invoked_subcommand is None:
        context.say([WAYS])


@main.group(no_args_is_help=False)
def queue() -> None:
    """What waits, why, and since when."""


@main.group(no_args_is_help=False)
def dns() -> None:
    """What the relay remembers of the DNS."""


@main.group(no_args_is_help=False)
def holdrule() -> None:
    """New mail to hold, by filter."""


_GROUPS: Final = {"queue": queue, "dns": dns, "holdrule": holdrule}
_OWN: Final = {
    *(Status.name, Show.name, Backup.name, Prune.name, Undo.name, Audit.name, Report.name),
    *(Suspend.name, Resume.name, Suspensions.name),
    *(action.name for action in ACTIONS),
}

for _request in REQUESTS.values():
    if _request.name not in _OWN and not _request.name.startswith(("suppress.", "shaping.")):
        _GROUPS.get(_request.name.partition(".")[0], main).add_command(verbs.command(_request))
for _action in ACTIONS:
    main.add_command(actions.command(_action))
for _command in (
    *(reads.status, reads.show, reads.log),
    *(actions.undo(), actions.audit(), report.command()),
    *(host.serve, host.check_config, host.passwd, host.dkim),
    *(console.attach, console.run, console.demo, console.keys),
    *(offline.check_queue, offline.backup, offline.prune),
    suppress.group,
    *(suspend.suspend, suspend.resume, suspend.suspensions),
    shaping.group,
):
    main.add_command(_command)
suppress.group.add_command(suppress_import.command)
