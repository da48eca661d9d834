from __future__ import annotations

import pytest
from tests.unit.queue.office import NOW, Office

from mailtui.queue import access, aging, groups, queries
from mailtui.queue.access import BY_AGE, BY_LANE, FROM, way
from mailtui.queue.filter import EVERYTHING, parse
from mailtui.queue.reader import Reader


def _fill(office: Office) -> None:
    for age in range(6):
        office.message("ana@one.example", "bo@two.example", age=age * 1000)
    office.try_all("one.example")


@pytest.mark.parametrize(
    ("text", "history", "expected"),
    [
        ("domain:one.example", False, BY_LANE),
        ("domain:one.example state:deferred", False, BY_LANE),
        ("class:throttled", False, BY_AGE),
        ("domain:one.example or class:throttled", False, BY_AGE),
        ("not domain:one.example", False, BY_AGE),
        (
            "state:held",
            False,
            FROM.replace("recipient r JOIN", "recipient r INDEXED BY recipient_held JOIN") + "r.state = 'held' AND ",
        ),
        ("domain:one.example", True, FROM),
        ("domain:one.example state:delivered", False, FROM),
        ("domain:one.example (state:held or class:throttled)", False, FROM),
    ],
)
async def test_lanes_lead_where_only_waiting_mail_is_meant(
    office: Office, reader: Reader, text: str, history: bool, expected: str
) -> None:
    _fill(office)
    assert await way(reader, parse(text, now=NOW), history) == expected


async def test_a_large_destination_is_paged_by_age(
    office: Office, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(office)
    wanted = parse("domain:one.example", now=NOW)
    by_lane = await queries.queue_list(reader, wanted, NOW)
    monkeypatch.setattr(access, "PAGE", 3)
    monkeypatch.setattr(access, "WHOLE", 3)
    assert await way(reader, wanted, page=True) == BY_AGE
    assert await queries.queue_list(reader, wanted, NOW) == by_lane
    assert len(by_lane.rows) == 6


@pytest.mark.parametrize(
    "text", ["domain:one.example", "class:throttled", "site:*", "state:deferred", "domain:*.example age:1m+"]
)
async def test_every_way_finds_the_same(office: Office, reader: Reader, text: str) -> None:
    _fill(office)
    wanted = parse(text, now=NOW)
    found = queries.scope(wanted)
    rows = [
        [row[0] for row in await reader.fetch(f"SELECT r.id{tables}{found.sql} ORDER BY r.id", found.params)]
        for tables in (FROM, BY_AGE, BY_LANE)
    ]
    assert rows[0] == rows[1] == rows[2]


async def test_ages_are_the_same_by_the_index_alone_and_counted(office: Office, reader: Reader) -> None:
    _fill(office)
    for step in (0, 5, 4, 100):
        aging.advance(office.db, NOW, step)
        for by in ("site", "destination"):
            for now in range(int(NOW), int(NOW) + 90_000, 9_000):
                counted = await groups.ages(reader, parse("tries:0+", now=now), now, by)
                assert await groups.ages(reader, EVERYTHING, now, by) == counted
                assert sum(row.waiting for row in counted) == 12
    assert office.db.execute("SELECT sum(n) FROM age").fetchone()[0] > 5


async def test_a_state_that_few_are_in_is_found_by_the_tally(
    office: Office, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(office)
    for text in ("state:deferred", "state:queued", "state:queued,deferred", "state:queued age:1h+"):
        wanted = parse(text, now=NOW)
        assert (await way(reader, wanted, page=True)).startswith(BY_LANE)
        by_tally = await queries.queue_list(reader, wanted, NOW)
        with monkeypatch.context() as patch:
            patch.setattr(access, "PAGE", 3)
            assert await way(reader, wanted, page=True) == BY_AGE
            assert await queries.queue_list(reader, wanted, NOW) == by_tally
        assert by_tally.rows


@pytest.mark.parametrize(
    "text", ["domain:one.example", "site:* domain:*.example", "group:0", "domain:one.example group:1+"]
)
async def test_lanes_alone_are_counted_by_the_tally(office: Office, reader: Reader, text: str) -> None:
    _fill(office)
    assert access.lanes_alone(parse(text, now=NOW)) is not None
    counted = await queries.count(reader, parse(f"{text} tries:0+", now=NOW))
    assert await queries.count(reader, parse(text, now=NOW)) == counted
