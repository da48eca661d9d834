"""What each part of the way costs alone, in microseconds a message: the budget behind B1 and B2.

`CPU` is that of this process (all its threads) divided by the messages; `wall` the time that passed. Intake stands beside
aiosmtpd, both with a door that accepts at once; the load tools run in processes of their own and are not counted.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
import warnings
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

import uvloop
from tests.bench import table
from tests.bench.b3 import write_key
from tests.bench.load import Load, Sink
from tests.kit.processes import free_port

from mailtui.config import Config, Dkim, Endpoint, Listener, Relay, Route
from mailtui.delivery import classify
from mailtui.delivery.courier import Courier, Plan
from mailtui.delivery.dns import Resolver
from mailtui.delivery.route import read_rules
from mailtui.delivery.transcript import pack
from mailtui.events import Journal
from mailtui.feedback.reporter import Reporter
from mailtui.intake.listeners import Listeners
from mailtui.model import (
    Address,
    Attempt,
    Claim,
    ClaimedRecipient,
    Delivery,
    Envelope,
    EnvelopeRecipient,
    HeaderFacts,
    Incoming,
    Origin,
    Reply,
    Stage,
    State,
    TranscriptLine,
)
from mailtui.queue.database import prepare_directory
from mailtui.queue.lanes import DueLane
from mailtui.queue.outcomes import Outcome
from mailtui.queue.schedule import Move
from mailtui.queue.store import Store
from mailtui.trust.signer import Signer

T = TypeVar("T")
Row = list[object]

AT_ONCE: Final = 20
SENDER, RECIPIENT = Address("a", "src.test"), Address("b", "dst.test")
BODY: Final = b"It is only a line of text, as long as lines of text usually are in mail.\r\n" * 54
CONTENT: Final = b"From: a@src.test\r\nTo: b@dst.test\r\nSubject: parts\r\nMessage-ID: <1@src.test>\r\n\r\n" + BODY
LINES: Final = tuple(
    TranscriptLine(number, "><"[number % 2], "250 2.1.0 Ok, and some more text") for number in range(10)
)


def main() -> None:
    """Measure and print."""
    options = table.arguments(__doc__ or "").parse_args()
    count = table.scaled(5000, options.scale, 100)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, TemporaryDirectory() as directory:
        rows = runner.run(_all(count, Path(directory)))
    notes = ["`depth` is how many messages wait in the lane a claim is taken from."]
    table.show(
        f"Parts: {count} messages of 4 KiB, {AT_ONCE} at once", ["part", "CPU µs", "wall µs", "messages/s"], rows, notes
    )


async def _all(count: int, directory: Path) -> list[Row]:
    rows = []
    for kept in (False, True):
        rows.append(await _intake(count, kept, directory))
        rows.append(await _aiosmtpd(count, kept))
    rows += await _queue(count, directory)
    rows.append(await _delivery(count, directory, 50))
    rows.append(await _delivery(count, directory, 1))
    rows.append(_signature(min(count, 1000), directory))
    return rows


async def _timed(name: str, count: int, work: Awaitable[object]) -> Row:
    """A row of the table for what `work` costs."""
    gc.collect()
    cpu, began = time.process_time(), time.perf_counter()
    await work
    wall, used = time.perf_counter() - began, time.process_time() - cpu
    table.progress(f"{name}: {1e6 * used / count:.0f} µs CPU")
    return [name, f"{1e6 * used / count:.0f}", f"{1e6 * wall / count:.0f}", f"{count / wall:.0f}"]


async def _each(work: Callable[[T], Awaitable[object]], items: Iterable[T]) -> None:
    """Work on every item, `AT_ONCE` at a time."""
    left = iter(items)

    async def worker() -> None:
        for item in left:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())


# --- intake


class OpenDoor:
    """A door behind which nothing is kept: it accepts at once."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new_number(self) -> int:
        """Counts."""
        return next(self._numbers)

    def append(self, number: int, sequence: int, chunk: bytes) -> asyncio.Future[None]:
        """Done."""
        return _done()

    def accept(self, message: Incoming, sequence: int, rest: bytes) -> asyncio.Future[None]:
        """Done."""
        return _done()

    def abandon(self, number: int) -> None:
        """Nothing to forget."""

    def pressure(self) -> str:
        """None, ever."""
        return ""


def _done() -> asyncio.Future[None]:
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


async def _intake(count: int, kept: bool, directory: Path) -> Row:
    port = free_port()
    config = _config(directory, port)
    listeners = Listeners(config, OpenDoor(), Journal())
    await listeners.start()
    try:
        await _source(50, kept, port)
        return await _timed(f"intake, {_word(kept)}", count, _source(count, kept, port))
    finally:
        await listeners.drain(5)


async def _aiosmtpd(count: int, kept: bool) -> Row:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from aiosmtpd.smtp import SMTP

    class Handler:
        async def handle_DATA(self, server: object, session: object, envelope: object) -> str:
            return "250 2.0.0 Ok"

    port = free_port()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Handler(), hostname="x"), "127.0.0.1", port)
    try:
        await _source(50, kept, port)
        return await _timed(f"aiosmtpd, {_word(kept)}", count, _source(count, kept, port))
    finally:
        server.close()


async def _source(count: int, kept: bool, port: int) -> None:
    process = await asyncio.create_subprocess_exec(*Load(count, kept=kept, sessions=AT_ONCE).command(port))
    if await process.wait():
        raise RuntimeError("smtp-source failed")


