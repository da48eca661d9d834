"""The gate every claim passes, and which lanes a suspension stops."""

from __future__ import annotations

import pytest
from tests.unit.queue.office import NOW, Office

from mailtui.queue import lanes, reports, suspension
from mailtui.queue.suspension import Gate, Halt


def halt(kind: str, name: str = "", until: float | None = None) -> Halt:
    return Halt(kind, name, NOW - 60, until, "root", "moving", 3)  # type: ignore[arg-type]


@pytest.fixture
def town(office: Office) -> Office:
    """a.test and b.test behind one site, c.test behind another, n.test behind none yet."""
    for name, site in (("a", "mx"), ("b", "mx"), ("c", "other"), ("n", "")):
        office.message(f"x@{name}.test", f"y@{name}.test", age=100)
        if site:
            lanes.enter_site(office.db, office.lanes.id(office.db, f"{name}.test", "mx"), site)
    return office


def shut(office: Office) -> list[str]:
    gate = Gate()
    rows = office.db.execute("SELECT id, destination FROM lane ORDER BY id").fetchall()
    return [name[0] for lane, name in rows if gate.shut(office.db, lane, NOW)]


@pytest.mark.parametrize(
    ("kind", "name", "stopped"),
    [
        ("destination", "a.test", "a"),
        ("destination", "no.test", ""),
        ("site", "mx", "ab"),
        ("delivery", "", "abcn"),
        ("sender", "*@a.test", ""),
        ("user", "a.test", ""),
        ("intake", "", ""),
    ],
)
def test_it_stops_what_it_names(town: Office, kind: str, name: str, stopped: str) -> None:
    suspension.put(town.db, halt(kind, name))

    assert shut(town) == list(stopped)
    due = [lane.destination[0] for lane in lanes.due(town.db, NOW, 10)]
    assert sorted(due) == [name for name in "abcn" if name not in stopped], "what is stopped is not even looked at"
    assert suspension.waiting(town.db, kind, name) == 2 * len(stopped)
    assert suspension.find(town.db, kind, name) == halt(kind, name)


def test_a_lane_that_is_new_learns_it_at_the_gate(town: Office) -> None:
    suspension.put(town.db, halt("destination", "new.test"))
    town.message("x@new.test")
    lane = town.lanes.id(town.db, "new.test", "mx")
    gate = Gate()

    assert "new.test" in [due.destination for due in lanes.due(town.db, NOW, 10)]
    assert gate.shut(town.db, lane, NOW)
    assert "new.test" not in [due.destination for due in lanes.due(town.db, NOW, 10)]


def test_the_gate_asks_once_while_nothing_is_suspended(town: Office) -> None:
    gate = Gate()
    asked: list[str] = []
    gate.shut(town.db, 1, NOW)
    town.db.set_trace_callback(asked.append)
    assert not any(gate.shut(town.db, lane, NOW) for lane in (1, 2, 3, 4))
    assert asked == []


def test_a_change_keeps_one_row(town: Office) -> None:
    suspension.put(town.db, halt("site", "mx"))
    suspension.put(town.db, halt("site", "mx", NOW + 60))

    assert suspension.halts(town.db) == (halt("site", "mx", NOW + 60),)
    assert suspension.known(town.db, "site", "mx") and not suspension.known(town.db, "site", "mxx")
    assert not suspension.known(town.db, "destination", "d.test") and suspension.known(town.db, "sender", "anybody")


def test_nobody_expires_while_suspended(town: Office) -> None:
    town.db.execute("UPDATE recipient SET expires_at = ?", (NOW - 1,))
    suspension.put(town.db, halt("destination", "a.test"))
    keeper = _Keeper()
    numbers = reports.lanes_of_site(town.db, "mx")

    reports.expire(town.db, keeper, town.lanes, numbers, NOW)  # type: ignore[arg-type]

    states = town.db.execute("SELECT DISTINCT substr(address, 3, 1), state FROM recipient WHERE state = 'bounced'")
    assert states.fetchall() == [("b", "bounced")]


class _Keeper:
    """Tells nobody."""

    @property
    def reporter(self) -> _Keeper:
        return self

    def wanted(self, *_: object) -> bool:
        return False
