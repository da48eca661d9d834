"""Having an outcome written, whatever it takes, and telling the journal: the end of every claim.

Owned here: what an attempt means for its recipient (by `schedule`), the failure groups, and waiting while the disk is full. What
it means for the site is `breakers`; the statements are `outcomes`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from mailtui.config import Config
from mailtui.errors import Unavailable
from mailtui.events import AnyEvent, Attempted, Notice, Notified
from mailtui.model import Attempt, Claim, Delivery, Disposition, Obstacle, Reply, Stage, State, Verdict, encode_id
from mailtui.queue.outcomes import Outcome
from mailtui.queue.schedule import Backoff, Move, decide
from mailtui.queue.store import Store


class Recorder:
    """Writes outcomes. `fingerprint` names the failure group of an attempt."""

    def __init__(
        self,
        config: Config,
        store: Store,
        fingerprint: Callable[[Attempt], str],
        publish: Callable[[AnyEvent], None],
    ) -> None:
        self._store = store
        self._fingerprint = fingerprint
        self._publish = publish
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Use these settings from now on."""
        self._kept = config.delivery.transcripts
        self._backoff = Backoff(config.retry.schedule, config.retry.jitter)

    def begin(
        self, claim: Claim, delivery: Delivery, signature: bytes | None = None, note: str = ""
    ) -> asyncio.Future[None]:
        """Submit an outcome; the future is its commit and the news of it. Without a task of its own in the ordinary case."""
        outcome, events = self._decided(claim, delivery, signature, note)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        committed = self._store.record(outcome, time.time())
        committed.add_done_callback(lambda future: self._began(future, done, claim, outcome, events))
        return done

    def _began(
        self,
        committed: asyncio.Future[list[Notified]],
        done: asyncio.Future[None],
        claim: Claim,
        outcome: Outcome,
        events: list[Attempted],
    ) -> None:
        error = None if committed.cancelled() else committed.exception()
        if done.done():
            return
        if isinstance(error, Unavailable):
            again = asyncio.ensure_future(self._finish(claim, outcome, events))
            again.add_done_callback(lambda task: _pass_on(task, done))
        elif error is not None:
            done.set_exception(error)
        else:
            self._tell(events)
            done.set_result(None)

    async def write(self, claim: Claim, delivery: Delivery, signature: bytes | None = None, note: str = "") -> None:
        """Record an outcome. While the disk is full it waits here, keeping its slot: nothing new is started meanwhile."""
        await self._finish(claim, *self._decided(claim, delivery, signature, note))

    async def _finish(self, claim: Claim, outcome: Outcome, events: list[Attempted]) -> None:
        await self._insist(lambda: self._store.record(outcome, time.time()), claim)
        self._tell(events)

    def _tell(self, events: list[Attempted]) -> None:
        for event in events:
            self._publish(event)

    def _decided(
        self, claim: Claim, delivery: Delivery, signature: bytes | None, note: str
    ) -> tuple[Outcome, list[Attempted]]:
        """Where each attempt leads, ready to be written and to be told."""
        by_id = {recipient.id: recipient for recipient in claim.recipients}
        moves = tuple(decide(by_id[attempt.recipient], attempt, self._backoff) for attempt in delivery.attempts)
        routes = tuple(
            self._store.route_of(claim.sender, claim.destination, by_id[move.attempt.recipient].attempts)
            if move.state is State.DEFERRED and not by_id[move.attempt.recipient].rerouted
            else claim.route
            for move in moves
        )
        groups = tuple("" if move.state is State.DELIVERED else self._fingerprint(move.attempt) for move in moves)
        outcome = Outcome(claim, delivery, moves, groups, routes, signature, note, self._keeps(moves))
        return outcome, [_event(str(by_id[move.attempt.recipient].address), claim, move) for move in moves]

    def _keeps(self, moves: tuple[Move, ...]) -> bool:
        return self._kept == "all" or (
            self._kept == "failures" and any(move.state is not State.DELIVERED for move in moves)
        )

    async def hold(self, claim: Claim, note: str) -> None:
        """trust.on_error = hold: the message stays until somebody has mended the key."""
        await self._insist(lambda: self._store.hold_claim(claim, note, time.time()), claim)
        self._publish(Notice(time.time(), "error", f"held, it cannot be signed: {note}", claim.queue_id))

    async def give_back(self, claim: Claim) -> None:
        """Return a claim that was not tried: no attempt, due at once."""
        await self._insist(lambda: self._store.unclaim(_rows(claim), time.time()), claim)

    def give_back_once(self, claim: Claim) -> asyncio.Future[None]:
        """The same without insisting: for the end of the process, when the next start takes it back anyway."""
        return self._store.unclaim(_rows(claim), time.time())

    async def _insist(self, write: Callable[[], Awaitable[object]], claim: Claim) -> None:
        """Have the end of a claim written, however long the disk is full or the file locked."""
        while True:
            try:
                await write()
                return
            except Unavailable as error:
                dropped = self._store.drop_ballast()
                self._publish(Notice(time.time(), "error", f"an outcome cannot be recorded: {error}", claim.queue_id))
                await asyncio.sleep(0 if dropped else 1)


def unreached(claim: Claim, obstacle: Obstacle, began: float) -> Delivery:
    """The attempt of every recipient that met an obstacle before any host."""
    return _same(claim, began, Stage.DNS, obstacle.verdict, obstacle.reply)


def untried(claim: Claim, delivery: Delivery | None = None) -> Delivery:
    """No attempt for anybody; what was said is kept."""
    said = delivery or Delivery(())
    return Delivery((), said.dialogue, said.preamble, untouched=_rows(claim))


def stumbled(claim: Claim, began: float, text: str) -> Delivery:
    """The attempt of every recipient when we ourselves failed: a deferral, and no fact about the site."""
    sentence = "Our own relay could not make this attempt; its log says why."
    verdict = Verdict("unknown", "our-config", Disposition.DEFERRED, sentence)
    return _same(claim, began, Stage.DATA, verdict, Reply(0, "4.3.0", text[:300]))


def _same(claim: Claim, began: float, stage: Stage, verdict: Verdict, reply: Reply) -> Delivery:
    ended = time.time()
    return Delivery(tuple(Attempt(recipient.id, began, ended, stage, verdict, reply) for recipient in claim.recipients))


def _pass_on(task: asyncio.Task[None], done: asyncio.Future[None]) -> None:
    if done.done():
        return
    if task.cancelled():
        done.cancel()
    elif (error := task.exception()) is not None:
        done.set_exception(error)
    else:
        done.set_result(None)


def _rows(claim: Claim) -> tuple[int, ...]:
    return tuple(recipient.id for recipient in claim.recipients)


def _event(address: str, claim: Claim, move: Move) -> Attempted:
    attempt, reply = move.attempt, move.attempt.reply
    return Attempted(
        at=attempt.ended,
        id=encode_id(claim.message),
        recipient=address,
        disposition=move.state.value,
        class_="expired" if move.expired else attempt.verdict.class_,
        stage=attempt.stage.value,
        code=reply.code,
        enhanced=reply.enhanced,
        text=reply.text[:300],
        host=attempt.host,
        address=attempt.address,
        tls=attempt.tls,
        delay=attempt.ended - claim.received_at,
        next_attempt=move.next_attempt if move.state is State.DEFERRED else None,
    )