def _word(kept: bool) -> str:
    return "kept connections" if kept else "a connection each"


def _config(directory: Path, port: int, to: str = "mx") -> Config:
    listener = Listener(bind=Endpoint("127.0.0.1", port))
    relay = Relay(hostname="relay.test", data_dir=directory)
    return Config(relay=relay, listener=(listener,), route=(Route(to=to),))


# --- the queue


@asynccontextmanager
async def _store(directory: Path) -> AsyncIterator[tuple[Store, list[DueLane]]]:
    """A queue of its own; the lanes it says are due."""
    prepare_directory(directory)
    config = _config(directory, 2525)
    woken: list[DueLane] = []
    store = Store(config, lambda *_: "mx", Reporter(config), pack, print, lambda _: None, woken.extend)
    try:
        yield store, woken
    finally:
        await store.close()


def _incoming(number: int) -> Incoming:
    envelope = Envelope(SENDER, (EnvelopeRecipient(RECIPIENT),))
    origin = Origin("127.0.0.1:2525", "relay", "", "127.0.0.1", "client.test", "ESMTP", "")
    return Incoming(
        number, envelope, origin, HeaderFacts("a@src.test", "parts", "<1@src.test>"), _PREFIX, len(CONTENT), time.time()
    )


_PREFIX: Final = b"Received: from client.test (localhost [127.0.0.1])\r\n\tby relay.test with ESMTP id 12345678\r\n"


async def _queue(count: int, directory: Path) -> list[Row]:
    rows = []
    for depth in (count, 5 * count):
        async with _store(directory / f"queue{depth}") as (store, woken):

            async def accept(_: int, store: Store = store) -> None:
                await store.accept(_incoming(store.new_number()), 0, CONTENT)

            name = f"queue: accept, to depth {depth}"
            rows.append(await _timed(name, depth, _each(accept, range(depth))))
            lane, claims = woken[0], deque[Claim]()

            async def claim(_: int, store: Store = store, lane: DueLane = lane, claims: deque[Claim] = claims) -> None:
                found = await store.claims.claim(lane, time.time(), 50, lambda _: 300.0)
                assert found is not None
                claims.append(found)

            rows.append(await _timed(f"queue: claim, at depth {depth}", count // 5, _each(claim, range(count // 5))))

            async def record(claim: Claim, store: Store = store) -> None:
                await store.record(_outcome(claim, store.transcript_number()), time.time())

            rows.append(await _timed(f"queue: record, at depth {depth}", len(claims), _each(record, claims)))
    return rows


def _outcome(claim: Claim, transcript: int) -> Outcome:
    now, reply = time.time(), Reply(250, "2.0.0", "2.0.0 Ok: queued as 12345")
    verdict = classify.classify(Stage.FINAL_DOT, reply)
    timings = {"mail": 1, "rcpt": 0, "data": 1, "final-dot": 2}
    attempts = tuple(
        Attempt(recipient.id, now, now, Stage.FINAL_DOT, verdict, reply, "mx.dst.test", "127.0.0.11", "", timings)
        for recipient in claim.recipients
    )
    delivery = Delivery(attempts, (transcript, LINES), (1, LINES), True)
    moves = tuple(Move(attempt, State.DELIVERED, now) for attempt in attempts)
    return Outcome(claim, delivery, moves, ("",) * len(moves), (claim.route,) * len(moves), b"", "")


# --- the way out


async def _delivery(count: int, directory: Path, per_connection: int) -> Row:
    async with AsyncExitStack() as stack:
        sink = stack.enter_context(Sink())
        config = _config(directory, 2525, f"127.0.0.1:{sink.port}")
        resolver = Resolver()
        stack.push_async_callback(resolver.aclose)

        async def no_content(message: int, sequence: int) -> bytes | None:
            return None

        courier = Courier(config, read_rules(config.route), resolver, no_content, itertools.count(1).__next__)
        courier.pool.per_connection = per_connection
        stack.push_async_callback(courier.close)
        route = courier.route_of(SENDER, "dst.test", 0)
        plan = await courier.plan("dst.test", route)
        assert isinstance(plan, Plan)

        async def deliver(number: int) -> None:
            found = await courier.deliver(_claim(number, route), plan, b"")
            assert found.proved, found

        await _each(deliver, range(50))
        name = f"delivery, {per_connection} a connection" if per_connection > 1 else "delivery, a connection each"
        return await _timed(name, count, _each(deliver, range(count)))


def _claim(number: int, route: str) -> Claim:
    recipient = ClaimedRecipient(number << 20 | 1, RECIPIENT, "", "", 1, time.time() + 86400)
    return Claim(number, 1, "dst.test", route, SENDER, (recipient,), len(CONTENT), time.time(), _PREFIX, b"", CONTENT)


def _signature(count: int, directory: Path) -> Row:
    key = write_key(directory / "parts.pem")
    signer = Signer([Dkim(domain="src.test", selector="parts", key_file=key)])
    header, _, body = CONTENT.partition(b"\r\n\r\n")
    cpu, began = time.process_time(), time.perf_counter()
    for number in range(count):
        assert signer.sign(header + b"\r\n", [body], float(number))
    wall, used = time.perf_counter() - began, time.process_time() - cpu
    return ["DKIM rsa-2048", f"{1e6 * used / count:.0f}", f"{1e6 * wall / count:.0f}", f"{count / wall:.0f}"]


if __name__ == "__main__":
    main()
