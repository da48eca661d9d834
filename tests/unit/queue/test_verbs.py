from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.unit.queue.desk import Desk
from tests.unit.queue.office import NOW, Office, id_of

from mailtui.events import Changed, Notified
from mailtui.model import Cause, State, may_move, recipient_row
from mailtui.queue import lanes, verbs
from mailtui.queue.filter import parse
from mailtui.queue.operate import BURST, Unexpected
from mailtui.queue.selection import Everything, Ids, UnknownId
from mailtui.queue.verbs import APPLIES, Change, Step, Verb


def _do(office: Office, verb: Verb, *messages: int, now: float = NOW, n: int = 1) -> Step:
    office.db.execute("BEGIN")
    step = verbs.apply(
        office.db, Change(verb, [recipient_row(message, n) for message in messages], now, "root", "because")
    )
    office.db.execute("COMMIT")
    assert office.balanced()
    return step


def _put(office: Office, message: int, state: State) -> None:
    """Set a state as a life would."""
    former = ("deferred", NOW - 50) if state is State.HELD else (None, None)
    office.db.execute(
        "UPDATE recipient SET state = ?, former_state = ?, former_next = ?, changed_at = ? WHERE id = ?",
        (state.value, *former, NOW - 10, recipient_row(message, 1)),
    )


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("state", State)
def test_a_verb_moves_what_it_applies_to_and_nothing_else(office: Office, verb: Verb, state: State) -> None:
    message = office.message("a@one.example", age=100)
    _put(office, message, state)
    step = _do(office, verb, message)
    after = State(office.state(message))
    if state in APPLIES[verb]:
        assert step.changed == (recipient_row(message, 1),)
        assert after is state or may_move(state, after, Cause.OPERATOR)
        assert after is {Verb.HOLD: State.HELD, Verb.PURGE: State.PURGED, Verb.BOUNCE: State.BOUNCED}.get(verb, after)
    else:
        assert (after, step.changed) == (state, ())
        assert (step.skipped, step.failed) == ((1, 0) if state is State.SENDING else (0, 1))
    events = office.db.execute(
        "SELECT kind, actor, text, recipient FROM event WHERE message = ?", (message,)
    ).fetchall()
    assert events == ([(verb.value, "root", "because", 1)] if step.changed else [])


def test_retry_is_due_now_past_every_back_off(office: Office) -> None:
    message = office.message("a@one.example", age=100)
    other = office.message("a@two.example", age=100)
    office.try_all("one.example")
    office.try_all("two.example")
    with office.db:
        for destination in ("one.example", "two.example"):
            lane = office.lanes.id(office.db, destination, "mx")
            lanes.enter_site(office.db, lane, "mx.shared")
        lanes.break_site(office.db, "mx.shared", 3, NOW + 9000, "down", NOW, 1)
    step = _do(office, Verb.RETRY, message, now=NOW + 5)
    assert office.recipient(message, 1, "state, next_attempt") == ("queued", NOW + 5)
    assert office.due_at("one.example") == NOW + 5
    assert office.db.execute("SELECT not_before FROM lane").fetchall() == [(0,), (0,)]
    assert office.db.execute("SELECT failures, broken_until FROM site").fetchone() == (0, 0)
    assert verbs.sites_of(office.db, step.lanes) == ("mx.shared",)
    claim = office.claim(step.lanes[0], NOW + 5)
    assert claim is not None
    assert claim.message == message
    assert office.state(other) == "deferred"


def test_retry_of_a_destination_whose_dns_failed(office: Office) -> None:
    message = office.message("a@one.example", age=100)
    lane = office.lanes.id(office.db, "one.example", "mx")
    lanes.park_lane(office.db, lane, NOW + 5000, "SERVFAIL")
    _do(office, Verb.RETRY, message)
    assert office.due_at("one.example") is not None
    assert office.claim(lane, NOW) is not None


