from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.unit.queue.office import Office, unpack

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
