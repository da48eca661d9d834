"""Groups as short walks tell them, against looking all of them up."""

from __future__ import annotations

import pytest
from tests.unit.queue.office import NOW, Office

from mailtui.model import Reply
from mailtui.queue import walks
from mailtui.queue.filter import EVERYTHING
from mailtui.queue.reader import Reader
from mailtui.queue.reasons import TOP, reasons


def _fill(office: Office) -> None:
    office.db.execute("INSERT INTO site (id, name) VALUES (7, 'mx.shared.example')")
    for n in range(6):
        for again in range(n + 1):
            office.message(f"a{again}@d{n}.example", age=1000 - 100 * n + again)
    for n in range(3):
        office.try_all(f"d{n}.example")
    for n in range(3, 6):
        office.try_all(f"d{n}.example", reply=Reply(452, "4.2.2", "full"))
    office.db.execute("UPDATE lane SET site = 7 WHERE destination IN ('d1.example', 'd2.example', 'd4.example')")
    office.db.execute("UPDATE lane SET due_at = (SELECT min(next_attempt) FROM recipient WHERE lane = lane.id)")


@pytest.mark.parametrize("by", ["site", "class"])
async def test_walks_say_the_same_however_far_they_go(
    office: Office, reader: Reader, monkeypatch: pytest.MonkeyPatch, by: walks.By
) -> None:
    _fill(office)
    told = {}
    for far in (0, 2, 5, 1000):
        for name in ("OLDEST", "FIRST", "LARGEST"):
            monkeypatch.setattr(walks, name, far)
        told[far] = await reasons(reader, EVERYTHING, NOW, by)
    assert told[0] == told[2] == told[5] == told[1000]
    assert sum(row.count for row in told[0]) == 21
    assert not any(group.whole for group in await _walked(reader, monkeypatch, by, 0))
    assert all(group.whole for group in await _walked(reader, monkeypatch, by, 1000))


async def _walked(reader: Reader, monkeypatch: pytest.MonkeyPatch, by: walks.By, far: int) -> list[walks.Walked]:
    monkeypatch.setattr(walks, "OLDEST", far)
    return await walks.groups(reader, by, 100, TOP)


async def test_what_is_held_is_looked_up(office: Office, reader: Reader) -> None:
    _fill(office)
    office.db.execute(
        "UPDATE recipient SET state = 'held' WHERE lane = (SELECT id FROM lane WHERE destination = 'd0.example')"
    )
    rows = await reasons(reader, EVERYTHING, NOW)
    (held,) = [row for row in rows if row.top_destinations[0].destination == "d0.example"]
    assert held.next_attempt is None
    assert held.sample_id
