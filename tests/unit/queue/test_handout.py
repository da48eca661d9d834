"""What a commit holds, whoever asked for it: mail that comes in, claims and outcomes in one group, with a suppression list, hold rules,
a suspension, a damaged body and a message with a hole among them. Everybody gets the answer that is theirs, and the books balance."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.queue.desk import Desk
from tests.unit.queue.office import BODY, NOW, incoming

from mailtui.config import SuppressionExpiry
from mailtui.errors import Unavailable
from mailtui.model import (
    CONTENT_BITS,
    Attempt,
    Claim,
    Delivery,
    Disposition,
    Incoming,
    Reply,
    Stage,
    State,
    Verdict,
)
from mailtui.queue import suspension
from mailtui.queue.check import check_queue
from mailtui.queue.claims import CHUNK
from mailtui.queue.lanes import DueLane
from mailtui.queue.new_mail import understand
from mailtui.queue.outcomes import Outcome
from mailtui.queue.schedule import Move
from mailtui.queue.suspension import Halt
from mailtui.suppressions import Wanted

DOMAINS = ("one.test", "two.test", "three.test", "stopped.test")
BIG = BODY + b"x" * 300_000


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    found = Desk(tmp_path)
    await found.start()
    yield found
    await found.close()
    assert check_queue(found.store.path) == []


async def prepared(desk: Desk) -> None:
    """An address and a domain on the list, a rule for a subject, a destination suspended."""
    listed = [Wanted("listed@one.test", "manual"), Wanted("@two.test", "manual")]

    def job(db: Any) -> None:
        desk.store.suppressions.merge(db, listed, SuppressionExpiry(), "root", NOW)
        desk.store.hold_rules.add(db, understand("subject:sale"), None, "root", "", NOW)
        suspension.put(db, Halt("destination", "stopped.test", NOW, None, "root", "moving"))
        desk.store.gate.forget()

    await desk.store.run(job)


def together(desk: Desk) -> threading.Event:
    """Keeps the writer busy until it is set: what is submitted meanwhile is one group."""
    go = threading.Event()
    desk.store.writer.submit(lambda db: go.wait(10))
    return go


def finished(claim: Claim, dice: random.Random) -> Outcome:
    moves, groups = [], []
    for recipient in claim.recipients:
        disposition = dice.choice(list(Disposition))
        reply = Reply({"delivered": 250, "deferred": 451, "bounced": 550}[disposition.value], "", "said")
        verdict = Verdict("x", "them", disposition, "")
        attempt = Attempt(recipient.id, NOW, NOW, Stage.RCPT, verdict, reply, "mx", "192.0.2.1", "", {})
        state = State(disposition.value)
        moves.append(Move(attempt, state, NOW + 300 if state is State.DEFERRED else NOW))
        groups.append("" if state is State.DELIVERED else f"{reply.code} said")
    delivery = Delivery(tuple(move.attempt for move in moves), None, None, True)
    return Outcome(claim, delivery, tuple(moves), tuple(groups), (claim.route,) * len(moves))


class Day:
    """Rounds of arrivals, claims and outcomes, each round one group; what was accepted and what is being sent, as the callers know it."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.store, self.dice = desk, desk.store, random.Random(seed)
        self.accepted: dict[int, tuple[str, list[str]]] = {}
        self.claims: list[Claim] = []

    def arrive(self, n: int) -> tuple[Incoming, bool, str, list[str], asyncio.Future[None]]:
        """Submit a message, some of them with a hole, some in chunks, some to very many."""
        dice, store = self.dice, self.store
        named = (
            f"{dice.choice(('listed', 'u', f'v{n}-{i}'))}@{dice.choice(DOMAINS)}"
            for i in range(dice.choice((1, 1, 3, 90)))
        )
        to, subject = list(dict.fromkeys(named)), dice.choice(("sale", "news"))
        hole, big = dice.random() < 0.05, dice.random() < 0.05
        message = incoming(store.new_number(), *to, subject=subject, size=len(BIG if big else BODY))
        if big and not hole:
            store.append(message.number, 0, BIG[:CHUNK])
            done = store.accept(message, 1, BIG[CHUNK:])
        else:
            done = store.accept(message, 1 if hole else 0, BIG if big else BODY)
        return message, hole, subject, to, done

    async def round(self) -> None:
        """Everything of a round is submitted while the writer is busy."""
        lanes = await lanes_of(self.desk)
        go = together(self.desk)
        arriving = [self.arrive(n) for n in range(self.dice.randrange(1, 40))]
        asked = [
            (lane, self.store.claims.submit(lane, NOW + 1, self.dice.choice((1, 2, 50)), wait)) for lane in lanes * 3
        ]
        recorded = [self.store.record(finished(claim, self.dice), NOW + 2) for claim in self.claims]
        go.set()
        for message, hole, subject, to, done in arriving:
            if hole:
                with pytest.raises(Unavailable):
                    await done
            else:
                await done
                self.accepted[message.number] = (subject, to)
        await asyncio.gather(*recorded)
        self.claims = [claim for lane, future in asked if (claim := await future) is not None and fits(claim, lane)]
        rows = await self.desk.rest("SELECT id FROM recipient WHERE state = 'sending' ORDER BY id")
        given = sorted(recipient.id for claim in self.claims for recipient in claim.recipients)
        assert [row[0] for row in rows] == given, "each is given out once, and nobody is out who was given to nobody"


