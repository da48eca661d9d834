from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.unit.queue.desk import Desk
from tests.unit.queue.office import NOW, Office, id_of

from mailtui.events import Notified
from mailtui.model import State
from mailtui.queue.actions import CannotUndo, UnknownAction
from mailtui.queue.check import check_queue
from mailtui.queue.filter import parse
from mailtui.queue.lanes import park_lane, settle_due
from mailtui.queue.operate import BURST
from mailtui.queue.prune import Keep
from mailtui.queue.pruner import Pruner
from mailtui.queue.selection import Everything, Ids
from mailtui.queue.verbs import BOUNCE_DELAY, Verb
from mailtui.views import Affected, Share

DAY = 86400.0


@pytest.fixture
async def desk(office: Office) -> AsyncIterator[Desk]:
    """Six deferred recipients of three messages, one queued, one deferred and then held; none is due."""
    for i in range(3):
        office.message(f"a{i}@one.example", f"b{i}@one.example", age=1000 - i)
    office.message("held@two.example", age=500)
    office.try_all("one.example")
    office.try_all("two.example")
    office.message("new@three.example", age=0)
    office.db.execute("UPDATE recipient SET next_attempt = ? WHERE state = 'queued'", (NOW + 100,))
    for (lane,) in office.db.execute("SELECT id FROM lane").fetchall():
        settle_due(office.db, lane)
    desk = Desk(office.path.parent)
    await desk.start()
    desk.now = NOW + 10
    await desk.operator.act(Verb.HOLD, parse("domain:two.example"), "root")
    office.close()
    yield desk
    await desk.close()
    findings = check_queue(office.path)
    assert findings == []


async def everybody(desk: Desk) -> list[tuple[object, ...]]:
    """All that is known of the recipients that applications sent, and when their lanes are due."""
    return [
        *await desk.rest("SELECT * FROM recipient WHERE address <> 'app@example.org' ORDER BY id"),
        *await desk.rest(
            "SELECT id, due_at FROM lane WHERE destination <> 'example.org' AND due_at IS NOT NULL ORDER BY id"
        ),
        *await desk.rest("SELECT id, unfinished, finished_at, body FROM message WHERE about IS NULL ORDER BY id"),
        *await desk.rest(
            "SELECT c.* FROM content c JOIN message m ON m.id = c.id >> 12 WHERE about IS NULL ORDER BY c.id"
        ),
    ]


async def states(desk: Desk) -> dict[object, object]:
    return dict(await desk.rest("SELECT state, count(*) FROM recipient GROUP BY state"))  # type: ignore[arg-type]


@pytest.mark.parametrize("verb", Verb)
async def test_everything_is_exactly_as_it_was(desk: Desk, verb: Verb) -> None:
    before = await everybody(desk)
    desk.now = NOW + 30
    done = await desk.operator.act(
        verb, Everything(), "root", "a mistake", to="smarthost a:25" if verb is Verb.REROUTE else ""
    )
    assert await everybody(desk) != before
    desk.now = NOW + 50
    undone = await desk.operator.undo(done.action, "ana", "sorry")
    assert undone == Affected(done.action + 1, "undo", done.done, done.done, 0, 0, done.messages)
    assert await everybody(desk) == before
    kinds = await desk.rest("SELECT DISTINCT actor, text FROM event WHERE kind = 'undo'")
    assert kinds == [("ana", "sorry")]


async def test_actions_on_the_same_set_are_undone_in_turn(desk: Desk) -> None:
    first = await everybody(desk)
    hold = await desk.operator.act(Verb.HOLD, parse("domain:one.example"), "root")
    second = await everybody(desk)
    desk.now += 5
    purge = await desk.operator.act(Verb.PURGE, parse("from:app@example.org state:held"), "root")
    assert purge.done == 7
    early = await desk.operator.undo(hold.action, "root")
    assert (early.done, early.skipped, early.reasons) == (0, 6, (Share(f"changed by action {purge.action} since", 6),))
    assert (await desk.operator.undo(purge.action, "root")).done == 7
    assert await everybody(desk) == second
    again = await desk.operator.act(Verb.RELEASE, parse("domain:one.example"), "root")
    assert (await desk.operator.undo(again.action, "root")).done == 6
    assert await everybody(desk) == second
    assert (await desk.operator.undo(hold.action, "root")).done == 6  # the early one had brought nothing back
    assert await everybody(desk) == first
    with pytest.raises(CannotUndo, match="undone already"):
        await desk.operator.undo(hold.action, "root")


