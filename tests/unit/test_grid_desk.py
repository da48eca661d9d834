"""What is asked of the whole queue may be a moment old, and then says so; with a filter, and after a change, it is not."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import UNSET
from tests.unit.queue.office import Office, unpack

from mailtui.control.api import Incidents, QueueAges, QueueCount, QueueReasons
from mailtui.errors import ControlError
from mailtui.grid_desk import GridDesk
from mailtui.history_desk import HistoryDesk
from mailtui.queue.reader import Reader


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.close()


@pytest.fixture
async def reader(office: Office) -> AsyncIterator[Reader]:
    reader = await Reader.open(office.path, unpack)
    yield reader
    await reader.close()


@pytest.fixture
def desk(office: Office, reader: Reader) -> GridDesk:
    """One that keeps everything, over a queue of one recipient that failed."""
    office.message("a@one.example", age=60)
    office.try_all("one.example")
    return GridDesk(reader, quick=0.0)


async def test_without_a_filter_it_is_as_it_was_and_says_so(desk: GridDesk, office: Office) -> None:
    fresh = (await desk.count(QueueCount()), *await desk.ages(QueueAges()), *await desk.reasons(QueueReasons()))
    assert [answer.as_of for answer in fresh] == [UNSET] * 3
    office.message("b@one.example", age=60)
    office.try_all("one.example")
    again = (await desk.count(QueueCount()), *await desk.ages(QueueAges()), *await desk.reasons(QueueReasons()))
    assert (again[0].recipients, again[1].waiting, again[2].count) == (1, 1, 1)
    for answer in again:
        assert isinstance(answer.as_of, datetime)
        assert timedelta(0) <= datetime.now(UTC) - answer.as_of < timedelta(seconds=15)


async def test_with_a_filter_and_after_a_change_it_is_as_it_is(desk: GridDesk, office: Office) -> None:
    await desk.count(QueueCount())
    office.message("b@one.example", age=60)
    assert await desk.count(QueueCount("to:*")) == await desk.count(QueueCount("to:*"))
    assert (await desk.count(QueueCount("to:*"))).recipients == 2
    desk.changed()
    counts = await desk.count(QueueCount())
    assert (counts.recipients, counts.as_of) == (2, UNSET)


async def test_what_is_unusual_may_be_a_moment_old(office: Office, reader: Reader) -> None:
    kept, anew = HistoryDesk(reader, quick=0.0), HistoryDesk(reader, quick=60.0)
    office.message("a@one.example", age=60)
    office.try_all("one.example", now=time.time())
    (first,) = await kept.incidents(Incidents(), 0.0)
    office.message("b@one.example", age=60)
    office.try_all("one.example", now=time.time())
    assert (
        (await kept.incidents(Incidents(), 0.0))[0].count
        == first.count
        < (await anew.incidents(Incidents(), 0.0))[0].count
    )


async def test_a_window_that_is_none_is_said(desk: GridDesk) -> None:
    with pytest.raises(ControlError, match="a window of time is written like 15m"):
        await desk.reasons(QueueReasons(window="soon"))
