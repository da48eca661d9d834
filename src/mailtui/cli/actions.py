"""The verbs that change recipients: retry, hold, release, purge, bounce; and when they ask before they act.

Owned here: the manners. Something that cannot be taken back, or that is large, is counted first and confirmed: by a person on a
terminal, by `--yes` everywhere else. One function serves all verbs; what differs is the request's `risk`.
"""

from __future__ import annotations

from typing import Final

import click
from msgspec.structs import replace

from mailtui.control.api import Action, Risk
from mailtui.views import Affected

from . import context
from .context import Context
from .format import plural
from .verbs import build, make, show

#: Recipients up to which a reversible verb asks nobody.
LARGE: Final = 1000
#: Recipients up to which "y" is enough for what cannot be taken back; above, the number must be typed.
TYPED: Final = 10


def command(kind: type[Action]) -> click.Command:
    """The verb of one action."""

    def act(here: Context, /, as_json: bool, yes: bool, **values: object) -> None:
        request = build(kind, values)
        if not request.ids and not request.filter and not request.everything:
            raise click.UsageError(f"{kind.name} what? Give ids, filter words, or --all")
        if not (yes or request.dry_run):
            request = confirmed(here, request)
        show(here.ask(request), as_json)

    yes = click.Option(["--yes", "-y"], is_flag=True, help="Do not ask.")
    return make(kind, context.pass_context(act), [yes])


def confirmed(here: Context, request: Action) -> Action:
    """The request to make, once it may be made. click.UsageError when it needs --yes, click.Abort when a person said no."""
    plan = here.ask(replace(request, dry_run=True))
    final = request.risk is Risk.FINAL
    if not plan.done or not (final or plan.done > LARGE):
        return request
    what = f"{plural(plan.done, 'recipient')} of {plural(plan.messages, 'message')}"
    if not context.asks():
        raise click.UsageError(f"{request.name} would change {what}: --yes is needed to do that off a terminal")
    _ask(request, plan, what)
    # What cannot be taken back is done to what was counted, or not at all.
    return replace(request, expect=plan.done) if final and request.expect is None else request


def _ask(request: Action, plan: Affected, what: str) -> None:
    told = " and tells the senders (DSN)" if request.name == "bounce" else ""
    warning = " This cannot be undone." if request.risk is Risk.FINAL else ""
    click.echo(f"{request.name} changes {what}{told}.{warning}", err=True)
    if request.risk is Risk.FINAL and plan.done > TYPED:
        typed = click.prompt(f"Type {plan.done} to go on", default="", show_default=False, err=True)
        if typed.strip().replace(",", "") != str(plan.done):
            raise click.Abort
    else:
        click.confirm("Go on?", abort=True, err=True)