async def test_dsns_that_have_not_left_are_withdrawn(desk: Desk) -> None:
    done = await desk.operator.act(Verb.BOUNCE, parse("domain:one.example"), "root")
    assert len([event for event in desk.events if isinstance(event, Notified)]) == 3
    desk.now += BOUNCE_DELAY - 1
    assert (await desk.operator.undo(done.action, "root")).done == 6
    assert await states(desk) == {"deferred": 6, "held": 1, "queued": 1, "purged": 3}
    assert await desk.rest("SELECT due_at FROM lane WHERE destination = 'example.org'") == [(None,)]
    told = await desk.rest("SELECT DISTINCT text FROM event WHERE kind = 'purge'")
    assert told == [(f"the bounce it reports, action {done.action}, was undone",)]


async def test_a_dsn_that_was_tried_cannot_be_recalled(desk: Desk) -> None:
    done = await desk.operator.act(Verb.BOUNCE, parse("domain:one.example"), "root")
    gone = (
        "UPDATE recipient SET state = 'delivered', attempts = 1 WHERE id ="
        " (SELECT min(id) FROM recipient WHERE address = 'app@example.org')"
    )
    await desk.store.run(lambda db: db.execute(gone).rowcount)
    undone = await desk.operator.undo(done.action, "root")
    assert (undone.done, undone.failed, undone.reasons) == (4, 2, (Share("its DSN has left", 2),))
    assert await states(desk) == {"deferred": 4, "bounced": 2, "held": 1, "queued": 1, "purged": 2, "delivered": 1}


async def test_what_never_had_a_reply_has_none_again(desk: Desk) -> None:
    before = await everybody(desk)
    done = await desk.operator.act(Verb.BOUNCE, parse("domain:three.example"), "root")
    assert await desk.rest("SELECT text FROM recipient WHERE state = 'bounced'") == [("given up by the operator",)]
    await desk.operator.undo(done.action, "root")
    assert await everybody(desk) == before


async def test_without_its_body_nothing_comes_back(desk: Desk) -> None:
    done = await desk.operator.act(Verb.PURGE, parse("domain:one.example"), "root")
    desk.now += DAY + 1
    await Pruner(desk.store, Keep(14 * DAY, 1 << 40, DAY), desk.store.forget).sweep(desk.now)
    undone = await desk.operator.undo(done.action, "root")
    assert (undone.done, undone.failed, undone.reasons) == (0, 6, (Share("its body is gone", 6),))


async def test_who_moved_on_is_left_alone(desk: Desk) -> None:
    done = await desk.operator.act(Verb.RETRY, parse("domain:one.example"), "root")
    lives = (State.DELIVERED, State.SENDING, State.BOUNCED, State.HELD)
    rows = [row[0] for row in await desk.rest("SELECT id FROM recipient WHERE action > 1 ORDER BY id")]
    for row, state in zip(rows, lives, strict=False):
        sql = f"UPDATE recipient SET state = '{state.value}' WHERE id = {row}"
        await desk.store.run(lambda db, sql=sql: db.execute(sql).rowcount)  # type: ignore[misc]
    tried = f"UPDATE recipient SET state = 'deferred', attempts = attempts + 1 WHERE id = {rows[4]}"
    await desk.store.run(lambda db: db.execute(tried).rowcount)
    undone = await desk.operator.undo(done.action, "root")
    assert (undone.matched, undone.done, undone.skipped, undone.failed) == (6, 1, 5, 0)
    assert {share.name for share in undone.reasons} == {
        *("delivered since", "being sent", "bounced since", "held since", "attempted since"),
    }


async def test_what_became_due_meanwhile_is_spread_and_keeps_its_last_day(office: Office) -> None:
    for i in range(150):
        office.message(f"u{i}@one.example", age=1000 - i, lifetime=1000 - i + 7200.0 if i % 2 else 1000 - i + 5 * DAY)
    office.try_all("one.example")
    office.close()
    desk = Desk(office.path.parent)
    await desk.start()
    expiry = await desk.rest("SELECT expires_at FROM recipient ORDER BY id")
    done = await desk.operator.act(Verb.HOLD, Everything(), "root")
    desk.now = NOW + 5000
    assert (await desk.operator.undo(done.action, "root")).done == 150 > BURST
    due = sorted(float(str(row[0])) for row in await desk.rest("SELECT next_attempt FROM recipient"))
    assert NOW + 5000 <= due[0] < due[-1] <= NOW + 5000 + 150 / 20
    assert await desk.rest("SELECT due_at FROM lane") == [(due[0],)]
    back = await desk.rest("SELECT expires_at FROM recipient ORDER BY id")
    assert {float(str(was[0])) - NOW for was in expiry} == {7200.0, 5 * DAY}
    assert back == [(NOW + 7200 + 5000 if i % 2 else NOW + 5 * DAY,) for i in range(150)], (
        "two hours are left as before"
    )
    assert {lane.destination for lane in desk.woken} == {"one.example"}
    await desk.close()
    assert check_queue(office.path) == []


