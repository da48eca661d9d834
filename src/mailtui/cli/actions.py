"""The verbs that change recipients: retry, hold, release, purge, bounce, reroute; when they ask before they act; undo and audit.

Owned here: the manners. Something that cannot be taken back, or that is large, is counted first and confirmed: by a person on a
terminal, by `--yes` everywhere else. One function serves all verbs; what differs is the request's `risk`.
"""

from __future__ import annotations

import sys
from typing import Final

import click
from msgspec.structs import replace

from mailtui.control.api import Action, Audit, Undo
from mailtui.control.request import Risk
from mailtui.display import plural
from mailtui.views import Affected, Preview

from . import context
from .context import Context
from .format import fit
from .progress import carried_out, left
from .verbs import build, make, show, unasked

#: Recipients up to which a reversible verb asks nobody.
LARGE: Final = 1000
#: The exit code of what Ctrl-C stopped (128 + SIGINT).
INTERRUPTED: Final = 130
#: Recipients up to which "y" is enough for what cannot be taken back; above, the number must be typed.
TYPED: Final = 10


def command(kind: type[Action]) -> click.Command:
    """The verb of one action."""

    def act(here: Context, /, as_json: bool, yes: bool, **values: object) -> None:
        request = build(kind, values)
        if not (request.ids or request.filter or request.everything or request.plan):
            raise click.UsageError(f"{kind.name} what? Give ids, filter words, or --all")
        if not (yes or request.dry_run):
            request = confirmed(here, request)
        tell(carried_out(here, request), as_json)

    yes = click.Option(["--yes", "-y"], is_flag=True, help="Do not ask.")
    return make(kind, context.pass_context(act), [yes])


def tell(result: Affected | Preview, as_json: bool) -> None:
    """Print what was done; exit 130 when Ctrl-C stopped it on the way."""
    show(result, as_json)
    if isinstance(result, Affected) and left(result):
        sys.exit(INTERRUPTED)


def undo() -> click.Command:
    """The verb that takes an action back. It asks nobody: it only brings back what was there."""

    def take_back(here: Context, /, as_json: bool, yes: bool, **values: object) -> None:
        tell(carried_out(here, build(Undo, values)), as_json)

    return make(Undo, context.pass_context(take_back), [unasked()])


def audit() -> click.Command:
    """The verb that tells who did what."""

    def tell(here: Context, /, as_json: bool, **values: object) -> None:
        rows = here.ask(build(Audit, values))
        narrowed = any(values[name] for name in ("before", "actor", "verb", "since"))
        if rows or as_json:
            show(rows, as_json)
        else:
            context.say(["nothing found" if narrowed else "nothing was changed by anybody yet"])

    return make(Audit, context.pass_context(tell))


def confirmed(here: Context, request: Action) -> Action:
    """The request to make, once it may be made: of what was looked at, exactly that. click.UsageError when it needs --yes,
    click.Abort when a person said no."""
    preview = here.ask(replace(request, dry_run=True))
    assert isinstance(preview, Preview)
    final = request.risk is Risk.FINAL
    if not preview.done or not (final or preview.done > LARGE):
        return request
    what = f"{plural(preview.done, 'recipient')} of {plural(preview.messages, 'message')}"
    if not context.asks():
        raise click.UsageError(f"{request.name} would change {what}: --yes is needed to do that off a terminal")
    _ask(request, preview, what)
    if not preview.plan:  # too many to be kept: then at least their number must not have changed
        return replace(request, expect=preview.done)
    return replace(request, ids=(), filter="", everything=False, plan=preview.plan)


def _ask(request: Action, preview: Preview, what: str) -> None:
    for line in fit((f"{request.name} changes {what}", *preview.irreversible), context.columns()):
        click.echo(line, err=True)
    if request.risk is Risk.FINAL and preview.done > TYPED:
        typed = click.prompt(f"Type {preview.done} to go on", default="", show_default=False, err=True)
        if typed.strip().replace(",", "") != str(preview.done):
            raise click.Abort
    else:
        click.confirm("Go on?", abort=True, err=True)
