"""Hold rules in the queue file: their rows, those that stand, and how adding and removing are undone.

Owned here: the rows of `hold_rule`. What a rule may ask for is `new_mail`, what it does to a recipient `holding`. All but the reads at
the end run in the writer's thread, inside its transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Final, cast

import msgspec

from mailtui.errors import EX_DATAERR, MailtuiError
from mailtui.holdrules import HoldRule, Standing
from mailtui.queue import actions
from mailtui.queue.actions import Entry, Inverse
from mailtui.queue.conditions import Where
from mailtui.queue.filter import FilterError
from mailtui.queue.filter_tree import Node, condition, show
from mailtui.queue.new_mail import OWN, understand
from mailtui.queue.reader import Reader, Row
from mailtui.views import moment, moment_or_none

ADD: Final = "holdrule add"
REMOVE: Final = "holdrule remove"


_COLUMNS: Final = "id, filter, reason, actor, created, ends, removed, held, last_held, action"
_STANDS: Final = "removed IS NULL AND (ends IS NULL OR ends > ?)"


class UnknownRule(MailtuiError):
    """There is no such rule, or it no longer stands; nothing was done."""

    exit_code = EX_DATAERR


class Rule(msgspec.Struct, frozen=True):
    """A rule that stands, ready to be asked: its condition speaks of recipient `r`, message `m` and lane `l`."""

    id: int
    filter: str
    reason: str
    actor: str
    ends: float | None
    where: Where


class HoldRules:
    """The rules that stand; none, which is nearly always, costs nothing. `forget` after a rollback."""

    def __init__(self) -> None:
        self._standing: tuple[Rule, ...] | None = None

    def forget(self) -> None:
        """Trust nothing that was remembered."""
        self._standing = None

    def standing(self, db: sqlite3.Connection, now: float) -> tuple[Rule, ...]:
        """The rules in their order, without those that have ended."""
        rules = self._standing
        if rules is None:
            found = db.execute(
                f"SELECT id, filter, reason, actor, ends FROM hold_rule WHERE {_STANDS} ORDER BY id", (now,)
            )
            rules = self._standing = tuple(rule for row in found for rule in _ready(row))
        if rules and any(_over(rule, now) for rule in rules):
            rules = self._standing = tuple(rule for rule in rules if not _over(rule, now))
        return rules

    def add(self, db: sqlite3.Connection, root: Node, ends: float | None, actor: str, reason: str, now: float) -> int:
        """A new rule, with its action; its number."""
        self.forget()
        text = show(root)
        cursor = db.execute(
            "INSERT INTO hold_rule (filter, reason, actor, created, ends) VALUES (?, ?, ?, ?, ?)",
            (text, reason, actor, now, ends),
        )
        number = cast("int", cursor.lastrowid)
        args: dict[str, int | str | bool] = {"rule": number}
        if ends is not None:
            args["ends"] = moment(ends).isoformat()
        _mark(db, number, actions.at_once(db, Entry(now, actor, ADD, text, reason, args)))
        return number

    def remove(self, db: sqlite3.Connection, number: int, actor: str, reason: str, now: float) -> None:
        """A rule no longer stands; what it held stays held. UnknownRule."""
        self.forget()
        found = db.execute(f"SELECT filter FROM hold_rule WHERE id = ? AND {_STANDS}", (number, now)).fetchone()
        if found is None:
            raise _not_standing(number)
        db.execute("UPDATE hold_rule SET removed = ? WHERE id = ?", (now, number))
        _mark(db, number, actions.at_once(db, Entry(now, actor, REMOVE, str(found[0]), reason, {"rule": number})))

    def inverses(self) -> dict[str, Inverse]:
        """How both are undone."""
        return {ADD: Inverse(self._withdraw, _nothing), REMOVE: Inverse(self._restore, _nothing)}

    def _withdraw(self, db: sqlite3.Connection, action: int, entry: Entry) -> tuple[int, int, int]:
        """An added rule goes, unless it has ended or was removed since."""
        self.forget()
        changed = db.execute(
            f"UPDATE hold_rule SET removed = ? WHERE id = ? AND {_STANDS}", (entry.at, _rule_of(db, action), entry.at)
        ).rowcount
        return (1, 0, 0) if changed else (0, 1, 0)

    def _restore(self, db: sqlite3.Connection, action: int, entry: Entry) -> tuple[int, int, int]:
        """A removed rule stands again, unless its time is over."""
        self.forget()
        changed = db.execute(
            "UPDATE hold_rule SET removed = NULL WHERE id = ? AND removed IS NOT NULL AND (ends IS NULL OR ends > ?)",
            (_rule_of(db, action), entry.at),
        ).rowcount
        return (1, 0, 0) if changed else (0, 0, 1)


def _ready(row: tuple[int, str, str, str, float | None]) -> Iterator[Rule]:
    """A rule as it is asked. One whose fields another version took away holds nothing: it must not stop the intake."""
    try:
        yield Rule(*row, condition(understand(row[1]), 0.0, OWN))
    except FilterError:
        return


def _nothing() -> None:
    """Memory was told inside the transaction: what the writer does next must see it."""


def _over(rule: Rule, now: float) -> bool:
    return rule.ends is not None and rule.ends <= now


def _mark(db: sqlite3.Connection, number: int, action: int) -> None:
    db.execute("UPDATE hold_rule SET action = ? WHERE id = ?", (action, number))


def _rule_of(db: sqlite3.Connection, action: int) -> int:
    (args,) = db.execute("SELECT args FROM action WHERE id = ?", (action,)).fetchone()
    return int(json.loads(args)["rule"])


def drop_old(db: sqlite3.Connection, before: float, limit: int) -> int:
    """Let go of up to `limit` rules that ended or were removed before a time; how many."""
    old = "SELECT id FROM hold_rule WHERE ifnull(removed, ends) < ? LIMIT ?"
    return db.execute(f"DELETE FROM hold_rule WHERE id IN ({old})", (before, limit)).rowcount


# ---------------------------------------------------------------------- reads beside the writer


async def rules(reader: Reader, now: float, everything: bool = False, limit: int = 1000) -> tuple[HoldRule, ...]:
    """The rules that stand, or all that are remembered, the newest last."""
    rows = await reader.fetch(
        f"SELECT {_COLUMNS} FROM hold_rule WHERE ? OR ({_STANDS}) ORDER BY id DESC LIMIT ?", (everything, now, limit)
    )
    return tuple(_row(row, now) for row in reversed(rows))


async def rule(reader: Reader, number: int, now: float) -> HoldRule:
    """One rule. UnknownRule."""
    rows = await reader.fetch(f"SELECT {_COLUMNS} FROM hold_rule WHERE id = ?", (number,))
    if not rows:
        raise _not_standing(number)
    return _row(rows[0], now)


async def standing(reader: Reader, number: int, now: float) -> HoldRule:
    """One rule that stands. UnknownRule."""
    found = await rule(reader, number, now)
    if found.state != "standing":
        raise _not_standing(number)
    return found


def _not_standing(number: int) -> UnknownRule:
    return UnknownRule(f"no hold rule {number} stands; `mailtui holdrule list` shows those that do")


def _row(row: Row, now: float) -> HoldRule:
    number, filter, reason, actor, created, ends, removed, held, last_held, action = cast(
        "tuple[int, str, str, str, float, float | None, float | None, int, float | None, int]", tuple(row)
    )
    state: Standing = "standing"
    if removed is not None:
        state = "removed"
    elif ends is not None and ends <= now:
        state = "ended"
    return HoldRule(
        rule=number,
        filter=filter,
        reason=reason,
        actor=actor,
        created=moment(created),
        ends=moment_or_none(ends),
        state=state,
        held=held,
        last_held=moment_or_none(last_held),
        action=action,
    )
