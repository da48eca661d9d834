"""`mailtui shaping`: what each site gets now and why, and ending what rules did to one.

Owned here: those commands and how they look. What the settings may say is in docs/shaping.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import click

from mailtui.control.api_shaping import ShapingLift, ShapingList
from mailtui.display import clock
from mailtui.shapes import Lifted, SiteShape
from mailtui.text import safe_text

from . import context, verbs
from .context import Context, json_option, pass_context
from .format import Column, table


@click.group("shaping", invoke_without_command=True)
@json_option
@click.pass_context
def group(ctx: click.Context, as_json: bool) -> None:
    """What each site gets now, and why; alone, all of it."""
    if ctx.invoked_subcommand is None:
        _show(ctx.ensure_object(Context).ask(ShapingList()), as_json)


def _list(here: Context, /, as_json: bool, **values: object) -> None:
    _show(here.ask(verbs.build(ShapingList, values)), as_json)


def _lift(here: Context, /, as_json: bool, yes: bool, **values: object) -> None:
    lifted = here.ask(verbs.build(ShapingLift, values))
    if as_json:
        context.say_json([lifted])
    else:
        context.say(lifted_screen(lifted))


group.add_command(verbs.make(ShapingList, pass_context(_list)))
group.add_command(verbs.make(ShapingLift, pass_context(_lift), [verbs.unasked()]))


def _show(rows: tuple[SiteShape, ...], as_json: bool) -> None:
    if as_json:
        context.say_json(rows)
    else:
        context.say(shaping_screen(rows, context.columns(), datetime.now(UTC)))


def lifted_screen(lifted: Lifted) -> Iterator[str]:
    """What was lifted, and the way back."""
    yield f"lifted at {safe_text(lifted.site)}: {', '.join(map(safe_text, lifted.rules))}"
    yield f"to take it back: mailtui undo {lifted.action}"


def shaping_screen(rows: Sequence[SiteShape], cells: int | None, now: datetime) -> Iterator[str]:
    """A line per site, and under the table what rules did."""
    if not rows:
        yield "no site is at work"
        return
    columns = (
        *(Column("SITE", least=16), Column("IN USE", True), Column("NOW", True), Column("MOST", True)),
        *(Column("PER CONN", True), Column("RATE"), Column("NEXT", True, optional=True)),
        *(Column("PAUSED UNTIL", True, optional=True), Column("RULES", True, optional=True)),
        Column("SETTINGS", least=12, optional=True),
    )
    cells_of = (
        (
            *(row.site, row.in_use, row.limit, row.max_connections, row.per_connection, row.rate or "-"),
            *(clock(row.next_token, now), clock(row.paused_until, now), len(row.restraints) or ""),
            ", ".join(row.sources),
        )
        for row in rows
    )
    yield from table(columns, cells_of, cells)
    for row in rows:
        for one in row.restraints:
            yield (
                f"{safe_text(row.site)}: {one.does} by the rule {safe_text(one.rule)} from {clock(one.since, now)} until"
                f" {clock(one.until, now)} (action {one.action}), after {one.count:,} {'reply' if one.count == 1 else 'replies'}:"
                f" {safe_text(one.cause)}"
            )
