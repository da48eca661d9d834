"""Hours: what the minutes of one come to, the few destinations kept by name, and which hour is next."""

from __future__ import annotations

import pytest
from tests.unit.queue.office import NOW, Office

from mailtui.queue import hours, moments
from mailtui.queue.delays import decoded
from mailtui.queue.moments import Flow

HOUR = int(NOW // 3600)
FIRST = HOUR * 60


def test_an_hour_is_the_sum_of_its_minutes(office: Office) -> None:
    office.message("a@one.example", "b@one.example")
    moments.write(office.db, Flow(FIRST - 1, accepted=100))
    moments.write(office.db, Flow(FIRST, 1, 2, 3, 4, 5, 6, {10: 2}))
    office.try_all("one.example")
    moments.write(office.db, Flow(FIRST + 59, 1, 1, 1, 1, 1, 1, {10: 1, 12: 7}))
    moments.write(office.db, Flow(FIRST + 60, accepted=100))
    hours.write(office.db, hours.gather(office.path, HOUR))
    (row,) = office.db.execute("SELECT * FROM moment_hour").fetchall()
    assert row[:13] == (HOUR, 2, 2, 0, 0, 2, 0, 2, 6, 7, 3, 4, 5)
    assert decoded(row[13]) == {10: 3, 12: 7}
    hours.write(office.db, hours.gather(office.path, HOUR))
    assert office.db.execute("SELECT count(*) FROM moment_hour").fetchone() == (1,)


def test_only_the_busiest_are_kept_by_name(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hours, "TOP", 2)
    for lane in range(1, 6):
        office.db.execute("INSERT INTO sample VALUES (?, ?, ?, 0, 0)", (FIRST, lane, lane))
        office.db.execute("INSERT INTO sample VALUES (?, ?, 0, ?, 0)", (FIRST + 1, lane, lane))
        office.db.execute("INSERT INTO failure VALUES (?, ?, 9, ?, 1)", (FIRST + 1, lane, lane))
    hour = hours.gather(office.path, HOUR)
    assert hour.whole is None
    assert hour.lanes == ((5, 5, 5, 0), (4, 4, 4, 0), (0, 6, 6, 0))
    assert hour.failures == ((5, 9, 5, 1), (4, 9, 4, 1), (0, 0, 6, 3))
    hours.write(office.db, hour)
    assert office.db.execute("SELECT sum(delivered), sum(deferred) FROM sample_hour").fetchone() == (15, 15)
    assert office.db.execute("SELECT sum(deferred), sum(bounced) FROM failure_hour").fetchone() == (15, 5)


def test_the_next_hour_is_the_first_with_anything_that_is_over(office: Office) -> None:
    over = (HOUR + 1) * 3600.0
    assert hours.next_hour(office.db, over + 300) is None
    moments.write(office.db, Flow(FIRST + 3))
    assert hours.next_hour(office.db, over - 1) is None
    assert hours.next_hour(office.db, over + 60) is None  # an attempt may still be recorded
    assert hours.next_hour(office.db, over + 180) == HOUR
    office.db.execute("INSERT INTO failure VALUES (?, 1, 1, 1, 0)", (FIRST - 90,))
    assert hours.next_hour(office.db, over + 180) == HOUR - 2
    for hour in (HOUR - 2, HOUR):
        hours.write(office.db, hours.gather(office.path, hour))
    assert hours.next_hour(office.db, over + 180) is None
    moments.write(office.db, Flow(FIRST + 120))
    assert hours.next_hour(office.db, over + 2 * 3600 + 180) == HOUR + 2


def test_a_clock_that_was_ahead_does_not_end_history(office: Office) -> None:
    hours.write(office.db, hours.Hour(HOUR + 9000, None, (), ()))
    moments.write(office.db, Flow(FIRST + 59))
    over = (HOUR + 1) * 3600.0 + 180
    assert hours.next_hour(office.db, over) == HOUR
    hours.write(office.db, hours.gather(office.path, HOUR))
    assert hours.next_hour(office.db, over) is None
    moments.write(office.db, Flow(FIRST + 60))
    assert hours.next_hour(office.db, over + 3600) == HOUR + 1
