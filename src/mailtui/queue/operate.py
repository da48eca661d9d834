"""Carrying an operator's verb out, and taking it back: freeze the selection, then change it batch by batch beside the mail that flows.

Owned here: the order of those steps, the spreading of many retries, and what is told afterwards. What a verb does to a recipient
is in `verbs`, how that is undone in `undo`, what is noted of it in `actions`. Belongs to the relay's loop.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

import msgspec
from msgspec import UNSET

from mailtui.errors import EX_DATAERR, MailtuiError
from mailtui.events import Changed
from mailtui.model import RECIPIENT_BITS, State, decode_id, format_recipient_id
from mailtui.queue import actions, queries, reports, undo, verbs
from mailtui.queue.actions import UNDO, CannotUndo, Entry, Inverse
from mailtui.queue.lanes import DueLane, Lanes
from mailtui.queue.plans import Frozen, Plans, batches
from mailtui.queue.preview import forecast, preview
from mailtui.queue.reader import Reader
from mailtui.queue.selection import Planned, Selection, Wanted, filter_of, told
from mailtui.queue.store import News, Store
from mailtui.queue.undo import Undoing
from mailtui.queue.verbs import APPLIES, BOUNCE_DELAY, Change, Step, Verb
from mailtui.views import Affected, Preview, Share

#: Recipients changed in one transaction: some ten milliseconds, so that mail hardly notices.
BATCH: Final = 500
#: The same of bounces: each message also has a DSN composed.
BOUNCE_BATCH: Final = 96
#: Retries of more recipients than this are spread: so many a second, but over no more than SPREAD seconds.
BURST: Final = 100
RATE: Final = 20.0
SPREAD: Final = 900.0
#: Ids named in the event of a change.
_NAMED: Final = 20
#: Seconds that looking up the recipients of an action may take.
_LOOK: Final = 60.0

#: Why an undo leaves alone what is no recipient.
CHANGED_SINCE, TOO_LATE = "changed since", "over by now"

#: One batch, in the writer's thread: of the action with this row, the recipients from one place to another.
Work = Callable[[sqlite3.Connection, int, int, int], tuple[Step, News]]


class Unexpected(MailtuiError):
    """The selection holds another number of recipients than was expected; nothing was done."""

    exit_code = EX_DATAERR

    def __init__(self, expected: int, found: int) -> None:
        self.expected, self.found = expected, found
        super().__init__(f"{found} recipients are selected now, not {expected}; nothing was done")


class TooMany(MailtuiError):
    """The selection holds more recipients than the verb may change at once; nothing was done."""

    exit_code = EX_DATAERR


class NotRunning(MailtuiError):
    """An action that is not being applied cannot be stopped."""

    exit_code = EX_DATAERR


class Operator:
    """Does what operators ask. `unblock` is told the sites whose breakers a retry lifts, `publish` what was changed."""

    def __init__(
        self,
        store: Store,
        reader: Reader,
        unblock: Callable[[Sequence[str]], None],
        publish: Callable[[Changed], None],
        clock: Callable[[], float] = time.time,
        inverses: Mapping[str, Inverse] | None = None,
    ) -> None:
        """`inverses` take back, by verb, the actions that changed no recipients."""
        self._inverses = inverses or {}
        self._store = store
        self._reader = reader
        self._unblock = unblock
        self._publish = publish
        self._clock = clock
        self._plans = Plans()
        self._running: set[int] = set()
        self._cancelled: set[int] = set()
        self._ended = asyncio.Event()  # some action is no longer running

    async def preview(self, verb: Verb, wanted: Wanted, expect: int | None = None, to: str = "") -> Preview:
        """What a verb would do, and a plan of exactly that. UnknownId, StalePlan, Unexpected. `to` is the route of a reroute."""
        frozen = await self._freeze(verb, wanted)
        now = self._clock()
        seen = await preview(self._reader, verb, frozen.rows, now, self._store.config.queue.trash)
        if expect is not None and seen.done != expect:
            raise Unexpected(expect, seen.done)
        plan = wanted.plan if isinstance(wanted, Planned) else self._plans.keep(frozen, now)
        return msgspec.structs.replace(seen, filter=frozen.filter, plan=plan, to=to or UNSET)

    async def act(
        self,
        verb: Verb,
        wanted: Wanted,
        actor: str,
        reason: str = "",
        *,
        expect: int | None = None,
        most: int | None = None,
        now: bool = False,
        to: str = "",
    ) -> Affected:
        """Apply a verb. UnknownId, StalePlan, Unexpected (`expect` is not what would change), TooMany (more than `most` would):
        nothing was done.

        A filter and "everything" mean the states the verb applies to, and count what is being sent as skipped; what is suppressed
        is released only by its id or a filter that names the state. `now`: retries are not spread. `to`: the key of the
        route of a reroute.
        """
        frozen = await self._freeze(verb, wanted)
        await self._permit(frozen, expect, most)
        args: dict[str, int | str | bool] = {} if expect is None else {"expect": expect}
        if isinstance(wanted, Planned):
            self._plans.drop(wanted.plan)
            args["plan"] = wanted.plan
        if to:
            args["to"] = to
        entry = Entry(self._clock(), actor, verb.value, frozen.filter, reason, args | ({"now": True} if now else {}))
        rows = frozen.rows
        spread = verb is Verb.RETRY and not now and len(rows) > BURST

        def work(db: sqlite3.Connection, action: int, start: int, end: int) -> tuple[Step, News]:
            at = _turns(entry.at, start, len(rows)) if spread else None
            return self._change(db, Change(verb, rows[start:end], self._clock(), actor, reason, at, action, to))

        return await self._carry_out(entry, rows, BOUNCE_BATCH if verb is Verb.BOUNCE else BATCH, work)

    async def _freeze(self, verb: Verb, wanted: Wanted) -> Frozen:
        if isinstance(wanted, Planned):
            return self._plans.get(wanted.plan, verb, self._clock())
        return Frozen(verb, told(wanted), await queries.freeze(self._reader, wanted, _meant(verb, wanted)))

    async def _permit(self, frozen: Frozen, expect: int | None, most: int | None) -> None:
        if expect is None and (most is None or len(frozen.rows) <= most):
            return
        found = (await forecast(self._reader, frozen.verb, frozen.rows)).done
        if expect is not None and found != expect:
            raise Unexpected(expect, found)
        if most is not None and found > most:
            raise TooMany(f"{frozen.verb.value} would change {found} recipients, the limit is {most}; nothing was done")

    def _change(self, db: sqlite3.Connection, change: Change) -> tuple[Step, News]:
        """One batch of a verb, with the DSNs it calls for."""
        step = verbs.apply(db, change)
        if change.verb is Verb.BOUNCE:
            news = reports.for_bounced(db, self._store, Lanes(), step.changed, change.now, BOUNCE_DELAY)
            dsns = [(decode_id(notice.about), decode_id(notice.id)) for notice in news[0]]
            actions.keep_dsns(db, change.action, dsns)
            return step, news
        woken = _lanes(db, step, change.now) if change.verb in (Verb.RETRY, Verb.RELEASE, Verb.REROUTE) else []
        return step, ([], woken)

    # ------------------------------------------------------------------ taking it back

    async def undo(self, action: int, actor: str, reason: str = "", expect: int | None = None) -> Affected:
        """Bring back what an action changed, but for what has moved on since. UnknownAction, CannotUndo, Unexpected (the action
        did not change `expect`): nothing was done."""
        name, changed = await self._store.run(lambda db: actions.undoable(db, action))
        if expect is not None and expect != changed:
            raise Unexpected(expect, changed)
        if name not in tuple(Verb):
            return await self._invert(name, Entry(self._clock(), actor, UNDO, reason=reason, undoes=action), action)
        verb = Verb(name)
        found = await self._reader.fetch(
            "SELECT recipient FROM action_item WHERE action = ? ORDER BY recipient", (action,), _LOOK
        )
        rows = array("q", (cast("int", row[0]) for row in found))
        entry = Entry(self._clock(), actor, UNDO, reason=reason, undoes=action)
        window = await self._spread(action, entry.at)

        def work(db: sqlite3.Connection, undoing: int, start: int, end: int) -> tuple[Step, News]:
            if start == end:
                return Step(), ([], [])
            span = (rows[start], rows[end - 1])
            step = undo.restore(db, Undoing(action, verb, undoing, *span, self._clock(), actor, reason, window))
            return step, ([], _lanes(db, step, self._clock()))

        return await self._carry_out(entry, rows, BATCH, work)

    async def _invert(self, verb: str, entry: Entry, action: int) -> Affected:
        """Take back an action that changed no recipients, in one transaction."""
        inverse = self._inverses.get(verb)
        if inverse is None:
            raise CannotUndo(f"action {action} is a {verb}, which cannot be undone")

        def job(db: sqlite3.Connection) -> Affected:
            undoing = actions.begin(db, entry, 0)
            done, skipped, failed = inverse.restore(db, action, entry)
            matched = done + skipped + failed
            db.execute("UPDATE action SET matched = ? WHERE id = ?", (matched, undoing))
            actions.count(db, undoing, (done, skipped, failed, 0))
            actions.finish(db, undoing, entry.at)
            why = ((CHANGED_SINCE, skipped), (TOO_LATE, failed))
            reasons = tuple(Share(name, n) for name, n in why if n)
            return Affected(undoing, UNDO, matched, done, skipped, failed, 0, reasons)

        affected = await self._store.run(job)
        inverse.after()
        self._publish(Changed(entry.at, UNDO, entry.actor, affected.done, []))
        return affected

    async def _spread(self, action: int, now: float) -> float:
        """Seconds over which what became due since an action is spread when it comes back; 0 when it is not many."""
        found = await self._reader.fetch(
            "SELECT count(*) FROM action_item WHERE action = ? AND state IN ('queued', 'deferred') AND next_attempt <= ?"
            " AND next_attempt > (SELECT at FROM action WHERE id = action_item.action)",
            (action, now),
            _LOOK,
        )
        due = cast("int", found[0][0])
        return due / max(RATE, due / SPREAD) if due > BURST else 0.0

    async def cancel(self, action: int) -> None:
        """Stop applying an action after the batch it is at, and wait for that. NotRunning."""
        if action not in self._running:
            raise NotRunning(f"action {action} is not being applied")
        self._cancelled.add(action)
        while action in self._running:
            self._ended.clear()
            await self._ended.wait()

    # ------------------------------------------------------------------ batch by batch

    async def _carry_out(self, entry: Entry, rows: array[int], size: int, work: Work) -> Affected:
        """All batches in order, noted as one action."""
        total = _Total()
        try:
            for start, end in batches(rows, size):
                await self._batch(entry, rows, (start, end), work, total)
                if total.action in self._cancelled and end < len(rows):
                    await self._store.run(lambda db: actions.finish(db, total.action, self._clock(), "stopped"))
                    break
                self._running.add(total.action)
        except BaseException:
            self._give_up(total.action)
            raise
        finally:
            self._running.discard(total.action)
            self._cancelled.discard(total.action)
            self._ended.set()
            if total.done:
                self._publish(Changed(self._clock(), entry.verb, entry.actor, total.done, total.named))
        return total.affected(entry.verb, len(rows))

    async def _batch(self, entry: Entry, rows: array[int], span: tuple[int, int], work: Work, total: _Total) -> None:
        """One batch in one transaction with what is noted of it; then the runner hears of it."""
        outcome: list[tuple[int, Step, tuple[str, ...]]] = []

        def job(db: sqlite3.Connection) -> News:
            action = total.action or actions.begin(db, entry, len(rows))
            step, news = work(db, action, *span)
            actions.count(db, action, (len(step.changed), step.skipped, step.failed, _messages(step)))
            if span[1] == len(rows):
                actions.finish(db, action, self._clock())
            sites = verbs.sites_of(db, step.lanes) if entry.verb == Verb.RETRY else ()
            outcome[:] = [(action, step, sites)]
            return news

        await self._store.run_with_news(job)
        total.action, step, sites = outcome[0]
        total.add(step)
        if sites:
            self._unblock(sites)

    def _give_up(self, action: int) -> None:
        """The row of an action that failed on its way says so, if the queue can still be written; else the next start does."""
        if action:
            closed = self._store.run(lambda db: actions.finish(db, action, self._clock(), "stopped"))
            closed.add_done_callback(lambda future: future.cancelled() or future.exception())


def _meant(verb: Verb, selection: Selection) -> tuple[State, ...]:
    """The states a verb means where no ids are named."""
    if verb is Verb.RELEASE:
        return APPLIES[verb] if filter_of(selection).names_state else (State.HELD,)
    return (*APPLIES[verb], State.SENDING)


class _Total:
    """What the batches of an action came to so far."""

    def __init__(self) -> None:
        self.action = 0
        self.done = self.skipped = self.failed = self.messages = 0
        self.named: list[str] = []
        self._reasons: Counter[str] = Counter()

    def add(self, step: Step) -> None:
        """Another batch is committed."""
        self.done += len(step.changed)
        self.skipped += step.skipped
        self.failed += step.failed
        self.messages += _messages(step)
        self._reasons.update(dict(step.reasons))
        self.named += [format_recipient_id(row) for row in step.changed[: _NAMED - len(self.named)]]

    def affected(self, verb: str, matched: int) -> Affected:
        """What is answered."""
        reasons = tuple(Share(name, n) for name, n in self._reasons.most_common())
        return Affected(self.action, verb, matched, self.done, self.skipped, self.failed, self.messages, reasons)


def _messages(step: Step) -> int:
    """Messages of what a step changed; no message is in two steps."""
    return len({row >> RECIPIENT_BITS for row in step.changed})


def _turns(began: float, start: int, total: int) -> Callable[[int], float]:
    """When row i of a batch that begins at `start` has its turn."""
    pace = max(RATE, total / SPREAD)
    return lambda i: began + (start + i + random.random()) / pace


def _lanes(db: sqlite3.Connection, step: Step, now: float) -> list[DueLane]:
    """The lanes a step touched, for the runner to look at; none whose site or DNS is not to be tried yet."""
    return [lane for number in step.lanes if (lane := _lane(db, number, now)) is not None]


def _lane(db: sqlite3.Connection, number: int, now: float) -> DueLane | None:
    row = db.execute(
        "SELECT lane.id, destination, route, ifnull(site.name, '') FROM lane LEFT JOIN site ON site.id = lane.site"
        " WHERE lane.id = ? AND lane.not_before <= ?",
        (number, now),
    ).fetchone()
    return None if row is None else DueLane(*row)
