"""Hold rules: how they come, end, go and come back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.unit.queue.desk import Desk
from tests.unit.queue.office import NOW, Office

from mailtui.queue import hold_rules
from mailtui.queue.actions import CannotUndo
from mailtui.queue.audit import audit
from mailtui.queue.hold_rules import HoldRules, UnknownRule, rules
from mailtui.queue.new_mail import understand


def test_no_rules_cost_one_look(office: Office) -> None:
    known = HoldRules()
    asked: list[str] = []
    office.db.set_trace_callback(asked.append)
    assert [known.standing(office.db, NOW) for _ in range(3)] == [(), (), ()]
    office.db.set_trace_callback(None)
    assert len(asked) == 1


def test_a_rule_that_has_ended_is_asked_no_more(office: Office) -> None:
    known = HoldRules()
    with office.db:
        known.add(office.db, understand("domain:x.example"), NOW + 60, "ana", "", NOW)
        known.add(office.db, understand("size:1M+"), None, "ben", "big", NOW)
    assert [rule.id for rule in known.standing(office.db, NOW + 59)] == [1, 2]
    assert [rule.id for rule in known.standing(office.db, NOW + 60)] == [2]
    assert [rule.id for rule in HoldRules().standing(office.db, NOW + 60)] == [2]
    with pytest.raises(UnknownRule, match="no hold rule 1 stands"):
        known.remove(office.db, 1, "ana", "", NOW + 61)


def test_a_rule_nobody_understands_any_more_does_not_stop_the_intake(office: Office) -> None:
    known = HoldRules()
    known.add(office.db, understand("domain:x.example"), None, "ana", "", NOW)
    known.add(office.db, understand("size:1M+"), None, "ana", "", NOW)
    office.db.execute("UPDATE hold_rule SET filter = 'planet:mars' WHERE id = 1")
    assert [rule.id for rule in known.standing(office.db, NOW)] == [2]


def test_old_ones_are_let_go_of_and_their_numbers_are_not_given_again(office: Office) -> None:
    known = HoldRules()
    for ends in (NOW + 10, None, None):
        known.add(office.db, understand("size:1M+"), ends, "ana", "", NOW)
    known.remove(office.db, 3, "ana", "", NOW + 20)
    assert hold_rules.drop_old(office.db, NOW + 20, 10) == 1
    assert hold_rules.drop_old(office.db, NOW + 21, 10) == 1
    assert [row[0] for row in office.db.execute("SELECT id FROM hold_rule")] == [2]
    assert known.add(office.db, understand("size:1M+"), None, "ana", "", NOW) == 4


@pytest.fixture
async def desk(office: Office) -> AsyncIterator[Desk]:
    desk = Desk(office.path.parent)
    await desk.start()
    office.close()
    yield desk
    await desk.close()


async def test_adding_and_removing_are_in_the_audit_and_undone(desk: Desk) -> None:
    known = desk.store.hold_rules
    number = await desk.store.run(
        lambda db: known.add(db, understand("dom:X.example"), NOW + 3600, "ana", "ticket 7", NOW)
    )
    (row,) = await rules(desk.reader, NOW)
    assert (row.rule, row.filter, row.reason, row.actor, row.state, row.held, row.action) == (
        number, "domain:X.example", "ticket 7", "ana", "standing", 0, 1,
    )  # fmt: skip
    assert row.ends is not None and row.ends.timestamp() == NOW + 3600

    assert (await desk.operator.undo(1, "ben")).done == 1
    assert await rules(desk.reader, NOW) == ()
    assert [row.state for row in await rules(desk.reader, NOW, everything=True)] == ["removed"]
    with pytest.raises(CannotUndo, match="undone already"):
        await desk.operator.undo(1, "ben")

    await desk.store.run(lambda db: known.add(db, understand("size:1M+"), NOW + 50, "ana", "", NOW))
    await desk.store.run(lambda db: known.remove(db, 2, "ben", "over", NOW + 10))
    assert await rules(desk.reader, NOW + 10) == ()
    desk.now = NOW + 20
    assert (await desk.operator.undo(4, "ana")).done == 1
    assert [row.rule for row in await rules(desk.reader, NOW + 20)] == [2]
    assert await desk.store.run(lambda db: [rule.id for rule in known.standing(db, NOW + 20)]) == [2]

    await desk.store.run(lambda db: known.remove(db, 2, "ben", "", NOW + 30))
    desk.now = NOW + 60
    late = await desk.operator.undo(6, "ana")
    assert (late.done, late.failed) == (0, 1), "its time is over"
    assert (await desk.operator.undo(3, "ana")).skipped == 1, "gone already"
    told = [(row.verb, row.actor, row.filter, row.reason, row.args.get("rule")) for row in await audit(desk.reader)]
    assert told[-2:] == [("undo", "ben", "", "", None), ("holdrule add", "ana", "domain:X.example", "ticket 7", 1)]
    assert ("holdrule remove", "ben", "size:1M+", "over", 2) in told