async def test_what_was_due_already_has_the_very_turn_it_had(office: Office) -> None:
    """Behind a site that does not work, say: it waits as it did, for as long as it would have."""
    for i in range(BURST + 50):
        office.message(f"u{i}@one.example", age=1000 - i)
    office.close()
    desk = Desk(office.path.parent)
    await desk.start()
    before = await everybody(desk)
    done = await desk.operator.act(Verb.PURGE, Everything(), "root")
    desk.now = NOW + 5000
    assert (await desk.operator.undo(done.action, "root")).done == BURST + 50
    assert await everybody(desk) == before
    await desk.close()


async def test_an_undo_wakes_nobody_whose_dns_is_not_to_be_asked_yet(desk: Desk) -> None:
    """That would be one look-up more that fails, and another wait."""
    until = NOW + 5000
    (lane,) = (row[0] for row in await desk.rest("SELECT id FROM lane WHERE destination = 'one.example'"))
    await desk.store.run(lambda db: park_lane(db, int(str(lane)), until, "SERVFAIL"))
    before = await desk.rest("SELECT * FROM lane ORDER BY id")
    done = await desk.operator.act(Verb.PURGE, Everything(), "root")
    desk.woken.clear()
    await desk.operator.undo(done.action, "root")
    assert {lane.destination for lane in desk.woken} == {"two.example", "three.example"}
    assert await desk.rest("SELECT * FROM lane ORDER BY id") == before


async def test_what_cannot_be_undone_says_why(desk: Desk) -> None:
    with pytest.raises(UnknownAction, match="there is no action 99"):
        await desk.operator.undo(99, "root")
    nothing = await desk.operator.act(Verb.RELEASE, parse("domain:nowhere.example"), "root")
    assert (nothing.matched, nothing.done) == (0, 0)
    with pytest.raises(CannotUndo, match="changed nothing"):
        await desk.operator.undo(nothing.action, "root")
    done = await desk.operator.act(Verb.HOLD, parse("domain:one.example"), "root")
    undone = await desk.operator.undo(done.action, "root")
    with pytest.raises(CannotUndo, match=f"undone already, by action {undone.action}"):
        await desk.operator.undo(done.action, "root")
    with pytest.raises(CannotUndo, match="is an undo itself"):
        await desk.operator.undo(undone.action, "root")
    rows = await desk.rest(f"SELECT verb, undoes, matched, done, state FROM action WHERE id >= {done.action}")
    assert rows == [("hold", None, 6, 6, "done"), ("undo", done.action, 6, 6, "done")]


async def test_an_undo_that_was_stopped_can_be_gone_on_with(desk: Desk) -> None:
    before = await everybody(desk)
    done = await desk.operator.act(Verb.PURGE, parse("domain:one.example"), "root")
    part = await desk.operator.undo(done.action, "root")
    # As if the relay had ended behind the first message: two are back, four are not.
    rows = await desk.rest(f"SELECT recipient FROM action_item WHERE action = {done.action} ORDER BY recipient")
    late = ", ".join(str(row[0]) for row in rows[2:])
    again = (
        f"UPDATE recipient SET state = 'purged', action = {done.action}, changed_at = {desk.now}, former_state = 'deferred'"
        f" WHERE id IN ({late})"
    )
    await desk.store.run(lambda db: db.execute(again).rowcount)
    await desk.store.run(
        lambda db: db.execute("UPDATE action SET state = 'open' WHERE id = ?", (part.action,)).rowcount
    )
    await desk.store.recover(desk.now)
    rest = await desk.operator.undo(done.action, "root")
    assert (rest.done, rest.skipped, rest.reasons) == (4, 2, (Share("restored already", 2),))
    assert await everybody(desk) == before


async def test_ids_are_enough(desk: Desk) -> None:
    (row,) = await desk.rest("SELECT id >> 20 FROM recipient WHERE address = 'a0@one.example'")
    done = await desk.operator.act(Verb.PURGE, Ids((id_of(int(str(row[0])), 1),)), "root")
    assert (done.matched, done.done, done.messages) == (1, 1, 1)
    assert (await desk.operator.undo(done.action, "root")).done == 1


async def test_to_a_state_that_undo_may_not_cause_there_is_no_way_back(desk: Desk) -> None:
    done = await desk.operator.act(Verb.RELEASE, parse("domain:two.example"), "root")
    odd = f"UPDATE action_item SET state = 'delivered' WHERE action = {done.action}"
    await desk.store.run(lambda db: db.execute(odd).rowcount)
    undone = await desk.operator.undo(done.action, "root")
    assert (undone.done, undone.failed, undone.reasons) == (0, 1, (Share("it was delivered: no way back", 1),))
