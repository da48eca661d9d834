"""What is taken out of the queue for an attempt, what is given back, and what a start finds in state sending."""

from __future__ import annotations

import pytest
from tests.unit.queue.office import BODY, NOW, Office

from mailtui.model import CONTENT_BITS, Address, Claim, Disposition, format_recipient_id, recipient_row
from mailtui.queue import claims, lanes, rows
from mailtui.queue.claims import PROBE_SIZE, Damaged


def lane(office: Office, destination: str = "d.test") -> tuple[int, str, str]:
    row: tuple[int, str, str] = office.db.execute(
        "SELECT id, destination, route FROM lane WHERE destination = ?", (destination,)
    ).fetchone()
    return row


def claim(
    office: Office, now: float = NOW, limit: int = 50, probe_not: int | None = None, destination: str = "d.test"
) -> Claim | None:
    return several(office, ask(office, now, limit, probe_not, destination))[0]


def ask(
    office: Office, now: float = NOW, limit: int = 50, probe_not: int | None = None, destination: str = "d.test"
) -> claims.Ask:
    return claims.Ask(lane(office, destination), now, limit, lambda attempts: 100.0 * attempts, probe_not)


def several(office: Office, *asks: claims.Ask) -> list[Claim | None]:
    return claims.claim(office.db, asks, "me")


def taken(office: Office, **options: object) -> Claim:
    found = claim(office, **options)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_a_claim_is_the_message_and_its_recipients_here(office: Office) -> None:
    number = office.message("a@d.test", "b@other.test", "c@d.test", sender="app@example.org")

    found = taken(office)

    assert (found.message, found.destination, found.route, found.sender) == (
        number,
        "d.test",
        "mx",
        Address("app", "example.org"),
    )
    assert (found.content, found.size, found.prefix, found.signature) == (BODY, len(BODY), b"Received: x\r\n", None)
    assert [(r.id, str(r.address), r.attempts) for r in found.recipients] == [
        (recipient_row(number, 1), "a@d.test", 1),
        (recipient_row(number, 3), "c@d.test", 1),
    ]
    assert [office.state(number, n) for n in (1, 2, 3)] == ["sending", "queued", "sending"]
    assert claim(office) is None


def test_an_attempt_is_registered_with_its_next_one(office: Office) -> None:
    """So that a crash cannot hammer the peer."""
    number = office.message("a@d.test")
    taken(office)

    assert office.recipient(number, 1, "attempts, next_attempt, owner, changed_at") == (1, NOW + 100.0, "me", NOW)


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_no_more_recipients_than_the_limit(office: Office, limit: int) -> None:
    number = office.message(*(f"u{n}@d.test" for n in range(120)))
    sizes = []
    while (found := claim(office, limit=limit)) is not None and len(sizes) < 4:
        assert found.message == number
        sizes.append(len(found.recipients))

    assert sizes == {1: [1] * 4, 2: [2] * 4, 50: [50, 50, 20]}[limit]


def test_only_what_is_due_and_of_the_longest_due_message(office: Office) -> None:
    late, early = office.message("late@d.test", "early@d.test"), office.message("x@d.test")
    office.db.execute("UPDATE recipient SET next_attempt = ? WHERE id = ?", (NOW + 5, recipient_row(late, 1)))
    office.db.execute("UPDATE recipient SET next_attempt = ? WHERE id = ?", (NOW - 5, recipient_row(early, 1)))

    order = [[str(r.address) for r in taken(office).recipients] for _ in range(2)]

    assert order == [["x@d.test"], ["early@d.test"]]
    assert claim(office) is None
    assert [str(r.address) for r in taken(office, now=NOW + 5).recipients] == ["late@d.test"]


@pytest.mark.parametrize("state", ["held", "sending", "delivered", "bounced", "suppressed", "purged"])
def test_what_is_not_waiting_for_an_attempt_is_left_alone(office: Office, state: str) -> None:
    office.message("a@d.test")
    office.db.execute("UPDATE recipient SET state = ?", (state,))

    assert claim(office) is None


def test_a_long_content_is_left_to_be_read_piece_by_piece(office: Office) -> None:
    number = office.message("a@d.test")
    office.db.execute("INSERT INTO content VALUES (?, ?)", (number << CONTENT_BITS | 1, b"more"))
    office.db.execute("UPDATE message SET size = size + 4")

    assert taken(office).content is None


def test_an_empty_content(office: Office) -> None:
    office.message("a@d.test", body=b"")

    assert taken(office).content == b""


@pytest.mark.parametrize("damage", ["DELETE FROM content", "UPDATE content SET chunk = x'00'"])
def test_half_a_message_is_never_given_out(office: Office, damage: str) -> None:
    broken = office.message("a@d.test", "b@d.test", age=10)
    office.db.execute(damage)
    whole = office.message("c@d.test")

    office.db.execute("BEGIN")
    with pytest.raises(Damaged, match=r"[01] of its 21 octets are left") as caught:
        claim(office)
    office.db.execute("ROLLBACK")
    claims.put_aside(office.db, caught.value, NOW)

    assert [office.recipient(broken, n, "state, attempts, former_state") for n in (1, 2)] == [("held", 0, "queued")] * 2
    assert office.db.execute("SELECT kind, text FROM event WHERE message = ?", (broken,)).fetchall() == [
        ("quarantined", str(caught.value))
    ]
    assert taken(office).message == whole