def wait(attempts: int) -> float:
    return 300.0


async def lanes_of(desk: Desk) -> list[DueLane]:
    rows = await desk.rest("SELECT id, destination, route FROM lane ORDER BY id")
    return [DueLane(*row, "") for row in rows]  # type: ignore[arg-type]


def fits(claim: Claim, lane: DueLane) -> bool:
    assert claim.destination == lane.destination != "stopped.test"
    if claim.sender:  # else it is a DSN
        assert claim.content == (None if claim.size > CHUNK else BODY)
    for recipient in claim.recipients:
        assert not is_listed(str(recipient.address))
    return True


def is_listed(address: str) -> bool:
    return address == "listed@one.test" or address.endswith("@two.test")


@pytest.mark.parametrize("seed", range(6))
async def test_everybody_in_a_group_gets_what_is_theirs(desk: Desk, seed: int) -> None:
    await prepared(desk)
    day = Day(desk, seed)
    for _ in range(6):
        await day.round()

    ours = {row[0] for row in await desk.rest("SELECT id FROM message WHERE about IS NULL")}
    assert ours == day.accepted.keys()
    for number, (subject, to) in day.accepted.items():
        rows = await desk.rest(f"SELECT address, state FROM recipient WHERE id >> 20 = {number} ORDER BY id")
        assert [row[0] for row in rows] == to
        for address, state in rows:
            if is_listed(str(address)):
                assert state == "suppressed"
            elif subject == "sale":
                assert state == "held"
            elif str(address).endswith("@stopped.test"):
                assert state == "queued"
    counts = dict(await desk.rest("SELECT name, n FROM counter"))  # type: ignore[arg-type]
    found = Counter(row[0] for row in await desk.rest("SELECT state FROM recipient"))
    assert {name: n for name, n in counts.items() if n and name != "accepted"} == found
    assert counts["accepted"] == found.total() > 100
    stuck = await desk.rest(
        "SELECT address FROM recipient r JOIN lane l ON l.id = r.lane WHERE state IN ('queued', 'deferred')"
        " AND destination <> 'stopped.test' AND (due_at IS NULL OR due_at > max(next_attempt, not_before))"
    )
    assert stuck == []


async def test_one_damaged_body_in_a_group_fails_its_own_claim_alone_and_only_once_it_is_told(desk: Desk) -> None:
    store = desk.store
    messages = [incoming(store.new_number(), f"a@{domain}") for domain in ("one.test", "two.test", "one.test")]
    for message in messages:
        await store.accept(message, 0, BODY)
    bad = messages[0].number << CONTENT_BITS
    await store.run(lambda db: db.execute("UPDATE content SET chunk = x'00' WHERE id = ?", (bad,)).rowcount)
    lanes = await lanes_of(desk)
    go = together(desk)
    asked = asyncio.gather(*(store.claims.claim(lane, NOW + 1, 5, wait) for lane in (*lanes, lanes[0])))
    asyncio.get_running_loop().call_soon(go.set)  # when all have asked

    found = await asked

    given = {claim.message for claim in found if claim is not None}
    assert given == {messages[1].number, messages[2].number}
    assert await desk.rest("SELECT state FROM recipient ORDER BY id") == [("held",), ("sending",), ("sending",)]
    assert await desk.rest("SELECT count(*) FROM event WHERE kind = 'quarantined'") == [(1,)], "told once"
    await store.run(lambda db: db.execute("UPDATE content SET chunk = ? WHERE id = ?", (BODY, bad)).rowcount)