def test_release_restores_state_and_schedule_and_gives_held_time_back(office: Office) -> None:
    message = office.message("a@one.example", age=100)
    office.try_all("one.example")
    before = office.recipient(message, 1, "state, next_attempt, expires_at")
    assert before[:2] == ("deferred", NOW + 300)
    _do(office, Verb.HOLD, message, now=NOW + 10)
    assert office.recipient(message, 1, "state, former_state, former_next") == ("held", "deferred", NOW + 300)
    assert office.due_at("one.example") is None
    _do(office, Verb.RELEASE, message, now=NOW + 110)
    assert office.recipient(message, 1, "state, next_attempt, expires_at") == ("deferred", NOW + 300, before[2] + 100)  # type: ignore[operator]
    assert office.recipient(message, 1, "former_state, former_next") == (None, None)
    assert office.due_at("one.example") == NOW + 300


def test_release_of_what_became_due_meanwhile_is_due_now(office: Office) -> None:
    message = office.message("a@one.example", age=100)
    _do(office, Verb.HOLD, message)
    _do(office, Verb.RELEASE, message, now=NOW + 5000)
    assert office.recipient(message, 1, "state, next_attempt") == ("queued", NOW + 5000)
    assert office.due_at("one.example") == NOW + 5000


def test_purge_keeps_what_a_restore_needs_and_finishes_the_message(office: Office) -> None:
    message = office.message("a@one.example", "b@one.example", age=100)
    _do(office, Verb.HOLD, message, now=NOW)
    _do(office, Verb.PURGE, message, now=NOW + 60)
    assert office.recipient(message, 1, "state, former_state, former_next") == ("purged", "held", NOW - 100)
    assert office.db.execute("SELECT unfinished, finished_at FROM message").fetchone() == (1, None)
    _do(office, Verb.PURGE, message, n=2, now=NOW + 70)
    assert office.db.execute("SELECT unfinished, finished_at, body FROM message").fetchone() == (0, NOW + 70, 1)
    assert office.has_body(message)
    assert office.due_at("one.example") is None


def test_rows_that_are_gone_are_failures(office: Office) -> None:
    assert _do(office, Verb.HOLD, 1, 2) == Step(failed=2, reasons=(("gone", 2),))


# ---------------------------------------------------------------------- the whole verb, through store and reader


@pytest.fixture
async def desk(office: Office) -> AsyncIterator[Desk]:
    """Opened on the file of the office after the test has filled it by `_fill`."""
    _fill(office)
    office.close()
    desk = Desk(office.path.parent)
    await desk.start()
    yield desk
    await desk.close()


def _fill(office: Office) -> None:
    """150 deferred recipients of fifty messages, one being sent, one held, one done."""
    for i in range(50):
        office.message(*(f"u{i}-{n}@one.example" for n in range(3)), age=1000 - i)
    office.try_all("one.example")
    lane = office.lanes.id(office.db, "one.example", "mx")
    lanes.enter_site(office.db, lane, "mx.one")
    for destination, state in (
        ("sent.example", State.SENDING),
        ("held.example", State.HELD),
        ("done.example", State.DELIVERED),
    ):
        _put(office, office.message(f"x@{destination}", age=10), state)


async def _states(desk: Desk) -> dict[object, object]:
    return dict(await desk.rows("SELECT state, count(*) FROM recipient GROUP BY state"))  # type: ignore[arg-type]


async def test_a_large_retry_is_spread_and_a_forced_one_is_not(desk: Desk) -> None:
    affected = await desk.operator.act(Verb.RETRY, Everything(), "root")
    assert msgspec.to_builtins(affected) == {
        "action": 1,
        "reasons": ({"name": "being sent", "count": 1},),
        "verb": "retry",
        "matched": 151,
        "done": 150,
        "skipped": 1,
        "failed": 0,
        "messages": 50,
    }
    due = [
        float(str(row[0]))
        for row in await desk.rows("SELECT next_attempt FROM recipient WHERE state = 'queued' ORDER BY next_attempt")
    ]
    assert len(due) == 150 > BURST
    assert NOW <= due[0] < NOW + 1
    assert NOW + 7 < due[-1] <= NOW + 150 / 20
    assert desk.unblocked == ["mx.one"]
    assert {lane.destination for lane in desk.woken} == {"one.example"}
    await desk.operator.act(Verb.RETRY, parse("domain:one.example"), "root", now=True)
    assert await desk.rows("SELECT DISTINCT next_attempt FROM recipient WHERE state = 'queued'") == [(NOW,)]


