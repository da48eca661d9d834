"""The store in a loop, on its own data directory: the door for intake, claims and outcomes after their commits, start and end."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.queue.office import BODY, incoming

from mailtui.config import Config, Intake, Queue, Relay
from mailtui.delivery.transcript import pack
from mailtui.errors import QueueError, QueueIOError, Unavailable
from mailtui.events import AnyEvent, Notified
from mailtui.feedback.reporter import Reporter
from mailtui.model import (
    ID_EPOCH,
    Address,
    Attempt,
    Claim,
    Delivery,
    Disposition,
    Incoming,
    Reply,
    Stage,
    State,
    Verdict,
    encode_id,
)
from mailtui.queue.database import BALLAST, BALLAST_SIZE, FILE
from mailtui.queue.lanes import DueLane
from mailtui.queue.outcomes import Outcome
from mailtui.queue.schedule import Move
from mailtui.queue.store import MAX_WAITING, Store


class House:
    """A store with what it told the rest of the house."""

    def __init__(self, folder: Path, **tables: object) -> None:
        self.config = Config(relay=Relay(hostname="relay.test", data_dir=folder), **tables)
        self.fatal: list[QueueIOError] = []
        self.said: list[AnyEvent] = []
        self.woken: list[list[DueLane]] = []
        self.route = "mx"
        self.store = Store(
            self.config, self._route_of, Reporter(self.config), pack, self.fatal.append, self.said.append, self._wake
        )

    def _route_of(self, sender: Address, destination: str, attempts: int) -> str:
        return self.route

    def _wake(self, due: Sequence[DueLane]) -> None:
        self.woken.append(list(due))

    def message(self, *to: str, sender: str = "app@example.org", received: float | None = None) -> Incoming:
        return incoming(self.store.new_number(), *to, sender=sender, at=time.time() if received is None else received)

    async def accept(self, *to: str, sender: str = "app@example.org") -> Incoming:
        message = self.message(*to, sender=sender)
        await self.store.accept(message, 0, BODY)
        return message

    async def claim(self, destination: str = "d.test", now: float | None = None) -> Claim | None:
        now = time.time() if now is None else now
        (lane,) = [lane for lane in await self.store.due(now + 1, 100, []) if lane.destination == destination] or [None]
        return None if lane is None else await self.store.claims.claim(lane, now, 50, lambda attempts: 300.0)

    async def record(self, claim: Claim, reply: Reply) -> list[Notified]:
        disposition, state = {
            2: (Disposition.DELIVERED, State.DELIVERED),
            4: (Disposition.DEFERRED, State.DEFERRED),
            5: (Disposition.BOUNCED, State.BOUNCED),
        }[reply.code // 100]
        now = time.time()
        attempts = tuple(
            Attempt(r.id, now, now, Stage.RCPT, Verdict("x", "them", disposition, "S."), reply, "mx")
            for r in claim.recipients
        )
        moves = tuple(Move(attempt, state, now + 300) for attempt in attempts)
        return await self.store.record(
            Outcome(claim, Delivery(attempts), moves, ("g",) * len(moves), ("mx",) * len(moves)), now
        )

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"file:{self.store.path}?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()

    def states(self) -> dict[str, str]:
        return {str(address): str(state) for address, state in self.rows("SELECT address, state FROM recipient")}

    def balanced(self) -> bool:
        counts = dict(self.rows("SELECT name, n FROM counter"))
        return counts.pop("accepted") == sum(counts.values())  # type: ignore[arg-type]


Build = Callable[..., Awaitable[House]]


@pytest.fixture
async def build(tmp_path: Path) -> AsyncIterator[Build]:
    """A house; building another one closes the one before, as a restart does."""
    houses: list[House] = []

    async def make(**tables: object) -> House:
        for house in houses:
            await house.store.close()
        houses.append(House(tmp_path, **tables))
        return houses[-1]

    yield make
    for house in houses:
        await house.store.close()


@pytest.fixture
async def house(build: Build) -> House:
    return await build()


# ---------------------------------------------------------------------- numbers


def test_numbers_are_milliseconds_and_rise(house: House) -> None:
    before = int((time.time() - ID_EPOCH) * 1000)
    numbers = [house.store.new_number() for _ in range(10_000)]

    assert before <= numbers[0] <= before + 1000
    assert numbers == sorted(set(numbers))


async def test_a_clock_that_goes_back_gives_no_number_twice(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    first = house.store.new_number()
    monkeypatch.setattr(time, "time", lambda: ID_EPOCH + 5.0)
    later = [house.store.new_number() for _ in range(3)]

    assert later == [first + 1, first + 2, first + 3]


async def test_nor_does_a_clock_that_went_back_over_a_restart_even_when_all_was_pruned(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await build()
    number = (await house.accept("a@d.test")).number
    await house.store.run(
        lambda db: [db.execute(f"DELETE FROM {table}") for table in ("recipient", "content", "message")]
    )
    monkeypatch.setattr(time, "time", lambda: ID_EPOCH + 5.0)

    again = await build()

    assert again.store.new_number() == number + 1


def test_threads_never_share_a_number(house: House) -> None:
    """The loop and the writer (for DSNs) both ask."""
    found: list[list[int]] = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda mine=mine: mine.extend(house.store.new_number() for _ in range(2000)))
        for mine in found
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    numbers = [number for mine in found for number in mine]
    assert len(set(numbers)) == len(numbers)


async def test_transcript_numbers_go_on_after_a_restart(build: Build) -> None:
    house = await build()
    assert [house.store.transcript_number() for _ in range(2)] == [1, 2]
    await house.store.run(lambda db: db.execute("INSERT INTO transcript VALUES (41, 0, x'')"))

    assert (await build()).store.transcript_number() == 42


# ---------------------------------------------------------------------- the door


async def test_accepted_means_durable_and_the_lanes_are_woken(house: House) -> None:
    message = house.message("a@d.test", "b@other.test")
    done = house.store.accept(message, 0, BODY)
    assert not done.done()
    await done

    assert house.states() == {"a@d.test": "queued", "b@other.test": "queued"}
    assert [[lane.destination for lane in woken] for woken in house.woken] == [["d.test", "other.test"]]
    assert house.balanced()


async def test_the_session_is_answered_before_the_runner_is_woken(house: House) -> None:
    order = []
    done = house.store.accept(house.message("a@d.test"), 0, BODY)
    done.add_done_callback(lambda future: order.append("answered"))
    house.store._on_accept = lambda lanes: order.append(f"woken, answer ready: {done.done()}")
    await done

    assert order == ["woken, answer ready: True", "answered"]


async def test_a_client_that_left_does_not_take_its_message_along(house: House) -> None:
    done = house.store.accept(house.message("a@d.test"), 0, BODY)
    done.cancel()
    await house.store.run(lambda db: None)

    assert house.states() == {"a@d.test": "queued"}
    assert len(house.woken) == 1


async def test_a_refusal_of_the_file_reaches_the_session(house: House) -> None:
    message = await house.accept("a@d.test")

    with pytest.raises(Unavailable):
        await house.store.accept(message, 0, BODY)
    assert len(house.woken) == 1


async def test_a_long_message_comes_in_chunks_and_is_read_in_chunks(house: House) -> None:
    message = house.message("a@d.test")
    for sequence in range(3):
        await house.store.append(message.number, sequence, b"%d" % sequence)
    await house.store.accept(message, 3, b"rest")

    assert [await house.store.read_content(message.number, n) for n in range(5)] == [b"0", b"1", b"2", b"rest", None]


async def test_a_message_given_up_is_gone_and_giving_up_after_the_end_harms_nobody(house: House) -> None:
    message = house.message("a@d.test")
    await house.store.append(message.number, 0, b"x")
    house.store.abandon(message.number)
    await house.store.run(lambda db: None)

    assert house.rows("SELECT * FROM message") == house.rows("SELECT * FROM content") == []
    await house.store.close()
    house.store.abandon(message.number)
    await asyncio.sleep(0)


async def test_lifetimes(build: Build) -> None:
    house = await build(queue=Queue(lifetime=100.0, bounce_lifetime=50.0))
    user, dsn = await house.accept("a@d.test"), await house.accept("b@d.test", sender="")

    assert house.rows("SELECT expires_at FROM recipient ORDER BY id") == [(user.received + 100,), (dsn.received + 50,)]


# ---------------------------------------------------------------------- the runner's side


async def test_a_claim_and_its_outcome(house: House) -> None:
    await house.accept("a@d.test")
    claim = await house.claim()
    assert claim is not None
    assert house.states() == {"a@d.test": "sending"}
    assert await house.record(claim, Reply(250)) == []

    assert house.states() == {"a@d.test": "delivered"}
    assert await house.claim() is None
    assert house.rows("SELECT due_at FROM lane") == [(None,)], "the lane rests"
    assert house.balanced()


async def test_a_bounce_is_told_in_the_same_commit_and_wakes_the_lane_of_the_report(house: House) -> None:
    await house.accept("a@d.test")
    claim = await house.claim()
    assert claim is not None
    commits = house.store.writer.commits

    (notice,) = await house.record(claim, Reply(550, "5.1.1", "unknown"))

    assert house.store.writer.commits == commits + 1
    assert house.said == [notice]
    assert house.states() == {"a@d.test": "bounced", "app@example.org": "queued"}
    assert [lane.destination for lane in house.woken[-1]] == ["example.org"]
    assert house.balanced()


async def test_the_report_of_a_report_is_none(house: House) -> None:
    await house.accept("a@d.test", sender="")
    claim = await house.claim()
    assert claim is not None

    assert await house.record(claim, Reply(550)) == []
    assert house.states() == {"a@d.test": "bounced"}


async def test_a_damaged_message_is_put_aside_and_the_next_one_given(house: House) -> None:
    broken, whole = await house.accept("a@d.test"), await house.accept("b@d.test")
    await house.store.run(lambda db: db.execute("DELETE FROM content WHERE id >> 12 = ?", (broken.number,)))

    claim = await house.claim()

    assert claim is not None
    assert claim.message == whole.number
    assert house.states() == {"a@d.test": "held", "b@d.test": "sending"}
    assert encode_id(broken.number) in repr(house.said)


async def test_giving_back_and_holding(house: House) -> None:
    await house.accept("a@d.test")
    claim = await house.claim()
    assert claim is not None
    await house.store.unclaim((claim.recipients[0].id,), time.time())
    assert house.states() == {"a@d.test": "queued"}

    claim = await house.claim()
    assert claim is not None
    await house.store.hold_claim(claim, "no key", time.time())
    assert house.states() == {"a@d.test": "held"}


async def test_expiry_goes_on_until_all_are_told(build: Build) -> None:
    house = await build(queue=Queue(lifetime=1.0))
    for n in range(3):
        await house.accept(*(f"u{n}-{m}@d.test" for m in range(100)))
    (lane,) = await house.store.due(time.time(), 9, [])
    await house.store.enter_site(lane.id, "s")

    await house.store.expire_site("s", time.time() + 2)

    assert set(house.states().values()) - {"queued"} == {"bounced"}
    assert house.rows("SELECT count(*) FROM recipient WHERE state = 'bounced'") == [(300,)]
    assert all(isinstance(event, Notified) for event in house.said)
    assert house.balanced()


async def test_refiling_happens_once_for_new_rules(house: House) -> None:
    await house.accept("a@d.test", "b@d.test")
    house.route = "discard"

    assert [await house.store.refile(rules, ()) for rules in ("one", "one", "two")] == [2, 0, 0]
    assert house.rows("SELECT DISTINCT route FROM lane JOIN recipient r ON r.lane = lane.id") == [("discard",)]


# ---------------------------------------------------------------------- start and end


async def test_a_start_forgets_what_was_arriving_and_takes_back_what_was_sent(build: Build) -> None:
    house = await build()
    await house.accept("a@d.test")
    assert await house.claim() is not None
    await house.store.append(house.store.new_number(), 0, b"half")

    house = await build()
    forgotten, taken, aside = await house.store.recover(time.time())

    assert (forgotten, len(taken), aside) == (1, 1, [])
    assert house.states() == {"a@d.test": "queued"}
    assert house.balanced()


async def test_nothing_is_taken_after_close(house: House) -> None:
    await house.store.close()

    with pytest.raises(Unavailable):
        await house.store.accept(house.message("a@d.test"), 0, BODY)


def test_a_damaged_file_is_said_so(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)

    async def start() -> None:
        House(tmp_path)

    with pytest.raises(QueueError, match="not usable"):
        asyncio.run(start())


# ---------------------------------------------------------------------- the disk


@pytest.mark.parametrize(
    ("free", "draining", "said"),
    [(0, False, ""), (0, True, "the relay is draining"), (10**18, False, "the disk is nearly full")],
)
async def test_pressure_is_said_before_anything_breaks(build: Build, free: int, draining: bool, said: str) -> None:
    house = await build(intake=Intake(min_free_disk=free))
    house.store.gauge(draining)

    assert house.store.pressure() == said
    assert house.store.free_disk > 0


async def test_a_file_that_does_not_keep_up_is_pressure(house: House) -> None:
    begun, go_on = threading.Event(), threading.Event()
    blocked = house.store.run(lambda db: (begun.set(), go_on.wait(10)))
    begun.wait(10)
    waiting = [house.store.run(lambda db: None) for _ in range(MAX_WAITING + 1)]
    house.store.gauge(False)
    assert house.store.pressure() == "the queue file is busy"

    go_on.set()
    await asyncio.gather(blocked, *waiting)
    house.store.gauge(False)
    assert house.store.pressure() == ""


async def test_ballast_is_given_up_only_for_a_full_disk_and_made_again(house: House, tmp_path: Path) -> None:
    ballast = tmp_path / BALLAST
    assert ballast.stat().st_blocks * 512 >= BALLAST_SIZE, "real blocks, not a hole"
    assert house.store.drop_ballast() is False
    assert ballast.exists()

    await house.store.run(lambda db: db.execute("PRAGMA max_page_count = 1").fetchone())
    with pytest.raises(Unavailable, match="disk is full"):
        await house.store.run(lambda db: db.execute("INSERT INTO content VALUES (1, zeroblob(1000000))"))
    assert house.store.drop_ballast() is True
    assert house.store.drop_ballast() is False
    assert not ballast.exists()

    house.store.gauge(False)
    assert ballast.stat().st_size == BALLAST_SIZE
