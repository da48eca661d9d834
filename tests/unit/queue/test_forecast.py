"""The hour ahead: what is due in which minute, whether that is a storm, when backlogs are gone."""

from __future__ import annotations

from tests.unit.queue.office import NOW, Office

from mailtui.model import Disposition
from mailtui.queue.forecast import AHEAD, Outlook, forecast, row_of
from mailtui.queue.reader import Reader


def minutes(**counts: int) -> tuple[int, ...]:
    return tuple(counts.get(f"m{n}", 0) for n in range(AHEAD))


def test_a_peak_far_above_the_mean_is_a_storm() -> None:
    spread = row_of(Outlook("d", 600, 10.0, (10,) * AHEAD), NOW)
    assert (spread.due, spread.peak, spread.storm) == (600, 10, False)
    storm = row_of(Outlook("d", 600, 0.0, minutes(m17=500, m3=2)), NOW)
    assert (storm.peak, storm.storm) == (500, True)
    assert storm.peak_at is not None and storm.peak_at.timestamp() == NOW + 17 * 60
    assert not row_of(Outlook("d", 600, 0.0, minutes(m17=99)), NOW).storm
    assert not row_of(Outlook("d", 600, 0.0, minutes(m0=500, m1=2)), NOW).storm  # the backlog at work


def test_a_backlog_is_gone_at_the_present_rate_or_never() -> None:
    gone = row_of(Outlook("d", 600, 10.0, minutes()), NOW)
    assert gone.gone_seconds == 3600 and gone.gone_by is not None and gone.gone_by.timestamp() == NOW + 3600
    never = row_of(Outlook("d", 600, 0.0, minutes()), NOW)
    assert (never.gone_seconds, never.gone_by, never.peak_at) == (None, None, None)
    assert row_of(Outlook("d", 0, 0.0, minutes()), NOW).gone_seconds == 0


async def test_what_is_due_is_read_by_minute_and_destination(office: Office, reader: Reader) -> None:
    office.message(*(f"{n}@one.example" for n in range(4)), age=60)
    office.message("a@two.example", "b@two.example", age=60)
    office.message("c@parked.example", "d@far.example", age=60)
    office.try_all("one.example")
    office.db.execute("UPDATE recipient SET next_attempt = ? WHERE address LIKE 'a@%'", (NOW + 7199,))
    office.db.execute("UPDATE recipient SET state = 'held' WHERE address LIKE '0@%'")
    office.db.execute("UPDATE lane SET not_before = ? WHERE destination = 'parked.example'", (NOW + 605,))
    office.db.execute("UPDATE lane SET not_before = ? WHERE destination = 'far.example'", (NOW + 9000,))
    office.message(*(f"{n}@three.example" for n in range(30)), age=30)
    office.try_all("three.example", Disposition.DELIVERED)
    office.message("z@three.example", age=20)
    everything, *each = await forecast(reader, NOW, 10)
    assert [(row.destination, row.waiting, row.due) for row in each] == [
        ("one.example", 3, 3),
        ("two.example", 2, 1),
        ("parked.example", 1, 1),
        ("three.example", 1, 1),
        ("far.example", 1, 0),
    ]
    assert (everything.destination, everything.waiting, everything.due) == ("", 8, 6)
    assert (each[0].minutes[5], each[1].minutes[0], each[2].minutes[10]) == (3, 1, 1)
    assert (everything.minutes[0], everything.minutes[5], everything.minutes[10]) == (2, 3, 1)
    assert (each[3].per_minute, each[3].gone_seconds) == (2.0, 30)
    assert len(await forecast(reader, NOW, 2)) == 3


async def test_an_empty_queue_has_an_empty_hour(office: Office, reader: Reader) -> None:
    (everything,) = await forecast(reader, NOW, 10)
    assert (everything.waiting, everything.due, everything.gone_seconds, everything.storm) == (0, 0, 0, False)
