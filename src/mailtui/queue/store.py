"""The queue as the rest of the house sees it: every change of state, each one job of the writer.

Owned here: message numbers, the door for intake, and which steps make one transaction. What the steps are stands in `arrivals`,
`claims`, `outcomes`, `verbs`, `reports`, `suppressing`; when they happen is the runner's business. Belongs to the relay's loop.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final, TypeVar

from mailtui.config import Config
from mailtui.errors import QueueIOError
from mailtui.events import Accepted, Changed, Notice, Notified
from mailtui.model import CONTENT_BITS, ID_EPOCH, Address, Claim, Incoming, recipient_row
from mailtui.queue import actions, arrivals, claims, holding, lanes, outcomes, relane, reports, suppressing
from mailtui.queue.ballast import Ballast
from mailtui.queue.database import FILE, open_writer, unusable
from mailtui.queue.handout import Handout
from mailtui.queue.hold_rules import HoldRules
from mailtui.queue.lanes import DueLane, Lanes, SiteRow
from mailtui.queue.outcomes import Fingerprints, Outcome
from mailtui.queue.suppression import Suppressions
from mailtui.queue.suspension import Gate
from mailtui.queue.writer import Writer

T = TypeVar("T")

#: Inodes that must be free: SQLite needs a few for its journals.
MIN_INODES: Final = 16
#: Jobs in line for the writer beyond which the disk does not keep up.
MAX_WAITING: Final = 2000

RouteOf = Callable[[Address, str, int], str]
News = tuple[Sequence[Notified | Notice | Changed], Sequence[DueLane]]


class Store:
    """The writer and what it remembers. `on_accept` hears the lanes of every accepted message after its commit."""

    def __init__(
        self,
        config: Config,
        route_of: RouteOf,
        reporter: reports.Reporter,
        pack: outcomes.Pack,
        fatal: Callable[[QueueIOError], None],
        publish: Callable[[Accepted | Notified | Notice | Changed], None],
        on_accept: Callable[[Sequence[DueLane]], None],
    ) -> None:
        """Opens (or makes) the queue file in `relay.data_dir`; QueueError when it cannot be used.

        `route_of(sender, destination, attempts)` is the route key of a recipient; `fatal` is told when the disk failed.
        """
        self.config = config
        self.route_of = route_of
        self.reporter = reporter
        self.path: Path = config.relay.data_dir / FILE
        self._ballast = Ballast(config.relay.data_dir)
        self._pack = pack
        self._publish = publish
        self._on_accept = on_accept
        self._lanes = Lanes()
        self._fingerprints = Fingerprints()
        self.suppressions = Suppressions()
        self.gate = Gate()
        self.hold_rules = HoldRules()
        connection = open_writer(self.path)
        self._last_number, transcript = self._highest(connection)
        self._numbering = threading.Lock()
        self._pressure = ""
        self._waiting = self._since = 0  # recipients in the queue when last counted, and accepted since
        self.free_disk = 0
        self._transcripts = itertools.count(transcript + 1)
        self.owner = f"{os.getpid()}"
        self.falls_back = False  # whether some route applies only after a number of attempts
        self.writer = Writer(connection, asyncio.get_running_loop(), fatal, self.forget)
        self.claims = Handout(self.writer, self.gate, self.suppressions, self.owner, self._stop, self._tell, publish)
        self._ballast.fill()

    def _highest(self, connection: sqlite3.Connection) -> tuple[int, int]:
        """The highest message and transcript numbers ever given. QueueError when the file is too damaged to know."""
        try:
            message = connection.execute("SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'message'")
            transcript = connection.execute("SELECT ifnull(max(id), 0) FROM transcript")
            return message.fetchone()[0], transcript.fetchone()[0]
        except sqlite3.DatabaseError as error:
            connection.close()
            raise unusable(self.path, error) from error

    # ------------------------------------------------------------------ the door for intake

    def new_number(self) -> int:
        """A message number: milliseconds since 2025, but always above every one given before, whatever the clock does.

        The loop and the writer's thread (for DSNs) both ask.
        """
        with self._numbering:
            self._last_number = max(self._last_number + 1, int((time.time() - ID_EPOCH) * 1000))
            return self._last_number

    def append(self, number: int, sequence: int, chunk: bytes) -> asyncio.Future[None]:
        """See `intake.door.Door.append`."""
        now = time.time()
        return self.writer.submit(lambda db: arrivals.store_chunk(db, number, sequence, chunk, now))

    def accept(self, message: Incoming, sequence: int, rest: bytes) -> asyncio.Future[None]:
        """See `intake.door.Door.accept`."""
        sender = message.envelope.sender
        routes = [self.route_of(sender, recipient.address.domain, 0) for recipient in message.envelope.recipients]
        self._since += len(routes)
        expires_at = message.received + self.lifetime(sender)
        arrival = arrivals.Arrival(message, sequence, rest, routes, expires_at, due_at=message.received)
        committed = self.writer.submit_item(self._store, arrival)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        committed.add_done_callback(lambda future: self._accepted(future, message, done))
        return done

    def _store(self, db: sqlite3.Connection, arriving: list[arrivals.Arrival]) -> list[News]:
        stored = arrivals.store_messages(db, self._lanes, arriving)
        listed = not self.suppressions.empty(db)
        told: list[News] = []
        for arrival, due in zip(arriving, stored, strict=True):
            message = arrival.incoming
            news: News = self._stop_listed(db, message, due) if listed else ((), due)
            rules = self.hold_rules.standing(db, message.received)
            told.append(holding.hold_new(db, rules, message, news) if rules else news)
        return told

    def _stop_listed(self, db: sqlite3.Connection, message: Incoming, due: Sequence[DueLane]) -> News:
        """Recipients of a message just stored that are on the suppression list never become due."""
        rows = [
            (recipient_row(message.number, n), str(r.address)) for n, r in enumerate(message.envelope.recipients, 1)
        ]
        stopped, (news, touched) = self._stop(db, rows, message.received)
        if not stopped:
            return (), due
        return news, [*(lane for lane in due if not suppressing.idle(db, lane.id)), *touched]

    def _stop(
        self, db: sqlite3.Connection, recipients: Sequence[tuple[int, str]], now: float
    ) -> tuple[Collection[int], suppressing.Told]:
        return suppressing.stop_listed(db, self, self._lanes, self.suppressions, recipients, now)

    def _accepted(self, committed: asyncio.Future[News], message: Incoming, done: asyncio.Future[None]) -> None:
        """After the commit: answer the session first, then tell the world."""
        if committed.cancelled():
            return
        error = committed.exception()
        if error is not None:
            if not done.done():
                done.set_exception(error)
            return
        if not done.done():
            done.set_result(None)
        self._tell(committed.result())

    def _tell(self, news: News) -> None:
        """After a commit: publish what it made true and wake the lanes in which something became due."""
        for notice in news[0]:
            self._publish(notice)
        if news[1]:
            self._on_accept(news[1])

    def abandon(self, number: int) -> None:
        """See `intake.door.Door.abandon`."""
        self.writer.submit(lambda db: arrivals.forget_message(db, number)).add_done_callback(_look)

    def pressure(self) -> str:
        """See `intake.door.Door.pressure`; `gauge` keeps it true."""
        most = self.config.queue.max_messages
        if most and self._waiting + self._since >= most:
            return f"the queue is full: {self._waiting + self._since} recipients wait, queue.max_messages is {most}"
        return self._pressure

    def gauge(self, draining: bool) -> None:
        """Look at disk, inodes and queue length; about once a second."""
        disk = os.statvfs(self.path.parent)
        self.free_disk = disk.f_bavail * disk.f_frsize
        self._ballast.fill()
        if self.config.queue.max_messages:
            self.writer.submit(lanes.waiting).add_done_callback(self._counted)
        if draining:
            self._pressure = "the relay is draining"
        elif self.free_disk < self.config.intake.min_free_disk:
            self._pressure = "the disk is nearly full"
        elif disk.f_files and disk.f_favail < MIN_INODES:
            self._pressure = "the disk has no inodes left"
        elif self.writer.waiting > MAX_WAITING:
            self._pressure = "the queue file is busy"
        else:
            self._pressure = ""

    def _counted(self, future: asyncio.Future[int]) -> None:
        """What waits, counted; what was accepted since then is added to it."""
        if not future.cancelled() and future.exception() is None:
            self._waiting, self._since = future.result(), 0

    def lifetime(self, sender: Address) -> float:
        """Seconds a recipient may wait, by whether anybody could be told."""
        return self.config.queue.lifetime if sender else self.config.queue.bounce_lifetime

    # ------------------------------------------------------------------ the runner's side

    def transcript_number(self) -> int:
        """A fresh row number for a transcript."""
        return next(self._transcripts)

    def due(self, now: float, limit: int, without: Sequence[str]) -> asyncio.Future[list[DueLane]]:
        """See `lanes.due`; of what is suspended a new lane learns it here."""

        def job(db: sqlite3.Connection) -> list[DueLane]:
            return [lane for lane in lanes.due(db, now, limit, without) if not self.gate.shut(db, lane.id, now)]

        return self.writer.submit(job)

    def enter_site(self, lane: int, site: str) -> asyncio.Future[SiteRow]:
        """File a lane under its site; what is remembered of it."""
        return self.writer.submit(lambda db: lanes.enter_site(db, lane, site))

    def record(self, outcome: Outcome, now: float) -> asyncio.Future[list[Notified]]:
        """Write what a claim came to, with the DSNs it calls for, in one commit; the DSNs made."""
        return self._with_news(self.writer.submit_item(self._record, (outcome, now)))

    def _record(self, db: sqlite3.Connection, finished: list[tuple[Outcome, float]]) -> list[News]:
        outcomes.record(db, self._lanes, self._fingerprints, self._pack, finished)
        told: list[News] = []
        for outcome, now in finished:
            listed = suppressing.after_attempts(db, self.suppressions, self.config.suppression, outcome, now)
            news, touched = self._report(db, outcome, now)
            told.append((([*news, *listed] if listed else news), touched))
        return told

    def _report(self, db: sqlite3.Connection, outcome: Outcome, now: float) -> News:
        return reports.after_attempts(db, self, self._lanes, outcome, now)

    def _with_news(self, committed: asyncio.Future[News]) -> asyncio.Future[list[Notified]]:
        """After the commit: publish the DSNs made in it and wake their lanes."""
        done: asyncio.Future[list[Notified]] = asyncio.get_running_loop().create_future()

        def tell(future: asyncio.Future[News]) -> None:
            if future.cancelled() or done.done():
                return
            if (error := future.exception()) is not None:
                done.set_exception(error)
                return
            news = future.result()
            done.set_result([notice for notice in news[0] if isinstance(notice, Notified)])
            self._tell(news)

        committed.add_done_callback(tell)
        return done

    async def expire_site(self, site: str, now: float) -> None:
        """A probe of the site failed: that was the last attempt of everybody there whose lifetime is over."""
        await self.expire(await self.run(lambda db: reports.lanes_of_site(db, site)), now)

    async def expire(self, numbers: Sequence[int], now: float) -> None:
        """Give up on what is past its lifetime in these lanes, in small transactions."""
        more = True
        while more:
            found: list[bool] = []

            def job(db: sqlite3.Connection, found: list[bool] = found) -> News:
                news, more = reports.expire(db, self, self._lanes, numbers, now)
                found.append(more)
                return news

            await self.run_with_news(job)
            more = found[-1]

    def unclaim(self, rows: tuple[int, ...], now: float) -> asyncio.Future[None]:
        """See `claims.unclaim`."""
        return self.writer.submit(lambda db: claims.unclaim(db, rows, now))

    def hold_claim(self, claim: Claim, reason: str, now: float) -> asyncio.Future[None]:
        """See `claims.hold`."""
        return self.writer.submit(lambda db: claims.hold(db, claim, reason, now))

    def report_bounced(self, db: sqlite3.Connection, rows: Sequence[int], now: float, delay: float) -> News:
        """Within a job: the DSNs for recipients just set to bounced by an operator. See `reports.for_bounced`."""
        return reports.for_bounced(db, self, self._lanes, rows, now, delay)

    def run(self, job: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Any other whole-transaction job of this room."""
        return self.writer.submit(job)

    def run_with_news(self, job: Callable[[sqlite3.Connection], News]) -> asyncio.Future[list[Notified]]:
        """A job that may make DSNs or lanes due."""
        return self._with_news(self.writer.submit(job))

    def read_content(self, message: int, sequence: int) -> asyncio.Future[bytes | None]:
        """Chunk `sequence` of a message; None behind the last."""

        def job(db: sqlite3.Connection) -> bytes | None:
            row = db.execute("SELECT chunk FROM content WHERE id = ?", (message << CONTENT_BITS | sequence,)).fetchone()
            return None if row is None else row[0]

        return self.writer.submit(job)

    async def refile(self, rules: str, routes: Collection[str]) -> int:
        """File what waits by the present routes if `rules`, a text that stands for them, is new; how many moved. `routes` are
        the keys there are: what an operator sent by one of them stays there."""
        if not await self.run(lambda db: relane.changed(db, rules)):
            return 0
        after, moved, now = 0, 0, time.time()
        while True:
            job = functools.partial(
                relane.refile, lanes=self._lanes, route_of=self.route_of, after=after, routes=routes, now=now
            )
            last, some = await self.run(job)
            moved += some
            if last is None:
                break
            after = last
        await self.run(lambda db: relane.remember(db, rules))
        return moved

    async def fall_back(self, site: str, failures: int) -> None:
        """See `relane.fall_back`."""
        after: int | None = 0 if self.falls_back else None
        while after is not None:
            job = functools.partial(
                relane.fall_back, lanes=self._lanes, route_of=self.route_of, site=site, failures=failures, after=after
            )
            after, moved = await self.run(job)
            if moved:
                self._on_accept(moved)

    async def recover(self, now: float) -> tuple[int, list[str], list[str]]:
        """At start: forget what was arriving, take back what was being sent. (forgotten, taken back, quarantined)."""

        def job(db: sqlite3.Connection) -> tuple[int, list[str], list[str]]:
            actions.stop_open(db, now)
            return arrivals.forget_receiving(db), *claims.recover(db, now)

        return await self.writer.submit(job)

    async def close(self) -> None:
        """Finish what was submitted and close the file."""
        await self.writer.close()

    # ------------------------------------------------------------------ the disk

    def forget(self) -> None:
        """Trust no row number that was remembered: after a rollback, and before unused rows go. In the writer's thread."""
        self._lanes.forget()
        self._fingerprints.forget()
        self.suppressions.forget()
        self.gate.forget()
        self.hold_rules.forget()

    def drop_ballast(self) -> bool:
        """Give the ballast up when the disk is full; whether that made room. A locked file is no reason to."""
        return self.writer.full and self._ballast.drop()


def _look(future: asyncio.Future[None]) -> None:
    """Mark the exception of a job nobody waits for as seen; start-up repeats what it should have done."""
    if not future.cancelled():
        future.exception()
