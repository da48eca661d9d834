"""The rows of restraints: their audit, their end, lifting and undoing, and the lifetime that a pause gives back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.unit.queue.office import NOW, Office

from mailtui.config import Rate
from mailtui.queue import actions, restraints
from mailtui.queue.actions import Entry
from mailtui.queue.lanes import enter_site
from mailtui.queue.shape import Restraint

DAY = 86400.0
LIFETIMES = (5 * DAY, 2 * DAY)
PAUSE = Restraint("mx", "theirs", NOW, NOW + 600, 2, "421 busy", "throttled", "mx.one.example", paused=True)
SLOW = Restraint("mx", "ease", NOW, NOW + 600, 3, "450 slow", connections=2, rate=Rate(20, 60), recipient=5 << 20 | 1)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    found = Office(tmp_path)
    yield found
    found.close()


def audit(office: Office) -> list[tuple[object, ...]]:
    return office.db.execute("SELECT actor, verb, filter, reason, state, done FROM action ORDER BY id").fetchall()


def test_it_is_read_back_as_it_was_written_with_a_row_in_the_audit(office: Office) -> None:
    assert restraints.save(office.db, SLOW, NOW) == (1, 1)
    assert restraints.save(office.db, PAUSE, NOW) == (2, 2)

    assert restraints.standing(office.db) == [replace(SLOW, id=1, action=1), replace(PAUSE, id=2, action=2)]
    assert audit(office)[0] == ("relay", "throttle", "site:mx", "3 × 450 slow", "done", 1)


def test_one_that_goes_on_is_the_same_row_and_no_second_action(office: Office) -> None:
    restraints.save(office.db, SLOW, NOW)
    assert restraints.save(office.db, replace(SLOW, until=NOW + 900, count=6, connections=1), NOW + 300) == (1, 1)

    (found,) = restraints.standing(office.db)
    assert (found.since, found.until, found.count, found.connections) == (NOW, NOW + 900, 6, 1)
    assert len(audit(office)) == 1


def test_it_ends_when_its_time_is_over_and_may_begin_anew(office: Office) -> None:
    restraints.save(office.db, SLOW, NOW)
    assert not restraints.end(office.db, "mx", "ease", NOW + 599)
    assert restraints.end(office.db, "mx", "ease", NOW + 600)
    assert not restraints.end(office.db, "mx", "ease", NOW + 600)
    assert restraints.standing(office.db) == []
    assert restraints.save(office.db, replace(SLOW, since=NOW + 700), NOW + 700) == (2, 2)

    assert restraints.drop_old(office.db, NOW + 600, 10) == 0
    assert restraints.drop_old(office.db, NOW + 601, 10) == 1


def test_a_lift_ends_all_of_a_site_and_its_undo_brings_back_what_would_still_stand(office: Office) -> None:
    restraints.save(office.db, SLOW, NOW)
    restraints.save(office.db, replace(PAUSE, until=NOW + 60), NOW)
    restraints.save(office.db, replace(SLOW, site="other"), NOW)
    action, found = restraints.lift(office.db, "mx", Entry(NOW + 30, "ana", "lift", "site:mx", "they called"))
    assert [one.rule for one in found] == ["ease", "theirs"]
    assert audit(office)[-1] == ("ana", "lift", "site:mx", "they called", "done", 2)
    assert restraints.lift(office.db, "mx", Entry(NOW + 30, "ana", "lift")) == (0, [])
    assert restraints.end(office.db, "mx", "ease", NOW + 30) and restraints.end(office.db, "mx", "theirs", NOW + 30)

    undo = Entry(NOW + 100, "ben", "undo", undoes=action)
    assert restraints.restore_lift(office.db, action, undo) == (1, 1, 0)
    assert [(one.site, one.rule, one.until) for one in restraints.standing(office.db)] == [
        ("mx", "ease", NOW + 600),
        ("other", "ease", NOW + 600),
    ]


def test_what_stands_again_by_itself_is_not_brought_back_beside_it(office: Office) -> None:
    restraints.save(office.db, SLOW, NOW)
    action, _ = restraints.lift(office.db, "mx", Entry(NOW + 30, "ana", "lift"))
    restraints.end(office.db, "mx", "ease", NOW + 30)
    restraints.save(office.db, replace(SLOW, since=NOW + 40, until=NOW + 640), NOW + 40)

    assert restraints.restore_lift(office.db, action, Entry(NOW + 50, "ana", "undo")) == (0, 1, 0)
    assert [one.until for one in restraints.standing(office.db)] == [NOW + 640]


def test_undoing_what_a_rule_did_ends_it(office: Office) -> None:
    _, action = restraints.save(office.db, SLOW, NOW)
    assert actions.undoable(office.db, action) == (restraints.THROTTLE, 1)
    assert restraints.restore_throttle(office.db, action, Entry(NOW + 9, "ana", "undo")) == (1, 0, 0)
    assert restraints.end(office.db, "mx", "ease", NOW + 9)
    assert restraints.restore_throttle(office.db, action, Entry(NOW + 10, "ana", "undo")) == (0, 1, 0)


# ---------------------------------------------------------------------- lifetimes


def expires(office: Office) -> dict[str, float]:
    return dict(office.db.execute("SELECT address, expires_at FROM recipient").fetchall())


def at_site(office: Office, domain: str) -> None:
    enter_site(office.db, office.lanes.id(office.db, domain, "mx"), "mx")


def credited(office: Office) -> int:
    """Batches until all is put right."""
    count = 1
    while restraints.credit(office.db, "mx", "theirs", LIFETIMES):
        count += 1
    return count


def test_who_waited_through_a_pause_gets_its_time_back_and_who_came_later_only_his_part(office: Office) -> None:
    office.message("old@one.example", age=1000)
    office.message("new@two.example", age=-200)
    office.message("else@three.example", age=1000)
    for domain in ("one.example", "two.example"):
        at_site(office, domain)
    restraints.save(office.db, PAUSE, NOW)
    before = expires(office)

    credited(office)

    given = {address: round(at - before[address]) for address, at in expires(office).items()}
    assert given == {"old@one.example": 600, "new@two.example": 400, "else@three.example": 0}


def test_it_is_done_in_batches_and_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restraints, "BATCH", 7)
    monkeypatch.setattr(restraints, "LANES", 3)
    for n in range(30):
        office.message(f"a{n}@one.example", f"b{n}@one.example", age=1000 + n % 3)
        office.message(f"c{n}@d{n % 10}.example", age=1000)
    for domain in ("one.example", *(f"d{n}.example" for n in range(10))):
        at_site(office, domain)
    restraints.save(office.db, PAUSE, NOW)
    before = expires(office)

    assert credited(office) >= 90 // 7
    assert {round(at - before[address]) for address, at in expires(office).items()} == {600}


def test_pauses_for_ever_do_not_keep_mail_for_ever(office: Office) -> None:
    office.message("ana@one.example", age=1000)
    office.message("bob@one.example", sender="", age=1000)
    at_site(office, "one.example")
    restraints.save(office.db, replace(PAUSE, until=NOW + 30 * DAY), NOW)

    credited(office)

    received = NOW - 1000
    assert expires(office)["ana@one.example"] == received + 10 * DAY
    assert expires(office)["bob@one.example"] == max(received + 4 * DAY, received + 5 * DAY)


def test_two_pauses_at_once_count_once(office: Office) -> None:
    office.message("ana@one.example", age=1000)
    at_site(office, "one.example")
    restraints.save(office.db, PAUSE, NOW)
    restraints.save(office.db, replace(PAUSE, rule="other", since=NOW + 300, until=NOW + 900), NOW + 300)
    before = expires(office)["ana@one.example"]

    assert not restraints.credit(office.db, "mx", "theirs", LIFETIMES)
    assert expires(office)["ana@one.example"] == before, "the other one has it now"
    restraints.end(office.db, "mx", "theirs", NOW + 600)
    assert not restraints.credit(office.db, "mx", "other", LIFETIMES)
    assert expires(office)["ana@one.example"] == before + 900
    assert not restraints.credit(office.db, "mx", "unknown", LIFETIMES)