async def test_a_retry_never_waits_longer_than_before(desk: Desk) -> None:
    await desk.store.run(
        lambda db: db.execute("UPDATE recipient SET next_attempt = ? WHERE state = 'deferred'", (NOW + 1,))
    )
    await desk.operator.act(Verb.RETRY, Everything(), "root")
    assert await desk.rows(f"SELECT count(*) FROM recipient WHERE state = 'queued' AND next_attempt <= {NOW + 1}") == [
        (150,)
    ]


async def test_hold_and_release_everything_says_what_was_skipped(desk: Desk) -> None:
    held = await desk.operator.act(Verb.HOLD, Everything(), "root", "maintenance")
    assert (held.matched, held.done, held.skipped) == (151, 150, 1)
    changed = desk.events[-1]
    assert isinstance(changed, Changed)
    assert (changed.verb, changed.actor, changed.recipients, len(changed.ids)) == ("hold", "root", 150, 20)
    assert await desk.rows("SELECT count(*) FROM event WHERE kind = 'hold' AND text = 'maintenance'") == [(150,)]
    released = await desk.operator.act(Verb.RELEASE, Everything(), "root")
    assert (released.matched, released.done, released.skipped) == (151, 151, 0)
    assert await _states(desk) == {"deferred": 151, "sending": 1, "delivered": 1}


async def test_ids_in_other_states_are_failures_and_unknown_ones_stop_everything(desk: Desk) -> None:
    rows = await desk.rows(
        "SELECT id >> 20 FROM recipient WHERE state IN ('delivered', 'sending') OR id & 1048575 = 3 ORDER BY id"
    )
    ids = tuple(id_of(int(str(row[0]))) for row in rows)
    done = await desk.operator.act(Verb.HOLD, Ids(ids), "root")
    assert (done.matched, done.done, done.skipped, done.failed) == (152, 150, 1, 1)
    before = await _states(desk)
    with pytest.raises(UnknownId, match="ZZZZZZZZ"):
        await desk.operator.act(Verb.RELEASE, Ids((*ids, "ZZZZZZZZ")), "root")
    assert await _states(desk) == before


async def test_dry_run_and_expect_touch_nothing_when_they_should_not(desk: Desk) -> None:
    before = await _states(desk)
    preview = await desk.operator.preview(Verb.PURGE, Everything())
    assert (preview.matched, preview.done, preview.skipped, preview.messages) == (152, 151, 1, 51)
    with pytest.raises(Unexpected, match="151 recipients"):
        await desk.operator.act(Verb.PURGE, Everything(), "root", expect=150)
    assert await _states(desk) == before
    done = await desk.operator.act(Verb.PURGE, Everything(), "root", expect=151)
    assert (done.matched, done.done, done.skipped, done.messages) == (152, 151, 1, 51)
    assert (await _states(desk))["purged"] == 151


async def test_bounce_tells_each_sender_in_one_dsn_a_message_that_waits_a_minute(desk: Desk) -> None:
    bounced = await desk.operator.act(Verb.BOUNCE, parse("domain:one.example"), "root", "no such campaign")
    assert (bounced.done, bounced.messages) == (150, 50)
    notices = [event for event in desk.events if isinstance(event, Notified)]
    assert [notice.kind for notice in notices] == ["failed"] * 50
    assert await desk.rows("SELECT count(*), min(next_attempt) FROM recipient WHERE address = 'app@example.org'") == [
        (50, NOW + 60)
    ]
    counter = dict(await desk.rows("SELECT name, n FROM counter"))  # type: ignore[arg-type]
    assert counter["bounced"] == 150
    assert counter["accepted"] == sum(n for name, n in counter.items() if name != "accepted") == 203
