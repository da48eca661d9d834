"""A site gets what its settings say: a rate, few messages a connection; a reply it gives too often slows it down or stops it for a
while, over a restart too, until it is over, lifted or undone. Nobody's attempt or lifetime is used up by waiting."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from tests.kit.relays import (
    Net,
    attempts,
    in_state,
    ledger,
    net,
    received,
    recipient,
    rows,
    running_relay,
    settled,
    submit,
    until,
)  # fmt: skip

from mailtui import shaping_desk
from mailtui.config import Rate, Shaping, ShapingRule
from mailtui.control import api
from mailtui.control.api_shaping import ShapingLift, ShapingList
from mailtui.delivery.route import read_rules
from mailtui.delivery.transcript import unpack
from mailtui.events import Notice
from mailtui.lab.personality import Act, Personality, Then
from mailtui.model import Stage
from mailtui.queue.operate import Operator
from mailtui.queue.reader import Reader
from mailtui.relay import Relay
from mailtui.service import Desk
from mailtui.shapes import SiteShape

BUSY = "421 4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume"
PAUSE = ShapingRule(name="their-limit", pattern=r"\[TSS?04\]", threshold=2, window=60.0, pause=True, for_=600.0)


def shaped(*rules: ShapingRule, **settings: object) -> tuple[Shaping, ...]:
    return (Shaping(match="*.busy.test", rules=rules, **settings),)  # type: ignore[arg-type]


def many(count: int, domain: str = "busy.test") -> list[str]:
    return [f"m{n}@{domain}" for n in range(count)]


async def fill(relay: Relay, addresses: list[str]) -> None:
    for address in addresses:
        await submit(relay, address)


@asynccontextmanager
async def desk_of(relay: Relay) -> AsyncIterator[Desk]:
    reader = await Reader.open(relay.store.path, unpack)
    inverses = shaping_desk.inverses(relay)
    operator = Operator(relay.store, reader, relay.runner.unblock, relay.journal.publish, inverses=inverses)
    try:
        yield Desk(relay, reader, operator)
    finally:
        await reader.close()


async def shape_of(desk: Desk) -> SiteShape:
    (shape,) = await desk.shaping_list(ShapingList(site="mx.busy.test"))
    return shape


def moody(until_connection: int) -> Personality:
    """421 at MAIL on the first connections."""
    act = Act(BUSY, Then.CLOSE)
    return Personality(hooks={Stage.MAIL: lambda at: act if at.connection <= until_connection else None})


async def test_a_rate_is_kept_and_waiting_for_it_is_no_attempt(tmp_path: Path) -> None:
    rate = Rate(1200, 60)  # 20 a second, that is 20 at once and then one each 50 ms
    shaping = shaped(rate=rate)
    async with net("busy.test") as around, running_relay(tmp_path, around, shaping=shaping) as relay:
        remote = around["busy.test"]
        relay.runner.paused = True
        await fill(relay, many(60))
        relay.runner.paused = False
        began = time.monotonic()
        relay.runner.poke()

        await settled(relay)

        took = time.monotonic() - began
        assert took >= (60 - 20) / 20 - 0.2, "no faster than the rate allows"
        assert took < 8, "and not much slower: a slot wakes with its token, not with a clock of seconds"
        assert {len(attempts(relay, address)) for address in many(60)} == {1}
        assert sum(received(remote).values()) == 60
        arrived = sorted(item.at for item in remote.mailbox)
        windows = [sum(1 for other in arrived if at <= other < at + 1) for at in arrived]
        assert max(windows) <= 20 + 20 + 2


async def test_why_speaks_of_the_rate(tmp_path: Path) -> None:
    shaping = shaped(rate=Rate(1, 3600))
    async with net("busy.test") as around, running_relay(tmp_path, around, shaping=shaping) as relay:
        await submit(relay, "first@busy.test")
        await in_state(relay, "first@busy.test", "delivered")
        queue_id = await submit(relay, "second@busy.test")
        async with desk_of(relay) as desk:
            found = await desk.why(api.Why(queue_id))

            assert found.causes[0].kind == "rate"
            assert "the rate of 1/h for site mx.busy.test: next token at" in found.answer
            shape = await shape_of(desk)
            assert (shape.rate, shape.restraints) == ("1/h", ())
            assert shape.next_token is not None
            assert recipient(relay, "second@busy.test")["attempts"] == 0

            assert repr(relay.runner._alarm) == "1 sites wait for a token", "woken by it, not by a look once a second"
            free = msgspec.structs.replace(relay.config, shaping=())
            relay.courier.configure(free, read_rules(free.route, free.delivery.port))
            relay.runner.configure(free)
        await settled(relay)


async def test_a_connection_carries_as_many_messages_as_it_may(tmp_path: Path) -> None:
    shaping = shaped(per_connection=3, max_connections=1)
    async with net("busy.test") as around, running_relay(tmp_path, around, shaping=shaping) as relay:
        remote = around["busy.test"]
        await fill(relay, many(10))

        await settled(relay)

        assert Counter(Counter(item.connection for item in remote.mailbox).values()) == {3: 3, 1: 1}


async def test_settings_are_found_by_host_for_hosted_domains_and_by_destination(tmp_path: Path) -> None:
    shaping = (
        Shaping(match="*.busy.test", max_connections=2),
        Shaping(match="plain.test", max_connections=3),
    )
    async with net("busy.test", "plain.test") as around, running_relay(tmp_path, around, shaping=shaping) as relay:
        around.zone.mx("hosted.test", "mx.busy.test")
        await submit(relay, "one@hosted.test")
        await submit(relay, "one@plain.test")
        await settled(relay)

        async with desk_of(relay) as desk:
            found = {shape.site: shape for shape in await desk.shaping_list(ShapingList())}
        assert {site: shape.max_connections for site, shape in found.items()} == {"mx.busy.test": 2, "mx.plain.test": 3}
        assert found["mx.busy.test"].sources[0] == "[[shaping]] *.busy.test"


async def stopped(relay: Relay, around: Net) -> SiteShape:
    """Mail for a site that says twice that it has had enough, and is paused for that."""
    around.behave("busy.test", moody(2))
    await fill(relay, many(6))
    async with desk_of(relay) as desk:
        await until(lambda: rows(relay, "SELECT action FROM restraint WHERE action > 0"), "the rule to be kept")
        return await shape_of(desk)


async def test_a_reply_given_too_often_pauses_the_site_and_a_lift_and_undo_work(tmp_path: Path) -> None:
    notices: list[str] = []
    async with net("busy.test", "good.test") as around, running_relay(tmp_path, around, shaping=shaped(PAUSE)) as relay:
        relay.journal.add_sink(lambda event: notices.append(event.text) if isinstance(event, Notice) else None)
        shape = await stopped(relay, around)
        tried = sum(len(attempts(relay, address)) for address in many(6))
        (restraint,) = shape.restraints
        assert shape.paused_until is not None
        assert (restraint.rule, restraint.does, restraint.count) == ("their-limit", "paused", 2)
        assert restraint.cause == BUSY
        assert any("their-limit" in text and "[TSS04]" in text for text in notices)

        await submit(relay, "one@good.test")  # others are not concerned
        await in_state(relay, "one@good.test", "delivered")
        queue_id = await submit(relay, "late@busy.test")  # and new mail waits with the rest
        async with desk_of(relay) as desk:
            found = await desk.why(api.Why(queue_id))
            assert found.causes[0].kind == "shaping" and "their-limit" in found.answer and "[TSS04]" in found.answer
            assert found.next_attempt == shape.paused_until
            assert "mx.busy.test until" in (await desk.status(api.Status())).trouble[0]
            (entry,) = await desk.audit(api.Audit())
            assert (entry.actor, entry.verb, entry.filter) == ("relay", "throttle", "site:mx.busy.test")
            assert BUSY in entry.reason
            assert sum(len(attempts(relay, address)) for address in many(6)) == tried, "nothing is tried meanwhile"
            assert recipient(relay, "late@busy.test")["attempts"] == 0

            lifted = await desk.shaping_lift(ShapingLift("mx.busy.test", "they called"), "ana")
            assert (lifted.done, lifted.rules) == (1, ("their-limit",))
            await settled(relay)
            assert (await shape_of(desk)).restraints == ()

            undone = await desk.undo(api.Undo(lifted.action), "ben")
            assert (undone.done, undone.skipped) == (1, 0)
            await submit(relay, "again@busy.test")
            await until(lambda: relay.runner.throttle.paused(), "the pause to stand again")
            assert (await shape_of(desk)).paused_until == shape.paused_until

            undone = await desk.undo(api.Undo(entry.action), "ben")  # what the rule did, taken back
            assert undone.done == 1
            await settled(relay)
            assert (await desk.audit(api.Audit()))[0].verb == "undo"
        assert ledger(relay) == {"delivered": 9}


async def test_a_pause_outlives_a_restart_ends_by_itself_and_uses_up_no_lifetime(tmp_path: Path) -> None:
    pause = msgspec.structs.replace(PAUSE, for_=3.0)
    async with net("busy.test") as around:
        async with running_relay(tmp_path, around, shaping=shaped(pause)) as relay:
            shape = await stopped(relay, around)
            before = {address: recipient(relay, address) for address in many(6)}
            assert {row["state"] for row in before.values()} <= {"queued", "deferred"}

        async with running_relay(tmp_path, around, shaping=shaped(pause)) as relay:
            async with desk_of(relay) as desk:
                again = await shape_of(desk)
                assert (again.paused_until, again.restraints) == (shape.paused_until, shape.restraints)
            assert {recipient(relay, address)["attempts"] for address in many(6)} <= {0, 1}

            await settled(relay)

            (row,) = rows(relay, "SELECT * FROM restraint")
            assert row["ended_at"] >= row["until"] and row["until"] - row["since"] == 3.0
            first = min(found["started"] for address in many(6) for found in attempts(relay, address)[-1:])
            assert first >= row["until"], "nothing was tried before its end"
            for address in many(6):
                found = recipient(relay, address)
                (message,) = rows(relay, "SELECT received_at FROM message WHERE id = ?", found["id"] >> 20)
                waited = row["until"] - max(row["since"], message["received_at"])
                assert found["expires_at"] == pytest.approx(before[address]["expires_at"] + waited, abs=0.001)
                assert waited > 0
            assert ledger(relay) == {"delivered": 6}


async def test_a_slower_site_has_fewer_connections_and_a_rate(tmp_path: Path) -> None:
    slow = ShapingRule(name="ease", class_="throttled", threshold=3, slower=0.5, rate=Rate(600, 60), for_=600.0)
    busy = Act("450 4.7.0 slow down, too many messages", Then.GO_ON)
    picky = Personality(mailboxes=(("no*", busy),), slow={Stage.FINAL_DOT: 0.02})
    async with (
        net("busy.test") as around,
        running_relay(tmp_path, around, shaping=shaped(slow, max_connections=8), retry={"schedule": (30.0,)}) as relay,
    ):
        around.behave("busy.test", picky)
        await fill(relay, many(40))
        await settled(relay)
        async with desk_of(relay) as desk:
            assert (await shape_of(desk)).limit == 8
            await fill(relay, ["no1@busy.test", "no2@busy.test"])
            await in_state(relay, "no2@busy.test", "deferred")
            assert (await shape_of(desk)).restraints == ()
            await submit(relay, "no3@busy.test")
            await until(lambda: rows(relay, "SELECT 1 FROM restraint"), "the rule to fire")

            shape = await shape_of(desk)
            assert (shape.limit, shape.max_connections, shape.rate) == (4, 4, "600/m")
            assert shape.restraints[0].does == "at most 600/m, at most 4 connections"


async def test_what_we_made_up_ourselves_fires_no_rule(tmp_path: Path) -> None:
    """Nobody listens: no reply, so a rule on a pattern counts nothing; one that names the class does."""
    any_reply = ShapingRule(name="any", pattern=".", pause=True)
    named = ShapingRule(name="dead", class_="connection", threshold=2, max_connections=1)
    async with (
        net("busy.test") as around,
        running_relay(tmp_path, around, shaping=shaped(any_reply, named, shipped=False)) as relay,
    ):
        await around["busy.test"].down()
        await submit(relay, "one@busy.test")
        await until(lambda: len(attempts(relay, "one@busy.test")) >= 3, "some attempts")

        await until(lambda: rows(relay, "SELECT rule FROM restraint"), "the rule that names it")
        assert [row["rule"] for row in rows(relay, "SELECT rule FROM restraint")] == ["dead"]
        await around["busy.test"].up()
        await settled(relay)
