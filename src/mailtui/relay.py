"""The composition root: builds the rooms, hands each what it needs, starts, pauses, drains. The only place where they meet.

Owned here: the life of a relay and the watch it keeps on disk and time. No decision about mail is made here.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack, suppress

from mailtui import config as settings
from mailtui import log
from mailtui.config import Config
from mailtui.delivery.courier import Courier, Plan
from mailtui.delivery.dns import Resolver
from mailtui.delivery.fingerprint import fingerprint
from mailtui.delivery.route import read_rules
from mailtui.delivery.transcript import pack
from mailtui.errors import MailtuiError, QueueIOError, Unavailable
from mailtui.events import Draining, Journal, Notice, Ready, Stopping
from mailtui.feedback.reporter import Reporter
from mailtui.intake.listeners import Listeners
from mailtui.model import Address, Attempt
from mailtui.queue import moments
from mailtui.queue.database import Lock, prepare_directory
from mailtui.queue.prune import Keep
from mailtui.queue.pruner import Pruner
from mailtui.queue.runner import Runner
from mailtui.queue.standstill import Standstill
from mailtui.queue.store import Store
from mailtui.queue.suspender import Suspender
from mailtui.rates import Rates
from mailtui.trust.seal import Sealer
from mailtui.trust.signer import Signer

#: Seconds a stop waits for deliveries, and for those among them that wait for the reply to the dot.
DRAIN = 25.0
DRAIN_AFTER_DOT = 85.0
#: Seconds the intake is given to finish what is being received.
DRAIN_INTAKE = 5.0
#: Seconds between two steps of pruning, while there is something to let go and while there is not.
PRUNE_BUSY = 0.05
PRUNE_IDLE = 2.0


class Relay:
    """A relay in the running loop. `start`, then `run` until somebody calls `stop`; `failed` holds what ended it early."""

    def __init__(self, config: Config, *, paused: bool = False, started: float | None = None) -> None:
        self.config = config
        self.journal = Journal()
        self.rates = Rates()
        self.meter = moments.Meter(time.time())
        self.started_at = time.time() if started is None else started
        self.ready = False
        self.draining = False
        self.failed: MailtuiError | None = None
        self.paused = paused
        self._damage_told = False
        self._stop = asyncio.Event()
        self._stack = AsyncExitStack()
        self._lock: Lock
        self._group: asyncio.TaskGroup
        self.store: Store
        self.courier: Courier
        self.runner: Runner[Plan]
        self.listeners: Listeners
        self.resolver: Resolver
        self.sealer: Sealer
        self.pruner: Pruner
        self.suspender: Suspender

    # ------------------------------------------------------------------ start

    async def start(self) -> None:
        """Take the data directory, recover, listen. Raises MailtuiError (nothing stays open) when any of that fails."""
        try:
            await self._build()
        except BaseException:
            await self._stack.aclose()
            raise

    async def _build(self) -> None:
        config, journal = self.config, self.journal
        prepare_directory(config.relay.data_dir)
        self._lock = Lock(config.relay.data_dir)
        self._stack.callback(self._lock.release)
        rules = read_rules(config.route, config.delivery.port)
        self.reporter = Reporter(config)
        self.store = Store(
            config,
            self._route_of,
            self.reporter,
            pack,
            self._fatal,
            journal.publish,
            lambda lanes: self.runner.wake(lanes),
        )
        self._stack.push_async_callback(self.store.close)
        self.sealer = Sealer(config, self.store.read_content)
        self._stack.callback(self.sealer.close)
        self.resolver = Resolver(
            config.dns.nameservers,
            timeout=config.dns.timeout,
            cache_size=config.dns.cache_size,
            ipv6=config.delivery.ipv6,
            port=config.delivery.port,
            own_listeners=self._own_listeners,
            on_change=self._mx_changed,
        )
        self._stack.push_async_callback(self.resolver.aclose)
        self.courier = Courier(config, rules, self.resolver, self.store.read_content, self.store.transcript_number)
        self._stack.push_async_callback(self.courier.close)
        self.store.falls_back = self.courier.falls_back
        self.runner = Runner(config, self.store, self.courier, self.sealer.seal, _group, journal.publish)
        self.runner.paused = self.paused
        self.pruner = Pruner(self.store, _keep(config), self.store.forget)
        self.listeners = Listeners(config, self.store, journal)
        self.suspender = Suspender(self.store, journal.publish, self._stand_still)
        journal.add_sink(log.sink(config.log))
        journal.add_sink(self.rates.sink)
        journal.add_sink(self.meter.sink)
        self._watch_disk()
        await self._recover()
        await self.suspender.load()
        if not self.paused:
            await self.listeners.start()

    async def _recover(self) -> None:
        now = time.time()
        forgotten, taken, quarantined = await self.store.recover(now)
        await self.runner.throttle.restore()
        if forgotten:
            self._note(
                "info",
                f"{forgotten} messages were still arriving when the relay last ended; their clients have no 250 and will send again",
            )
        if taken:
            self._note(
                "warning",
                f"{len(taken)} attempts were interrupted when the relay last ended and will be made again: {', '.join(taken[:10])}",
            )
        if quarantined:
            self._note("error", f"held after three interruptions in a row: {', '.join(quarantined[:10])}")

    async def _refile(self) -> None:
        """After a start or reload with other routes; beside the mail that flows, because the queue may be long."""
        try:
            moved = await self.store.refile(self.courier.rules, self.courier.routes)
        except Unavailable as error:
            self._note("error", f"what waits keeps its old routes until the next start or reload: {error}")
            return
        if moved:
            self._note("info", f"{moved} waiting recipients follow other routes now")
            self.runner.poke()

    def _route_of(self, sender: Address, destination: str, attempts: int) -> str:
        return self.courier.route_of(sender, destination, attempts)

    def _own_listeners(self) -> list[tuple[str, int]]:
        return [(str(listener.bind.host), listener.bind.port) for listener in self.config.listener]

    def _mx_changed(self, domain: str, old: object, new: object) -> None:
        self.runner.forget_plans()
        self._note("info", f"the MX set of {domain} changed: {old} is now {new}")

    def _stand_still(self, now: Standstill) -> None:
        """What is suspended has changed."""
        self.runner.stand_still(now)
        server = self.listeners.server
        server.suspended, server.suspends = now.intake is not None, now.refusal if now.asks_senders else None

    def _note(self, level: str, text: str, id: str = "") -> None:
        self.journal.publish(Notice(time.time(), level, text, id))

    def _fatal(self, error: QueueIOError) -> None:
        """The disk lies: nothing may be acknowledged any more. End at once; recovery at the next start knows the truth."""
        self.failed = error
        self._stop.set()

    # ------------------------------------------------------------------ life

    async def run(self) -> None:
        """Work until `stop`, then drain."""
        self.ready = True
        self.journal.publish(Ready(time.time(), self.listeners.addresses, os.getpid()))
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                tasks = [
                    group.create_task(work)
                    for work in (self.runner.run(), self.suspender.run(), self._watch(), self._prune(), self._refile())
                ]
                await self._stop.wait()
                await self._drain()
                for task in tasks:
                    task.cancel()
        except* QueueIOError as errors:  # one of them met the failed disk before `_fatal` was told of it
            self.failed = self.failed or QueueIOError(str(errors.exceptions[0]))

    async def _watch(self) -> None:
        """The relay's own clock: disk, idle connections, refusals, once a second."""
        seen = (0, 0)
        while True:
            await asyncio.sleep(1)
            self._watch_disk()
            self.courier.pool.sweep(time.monotonic())
            await self._sample()
            server = self.listeners.server
            now = (server.refused_4xx, server.refused_5xx)
            for name, before, count in zip(moments.REFUSALS, seen, now, strict=True):
                if count > before:
                    self.rates.add(name, count - before)
                    self.meter.refused(name, count - before)
            seen = now

    async def _sample(self) -> None:
        """Keep the minute that is over; while the disk is full it is lost, mail goes first."""
        if (flow := self.meter.over(time.time())) is not None:
            with suppress(Unavailable):
                await self.store.run(lambda db: moments.write(db, flow))

    async def _prune(self) -> None:
        """Let go of what is past its time, a small transaction at a time; history goes before mail is refused."""
        while True:
            pressed = self.store.free_disk < 2 * self.config.intake.min_free_disk
            try:
                swept = bool(await self.pruner.step(time.time(), pressed))
            except MailtuiError:
                swept = False  # disk full or locked: whoever had mail to store has said it
            await asyncio.sleep(PRUNE_BUSY if swept else PRUNE_IDLE)

    def _watch_disk(self) -> None:
        self.store.gauge(self.draining)
        if self.store.writer.damage and not self._damage_told:
            self._damage_told = True
            self._note(
                "error",
                f"the queue file is damaged: {self.store.writer.damage}; stop the relay, then `mailtui check-queue` tells what is"
                " hurt and `check-queue --recover NEW` saves what can be read",
            )

    def stop(self, reason: str) -> None:
        """Take nothing new, finish what is under way, end."""
        if not self._stop.is_set():
            self.journal.publish(Stopping(time.time(), reason))
            self._stop.set()

    def begin_drain(self, reason: str) -> None:
        """Take nothing new; go on delivering (`mailtui drain`)."""
        if not self.draining:
            self.draining = True
            self.journal.publish(Draining(time.time(), reason))
            self._watch_disk()
            self.listeners.server.draining = True

    async def _drain(self) -> None:
        self.ready = False
        self.draining = True
        if self.failed is None:
            await asyncio.gather(self.listeners.drain(DRAIN_INTAKE), self.runner.drain(DRAIN, DRAIN_AFTER_DOT))

    async def close(self) -> None:
        """Give back everything, the queue file and its lock last."""
        await self._stack.aclose()

    # ------------------------------------------------------------------ reload

    def reload(self) -> tuple[list[str], list[str]]:
        """Read the configuration again and apply what can be; (applied, needs a restart) as dotted keys.

        ConfigError on a bad file: then nothing has changed.
        """
        new = settings.load(self.config.path, os.environ)
        applied, restart = settings.changed(self.config, new)
        rules = read_rules(new.route, new.delivery.port)
        signer = Signer(new.dkim)
        self.listeners.reload(new)
        self.sealer.use(signer, new)
        self.courier.configure(new, rules)
        self.store.falls_back = self.courier.falls_back
        self.runner.configure(new)
        self.reporter = Reporter(new)
        self.store.reporter = self.reporter
        self.store.config = new
        self.pruner.keep = _keep(new)
        self.config = new
        self.runner.forget_plans()
        self._group.create_task(self._refile())
        self._note(
            "info",
            f"reloaded: {', '.join(applied) or 'nothing changed'}"
            + (f"; needs a restart: {', '.join(restart)}" if restart else ""),
        )
        return applied, restart


def _keep(config: Config) -> Keep:
    return Keep(config.queue.history, config.queue.history_size, config.queue.trash)


def _group(attempt: Attempt) -> str:
    return fingerprint(attempt.reply)
