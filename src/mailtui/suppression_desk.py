"""What operators ask of the suppression list: their entries understood, and each change one job of the writer.

Owned here: what an entry may look like, and the errors of saying it wrong. The rows are `queue.suppression`'s. Part of `service`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import UNSET
from msgspec.structs import replace

from mailtui.control.api_suppress import SuppressAdd, SuppressImport, SuppressRemove
from mailtui.control.claims import account
from mailtui.errors import EX_DATAERR, ControlError
from mailtui.events import Notice
from mailtui.intake.address import canonical_domain, parse_path
from mailtui.intake.replies import Refusal
from mailtui.queue import entries, suppression
from mailtui.queue.actions import Entry
from mailtui.queue.reader import Reader
from mailtui.queue.wording import count
from mailtui.suppressions import Difference, ListChange, ListImport, Suppression, SuppressionPage, Wanted
from mailtui.views import moment

if TYPE_CHECKING:
    from mailtui.relay import Relay


class SuppressionDesk:
    """Answers for one relay."""

    def __init__(self, relay: Relay, reader: Reader) -> None:
        self._relay = relay
        self._reader = reader

    async def page(self, limit: int, after: str) -> SuppressionPage:
        """Entries in order, behind the one named."""
        return await suppression.page(self._reader, time.time(), limit, after)

    async def lookup(self, entry: str) -> tuple[Suppression, ...]:
        """What keeps mail from an address or domain. ControlError when it is neither."""
        return await suppression.lookup(self._reader, canonical(entry), time.time())

    async def add(self, request: SuppressAdd, actor: str) -> ListChange:
        """Put one entry on the list; with how it stands now. ControlError for what is no entry, has ended already, or `unexpected`."""
        now, expiry = time.time(), self._relay.config.suppression.expiry
        end = suppression.ends(expiry, request.reason, now) if request.expires is UNSET else request.expires
        wanted = Wanted(canonical(request.entry), request.reason, end, note=request.note)
        if end is not None and end <= moment(now):
            raise ControlError("past", f"{request.entry} would have ended already")
        if request.expect is not None and (found := await self._waiting([wanted.entry])) != request.expect:
            raise _unexpected(f"it is for {count(found, 'recipient')} in the queue", request.expect)

        if request.dry_run:
            (looked,) = (await self.merge(SuppressImport((wanted,), dry_run=True), actor)).differences
            done, waits = int(looked.change != "same"), await self._waiting([wanted.entry])
            return ListChange(0, entries.ADD, 1, done, 1 - done, dry_run=True, waiting=waits)

        def job(db: sqlite3.Connection) -> tuple[Suppression, int]:
            list_, as_ = self._relay.store.suppressions, account(actor)
            note = Entry(now, actor, entries.ADD, reason=request.note)
            action = entries.audited(db, note, [wanted.entry], lambda: list_.merge(db, [wanted], expiry, as_, now))[1]
            return suppression.standing(db, [wanted.entry])[wanted.entry], action

        text = f"added {wanted.entry} ({request.reason})"
        row, action = await self._relay.store.run(job)
        self._publish(now, actor, text)
        done = 1 if action else 0
        return ListChange(action, entries.ADD, 1, done, 1 - done, entries=(row,))

    async def remove(self, request: SuppressRemove, actor: str) -> ListChange:
        """Take entries off the list, all or none; with those that stood there. ControlError `unknown-entry`, `unexpected`."""
        now, wanted = time.time(), tuple(dict.fromkeys(map(canonical, request.entries)))
        if request.expect not in (None, len(wanted)):
            raise _unexpected(f"{len(wanted)} entries are named", request.expect)

        def job(db: sqlite3.Connection) -> tuple[list[Suppression], int]:
            note = Entry(now, actor, entries.REMOVE, reason=request.reason)
            if request.dry_run:
                stand = suppression.standing(db, wanted).values()
                gone, action = [row for row in stand if row.expires is None or row.expires > moment(now)], 0
            else:
                gone, action = entries.audited(db, note, wanted, lambda: suppression.remove(db, wanted, now))
            if missing := [entry for entry in wanted if entry not in {row.entry for row in gone}]:
                raise ControlError(
                    "unknown-entry", f"not on the suppression list: {', '.join(missing[:5])}; nothing was done"
                )
            return gone, action

        text = f"removed {', '.join(wanted[:5])}" + (f" and {len(wanted) - 5} more" if len(wanted) > 5 else "")
        gone, action = await self._relay.store.run(job)
        if request.dry_run:
            waits = await self._waiting(wanted)
            return ListChange(0, entries.REMOVE, len(wanted), len(gone), 0, 0, tuple(gone), True, waits)
        self._publish(now, actor, text)
        return ListChange(action, entries.REMOVE, len(wanted), len(gone), entries=tuple(gone))

    async def merge(self, request: SuppressImport, actor: str) -> ListImport:
        """Make many entries stand as they are wanted; what that changes. ControlError: one of them is no entry, nothing was done."""
        now, expiry = time.time(), self._relay.config.suppression.expiry
        items = [replace(item, entry=canonical(item.entry)) for item in request.entries]
        names = tuple(dict.fromkeys(item.entry for item in items))

        def job(db: sqlite3.Connection) -> tuple[list[Difference], int]:
            list_ = self._relay.store.suppressions
            note = Entry(now, actor, entries.IMPORT, reason=request.reason)
            return entries.audited(
                db, note, names, lambda: list_.merge(db, items, expiry, account(actor), now, request.dry_run)
            )

        found, action = await self._relay.store.run(job)
        if not request.dry_run:
            self._publish(now, actor, _imported(found))
        changed = [row.entry for row in found if row.change in ("add", "change")]
        waits = await self._waiting(changed) if request.dry_run and request.count else 0
        return ListImport(action, entries.IMPORT, tuple(found), waits)

    async def _waiting(self, names: Sequence[str]) -> int:
        """Recipients in the queue that entries are for."""
        return await suppression.waiting(self._reader, names)

    def _publish(self, now: float, actor: str, text: str) -> None:
        self._relay.journal.publish(Notice(now, "info", f"suppression list: {actor} {text}"))


def _unexpected(found: str, expect: int | None) -> ControlError:
    return ControlError("unexpected", f"{found}, not {expect}; nothing was done")


def _imported(found: Sequence[Difference]) -> str:
    changes = [difference.change for difference in found]
    return f"imported {changes.count('add')} new entries, changed {changes.count('change')}"


def canonical(text: str) -> str:
    """An entry as it is compared: the mailbox by the grammar of RCPT (RFC 5321 4.1.2), or @ and a domain. ControlError."""
    written = text.strip()
    try:
        if written.startswith("@"):
            return suppression.key(f"@{canonical_domain(written[1:].encode())}")
        address, rest = parse_path(f"<{written}>".encode(), null_ok=False, smtputf8=True, postmaster_ok=False)
        if not rest:
            return suppression.key(str(address))
    except (Refusal, ValueError):
        pass
    hint = "write user@example.org, or @example.org for a whole domain"
    raise ControlError("bad-entry", f'"{text[:100]}" is neither an address nor a domain', hint, EX_DATAERR)
