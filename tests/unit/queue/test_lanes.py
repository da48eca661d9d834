"""When lanes are due, parked, broken and mended, on real rows."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.queue.office import NOW, Office

from mailtui.queue import lanes
from mailtui.queue.lanes import DueLane, Lanes, SiteRow


def lane(office: Office, destination: str, route: str = "mx", due: float | None = NOW) -> int:
    number = office.lanes.id(office.db, destination, route)
    if due is not None:
        lanes.make_due(office.db, number, due)
    return number


def columns(office: Office, number: int, names: str) -> tuple[object, ...]:
    row: tuple[object, ...] = office.db.execute(f"SELECT {names} FROM lane WHERE id = ?", (number,)).fetchone()
    return row


def names(found: list[DueLane]) -> list[str]:
    return [item.destination for item in found]


def test_a_lane_is_a_destination_by_a_route(office: Office) -> None:
    numbers = [
        lane(office, *key) for key in (("a.test", "mx"), ("a.test", "discard"), ("b.test", "mx"), ("a.test", "mx"))
    ]

    assert len(set(numbers)) == 3
    assert numbers[0] == numbers[3]
    assert Lanes().id(office.db, "a.test", "mx") == numbers[0], "one that remembers nothing finds the row"


def test_a_number_is_not_trusted_after_a_rollback(office: Office) -> None:
    office.db.execute("BEGIN")
    lane(office, "gone.test")
    office.db.execute("ROLLBACK")
    office.lanes.forget()

    number = lane(office, "gone.test")

    assert columns(office, number, "destination") == ("gone.test",)


def test_memory_of_numbers_is_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "REMEMBERED", 10)
    for n in range(25):
        lane(office, f"d{n}.test", due=None)

    assert len(office.lanes._ids) <= 10
    assert office.db.execute("SELECT count(*) FROM lane").fetchone() == (25,)


def test_what_is_due_comes_longest_due_first(office: Office) -> None:
    for name, due in (("later", NOW + 1), ("second", NOW - 1), ("first", NOW - 9), ("now", NOW), ("never", None)):
        lane(office, name, due=due)

    assert names(lanes.due(office.db, NOW, 10)) == ["first", "second", "now"]
    assert names(lanes.due(office.db, NOW, 1)) == ["first"]


def test_sites_with_enough_at_hand_are_left_out(office: Office) -> None:
    for name in ("a", "b", "new"):
        number = lane(office, f"{name}.test")
        if name != "new":
            lanes.enter_site(office.db, number, f"site-{name}")

    found = lanes.due(office.db, NOW, 10, ["site-a", "no such site"])

    assert [(item.destination, item.site) for item in found] == [("b.test", "site-b"), ("new.test", "")]


@given(st.lists(st.integers(0, 100), min_size=1, max_size=8), st.integers(0, 100))
def test_a_lane_is_due_at_the_earliest_but_never_before_it_may(wishes: list[int], not_before: int) -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE lane (id INTEGER PRIMARY KEY, due_at REAL, not_before REAL)")
    db.execute("INSERT INTO lane VALUES (1, NULL, ?)", (not_before,))
    for wish in wishes:
        lanes.make_due(db, 1, wish)

    assert db.execute("SELECT due_at FROM lane").fetchone() == (max(min(wishes), not_before),)
    db.close()


def test_settling_makes_the_due_time_that_of_what_waits(office: Office) -> None:
    number, other = office.message("a@d.test"), office.message("b@d.test")
    row = lane(office, "d.test", due=NOW - 100)
    office.db.execute("UPDATE recipient SET next_attempt = ? WHERE id >> 20 = ?", (NOW + 50, number))
    office.db.execute("UPDATE recipient SET next_attempt = ? WHERE id >> 20 = ?", (NOW + 20, other))

    lanes.settle_due(office.db, row)
    assert office.due_at("d.test") == NOW + 20

    office.db.execute("UPDATE recipient SET state = 'held' WHERE id >> 20 = ?", (other,))
    lanes.settle_due(office.db, row)
    assert office.due_at("d.test") == NOW + 50

    office.db.execute("UPDATE recipient SET state = 'held'")
    lanes.settle_due(office.db, row)
    assert office.due_at("d.test") is None


def test_settling_does_not_wake_a_broken_lane(office: Office) -> None:
    office.message("a@d.test")
    row = lane(office, "d.test")
    lanes.enter_site(office.db, row, "s")
    lanes.break_site(office.db, "s", 1, NOW + 300, "refused", NOW, 1)

    lanes.settle_due(office.db, row)

    assert office.due_at("d.test") == NOW + 300


# ---------------------------------------------------------------------- DNS


def test_a_parked_lane_is_not_due_and_counts_its_failures(office: Office) -> None:
    row = lane(office, "d.test")

    assert [lanes.park_lane(office.db, row, NOW + 60 * n, "SERVFAIL") for n in (1, 2, 3)] == [1, 2, 3]
    lanes.make_due(office.db, row, NOW)

    assert columns(office, row, "due_at, not_before, reason") == (NOW + 180, NOW + 180, "SERVFAIL")
    assert names(lanes.due(office.db, NOW + 179, 9)) == []
    assert names(lanes.due(office.db, NOW + 180, 9)) == ["d.test"]


def test_a_lane_parked_again_for_less_is_due_when_it_says(office: Office) -> None:
    row = lane(office, "d.test")
    office.message("a@d.test")
    lanes.park_lane(office.db, row, NOW + 500, "SERVFAIL")

    lanes.park_lane(office.db, row, NOW + 400, "SERVFAIL")

    assert columns(office, row, "due_at, not_before") == (NOW + 400, NOW + 400)


def test_a_lane_that_resolves_again_forgets_its_failures(office: Office) -> None:
    row = lane(office, "d.test")
    lanes.park_lane(office.db, row, NOW + 60, "SERVFAIL")

    assert lanes.enter_site(office.db, row, "s") == SiteRow("s")
    lanes.make_due(office.db, row, NOW)

    assert columns(office, row, "failures, not_before, reason, due_at") == (0, 0.0, "", NOW)


# ---------------------------------------------------------------------- sites


def site_of_three(office: Office) -> list[int]:
    """Two lanes of the site, the second with nothing waiting, and a third that is none of its."""
    rows = [lane(office, "one.test"), lane(office, "idle.test", due=None), lane(office, "other.test")]
    for row, name in zip(rows, ("s", "s", "t"), strict=True):
        lanes.enter_site(office.db, row, name)
    return rows


def test_a_broken_site_keeps_all_its_lanes_waiting(office: Office) -> None:
    one, idle, other = site_of_three(office)

    lanes.break_site(office.db, "s", 2, NOW + 300, "421 busy", NOW, 77)

    assert [columns(office, row, "due_at, not_before") for row in (one, idle, other)] == [
        (NOW + 300, NOW + 300),
        (None, NOW + 300),
        (NOW, 0.0),
    ]
    lanes.make_due(office.db, idle, NOW)
    assert columns(office, idle, "due_at") == (NOW + 300,), "new mail is no reason to knock before the probe"
    assert names(lanes.due(office.db, NOW, 9)) == ["other.test"]


def test_what_was_remembered_of_a_site_is_told_to_whoever_enters(office: Office) -> None:
    site_of_three(office)
    lanes.break_site(office.db, "s", 2, NOW + 300, "421 busy", NOW, 77)
    newcomer = lane(office, "new.test")

    assert lanes.enter_site(office.db, newcomer, "s") == SiteRow("s", 2, NOW + 300, "421 busy", 77)
    assert columns(office, newcomer, "due_at, not_before") == (NOW + 300, NOW + 300)


def test_a_mended_site_goes_on_at_once(office: Office) -> None:
    one, idle, other = site_of_three(office)
    lanes.break_site(office.db, "s", 2, NOW + 300, "421 busy", NOW, 77)

    lanes.mend_site(office.db, "s", NOW + 5)

    assert [columns(office, row, "due_at, not_before") for row in (one, idle, other)] == [
        (NOW + 5, 0.0),
        (None, 0.0),
        (NOW, 0.0),
    ]
    assert lanes.enter_site(office.db, one, "s") == SiteRow("s", last_probe=77)
    assert office.db.execute("SELECT last_success, last_failure FROM site WHERE name = 's'").fetchone() == (
        NOW + 5,
        NOW,
    )


def test_a_destination_that_moves_leaves_the_breaker_of_its_old_site(office: Office) -> None:
    one, *_ = site_of_three(office)
    lanes.break_site(office.db, "s", 1, NOW + 300, "refused", NOW, 1)

    lanes.enter_site(office.db, one, "t")
    lanes.make_due(office.db, one, NOW)

    assert columns(office, one, "not_before, due_at") == (0.0, NOW)
    lanes.break_site(office.db, "s", 2, NOW + 900, "refused", NOW, 1)
    assert columns(office, one, "not_before") == (0.0,)


def test_due_lanes_are_found_by_their_index(office: Office, tmp_path: Path) -> None:
    """The runner asks every second; a queue of 10,000 destinations must not be read for it."""
    plan = office.db.execute(
        "EXPLAIN QUERY PLAN SELECT lane.id FROM lane INDEXED BY lane_due"
        " WHERE suspended_since IS NULL AND due_at <= ? ORDER BY due_at LIMIT 5",
        (NOW,),
    ).fetchall()

    assert ["lane_due" in step[3] for step in plan] == [True]
