"""`mailtui suppress import`: a file of entries, all of it looked at before anything is done, in parts that fit a request.

Owned here: that command and how it looks. What files look like is `mailtui.suppression_files`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import click
import msgspec

from mailtui import suppression_files as files
from mailtui.control.api_suppress import SuppressImport
from mailtui.errors import ControlError
from mailtui.suppressions import Difference
from mailtui.text import safe_text

from . import context
from .context import Context, json_option, pass_context, yes_option
from .suppress import waiting, way_back


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


@click.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@click.option("--format", "format_", type=click.Choice(files.FORMATS), help="Default: by the name of the file.")
@click.option("--dry-run", is_flag=True, help="Only show the difference.")
@click.option("--reason", default="", help="Why, for the audit.")
@click.option("--expect", type=click.IntRange(0), help="Do nothing unless it adds or changes this many entries.")
@yes_option
@json_option
@pass_context
def command(
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
        batches = list(files.batches(files.read(file, format_ or files.format_of(name), name)))
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
        context.say([waiting(sum(part.waiting for part in looked), "what is new or changed")])
    way_back(*reversed(actions))


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


def _difference(found: Difference) -> str:
    sign = {"add": "+", "change": "~", "past": "!"}[found.change]
    was = f", was {found.was.reason} until {_ends(found.was.expires)}" if found.was else ""
    return f"{sign} {safe_text(found.entry)} ({found.reason} until {_ends(found.expires)}{was})"


def _ends(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}Z" if at else "removed"
