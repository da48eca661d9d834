"""The audit of the suppression list: a row for every change, the relay's own together, and the way back."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.queue.desk import Desk
from tests.unit.queue.office import NOW, Office

from mailtui.config import SuppressionExpiry
from mailtui.queue import actions, entries, suppression
from mailtui.queue.actions import Entry
from mailtui.queue.entries import ADD, IMPORT, REMOVE
from mailtui.queue.operate import Operator, Unexpected
from mailtui.queue.suppression import Suppressions, standing
from mailtui.suppressions import RELAY, Suppression, Wanted
from mailtui.views import Share, moment

EXPIRY = SuppressionExpiry()


def add(
    office: Office, listed: Suppressions, *names: str, at: float = NOW, verb: str = ADD, reason: str = "moved"
) -> None:
    wanted = [Wanted(name, reason) for name in names]
    note = Entry(at, "anna", verb, reason="asked to")
    entries.audited(office.db, note, names, lambda: listed.merge(office.db, wanted, EXPIRY, "anna", at))


def remove(office: Office, *names: str) -> None:
    entries.audited(office.db, Entry(NOW, "anna", REMOVE), names, lambda: suppression.remove(office.db, names, NOW))


def undo(office: Office, listed: Suppressions, action: int, at: float = NOW) -> tuple[int, int, int]:
    verb, _ = actions.undoable(office.db, action)
    return entries.inverses(listed)[verb].restore(office.db, action, Entry(at, "bert", "undo", undoes=action))


def rows(office: Office) -> list[tuple[object, ...]]:
    return office.db.execute("SELECT id, actor, verb, filter, reason, done, state FROM action ORDER BY id").fetchall()


def by_relay(name: str, reason: str = "no-such-user") -> Suppression:
    return Suppression(name, reason, RELAY, moment(NOW), None, "550 5.1.1 no", "mx.example", moment(NOW), "")


def test_a_change_is_noted_and_taken_back(office: Office) -> None:
    listed = Suppressions()
    add(office, listed, "a@one.example", "@two.example")
    assert rows(office) == [(1, "anna", ADD, "a@one.example @two.example", "asked to", 2, "done")]
    assert undo(office, listed, 1) == (2, 0, 0)
    assert standing(office.db, ["a@one.example", "@two.example"]) == {}


def test_what_is_not_otherwise_is_no_change(office: Office) -> None:
    listed = Suppressions()
    add(office, listed, "a@one.example")
    add(office, listed, "a@one.example", at=NOW + 5)
    assert len(rows(office)) == 1


def test_what_was_replaced_or_removed_stands_again_as_it_was(office: Office) -> None:
    listed = Suppressions()
    listed.put(office.db, by_relay("a@one.example"))
    before = standing(office.db, ["a@one.example"])
    add(office, listed, "a@one.example", verb=IMPORT)
    assert standing(office.db, ["a@one.example"]) != before
    assert undo(office, listed, 1) == (1, 0, 0)
    assert standing(office.db, ["a@one.example"]) == before
    remove(office, "a@one.example")
    assert undo(office, listed, 2) == (1, 0, 0)
    assert standing(office.db, ["a@one.example"]) == before
    assert listed.find(office.db, "a@one.example", NOW) is not None


def test_what_moved_on_since_is_left_alone_and_what_has_ended_does_not_come_back(office: Office) -> None:
    listed = Suppressions()
    add(office, listed, "a@one.example", "b@one.example")
    add(office, listed, "a@one.example", reason="manual")
    assert undo(office, listed, 1) == (1, 1, 0)
    remove(office, "a@one.example")
    ends = EXPIRY.of("moved")
    assert ends is not None
    add(office, listed, "c@one.example")
    remove(office, "c@one.example")
    assert undo(office, listed, 5, NOW + ends + 1) == (0, 0, 1)


def test_what_the_relay_lists_in_a_minute_is_one_action(office: Office) -> None:
    listed = Suppressions()
    at = NOW // 60 * 60
    for n in range(30):
        assert entries.listed(office.db, listed, by_relay(f"u{n}@one.example"), at + n)
    entries.listed(office.db, listed, by_relay("x@one.example", "moved"), at + 40)
    entries.listed(office.db, listed, by_relay("x@one.example", "moved"), at + 41)
    entries.listed(office.db, listed, by_relay("y@one.example"), at + 60)
    first, second = rows(office)
    assert first[1:3] == (RELAY, ADD) and first[4:] == ("no-such-user, moved", 31, "done")
    assert str(first[3]).startswith("u0@one.example u1@one.example ")
    assert second[3:6] == ("y@one.example", "no-such-user", 1)
    assert undo(office, listed, 1) == (31, 0, 0)
    assert listed.find(office.db, "u7@one.example", NOW) is None
    assert listed.find(office.db, "y@one.example", NOW) is not None


def test_an_action_that_was_undone_gets_no_more_of_the_relays_entries(office: Office) -> None:
    listed = Suppressions()
    entries.listed(office.db, listed, by_relay("a@one.example"), NOW)
    actions.begin(office.db, Entry(NOW, "anna", "undo", undoes=1), 1)
    entries.listed(office.db, listed, by_relay("b@one.example"), NOW)
    assert [row[2:4] for row in rows(office)] == [(ADD, "a@one.example"), ("undo", ""), (ADD, "b@one.example")]


def test_a_refused_put_of_the_relay_is_no_change(office: Office) -> None:
    listed = Suppressions()
    add(office, listed, "a@one.example", reason="manual")
    assert not entries.listed(office.db, listed, by_relay("a@one.example"), NOW)
    assert len(rows(office)) == 1


@pytest.mark.parametrize("expect", [1, None])
async def test_undo_through_the_operator(tmp_path: Path, expect: int | None) -> None:
    desk = Desk(tmp_path)
    await desk.start()
    listed = desk.store.suppressions
    operator = Operator(
        desk.store, desk.reader, desk.unblocked.extend, desk.events.append, lambda: NOW, entries.inverses(listed)
    )
    await desk.store.run(lambda db: entries.listed(db, listed, by_relay("a@one.example"), NOW))
    with pytest.raises(Unexpected):
        await operator.undo(1, "anna", "no", 7)
    undone = await operator.undo(1, "anna", "a mistake", expect)
    assert (undone.matched, undone.done, undone.skipped, undone.failed) == (1, 1, 0, 0)
    await desk.store.run(lambda db: entries.listed(db, listed, by_relay("b@one.example"), NOW))
    await desk.store.run(lambda db: suppression.remove(db, ["b@one.example"], NOW))
    again = await operator.undo(3, "anna")
    assert (again.done, again.skipped, again.reasons) == (0, 1, (Share("changed since", 1),))
    await desk.close()


def test_they_go_with_their_action(office: Office) -> None:
    add(office, Suppressions(), "a@one.example")
    assert actions.drop_old(office.db, NOW + 1, 100) == 2
    assert office.db.execute("SELECT count(*) FROM action_entry").fetchone() == (0,)
