"""`mailtui suspend`, `resume` and `suspensions`: what stands still, for how long, and what was said about it.

Owned here: those commands, how an end is written, and how their answers look.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import click
from msgspec import UNSET, UnsetType

from mailtui import times
from mailtui.control.api_suspend import Resume, Suspend, Suspensions
from mailtui.display import clock, plural
from mailtui.suspensions import STOPS_DELIVERY, WHOLE, Kind, Suspended, Suspension, named

from . import context
from .context import Context, json_option, pass_context
from .format import Column, cell, table

Command = Callable[..., Any]

#: What --until takes when only an operator is to end it.
RESUMED: Final = "resumed"


def _until(ctx: click.Context, parameter: click.Parameter, value: str | None) -> datetime | UnsetType | None:
    if value is None:
        return UNSET
    if value == RESUMED:
        return None
    try:
        return datetime.fromtimestamp(times.coming(value, time.time()), UTC)
    except times.TimeError as error:
        raise click.BadParameter(f"{error}, or {RESUMED}", ctx, parameter) from None


def _lasts(ctx: click.Context, parameter: click.Parameter, value: str | None) -> datetime | UnsetType:
    if value is None:
        return UNSET
    try:
        return datetime.fromtimestamp(time.time() + times.lasting(value), UTC)
    except times.TimeError as error:
        raise click.BadParameter(str(error), ctx, parameter) from None


_dry_run: Final = click.option("--dry-run", is_flag=True, help="Only say what would be done.")
_expect: Final = click.option(
    "--expect", type=click.IntRange(0), help="Do nothing unless so many recipients wait for it."
)


def _of(command: Command) -> Command:
    """What a suspension is of: one thing, in one of six ways."""
    for decorate in (
        click.argument("destination", required=False),
        click.option("--site", help="The hosts behind one or several destinations, as `queue domains` names them."),
        click.option("--sender", metavar="GLOB", help="Mail from news@example.org, *@example.org or @example.org."),
        click.option("--user", help="Mail of a user who logs in."),
        click.option("--intake", is_flag=True, help="All new mail."),
        click.option("--delivery", is_flag=True, help="All deliveries."),
    ):
        command = decorate(command)
    return command


def target(values: dict[str, object]) -> tuple[Kind, str]:
    """The one thing that was named. click.UsageError when it is none, or several."""
    given = [(kind, value) for kind, value in values.items() if value]
    if len(given) != 1:
        raise click.UsageError("name one thing: a DESTINATION, --site, --sender, --user, --intake or --delivery")
    kind, value = given[0]
    return cast(Kind, kind), "" if kind in WHOLE else str(value)


@click.command(help=Suspend.__doc__)
@_of
@click.option(
    "--for", "lasts", callback=_lasts, metavar="DURATION", help="How long, such as 30m or 2h; 1h when nothing is said."
)
@click.option(
    "--until", callback=_until, metavar="MOMENT", help="Until 18:00, 2026-11-22T18:00, or until it is resumed."
)
@click.option("--reason", required=True, help="Why, for those who come after.")
@_dry_run
@_expect
@click.option("--yes", "-y", is_flag=True, help="Accepted like everywhere; nothing is asked.")
@json_option
@pass_context
def suspend(
    here: Context,
    /,
    lasts: datetime | UnsetType,
    until: datetime | UnsetType | None,
    reason: str,
    dry_run: bool,
    expect: int | None,
    yes: bool,
    as_json: bool,
    **of: object,
) -> None:
    if lasts is not UNSET and until is not UNSET:
        raise click.UsageError("--for and --until: one of them")
    kind, name = target(of)
    _say(here.ask(Suspend(kind, reason, name, lasts if until is UNSET else until, dry_run, expect)), as_json)


@click.command(help=Resume.__doc__)
@_of
@click.option("--reason", default="", help="Why, for those who come after.")
@_dry_run
@_expect
@click.option("--yes", "-y", is_flag=True, help="Accepted like everywhere; nothing is asked.")
@json_option
@pass_context
def resume(
    here: Context, /, reason: str, dry_run: bool, expect: int | None, yes: bool, as_json: bool, **of: object
) -> None:
    kind, name = target(of)
    _say(here.ask(Resume(kind, name, reason, dry_run, expect)), as_json)


@click.command(help=Suspensions.__doc__)
@json_option
@pass_context
def suspensions(here: Context, as_json: bool) -> None:
    rows = here.ask(Suspensions())
    if as_json:
        context.say_json(rows)
    else:
        context.say(screen(rows, context.columns(), datetime.now(UTC)) if rows else ["nothing is suspended"])


def _say(result: Suspended, as_json: bool) -> None:
    if as_json:
        context.say_json([result])
    else:
        context.say(told(result, datetime.now(UTC)))


def told(result: Suspended, now: datetime) -> Iterator[str]:
    """What suspending or resuming did."""
    what, former = cell(named(result.kind, result.name)), result.former
    if result.verb == "resume":
        yield f"{what}: {'would be ' if result.dry_run else ''}resumed" + (
            f", suspended since {clock(former.since, now)} by {cell(former.actor)}" if former else ""
        )
    else:
        was = f"; it {'is' if result.dry_run else 'was'} suspended already, {_end(former.until, now)}" if former else ""
        yield f"{what}: {'would be ' if result.dry_run else ''}suspended {_end(result.until, now)}{was}"
    if result.waiting:
        moves = "would come back" if result.dry_run else "come back"
        yield f"{plural(result.waiting, 'recipient')} {moves if result.verb == 'resume' else 'wait'} for it"
    elif result.kind in STOPS_DELIVERY:
        known = "" if result.known else "; no mail for such a name was ever taken: is it spelt right?"
        yield f"nothing waits for it{known}"
    if not result.dry_run:
        yield f"to take it back: mailtui undo {result.action}"


def screen(rows: Sequence[Suspension], cells: int | None, now: datetime) -> Iterator[str]:
    """A line per suspension."""
    columns = (
        *(
            Column("WHAT"),
            Column("NAME", least=12),
            Column("UNTIL", True),
            Column("WAITING", True),
            Column("SINCE", True),
        ),
        *(Column("WHO", least=4), Column("ACTION", True), Column("REASON", least=8)),
    )
    cells_of = (
        (
            *(row.kind, row.name, clock(row.until, now) or RESUMED, row.waiting, clock(row.since, now)),
            *(row.actor, row.action, row.reason),
        )
        for row in rows
    )
    yield from table(columns, cells_of, cells)


def _end(until: datetime | None, now: datetime) -> str:
    return f"until {clock(until, now) or 'it is ' + RESUMED}"
