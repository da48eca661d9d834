"""`mailtui suppress`: who gets no mail, and why; adding, removing, looking up, the whole list.

Owned here: those commands and how they look. What files look like is `mailtui.suppression_files`; `import` is `suppress_import`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import click
from msgspec import UNSET

from mailtui import suppression_files as files
from mailtui import times
from mailtui.control.api_suppress import SuppressAdd, SuppressList, SuppressLookup, SuppressRemove
from mailtui.display import clock, plural
from mailtui.suppressions import MANUAL, Suppression, Until
from mailtui.text import safe_text

from . import context
from .context import Context, json_option, pass_context, yes_option
from .format import Column, table

_PAGE: Final = 1000


@click.group("suppress", no_args_is_help=False)
def group() -> None:
    """Who gets no mail from here, and why."""


def _until(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Until:
    if value is None:
        return UNSET
    if value == "never":
        return None
    try:
        return datetime.fromtimestamp(times.ahead(value, time.time()), UTC)
    except times.TimeError as error:
        raise click.BadParameter(str(error), ctx, parameter) from None


_dry_run: Final = click.option("--dry-run", is_flag=True, help="Only say what would be done.")


@group.command(help=SuppressAdd.__doc__)
@click.argument("entry", metavar="ADDRESS|@DOMAIN")
@click.option("--reason", default=MANUAL, show_default=True, help="A class such as no-such-user.")
@click.option("--for", "until", callback=_until, help="How long (30d), or never; default: by its reason.")
@click.option("--note", default="", help="A word for those who come after; the audit has it too.")
@click.option("--expect", type=click.IntRange(0), help="Do nothing unless so many recipients wait for it.")
@_dry_run
@yes_option
@json_option
@pass_context
def add(
    here: Context,
    entry: str,
    reason: str,
    until: Until,
    note: str,
    expect: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    added = here.ask(SuppressAdd(entry, reason, until, note, expect, dry_run))
    if as_json:
        context.say_json([added])
        return
    if added.dry_run:
        told = (
            f"{safe_text(entry)} would be suppressed" if added.done else f"{safe_text(entry)} is suppressed so already"
        )
        context.say([f"{told}; {waiting(added.waiting, 'it')}"])
        return
    _show(added.entries, False, "")
    way_back(added.action)


@group.command(help=SuppressRemove.__doc__)
@click.argument("entries", metavar="ADDRESS|@DOMAIN...", nargs=-1, required=True)
@click.option("--reason", default="", help="Why, for the audit.")
@click.option("--expect", type=click.IntRange(0), help="Do nothing unless it is this many entries.")
@_dry_run
@yes_option
@json_option
@pass_context
def remove(
    here: Context, entries: tuple[str, ...], reason: str, expect: int | None, dry_run: bool, yes: bool, as_json: bool
) -> None:
    gone = here.ask(SuppressRemove(entries, reason, expect, dry_run))
    if as_json:
        context.say_json([gone])
        return
    verb = "would be removed" if gone.dry_run else "removed"
    context.say(f"{verb}: {safe_text(row.entry)} ({row.reason})" for row in gone.entries)
    if gone.dry_run:
        context.say([waiting(gone.waiting, "it" if len(gone.entries) == 1 else "them")])
    way_back(gone.action)


@group.command("list", help=SuppressList.__doc__)
@click.option("--limit", type=click.IntRange(1), help="At most this many.")
@json_option
@pass_context
def list_(here: Context, limit: int | None, as_json: bool) -> None:
    _show(_all(here, limit), as_json, "the list is empty")


@group.command(help=SuppressLookup.__doc__)
@click.argument("entry", metavar="ADDRESS|@DOMAIN")
@json_option
@pass_context
def lookup(here: Context, entry: str, as_json: bool) -> None:
    rows = here.ask(SuppressLookup(entry))
    _show(rows, as_json, f"{safe_text(entry)} is not suppressed")


@group.command()
@click.option("--format", "format_", type=click.Choice(files.FORMATS), default="json", show_default=True)
@pass_context
def export(here: Context, format_: str) -> None:
    """The whole list, for a file: CSV, JSON lines, or the entries alone."""
    rows = _all(here, None)
    if format_ == "json":
        context.say_json(rows)
    else:
        context.say(map(safe_text, files.write(rows, format_)))


def waiting(n: int, what: str) -> str:
    """How many recipients a change would concern."""
    return f"{plural(n, 'recipient')} in the queue {'is' if n == 1 else 'are'} for {what}"


def way_back(*actions: int) -> None:
    """How to undo what was just done, the latest first."""
    if commands := [f"mailtui undo {action}" for action in actions if action]:
        context.say([f"to take it back: {'; '.join(commands)}"])


def _all(here: Context, limit: int | None) -> Iterator[Suppression]:
    """Every entry, page by page."""
    after, left = "", limit
    while left is None or left > 0:
        page = here.ask(SuppressList(_PAGE if left is None else min(left, _PAGE), after))
        yield from page.rows
        left = None if left is None else left - len(page.rows)
        if page.after is None:
            return
        after = page.after


def _show(rows: Iterable[Suppression], as_json: bool, nothing: str) -> None:
    if as_json:
        context.say_json(rows)
        return
    found = list(rows)
    context.say(_screen(found, context.columns(), datetime.now(UTC)) if found else [nothing])


def _screen(rows: Sequence[Suppression], cells: int | None, now: datetime) -> Iterator[str]:
    """A line per entry."""
    columns = (
        *(Column("ENTRY", least=16), Column("REASON"), Column("SOURCE"), Column("SINCE", True)),
        *(Column("UNTIL", True), Column("EVIDENCE", least=16), Column("NOTE", least=8, optional=True)),
    )
    cells_of = (
        (
            *(row.entry, row.reason, row.source, clock(row.created, now), clock(row.expires, now) or "removed"),
            *(" ".join(part for part in (row.host and f"{row.host}:", row.evidence) if part), row.note),
        )
        for row in rows
    )
    yield from table(columns, cells_of, cells)