# ---------------------------------------------------------------------- probes


def test_a_probe_is_small_and_another_message_than_the_last(office: Office) -> None:
    last, big, small = (
        office.message("a@d.test", age=30),
        office.message("b@d.test", age=20, body=b"x" * (PROBE_SIZE + 1)),
        office.message("c@d.test", age=10),
    )

    assert taken(office, probe_not=last).message == small
    assert [office.state(number) for number in (last, big)] == ["queued", "queued"]


@pytest.mark.parametrize("size", [10, PROBE_SIZE + 1], ids=["the same", "a big one"])
def test_a_site_is_probed_with_what_there_is(office: Office, size: int) -> None:
    only = office.message("a@d.test", body=b"x" * size)

    assert taken(office, probe_not=only if size == 10 else 0).message == only


def test_a_probe_is_due_as_well(office: Office) -> None:
    office.message("a@d.test")

    assert claim(office, now=NOW - 1, probe_not=0) is None


# ---------------------------------------------------------------------- given back


def test_what_was_not_tried_is_due_at_once_and_has_no_attempt(office: Office) -> None:
    number = office.message("a@d.test")
    found = taken(office)

    claims.unclaim(office.db, tuple(r.id for r in found.recipients), NOW + 1)

    assert office.recipient(number, 1, "state, attempts, next_attempt") == ("queued", 0, NOW + 1)
    assert taken(office, now=NOW + 1).recipients == found.recipients


def test_what_was_deferred_before_is_deferred_again(office: Office) -> None:
    number = office.message("a@d.test")
    office.try_all("d.test")
    taken(office, now=NOW + 300)

    claims.unclaim(office.db, (recipient_row(number, 1),), NOW + 301)

    assert office.recipient(number, 1, "state, attempts, next_attempt") == ("deferred", 1, NOW + 301)


def test_a_lane_that_was_put_to_rest_meanwhile_is_due_again(office: Office) -> None:
    """Another slot found nothing due while the recipients were out; without this they would never be looked at again."""
    office.message("a@d.test")
    found = taken(office)
    lanes.settle_due(office.db, found.lane)
    assert office.due_at("d.test") is None

    claims.unclaim(office.db, tuple(r.id for r in found.recipients), NOW + 1)

    assert office.due_at("d.test") == NOW + 1


def test_giving_back_does_not_touch_what_has_an_outcome(office: Office) -> None:
    number = office.message("a@d.test")
    office.try_all("d.test", Disposition.DELIVERED)

    claims.unclaim(office.db, (recipient_row(number, 1),), NOW)
    claims.unclaim(office.db, (), NOW)

    assert office.recipient(number, 1, "state, attempts") == ("delivered", 1)


def test_a_claim_put_aside_says_why_and_where_it_was(office: Office) -> None:
    number = office.message("a@d.test", "b@d.test")

    claims.hold(office.db, taken(office), "the key is gone", NOW + 1)

    for n in (1, 2):
        assert office.recipient(number, n, "state, attempts, text, former_state, former_next") == (
            "held",
            0,
            "the key is gone",
            "queued",
            NOW + 1,
        )
    assert office.db.execute("SELECT kind, text FROM event WHERE message = ?", (number,)).fetchall() == [
        ("held", "the key is gone")
    ]


# ---------------------------------------------------------------------- after a crash


def test_what_was_being_sent_goes_back_with_its_registered_time(office: Office) -> None:
    number = office.message("a@d.test", "b@d.test")
    waits = office.message("c@other.test")
    found = taken(office)
    lanes.settle_due(office.db, found.lane)

    back, aside = claims.recover(office.db, NOW + 60)

    assert (sorted(back), aside) == ([format_recipient_id(recipient_row(number, n)) for n in (1, 2)], [])
    assert office.recipient(number, 1, "state, class, attempts, next_attempt") == (
        "queued",
        "interrupted",
        1,
        NOW + 100,
    )
    assert office.due_at("d.test") == NOW + 100
    assert office.state(waits) == "queued"
    attempts = office.db.execute("SELECT recipient, n, started, ended, disposition, class FROM attempt").fetchall()
    assert sorted(attempts) == [(recipient_row(number, n), 1, NOW, NOW + 60, "deferred", "interrupted") for n in (1, 2)]
    assert claims.recover(office.db, NOW + 61) == ([], [])


def test_a_broken_site_stays_broken_over_a_crash(office: Office) -> None:
    office.message("a@d.test")
    found = taken(office)
    lanes.enter_site(office.db, found.lane, "s")
    lanes.break_site(office.db, "s", 1, NOW + 500, "refused", NOW, 1)

    claims.recover(office.db, NOW + 60)

    assert office.due_at("d.test") == NOW + 500


