"""New mail that a hold rule finds: held at the moment it is taken in, with its lanes, counts and events in order; and its release."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.unit.queue.desk import Desk
from tests.unit.queue.office import BODY, NOW, Office, id_of, incoming

from mailtui.config import SuppressionExpiry
from mailtui.events import Changed
from mailtui.queue.check import check_queue
from mailtui.queue.filter import parse
from mailtui.queue.hold_rules import rules
from mailtui.queue.new_mail import understand
from mailtui.queue.selection import Ids
from mailtui.queue.verbs import Verb
from mailtui.suppressions import Wanted


@pytest.fixture
async def desk(office: Office) -> AsyncIterator[Desk]:
    desk = Desk(office.path.parent)
    await desk.start()
    office.close()
    yield desk
    await desk.close()
    assert check_queue(office.path) == []


async def rule(desk: Desk, text: str, reason: str = "", ends: float | None = None) -> int:
    return await desk.store.run(
        lambda db: desk.store.hold_rules.add(db, understand(text), ends, "ana", reason, desk.now)
    )


async def accept(desk: Desk, *to: str, sender: str = "app@example.org", subject: str = "x", at: float = NOW) -> int:
    number = desk.store.new_number()
    message = incoming(number, *to, sender=sender, subject=subject, at=at, user="shop", client="10.0.4.7")
    desk.woken.clear()
    await desk.store.accept(message, 0, BODY)
    return number


async def states(desk: Desk, message: int) -> list[tuple[object, ...]]:
    return await desk.rest(f"SELECT state, text, hold_rule FROM recipient WHERE id >> 20 = {message} ORDER BY id")


async def test_what_a_rule_finds_is_held_and_the_rest_goes(desk: Desk) -> None:
    await rule(desk, "domain:stop.example", "ticket 7")
    message = await accept(desk, "a@stop.example", "b@go.example", "c@stop.example")
    held = ("held", "held by rule 1", 1)
    assert await states(desk, message) == [held, ("queued", "", 0), held]
    assert [lane.destination for lane in desk.woken] == ["go.example"]
    assert await desk.rest("SELECT destination, due_at FROM lane ORDER BY id") == [
        ("stop.example", None), ("go.example", NOW),
    ]  # fmt: skip
    events = await desk.rest("SELECT recipient, kind, actor, text FROM event ORDER BY recipient")
    assert events == [(n, "held", "relay", "hold rule 1 of ana, domain:stop.example: ticket 7") for n in (1, 3)]
    assert Changed(NOW, "hold", "relay", 2, [id_of(message, 1), id_of(message, 3)]) in desk.events
    (known,) = await rules(desk.reader, NOW)
    assert known.held == 2 and known.last_held is not None and known.last_held.timestamp() == NOW
    counters = dict(await desk.rest("SELECT name, n FROM counter"))  # type: ignore[arg-type]
    assert (counters["accepted"], counters["held"], counters["queued"]) == (3, 2, 1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from:*@example.org", True), ("from:other@*", False), ("user:shop client:10.0.*", True), ("listener:*:2525", True),
        ("subject~x size:5k-", True), ("size:5k+", False), ("not domain:a.example", False), ("route:mx to:u@a.example", True),
        ("to:v@a.example or msgid:*@example.org", True),
    ],
)  # fmt: skip
async def test_every_fact_of_new_mail_counts(desk: Desk, text: str, found: bool) -> None:
    await rule(desk, text)
    message = await accept(desk, "u@a.example")
    assert (await states(desk, message))[0][0] == ("held" if found else "queued")


async def test_the_first_rule_that_finds_it_holds_it(desk: Desk) -> None:
    await rule(desk, "subject~x", ends=NOW + 10)
    await rule(desk, "domain:a.example")
    message = await accept(desk, "u@a.example", "u@b.example")
    assert [row[2] for row in await states(desk, message)] == [1, 1]
    later = await accept(desk, "u@a.example", "u@b.example", at=NOW + 11)
    assert [row[2] for row in await states(desk, later)] == [2, 0], "the first has ended"
    assert [row.held for row in await rules(desk.reader, NOW, everything=True)] == [2, 1]


async def test_what_was_there_stays_and_a_removed_rule_finds_nothing(desk: Desk) -> None:
    before = await accept(desk, "u@a.example")
    number = await rule(desk, "domain:a.example")
    held = await accept(desk, "u@a.example")
    await desk.store.run(lambda db: desk.store.hold_rules.remove(db, number, "ben", "", NOW))
    after = await accept(desk, "u@a.example")
    assert [(await states(desk, message))[0][0] for message in (before, held, after)] == ["queued", "held", "queued"]


async def test_a_job_that_is_rolled_back_leaves_no_rule_behind(desk: Desk) -> None:
    def fail(db: object) -> None:
        raise RuntimeError("no")

    added = desk.store.run(lambda db: desk.store.hold_rules.add(db, understand("size:1-"), None, "ana", "", NOW))
    failed = desk.store.run(fail)
    with pytest.raises(RuntimeError):
        await failed
    assert await added == 1
    message = await accept(desk, "u@a.example")
    assert (await states(desk, message))[0][0] == "queued"
    assert len(await rules(desk.reader, NOW)) == 1


async def test_it_is_found_by_its_rule_and_released_as_if_it_had_just_come(desk: Desk) -> None:
    await rule(desk, "domain:a.example")
    message = await accept(desk, "u@a.example", "u@b.example")
    desk.now = NOW + 5000
    before = await desk.rest("SELECT * FROM recipient ORDER BY id")
    done = await desk.operator.act(Verb.RELEASE, parse("rule:1", now=desk.now), "ana")
    assert (done.matched, done.done) == (1, 1)
    assert await states(desk, message) == [("queued", "", 1), ("queued", "", 0)]
    lifetime = desk.store.config.queue.lifetime
    row = f"SELECT next_attempt, expires_at, former_state FROM recipient WHERE id = {message << 20 | 1}"
    assert await desk.rest(row) == [(NOW + 5000, NOW + lifetime + 5000, None)]
    assert [lane.destination for lane in desk.woken] == ["b.example", "a.example"]
    await desk.operator.undo(done.action, "ana")
    assert await desk.rest("SELECT * FROM recipient ORDER BY id") == before


async def test_who_is_told_of_a_bounce_hears_nothing_of_the_rule(desk: Desk) -> None:
    await rule(desk, "domain:a.example", "they are crooks")
    message = await accept(desk, "u@a.example")
    before = await desk.rest("SELECT * FROM recipient ORDER BY id")
    bounced = await desk.operator.act(Verb.BOUNCE, Ids((id_of(message),)), "ana", "enough")
    assert await states(desk, message) == [("bounced", "given up by the operator", 1)]
    ((report,),) = await desk.rest(
        "SELECT c.chunk FROM content c JOIN message m ON m.id = c.id >> 12 WHERE m.about IS NOT NULL"
    )
    assert b"rule" not in bytes(report) and b"crooks" not in bytes(report)  # type: ignore[arg-type]
    await desk.operator.undo(bounced.action, "ana")
    assert await desk.rest(f"SELECT * FROM recipient WHERE id >> 20 = {message}") == before


async def test_our_own_dsns_are_not_held_but_those_of_others_are(desk: Desk) -> None:
    message = await accept(desk, "u@a.example")
    await rule(desk, "from:<>")
    await desk.operator.act(Verb.BOUNCE, Ids((id_of(message),)), "ana")
    ours = "SELECT r.state FROM recipient r JOIN message m ON m.id = r.id >> 20 WHERE m.about IS NOT NULL"
    assert await desk.rest(ours) == [("queued",)]
    theirs = await accept(desk, "u@a.example", sender="")
    assert (await states(desk, theirs))[0][0] == "held"


async def test_the_suppression_list_comes_first(desk: Desk) -> None:
    wanted = [Wanted("u@a.example")]
    await desk.store.run(lambda db: desk.store.suppressions.merge(db, wanted, SuppressionExpiry(), "ana", NOW))
    await rule(desk, "domain:a.example")
    message = await accept(desk, "u@a.example", "v@a.example")
    assert [row[0] for row in await states(desk, message)] == ["suppressed", "held"]
    assert [row.held for row in await rules(desk.reader, NOW)] == [1]
