"""The suppression list in the queue file: which addresses and domains get no mail, found by one look-up, and how entries change.

Owned here: the rows of `suppression`. What becomes of a recipient the list names, and which failures make an entry, is `suppressing`;
what operators write is understood elsewhere: entries arrive here in the canonical form of `key`. All but the reads at the end run in
the writer's thread, inside its transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, cast

from msgspec import UNSET

from mailtui.config import SuppressionExpiry
from mailtui.model import format_recipient_id, parse_item_id, recipient_row
from mailtui.queue.access import WAITS
from mailtui.queue.fields import a_label
from mailtui.queue.reader import Reader
from mailtui.suppressions import MANUAL, RELAY, Change, Difference, Suppression, SuppressionPage, Wanted
from mailtui.views import moment, moment_or_none

_COLUMNS: Final = "entry, reason, source, created, expires, evidence, host, seen, recipient, note"
_STANDS: Final = "(expires IS NULL OR expires > ?)"
_FIND: Final = f"SELECT {_COLUMNS} FROM suppression WHERE entry IN (?, ?) AND {_STANDS}"
_PUT: Final = (
    f"INSERT INTO suppression ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (entry) DO UPDATE SET"
    " reason = excluded.reason, source = excluded.source, created = excluded.created, expires = excluded.expires,"
    " evidence = excluded.evidence, host = excluded.host, seen = excluded.seen, recipient = excluded.recipient, note = excluded.note"
)
#: What an operator decided stands until its end, whatever a server says.
_PUT_BY_RELAY: Final = f"{_PUT} WHERE suppression.source = '{RELAY}' OR suppression.expires <= excluded.created"
_TO: Final = "FROM json_each(?1) d CROSS JOIN lane l ON l.destination = d.value"
_ALL_OF: Final = f"SELECT ifnull(sum(r.n), 0) {_TO} CROSS JOIN tally r ON r.lane = l.id WHERE {WAITS}"
_SOME_OF: Final = (
    f"SELECT count(*) {_TO} CROSS JOIN recipient r INDEXED BY recipient_group ON r.lane = l.id WHERE {WAITS}"
    " AND lower(r.address) IN (SELECT value FROM json_each(?2))"  # as `key` does it
)


def key(address: str) -> str:
    """How an address or "@domain" is compared: exactly, but for ASCII letters, whose case says nothing. RFC 5321 2.4 would let the
    case of a local part matter; no mailbox in use does."""
    return address.lower() if address.isascii() else address.encode().lower().decode()


class Suppressions:
    """Looks addresses up; an empty list, which most are, costs nothing. `forget` after a rollback."""

    def __init__(self) -> None:
        self._empty: bool | None = None
        self.noted = (0, 0)  # a minute since 1970, and the action in which the relay's entries of that minute are noted

    def forget(self) -> None:
        """Trust nothing that was remembered."""
        self._empty = None
        self.noted = (0, 0)

    def empty(self, db: sqlite3.Connection) -> bool:
        """Whether no look-up can find anything."""
        if self._empty is None:
            self._empty = db.execute("SELECT 1 FROM suppression LIMIT 1").fetchone() is None
        return self._empty

    def find(self, db: sqlite3.Connection, address: str, now: float) -> Suppression | None:
        """The entry that keeps mail from an address: its own, else that of its domain."""
        if self.empty(db):
            return None
        own = key(address)
        rows = db.execute(_FIND, (own, own[own.rfind("@") :], now)).fetchall()
        return _row(next((row for row in rows if row[0] == own), rows[0])) if rows else None

    def put(self, db: sqlite3.Connection, entry: Suppression) -> bool:
        """Write an entry in place of the one there was; whether it is there now. The relay's own never replace an operator's."""
        recipient = recipient_row(*parse_item_id(entry.id)) if entry.id else 0
        self._empty = False
        values = (
            entry.entry, entry.reason, entry.source, entry.created.timestamp(), _seconds(entry.expires), entry.evidence, entry.host,
            _seconds(entry.seen), recipient, entry.note,
        )  # fmt: skip
        return db.execute(_PUT_BY_RELAY if entry.source == RELAY else _PUT, values).rowcount > 0

    def replace(self, db: sqlite3.Connection, name: str, entry: Suppression | None) -> None:
        """Let `entry` stand under a name, whatever stands there; None: nothing."""
        db.execute("DELETE FROM suppression WHERE entry = ?", (name,))
        if entry is not None:
            self.put(db, entry)

    def merge(
        self,
        db: sqlite3.Connection,
        wanted: Iterable[Wanted],
        expiry: SuppressionExpiry,
        source: str,
        now: float,
        dry_run: bool = False,
    ) -> list[Difference]:
        """Make entries stand as they are wanted; what is left out of `wanted` stays as it is in an entry there is, else is by reason.
        What differs, in their order; with `dry_run` only that."""
        found: list[Difference] = []
        for item in {item.entry: item for item in wanted}.values():
            rows = db.execute(_FIND, (item.entry, item.entry, now)).fetchall()
            was = _row(rows[0]) if rows else None
            entry = _merged(item, was, expiry, source, now)
            change = _change(was, entry, now)
            if change in ("add", "change") and not dry_run:
                self.put(db, entry)
            found.append(Difference(change, entry.entry, entry.reason, entry.expires, was))
        return found


def _merged(item: Wanted, was: Suppression | None, expiry: SuppressionExpiry, source: str, now: float) -> Suppression:
    """The entry that is to stand."""
    reason = item.reason if item.reason is not UNSET else was.reason if was else MANUAL
    if item.expires is not UNSET:
        expires = None if item.expires is None else moment(item.expires.timestamp())
    elif was is not None and was.reason == reason:
        expires = was.expires
    else:
        expires = ends(expiry, reason, now)
    old = was or Suppression(item.entry, reason, source, moment(now), expires)
    return Suppression(
        entry=item.entry,
        reason=reason,
        source=source,
        created=moment(now),
        expires=expires,
        evidence=item.evidence or old.evidence,
        host=item.host or old.host,
        seen=item.seen or old.seen,
        id=old.id,
        note=item.note or old.note,
    )


def _change(was: Suppression | None, entry: Suppression, now: float) -> Change:
    if entry.expires is not None and entry.expires <= moment(now):
        return "past"
    if was is None:
        return "add"
    return "same" if _said(was) == _said(entry) else "change"


def ends(expiry: SuppressionExpiry, reason: str, now: float) -> datetime | None:
    """When an entry of that reason that begins now ends; None: never."""
    lasts = expiry.of(reason)
    return None if lasts is None else moment(now + lasts)


def _said(entry: Suppression) -> tuple[str, datetime | None, str, str]:
    """What two entries must agree in to be the same."""
    return entry.reason, entry.expires, entry.evidence, entry.note


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _row(row: Sequence[object]) -> Suppression:
    entry, reason, source, created, expires, evidence, host, seen, recipient, note = cast(
        "tuple[str, str, str, float, float | None, str, str, float | None, int, str]", tuple(row)
    )
    return Suppression(
        entry=entry,
        reason=reason,
        source=source,
        created=moment(created),
        expires=moment_or_none(expires),
        evidence=evidence,
        host=host,
        seen=moment_or_none(seen),
        id=format_recipient_id(recipient) if recipient else "",
        note=note,
    )


def remove(db: sqlite3.Connection, entries: Sequence[str], now: float) -> list[Suppression]:
    """Take entries off the list; those that stood there."""
    rows = [row for entry in entries for row in db.execute(_FIND, (entry, entry, now)).fetchall()]
    db.executemany("DELETE FROM suppression WHERE entry = ?", [(entry,) for entry in entries])
    return [_row(row) for row in rows]


def standing(db: sqlite3.Connection, names: Iterable[str]) -> dict[str, Suppression]:
    """The rows under these names, ended ones too."""
    found = (
        row for name in names for row in db.execute(f"SELECT {_COLUMNS} FROM suppression WHERE entry = ?", (name,))
    )
    return {row[0]: _row(row) for row in found}


# ---------------------------------------------------------------------- reads beside the writer


async def page(reader: Reader, now: float, limit: int, after: str = "") -> SuppressionPage:
    """Up to `limit` entries that stand now, in order, behind the entry `after`."""
    rows = await reader.fetch(
        f"SELECT {_COLUMNS} FROM suppression WHERE entry > ? AND {_STANDS} ORDER BY entry LIMIT ?",
        (after, now, limit + 1),
    )
    found = tuple(map(_row, rows[:limit]))
    return SuppressionPage(found, found[-1].entry if len(rows) > limit else None)


async def lookup(reader: Reader, entry: str, now: float) -> tuple[Suppression, ...]:
    """The entries that keep mail from an address (or a domain): its own first."""
    rows = await reader.fetch(_FIND, (entry, entry[entry.rfind("@") :], now))
    return tuple(sorted(map(_row, rows), key=lambda found: found.entry != entry))


async def waiting(reader: Reader, entries: Sequence[str]) -> int:
    """Recipients in the queue that entries are for, each counted once. Of domains the tally knows; for addresses what waits for their
    destinations is looked through, once for all of them."""
    domains = {entry[1:] for entry in entries if entry.startswith("@")}
    addresses = [entry for entry in entries if entry[entry.rfind("@") + 1 :] not in domains]
    their = {address[address.rfind("@") + 1 :] for address in addresses}
    whole = await reader.fetch(_ALL_OF, (json.dumps([*map(a_label, domains)]),))
    single = await reader.fetch(_SOME_OF, (json.dumps([*map(a_label, their)]), json.dumps(addresses)))
    return cast("int", whole[0][0]) + cast("int", single[0][0])


# ---------------------------------------------------------------------- on recipients


def lift(db: sqlite3.Connection, row: int) -> None:
    """Let a suppressed recipient past the list from now on, and show its last attempt again instead of the list."""
    db.execute(
        "UPDATE recipient SET unsuppress = 1, code = 0, enhanced = '', text = '', class = '', host = '', fingerprint = 0 WHERE id = ?",
        (row,),
    )
    db.execute(
        "UPDATE recipient SET (code, enhanced, text, class, host, fingerprint) ="
        " (SELECT a.code, a.enhanced, a.text, a.class, a.host, a.fingerprint) FROM attempt a"
        " WHERE recipient.id = ?1 AND a.recipient = ?1 AND a.n = (SELECT max(n) FROM attempt WHERE recipient = ?1)",
        (row,),
    )
