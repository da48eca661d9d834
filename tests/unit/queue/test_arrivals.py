"""The step from nothing to queued: rows, chunks, recipients in their lanes; and what is forgotten."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.queue.office import NOW, Office

from mailtui.errors import Unavailable
from mailtui.model import (
    CONTENT_BITS,
    Address,
    Envelope,
    EnvelopeRecipient,
    HeaderFacts,
    Incoming,
    Origin,
    parse_address,
    recipient_row,
)
from mailtui.queue import arrivals
from mailtui.queue.lanes import DueLane

NUMBER = 4711
ORIGIN = Origin("127.0.0.1:25", "relay", "app", "192.0.2.1", "client.test", "ESMTPSA", "TLSv1.3")


def incoming(*to: str, size: int = 4, sender: str = "app@example.org") -> Incoming:
    recipients = tuple(EnvelopeRecipient(parse_address(address), "NEVER", "rfc822;x") for address in to)
    envelope = Envelope(parse_address(sender), recipients, "HDRS", "env+2Bid", True, True)
    return Incoming(
        NUMBER, envelope, ORIGIN, HeaderFacts("From <x>", "Subject", "<1@x>"), b"Received: y\r\n", size, NOW
    )


def store(
    office: Office, message: Incoming, sequence: int = 0, rest: bytes = b"rest", routes: tuple[str, ...] = ()
) -> tuple[DueLane, ...]:
    routes = routes or ("mx",) * len(message.envelope.recipients)
    arrival = arrivals.Arrival(message, sequence, rest, routes, NOW + 500, NOW + 1)
    (lanes,) = arrivals.store_messages(office.db, office.lanes, [arrival])
    return lanes


def row(office: Office, columns: str) -> tuple[object, ...]:
    found: tuple[object, ...] = office.db.execute(f"SELECT {columns} FROM message WHERE id = ?", (NUMBER,)).fetchone()
    return found


def contents(office: Office) -> list[bytes]:
    return [chunk for (chunk,) in office.db.execute("SELECT chunk FROM content ORDER BY id")]


def test_everything_that_is_known_is_in_the_row(office: Office) -> None:
    store(office, incoming("a@d.test", "b@d.test"))

    assert row(office, "phase, received_at, sender, ret, envid, eight_bit, smtputf8, size") == (
        "stored",
        NOW,
        "app@example.org",
        "HDRS",
        "env+2Bid",
        1,
        1,
        4,
    )
    assert row(office, "header_from, subject, message_id, prefix, signature, about") == (
        "From <x>",
        "Subject",
        "<1@x>",
        b"Received: y\r\n",
        None,
        None,
    )
    assert row(office, "listener, kind, user, client, helo, protocol, tls") == tuple(msgspec.structs.astuple(ORIGIN))
    assert row(office, "unfinished, finished_at, interruptions, body") == (2, None, 0, 1)
    assert contents(office) == [b"rest"]


def test_recipients_stand_in_their_lanes(office: Office) -> None:
    lanes = store(office, incoming("a@d.test", "b@other.test", "c@d.test"), routes=("mx", "mx", "discard"))

    assert [(lane.destination, lane.route) for lane in lanes] == [
        ("d.test", "mx"),
        ("other.test", "mx"),
        ("d.test", "discard"),
    ]
    assert [office.recipient(NUMBER, n, "address, lane")[1] for n in (1, 2, 3)] == [lane.id for lane in lanes]
    assert office.recipient(NUMBER, 1, "state, next_attempt, expires_at, attempts, notify, orcpt, changed_at") == (
        "queued", NOW + 1, NOW + 500, 0, "NEVER", "rfc822;x", NOW,
    )  # fmt: skip
    assert office.due_at("other.test") == NOW + 1


def test_a_lane_is_named_once_however_many_stand_in_it(office: Office) -> None:
    assert len(store(office, incoming(*(f"u{n}@d.test" for n in range(100))))) == 1


def test_the_null_sender(office: Office) -> None:
    store(office, incoming("a@d.test", sender=""))

    assert row(office, "sender") == ("",)


def test_a_route_for_every_recipient(office: Office) -> None:
    with pytest.raises(ValueError, match="zip"):
        store(office, incoming("a@d.test", "b@d.test"), routes=("mx",))


def test_a_long_message_stands_as_receiving_until_it_is_whole(office: Office) -> None:
    for sequence in range(3):
        arrivals.store_chunk(office.db, NUMBER, sequence, b"%d" % sequence, NOW - 9)
        assert row(office, "phase, received_at") == ("receiving", NOW - 9)
    assert office.balanced(), "nothing is accepted yet"

    store(office, incoming("a@d.test"), 3)

    assert row(office, "phase, received_at, unfinished") == ("stored", NOW, 1)
    assert contents(office) == [b"0", b"1", b"2", b"rest"]
    assert office.db.execute("SELECT id & 4095 FROM content").fetchall() == [(0,), (1,), (2,), (3,)]


@pytest.mark.parametrize("rest", [b"", b"rest"])
def test_a_message_with_a_hole_is_not_accepted(office: Office, rest: bytes) -> None:
    arrivals.store_chunk(office.db, NUMBER, 0, b"0", NOW)

    with pytest.raises(Unavailable, match="earlier part"):
        store(office, incoming("a@d.test"), 2, rest)
    with pytest.raises(Unavailable, match="earlier part"):
        arrivals.store_chunk(office.db, NUMBER, 2, b"2", NOW)


def test_a_message_never_grows_into_the_rows_of_the_next(office: Office) -> None:
    last = (1 << CONTENT_BITS) - 1
    arrivals.store_chunk(office.db, NUMBER, 0, b"0", NOW)
    office.db.execute("INSERT INTO content VALUES (?, ?)", (NUMBER << CONTENT_BITS | last, b"last"))

    with pytest.raises(Unavailable, match="more than 4096 chunks"):
        arrivals.store_chunk(office.db, NUMBER, last + 1, b"over", NOW)
    with pytest.raises(Unavailable, match="more than 4096 chunks"):
        store(office, incoming("a@d.test"), last + 1)


def test_an_empty_rest_makes_no_row(office: Office) -> None:
    store(office, incoming("a@d.test", size=0), rest=b"")

    assert contents(office) == []


def test_what_was_given_up_leaves_nothing(office: Office) -> None:
    for sequence in range(3):
        arrivals.store_chunk(office.db, NUMBER, sequence, b"x", NOW)
    arrivals.store_chunk(office.db, NUMBER + 1, 0, b"other", NOW)

    arrivals.forget_message(office.db, NUMBER)

    assert row(office, "id") is None
    assert contents(office) == [b"other"]


def test_what_was_accepted_cannot_be_forgotten(office: Office) -> None:
    store(office, incoming("a@d.test"))

    arrivals.forget_message(office.db, NUMBER)

    assert (row(office, "phase"), contents(office)) == (("stored",), [b"rest"])


def test_a_start_forgets_what_was_arriving_and_nothing_else(office: Office) -> None:
    store(office, incoming("a@d.test"))
    for number in (NUMBER + 1, NUMBER + 2):
        arrivals.store_chunk(office.db, number, 0, b"x", NOW)

    assert arrivals.forget_receiving(office.db) == 2
    assert arrivals.forget_receiving(office.db) == 0
    assert contents(office) == [b"rest"]
    assert office.balanced()


def test_a_dsn_says_what_it_is_about(office: Office) -> None:
    arrival = arrivals.Arrival(incoming("a@d.test"), 0, b"rest", ("mx",), NOW, NOW, about=17)
    arrivals.store_messages(office.db, office.lanes, [arrival])

    assert row(office, "about") == (17,)


def test_texts_of_strangers_are_parameters(office: Office) -> None:
    evil = "x'); DROP TABLE message; --"
    facts = HeaderFacts(evil, evil + "\0\x1b[2J", evil)
    message = msgspec.structs.replace(
        incoming(), facts=facts, envelope=Envelope(Address(evil, "d"), (EnvelopeRecipient(Address(evil, "d.test")),))
    )

    store(office, message)

    assert row(office, "subject, sender") == (evil + "\0\x1b[2J", f"{evil}@d")
    assert office.recipient(NUMBER, 1, "address") == (f"{evil}@d.test",)
    assert recipient_row(NUMBER, 1) == office.db.execute("SELECT id FROM recipient").fetchone()[0]
