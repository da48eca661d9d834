"""What differs from the usual, and when it is us: the comparison, and what it reads."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.queue.office import NOW, Office

from mailtui.model import Disposition, Reply
from mailtui.queue import hours
from mailtui.queue.history import BASELINE, Group, Past, past
from mailtui.queue.incidents import compare
from mailtui.queue.reader import Reader


def group(now: int, base: int, site: str = "mx.example", class_: str = "throttled") -> Group:
    return Group(site, f"451 {class_}", class_, "They are busy.", "451 busy", now, base, 1, NOW - 600, NOW)


def around(*groups: Group, span: int = BASELINE, **facts: object) -> Past:
    """A window of fifteen minutes."""
    known = Past(groups, {}, 100, 0, 15, span)
    return msgspec.structs.replace(known, **facts)


def changes(found: Past, outage: float = 0.0) -> list[str]:
    return [row.change for row in compare(found, outage, NOW)]


# 960 a day are 10 a quarter of an hour
@pytest.mark.parametrize(
    ("now", "base", "change"),
    [
        (1, 0, ["NEW"]),
        (29, 960, []),
        (30, 960, ["UP"]),
        (9, 1, []),
        (10, 1, ["UP"]),
        (0, 9, []),
        (0, 10, ["GONE"]),
        (5, 960, []),
    ],
)
def test_a_group_is_judged_by_what_is_usual(now: int, base: int, change: list[str]) -> None:
    assert changes(around(group(now, base))) == change


def test_what_is_gone_has_recovered_where_mail_is_taken_again() -> None:
    (row,) = compare(around(group(0, 960), delivered={"mx.example": 7}), 0.0, NOW)
    assert (row.change, row.count, row.usual, row.delivered) == ("RECOVERED", 0, 10.0, 7)


def test_a_young_relay_is_compared_with_the_time_it_ran() -> None:
    """Thirty in half an hour before are fifteen a window: that many now are no news."""
    assert changes(around(group(20, 30), span=30)) == []
    assert changes(around(group(45, 30), span=30)) == ["UP"]
    assert changes(around(group(3, 0), span=0)) == ["NEW"]


def test_what_few_minutes_had_is_not_multiplied() -> None:
    """An incident as old as the relay is news for longer than its first window, and what happened once is not said to happen always."""
    assert changes(around(group(450, 60), span=2)) == ["UP"]
    (gone,) = compare(around(group(0, 24), span=2), 0.0, NOW)
    assert gone.usual == 6.0


def test_the_largest_news_come_first() -> None:
    found = around(
        group(0, 960, "gone"), group(50, 960, "up"), group(2, 0, "small"), group(900, 0, "big"), delivered={"x": 1}
    )
    rows = compare(found, 0.0, NOW)
    assert [(row.change, row.site) for row in rows] == [
        ("NEW", "big"),
        ("NEW", "small"),
        ("UP", "up"),
        ("GONE", "gone"),
    ]


@pytest.mark.parametrize(
    ("found", "outage", "class_"),
    [
        (around(), NOW - 300, "outage"),
        (around(tried=9, dns=5), 0.0, "dns"),
        (around(*(group(1, 1, f"mx{n}", "connection") for n in range(3))), 0.0, "connection"),
        (around(*(group(1, 1, f"mx{n}", "ip-reputation") for n in range(2))), 0.0, "ip-reputation"),
        (around(*(group(1, 1, f"mx{n}", "auth-dkim") for n in range(2))), 0.0, "auth-dkim"),
    ],
)
def test_it_is_us(found: Past, outage: float, class_: str) -> None:
    first = compare(found, outage, NOW)[0]
    assert (first.change, first.class_, first.site) == ("OURS", class_, "")
    assert first.sentence.endswith(".")


@pytest.mark.parametrize(
    "found",
    [
        around(tried=11, dns=5),
        around(tried=4, dns=4),
        around(*(group(1, 1, f"mx{n}", "connection") for n in range(3)), delivered={"other": 1}),
        around(*(group(1, 1, f"mx{n}", "connection") for n in range(2))),
        around(group(500, 0, "mx", "ip-reputation")),
        around(*(group(0, 500, f"mx{n}", "ip-reputation") for n in range(5))),
    ],
)
def test_it_is_them(found: Past) -> None:
    assert "OURS" not in changes(found)


# ---------------------------------------------------------------------- what it reads


async def test_the_past_has_window_baseline_and_flow(office: Office, reader: Reader) -> None:
    office.message("a@one.example", age=100_000)
    office.message("b@two.example", age=100_000)
    office.db.execute("INSERT INTO site (id, name) VALUES (7, 'mx.one.example')")
    office.db.execute("UPDATE lane SET site = 7 WHERE destination = 'one.example'")
    for ago in (95_000, 7200, 3600, 300):
        office.try_all("one.example", now=NOW - ago)
    office.try_all("two.example", Disposition.BOUNCED, Reply(550, "5.1.1", "no"), now=NOW - 60)
    office.message("c@one.example", age=30)
    office.try_all("one.example", Disposition.DELIVERED, now=NOW)
    found = await past(reader, NOW, 900)
    assert {(group.site, group.now, group.base, group.destinations) for group in found.groups} == {
        ("mx.one.example", 1, 2, 1),  # the attempt of more than a day ago is no baseline any more
        ("two.example", 1, 0, 1),
    }
    assert found.delivered == {"mx.one.example": 2}
    assert (found.tried, found.dns, found.window, found.span) == (2, 0, 15, 105 + 1)
    assert [row.change for row in compare(found, 0.0, NOW)] == ["NEW"]


async def test_nothing_happened(office: Office, reader: Reader) -> None:
    found = await past(reader, NOW, 900)
    assert (found.groups, found.span, compare(found, 0.0, NOW)) == ((), 0, ())


async def test_destinations_whose_dns_failed_are_told_apart(office: Office, reader: Reader) -> None:
    for n in range(6):
        office.message(f"a@d{n}.example", age=60)
        office.try_all(f"d{n}.example")
    office.message("a@good.example", age=60)
    office.try_all("good.example", Disposition.DELIVERED)
    office.db.execute("UPDATE fingerprint SET class = 'dns'")
    found = await past(reader, NOW, 900)
    assert (found.tried, found.dns) == (7, 6)
    assert compare(found, 0.0, NOW)[0].class_ == "dns"


async def test_hours_that_are_over_say_the_same_as_their_minutes(office: Office, reader: Reader) -> None:
    office.message("a@one.example", age=100_000)
    office.message("b@two.example", age=100_000)
    office.db.execute("INSERT INTO site (id, name) VALUES (7, 'mx.one.example')")
    office.db.execute("UPDATE lane SET site = 7 WHERE destination = 'one.example'")
    for ago in (80_000, 79_950, 7200, 4000, 3600, 300):
        for destination in ("one.example", "two.example"):
            office.try_all(destination, now=NOW - ago)
    by_minute = await past(reader, NOW, 900)
    while (hour := hours.next_hour(office.db, NOW)) is not None:
        hours.write(office.db, hours.gather(office.path, hour))
    assert office.db.execute("SELECT count(*) FROM usual").fetchone()[0] > 4
    assert await past(reader, NOW, 900) == by_minute
    office.db.execute("UPDATE lane SET site = 7")  # what had none belongs to a site now
    joined = await past(reader, NOW, 900)
    assert sum(group.base for group in joined.groups) == sum(group.base for group in by_minute.groups)
    assert {group.site for group in joined.groups} == {"mx.one.example"}


async def test_a_past_moment_knows_nothing_of_what_came_later(office: Office, reader: Reader) -> None:
    office.message("a@one.example", age=90_000)
    for ago in (7200, 3600, 300):
        office.try_all("one.example", now=NOW - ago)
    office.message("c@one.example", age=30)
    office.try_all("one.example", Disposition.DELIVERED, now=NOW)
    found = await past(reader, NOW - 3600, 900)
    assert [(group.now, group.base) for group in found.groups] == [(1, 1)]
    assert (found.delivered, found.tried, found.window) == ({}, 1, 15)
