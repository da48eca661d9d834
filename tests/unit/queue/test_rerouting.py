"""Sending recipients another way: lanes and when they are due, what keeps them there, and the way back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.unit.queue.desk import Desk
from tests.unit.queue.office import NOW, Office, id_of

from mailtui.model import Address
from mailtui.queue import relane
from mailtui.queue.audit import Wanted, audit
from mailtui.queue.check import check_queue
from mailtui.queue.facts import facts
from mailtui.queue.filter import parse
from mailtui.queue.lanes import settle_due
from mailtui.queue.selection import Everything, Ids
from mailtui.queue.verbs import Verb
from mailtui.views import Share

SMART = "smarthost s.example:25 opportunistic"
OTHER = "smarthost t.example:25 opportunistic"


def by_mx(sender: Address, destination: str, attempts: int) -> str:
    return "mx"


@pytest.fixture
async def desk(office: Office) -> AsyncIterator[Desk]:
    """Of one.example: two deferred for 300 s, one due since 50 s; of two.example: one held."""
    office.message("a@one.example", "b@one.example", age=1000)
    office.try_all("one.example")
    office.message("c@one.example", age=50)
    office.message("d@two.example", age=40)
    for (lane,) in office.db.execute("SELECT id FROM lane").fetchall():
        settle_due(office.db, lane)
    desk = Desk(office.path.parent)
    await desk.start()
    desk.now = NOW + 10
    await desk.operator.act(Verb.HOLD, parse("domain:two.example"), "root")
    office.close()
    yield desk
    await desk.close()
    assert check_queue(office.path) == []


async def places(desk: Desk) -> list[tuple[object, ...]]:
    return await desk.rest(
        "SELECT r.address, l.route, r.state, r.next_attempt FROM recipient r JOIN lane l ON l.id = r.lane ORDER BY r.id"
    )


async def due(desk: Desk) -> set[tuple[object, ...]]:
    return {*await desk.rest("SELECT destination, route, due_at FROM lane WHERE due_at IS NOT NULL")}


async def test_they_stand_elsewhere_and_all_else_is_as_it_was(desk: Desk) -> None:
    before = await desk.rest(
        "SELECT id, state, next_attempt, expires_at, attempts, changed_at, former_state, former_next FROM recipient"
    )
    done = await desk.operator.act(Verb.REROUTE, Everything(), "ana", "their MX is down", to=SMART)
    assert (done.verb, done.matched, done.done, done.skipped, done.failed) == ("reroute", 4, 4, 0, 0)
    assert {(route, state) for _, route, state, _ in await places(desk)} == {
        (SMART, "deferred"), (SMART, "queued"), (SMART, "held"),
    }  # fmt: skip
    assert await due(desk) == {("one.example", SMART, NOW - 50)}, "what is due stays due, the lane they left is idle"
    assert {lane.route for lane in desk.woken} == {SMART}
    after = await desk.rest(
        "SELECT id, state, next_attempt, expires_at, attempts, changed_at, former_state, former_next FROM recipient"
    )
    assert after == before
    told = await desk.rest("SELECT actor, text FROM event WHERE kind = 'reroute'")
    assert told == [("ana", f"to {SMART}: their MX is down")] * 4
    (row,) = await audit(desk.reader, Wanted(1))
    assert (row.verb, row.args) == ("reroute", {"to": SMART})


async def test_an_undo_leads_back_however_often_this_way_was_tried(desk: Desk) -> None:
    before, lanes = await places(desk), await due(desk)
    rows = await desk.rest("SELECT * FROM recipient ORDER BY id")
    first = await desk.operator.act(Verb.REROUTE, parse("domain:one.example"), "ana", to=SMART)
    second = await desk.operator.act(Verb.REROUTE, parse("to:c@*"), "ana", to=OTHER)
    assert (await desk.operator.undo(second.action, "ana")).done == 1
    assert (await places(desk))[2][1] == SMART
    attempted = "UPDATE recipient SET attempts = attempts + 1 WHERE address = 'c@one.example'"
    await desk.store.run(lambda db: db.execute(attempted).rowcount)
    undone = await desk.operator.undo(first.action, "ben", "it is up again")
    assert (undone.done, undone.skipped, undone.failed) == (3, 0, 0)
    assert await places(desk) == before
    assert await due(desk) == lanes
    back = "UPDATE recipient SET attempts = attempts - 1 WHERE address = 'c@one.example'"
    await desk.store.run(lambda db: db.execute(back).rowcount)
    assert await desk.rest("SELECT * FROM recipient ORDER BY id") == rows


async def test_what_is_being_sent_is_left_alone(desk: Desk) -> None:
    await desk.store.run(
        lambda db: db.execute("UPDATE recipient SET state = 'sending' WHERE address LIKE 'c@%'").rowcount
    )
    seen = await desk.operator.preview(Verb.REROUTE, parse("domain:one.example"), to=SMART)
    done = await desk.operator.act(Verb.REROUTE, parse("domain:one.example"), "ana", to=SMART)
    assert (seen.done, seen.skipped, seen.to) == (done.done, done.skipped, SMART) == (2, 1, SMART)
    assert done.reasons == (Share("being sent", 1),)
    assert [route for _, route, _, _ in await places(desk)] == [SMART, SMART, "mx", "mx"]


async def test_rules_and_broken_sites_do_not_move_them_while_their_route_exists(desk: Desk) -> None:
    await desk.operator.act(Verb.REROUTE, parse("to:a@*,d@*"), "ana", to=SMART)
    found = await desk.store.run(lambda db: relane.refile(db, desk.store._lanes, by_mx, 0, {SMART, "mx"}, NOW))
    assert found == (None, 0)
    await desk.store.run(lambda db: db.execute("INSERT INTO site (id, name) VALUES (9, 's.example')").rowcount)
    await desk.store.run(lambda db: db.execute("UPDATE lane SET site = 9").rowcount)
    fallen = await desk.store.run(
        lambda db: relane.fall_back(db, desk.store._lanes, lambda *_: OTHER, "s.example", 3, 0)
    )
    assert [lane.route for lane in fallen[1]] == [OTHER]
    assert [route for _, route, _, _ in await places(desk)] == [SMART, OTHER, OTHER, SMART]


async def test_a_route_that_is_gone_gives_them_back_to_the_rules(desk: Desk) -> None:
    await desk.operator.act(Verb.REROUTE, parse("to:a@*,d@*"), "ana", to=SMART)
    found = await desk.store.run(lambda db: relane.refile(db, desk.store._lanes, by_mx, 0, {"mx"}, NOW))
    assert found == (None, 2)
    assert {route for _, route, _, _ in await places(desk)} == {"mx"}
    assert await desk.rest("SELECT sum(rerouted) FROM recipient") == [(0,)]
    told = await desk.rest("SELECT kind, text FROM event WHERE kind = 'route'")
    assert told == [("route", f"{SMART} is gone from the configuration: its rules apply again")] * 2


async def test_a_claim_knows_that_it_was_rerouted(desk: Desk) -> None:
    await desk.operator.act(Verb.REROUTE, parse("to:c@*"), "ana", to=SMART)
    (lane,) = [lane for lane in desk.woken if lane.route == SMART]
    claim = await desk.store.claims.claim(lane, NOW + 20, 10, lambda attempts: 300.0)
    assert claim is not None and claim.route == SMART
    assert [recipient.rerouted for recipient in claim.recipients] == [True]
    await desk.store.unclaim((claim.recipients[0].id,), NOW + 20)


async def test_the_facts_name_who_did_it(desk: Desk) -> None:
    await desk.operator.act(Verb.REROUTE, parse("to:c@*"), "ana", "blocked", to=SMART)
    ((row,),) = await desk.rest("SELECT id FROM recipient WHERE address LIKE 'c@%'")
    known = await facts(desk.reader, row)  # type: ignore[arg-type]
    assert known.rerouted_to == SMART and known.reroute is not None
    assert (known.reroute.actor, known.reroute.text) == ("ana", f"to {SMART}: blocked")
    ((other,),) = await desk.rest("SELECT id FROM recipient WHERE address LIKE 'a@%'")
    assert (await facts(desk.reader, other)).rerouted_to == ""  # type: ignore[arg-type]


async def test_named_ids_that_are_finished_are_left_alone(desk: Desk) -> None:
    await desk.store.run(
        lambda db: db.execute("UPDATE recipient SET state = 'delivered' WHERE address LIKE 'c@%'").rowcount
    )
    ((row,),) = await desk.rest("SELECT id FROM recipient WHERE address LIKE 'c@%'")
    done = await desk.operator.act(Verb.REROUTE, Ids((id_of(int(str(row)) >> 20),)), "ana", to=SMART)
    assert (done.done, done.failed, done.reasons) == (0, 1, (Share("delivered", 1),))