def test_the_third_interruption_in_a_row_puts_a_message_aside(office: Office) -> None:
    number, now = office.message("a@d.test", "b@d.test"), NOW
    for interruption in (1, 2):
        assert taken(office, now=now).solo is (interruption == 3)
        claims.recover(office.db, now)
        now += 1000
    last = taken(office, now=now)
    assert (last.interruptions, last.solo) == (2, True)

    back, aside = claims.recover(office.db, now)

    assert (back, len(aside)) == ([], 2)
    state, text, former_state, former_next = office.recipient(number, 1, "state, text, former_state, former_next")
    assert (state, former_state, former_next) == ("held", "queued", now + 300)
    assert "stopped 3 times" in str(text)
    assert office.db.execute("SELECT count(*) FROM attempt WHERE class = 'interrupted'").fetchone() == (6,)
    assert office.db.execute("SELECT count(*) FROM event WHERE kind = 'quarantined'").fetchone() == (2,)


def test_an_attempt_that_ends_breaks_the_row_of_interruptions(office: Office) -> None:
    number, now = office.message("a@d.test"), NOW
    for _ in range(2):
        taken(office, now=now)
        claims.recover(office.db, now)
        now += 1000
    office.try_all("d.test", now=now)

    assert office.db.execute("SELECT interruptions FROM message").fetchone() == (0,)
    taken(office, now=now + 1000)
    assert claims.recover(office.db, now)[1] == []
    assert office.state(number) == "queued"


def test_a_host_that_may_have_the_message_is_preferred(office: Office) -> None:
    office.message("a@d.test", "b@d.test")
    assert taken(office).prefer == ""
    office.db.execute(
        "UPDATE recipient SET state = 'deferred', next_attempt = ?, host = 'mx2.d.test', class = 'unknown-outcome' WHERE id & 1 = 0",
        (NOW,),
    )
    office.db.execute(
        "UPDATE recipient SET state = 'deferred', next_attempt = ?, host = 'mx1.d.test', class = 'throttled' WHERE id & 1 = 1",
        (NOW,),
    )

    assert taken(office).prefer == "mx2.d.test"


# ---------------------------------------------------------------------- several slots at once


def ids(claims: list[Claim | None]) -> list[int | None]:
    return [None if claim is None else claim.message for claim in claims]


def test_each_of_several_slots_gets_a_message_of_its_own_the_longest_due_first(office: Office) -> None:
    numbers = [office.message("a@d.test", age=100 - n, body=b"%d" % n) for n in range(3)]

    found = several(office, *[ask(office)] * 4)

    assert ids(found) == [*numbers, None]
    assert [claim and claim.content for claim in found] == [b"0", b"1", b"2", None]
    assert all(office.state(number) == "sending" for number in numbers)
    assert office.balanced()


def test_several_slots_share_no_message_however_many_recipients_it_has(office: Office) -> None:
    many = office.message(*(f"u{n}@d.test" for n in range(6)), age=9)
    one = office.message("z@d.test", age=5)

    found = several(office, *[ask(office, limit=4)] * 4)

    assert ids(found) == [many, many, one, None] or ids(found) == [many, one, many, None]
    sent = [recipient.id for claim in found if claim for recipient in claim.recipients]
    assert len(sent) == len(set(sent)) == 7
    assert max(len(claim.recipients) for claim in found if claim) == 4


def test_several_slots_of_several_lanes_and_a_probe_among_them(office: Office) -> None:
    here, there = office.message("a@d.test", age=9), office.message("a@e.test", age=8)
    later = office.message("b@d.test", age=7)

    found = several(
        office,
        ask(office),
        ask(office, destination="e.test"),
        ask(office, probe_not=here),
        ask(office, destination="e.test"),
    )

    assert {found[0] and found[0].message, found[2] and found[2].message} == {here, later}
    assert ids(found)[1::2] == [there, None]


def test_more_slots_than_one_statement_serves(office: Office) -> None:
    numbers = [office.message("a@d.test", age=500 - n) for n in range(rows.MOST * 2 + 5)]

    assert ids(several(office, *[ask(office)] * (len(numbers) + 3))) == [*numbers, None, None, None]
    assert office.balanced()


def test_a_message_in_two_lanes_is_claimed_once_in_each(office: Office) -> None:
    number = office.message("a@d.test", "b@e.test", "c@d.test")

    found = several(office, ask(office), ask(office, destination="e.test"))

    assert ids(found) == [number, number]
    assert [[str(r.address) for r in claim.recipients] for claim in found if claim] == [
        ["a@d.test", "c@d.test"],
        ["b@e.test"],
    ]


def test_one_damaged_content_fails_the_claims_that_are_made_with_it(office: Office) -> None:
    """The writer then tries each alone: only the damaged one suffers."""
    office.message("a@d.test", age=9)
    damaged = office.message("b@d.test", age=8)
    office.db.execute("DELETE FROM content WHERE id >> 12 = ?", (damaged,))

    with pytest.raises(claims.Damaged) as caught:
        several(office, ask(office), ask(office))
    assert caught.value.message == damaged
