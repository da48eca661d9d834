"""`mailtui suppress`: who gets no mail, and why; adding, removing, and lists as files.

Owned here: those commands and how they look. What files look like is `suppression_files`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import click
import msgspec
from msgspec import UNSET

from mailtui import times
from mailtui.control.api_suppress import SuppressAdd, SuppressImport, SuppressList, SuppressLookup, SuppressRemove
from mailtui.display import clock, plural
from mailtui.errors import ControlError
from mailtui.suppressions import MANUAL, Difference, Suppression, Until, Wanted
from mailtui.text import safe_text

from . import context
from . import suppression_files as files
from .context import Context, json_option, pass_context, yes_option
from .format import Column, table

#: Entries in one request, and the octets they may take in it.
BATCH: Final = 2000
OCTETS: Final = 400_000
_PAGE: Final = 1000


class Imported(msgspec.Struct, frozen=True):
    """What an import did, or would do, in entries. `action` is the first of its `actions`: a long one has several; 0 when it changed
    nothing."""

    action: int
    verb: str
    matched: int
    done: int
    skipped: int
    failed: int
    added: int
    changed: int
    same: int
    past: int
    actions: tuple[int, ...]


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
        context.say([f"{told}; {_waiting(added.waiting, 'it')}"])
        return
    _show(added.entries, False, "")
    _way_back(added.action)


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
        context.say([_waiting(gone.waiting, "it" if len(gone.entries) == 1 else "them")])
    _way_back(gone.action)


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


@group.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@click.option("--format", "format_", type=click.Choice(files.FORMATS), help="Default: by the name of the file.")
@click.option("--dry-run", is_flag=True, help="Only show the difference.")
@click.option("--reason", default="", help="Why, for the audit.")
@click.option("--expect", type=click.IntRange(0), help="Do nothing unless it adds or changes this many entries.")
@yes_option
@json_option
@pass_context
def import_(
    here: Context,
    file: Iterable[str],
    format_: str | None,
    dry_run: bool,
    reason: str,
    expect: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Add the entries of FILE (- is standard input); those on the list already stand as the file says. All of it is looked at
    before anything is done."""
    name = str(getattr(file, "name", "-"))
    try:
        batches = list(_batches(files.read(file, format_ or files.format_of(name), name)))
    except UnicodeDecodeError:
        raise ControlError("bad-file", f"{name}: not UTF-8") from None
    looked = [here.ask(SuppressImport(batch, dry_run=True, count=dry_run and not as_json)) for batch in batches]
    differences = [found for part in looked for found in part.differences]
    would = sum(found.change in ("add", "change") for found in differences)
    if expect not in (None, would):
        raise ControlError("unexpected", f"{name} would change {would} entries, not {expect}; nothing was done")
    actions: list[int] = []
    if not dry_run:
        parts = [here.ask(SuppressImport(batch, reason=reason)) for batch in batches]
        differences = [found for part in parts for found in part.differences]
        actions = [part.action for part in parts if part.action]
    done = _imported(differences, actions)
    if as_json:
        context.say_json([found for found in differences if found.change != "same"] if dry_run else [done])
        return
    if dry_run:
        context.say(_difference(found) for found in differences if found.change != "same")
    verb = "would be " if dry_run else ""
    context.say(
        [f"{done.added:,} {verb}added, {done.changed:,} {verb}changed; {done.same:,} the same, {done.past:,} past"]
    )
    if dry_run:
        context.say([_waiting(sum(part.waiting for part in looked), "what is new or changed")])
    _way_back(*reversed(actions))


def _imported(differences: Sequence[Difference], actions: Sequence[int]) -> Imported:
    n = Counter(found.change for found in differences)
    changed = n["add"] + n["change"]
    return Imported(
        action=actions[0] if actions else 0,
        verb="suppress.import",
        matched=len(differences),
        done=changed,
        skipped=n["same"],
        failed=n["past"],
        added=n["add"],
        changed=n["change"],
        same=n["same"],
        past=n["past"],
        actions=tuple(actions),
    )


def _waiting(n: int, what: str) -> str:
    """How many recipients a change would concern."""
    return f"{plural(n, 'recipient')} in the queue {'is' if n == 1 else 'are'} for {what}"


def _way_back(*actions: int) -> None:
    """How to undo what was just done, the latest first."""
    if commands := [f"mailtui undo {action}" for action in actions if action]:
        context.say([f"to take it back: {'; '.join(commands)}"])


def _batches(wanted: Iterable[Wanted]) -> Iterator[tuple[Wanted, ...]]:
    """Parts that fit a request."""
    batch: list[Wanted] = []
    octets = 0
    for item in wanted:
        size = len(msgspec.json.encode(item))
        if len(batch) == BATCH or octets + size > OCTETS:
            yield tuple(batch)
            batch, octets = [], 0
        batch.append(item)
        octets += size
    if batch:
        yield tuple(batch)


def _difference(found: Difference) -> str:
    sign = {"add": "+", "change": "~", "past": "!"}[found.change]
    was = f", was {found.was.reason} until {_ends(found.was.expires)}" if found.was else ""
    return f"{sign} {safe_text(found.entry)} ({found.reason} until {_ends(found.expires)}{was})"


def _ends(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}Z" if at else "removed"


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
