"""Steps of the queue that only show their worth after something went wrong, one transaction at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.queue.office import BODY, NOW, Office

from mailtui.errors import Unavailable
from mailtui.model import CONTENT_BITS, Address, Envelope, EnvelopeRecipient, HeaderFacts, Incoming, Origin
from mailtui.queue import arrivals, claims, lanes


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A queue file with its one writer."""
    office = Office(tmp_path)
    yield office
    office.close()


def _lane(office: Office) -> int:
    row: tuple[int] = office.db.execute("SELECT id FROM lane").fetchone()
    return row[0]


def test_what_is_given_back_is_due_although_its_lane_had_looked_empty(office: Office) -> None:
    """Else a drain would strand it: no process would ever look at its lane again."""
    office.message("user@dst.test")
    lane = _lane(office)
    claim = office.claim(lane)
    assert claim is not None
    assert office.claim(lane) is None
    lanes.settle_due(office.db, lane)  # what the store does then
    assert lanes.due(office.db, NOW + 10, 10, []) == []
    claims.unclaim(office.db, tuple(recipient.id for recipient in claim.recipients), NOW)
    assert [due.id for due in lanes.due(office.db, NOW + 10, 10, [])] == [lane]


def test_a_chunk_without_the_one_before_is_refused(office: Office) -> None:
    """Chunks are jobs of their own; when one failed, those behind it must not make a message with a hole."""
    arrivals.store_chunk(office.db, 1, 0, b"x" * 10, NOW)
    with pytest.raises(Unavailable):
        arrivals.store_chunk(office.db, 1, 2, b"z" * 10, NOW)
    with pytest.raises(Unavailable):
        arrivals.store_chunk(office.db, 2, 1, b"y" * 10, NOW)


def test_a_message_with_a_missing_chunk_is_not_accepted(office: Office) -> None:
    arrivals.store_chunk(office.db, 1, 0, b"x" * 10, NOW)
    incoming = Incoming(
        number=1,
        envelope=Envelope(Address("app", "src.test"), (EnvelopeRecipient(Address("user", "dst.test")),)),
        origin=Origin("127.0.0.1:2525", "relay", "", "127.0.0.1", "client", "ESMTP", ""),
        facts=HeaderFacts(),
        prefix=b"",
        size=30,
        received=NOW,
    )
    with pytest.raises(Unavailable):
        arrival = arrivals.Arrival(incoming, 2, b"z" * 10, ["mx"], NOW + 100, NOW)
        arrivals.store_messages(office.db, office.lanes, [arrival])


@pytest.mark.parametrize("left", [b"", BODY[:-1]], ids=["nothing", "half"])
def test_a_message_that_is_not_whole_is_put_aside(office: Office, left: bytes) -> None:
    """An operator finds it held, with its former place in the queue; the next message of the lane goes on."""
    damaged = office.message("user@dst.test", age=10)
    sound = office.message("other@dst.test")
    first = damaged << CONTENT_BITS
    if left:
        office.db.execute("UPDATE content SET chunk = ? WHERE id = ?", (left, first))
    else:
        office.db.execute("DELETE FROM content WHERE id = ?", (first,))
    office.db.execute("BEGIN")
    with pytest.raises(claims.Damaged, match=f"{len(left)} of its {len(BODY)} octets") as found:
        office.claim(_lane(office))
    office.db.execute("ROLLBACK")
    claims.put_aside(office.db, found.value, NOW)
    assert office.state(damaged) == "held"
    assert office.recipient(damaged, 1, "former_state, attempts") == ("queued", 0)
    claim = office.claim(_lane(office))
    assert claim is not None and claim.message == sound
