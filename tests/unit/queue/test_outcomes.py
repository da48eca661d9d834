"""What attempts came to, as it stands in the file afterwards: state, attempt, transcript, group, sample, all or nothing."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.unit.queue.office import NOW, Office, pack, unpack

from mailtui.model import (
    Attempt,
    Claim,
    Delivery,
    Disposition,
    Reply,
    Stage,
    State,
    TranscriptLine,
    Verdict,
    recipient_row,
)
from mailtui.queue import claims, lanes, outcomes
from mailtui.queue.outcomes import TEXT, Outcome
from mailtui.queue.schedule import Move

LATER = NOW + 300
OK = Reply(250, "2.0.0", "queued as 1")
BUSY = Reply(451, "4.7.1", "slow down")
GONE = Reply(550, "5.1.1", "no such user")
PREAMBLE = (TranscriptLine(0, "<", "220 mx"),)
DIALOGUE = (TranscriptLine(1, ">", "MAIL FROM:<>"), TranscriptLine(2, "<", "250 ok"))


def claimed(office: Office, *to: str, now: float = NOW) -> Claim:
    if to:
        office.message(*to)
    row = office.db.execute("SELECT id FROM lane WHERE destination = 'd.test' AND route = 'mx'").fetchone()
    claim = office.claim(row[0], now)
    assert claim is not None
    return claim


def move(claim: Claim, index: int, reply: Reply, *, expired: bool = False) -> Move:
    disposition = {2: Disposition.DELIVERED, 4: Disposition.DEFERRED, 5: Disposition.BOUNCED}[reply.code // 100]
    verdict = Verdict(
        {2: "success", 4: "throttled", 5: "no-such-user"}[reply.code // 100], "them", disposition, "A sentence."
    )
    attempt = Attempt(
        claim.recipients[index].id, NOW + 1, NOW + 2, Stage.RCPT, verdict, reply, "mx.d.test", "192.0.2.1", "TLSv1.3",
        {"mail": 3, "rcpt": 7},
    )  # fmt: skip
    state = State.BOUNCED if expired else {2: State.DELIVERED, 4: State.DEFERRED, 5: State.BOUNCED}[reply.code // 100]
    return Move(attempt, state, LATER if state is State.DEFERRED else NOW + 2, expired)


def outcome(claim: Claim, *moves: Move, **changes: object) -> Outcome:
    groups = tuple("" if item.state is State.DELIVERED else f"group of {item.attempt.reply.code}" for item in moves)
    delivery = Delivery(tuple(item.attempt for item in moves), (12, DIALOGUE), (11, PREAMBLE), True)
    return msgspec.structs.replace(Outcome(claim, delivery, moves, groups, (claim.route,) * len(moves)), **changes)


def record(office: Office, what: Outcome, now: float = NOW + 2) -> None:
    office.db.execute("BEGIN")
    outcomes.record(office.db, office.lanes, office.fingerprints, pack, [(what, now)])
    office.db.execute("COMMIT")


def test_failures_are_counted_by_minute_and_kind_and_a_named_wait_is_kept(office: Office) -> None:
    claim = claimed(office, *(f"{n}@d.test" for n in range(4)))
    moves = [move(claim, n, reply) for n, reply in enumerate((OK, BUSY, BUSY, GONE))]
    attempt = moves[1].attempt
    asked = msgspec.structs.replace(attempt.verdict, wait=90)
    moves[1] = msgspec.structs.replace(moves[1], attempt=msgspec.structs.replace(attempt, verdict=asked))
    record(office, outcome(claim, *moves))

    rows = office.db.execute(
        "SELECT minute, lane, f.text, deferred, bounced FROM failure JOIN fingerprint f ON f.id = fingerprint ORDER BY 3"
    ).fetchall()
    minute = int((NOW + 2) // 60)
    assert rows == [(minute, claim.lane, "group of 451", 2, 0), (minute, claim.lane, "group of 550", 0, 1)]
    assert [wait for (wait,) in office.db.execute("SELECT wait FROM attempt ORDER BY recipient")] == [
        None,
        90.0,
        None,
        None,
    ]


def test_each_recipient_goes_its_own_way(office: Office) -> None:
    claim = claimed(office, "a@d.test", "b@d.test", "c@d.test")
    record(office, outcome(claim, *(move(claim, n, reply) for n, reply in enumerate((OK, BUSY, GONE)))))

    rows = [
        office.recipient(claim.message, n, "state, next_attempt, code, enhanced, text, class, host, owner, changed_at")
        for n in (1, 2, 3)
    ]
    assert rows == [
        ("delivered", NOW + 2, 250, "2.0.0", "queued as 1", "success", "mx.d.test", "", NOW + 2),
        ("deferred", LATER, 451, "4.7.1", "slow down", "throttled", "mx.d.test", "", NOW + 2),
        ("bounced", NOW + 2, 550, "5.1.1", "no such user", "no-such-user", "mx.d.test", "", NOW + 2),
    ]
    assert office.due_at("d.test") == NOW, "a lower bound: others may wait there"
    assert office.balanced()


def test_every_attempt_is_kept_with_its_dialogue(office: Office) -> None:
    claim = claimed(office, "a@d.test", "b@d.test")
    record(office, outcome(claim, move(claim, 0, OK), move(claim, 1, BUSY)))

    attempts = office.db.execute(
        "SELECT recipient, n, started, ended, stage, disposition, class, host, address, tls, code, enhanced, text, preamble,"
        " dialogue FROM attempt"
    ).fetchall()
    assert attempts[0] == (
        recipient_row(claim.message, 1), 1, NOW + 1, NOW + 2, "rcpt", "delivered", "success", "mx.d.test", "192.0.2.1", "TLSv1.3", 250,
        "2.0.0", "queued as 1", 11, 12,
    )  # fmt: skip
    assert len(attempts) == 2
    assert [json.loads(text) for (text,) in office.db.execute("SELECT timings FROM attempt")] == [
        {"mail": 3, "rcpt": 7}
    ] * 2
    found = office.db.execute("SELECT id, at, lines FROM transcript ORDER BY id").fetchall()
    assert [(number, at, unpack(lines)) for number, at, lines in found] == [
        (11, NOW + 2, PREAMBLE),
        (12, NOW + 2, DIALOGUE),
    ]


def test_attempts_are_numbered_through(office: Office) -> None:
    for n in (1, 2, 3):
        claim = claimed(office, *(["a@d.test"] if n == 1 else []), now=NOW + 1000 * n)
        record(office, outcome(claim, move(claim, 0, BUSY)))

    assert office.db.execute("SELECT n FROM attempt").fetchall() == [(1,), (2,), (3,)]


def test_the_beginning_of_a_kept_connection_is_stored_once(office: Office) -> None:
    for n in range(3):
        claim = claimed(office, f"u{n}@d.test")
        delivery = Delivery((), (20 + n, DIALOGUE), (11, PREAMBLE if n != 1 else ()))
        record(office, outcome(claim, move(claim, 0, OK), delivery=delivery))

    assert office.db.execute("SELECT preamble, dialogue FROM attempt").fetchall() == [(11, 20), (11, 21), (11, 22)]
    assert office.db.execute("SELECT id FROM transcript ORDER BY id").fetchall() == [(11,), (20,), (21,), (22,)]


@pytest.mark.parametrize(
    "changes", [{"keep_dialogue": False}, {"delivery": Delivery(())}], ids=["not wanted", "nothing was said"]
)
def test_without_a_dialogue(office: Office, changes: dict[str, object]) -> None:
    claim = claimed(office, "a@d.test")
    record(office, outcome(claim, move(claim, 0, OK), **changes))

    assert office.db.execute("SELECT count(*) FROM transcript").fetchone() == (0,)
    assert office.db.execute("SELECT preamble, dialogue FROM attempt").fetchall() == [(0, 0)]


def test_an_expired_recipient_says_so_and_its_attempt_what_happened(office: Office) -> None:
    claim = claimed(office, "a@d.test")
    record(office, outcome(claim, move(claim, 0, BUSY, expired=True)))

    assert office.recipient(claim.message, 1, "state, class, code") == ("bounced", "expired", 451)
    assert office.db.execute("SELECT disposition, class FROM attempt").fetchall() == [("bounced", "throttled")]


def test_failures_are_grouped_and_freshened(office: Office) -> None:
    for n, now in enumerate((NOW, NOW + 50)):
        claim = claimed(office, f"u{n}@d.test", now=now)
        record(office, outcome(claim, move(claim, 0, BUSY)), now)
        office.fingerprints.forget()  # as after a restart

    groups = office.db.execute(
        "SELECT id, text, class, sample, sentence, first_seen, last_seen FROM fingerprint"
    ).fetchall()
    assert [group[1:] for group in groups] == [
        ("group of 451", "throttled", "451 4.7.1 slow down", "A sentence.", NOW, NOW + 50)
    ]
    assert office.db.execute("SELECT DISTINCT fingerprint FROM recipient").fetchall() == [(groups[0][0],)]
    assert office.db.execute(
        "SELECT n FROM tally WHERE state = 'deferred' AND fingerprint = ?", (groups[0][0],)
    ).fetchone() == (2,)


def test_a_success_belongs_to_no_group(office: Office) -> None:
    claim = claimed(office, "a@d.test")
    record(office, outcome(claim, move(claim, 0, BUSY)))
    claim = claimed(office, now=LATER)
    record(office, outcome(claim, move(claim, 0, OK)))

    assert office.recipient(claim.message, 1, "fingerprint, class") == (0, "success")


def test_a_minute_has_one_sample_for_a_lane(office: Office) -> None:
    for n, replies in enumerate(((OK, BUSY), (OK, GONE))):
        claim = claimed(office, f"a{n}@d.test", f"b{n}@d.test")
        record(office, outcome(claim, *(move(claim, index, reply) for index, reply in enumerate(replies))))

    assert office.db.execute("SELECT minute, delivered, deferred, bounced FROM sample").fetchall() == [
        ((NOW + 2) // 60, 2, 1, 1)
    ]


def test_the_next_attempt_may_go_by_another_route(office: Office) -> None:
    claim = claimed(office, "a@d.test", "b@d.test")
    record(office, outcome(claim, move(claim, 0, BUSY), move(claim, 1, BUSY), routes=("smarthost s:25 off", "mx")))

    rows = office.db.execute(
        "SELECT route, due_at FROM lane JOIN recipient r ON r.lane = lane.id ORDER BY r.id"
    ).fetchall()
    assert rows == [("smarthost s:25 off", LATER), ("mx", NOW)]


def test_what_was_not_tried_goes_back_without_an_attempt(office: Office) -> None:
    claim = claimed(office, "a@d.test", "b@d.test")
    lanes.settle_due(office.db, claim.lane)
    delivery = Delivery((), untouched=(claim.recipients[1].id,))
    record(office, outcome(claim, move(claim, 0, OK), delivery=delivery), NOW + 3)

    assert office.recipient(claim.message, 2, "state, attempts, next_attempt") == ("queued", 0, NOW + 3)
    assert office.db.execute("SELECT count(*) FROM attempt").fetchone() == (1,)
    assert office.due_at("d.test") == NOW + 3


def test_a_signature_is_kept_for_the_next_attempt(office: Office) -> None:
    claim = claimed(office, "a@d.test")
    record(office, outcome(claim, move(claim, 0, BUSY), signature=b"DKIM-Signature: x\r\n", signed="signed 1 x"))
    again = claimed(office, now=LATER)
    assert again.signature == b"DKIM-Signature: x\r\n"

    record(office, outcome(again, move(again, 0, OK)))

    assert office.db.execute("SELECT signature, signed FROM message").fetchone() == (
        b"DKIM-Signature: x\r\n",
        "signed 1 x",
    )


def test_no_signature_is_an_answer_too(office: Office) -> None:
    claim = claimed(office, "a@d.test")
    record(office, outcome(claim, move(claim, 0, BUSY), signature=b"", signed="no key"))

    assert claimed(office, now=LATER).signature == b"", "not None: it is not asked again"


def test_long_texts_are_cut(office: Office) -> None:
    claim = claimed(office, "a@d.test")
    record(office, outcome(claim, move(claim, 0, Reply(451, "", "x" * (TEXT + 5)))))

    lengths = (
        "SELECT length(r.text), length(a.text), length(f.sample) FROM recipient r JOIN attempt a ON a.recipient = r.id"
        " JOIN fingerprint f ON f.id = r.fingerprint"
    )
    assert office.db.execute(lengths).fetchone() == (TEXT, TEXT, TEXT)


def test_only_what_is_being_sent_moves(office: Office) -> None:
    """A claim that was taken back at a start cannot be finished by the process that lost it."""
    claim = claimed(office, "a@d.test")
    claims.recover(office.db, NOW)
    record(office, outcome(claim, move(claim, 0, OK)))

    assert office.state(claim.message) == "queued"
    assert office.balanced()


def test_an_outcome_is_all_or_nothing(office: Office) -> None:
    claim = claimed(office, "a@d.test", "b@d.test")
    office.db.execute("BEGIN")
    outcomes.record(
        office.db,
        office.lanes,
        office.fingerprints,
        pack,
        [(outcome(claim, move(claim, 0, OK), move(claim, 1, BUSY)), NOW)],
    )
    office.db.execute("ROLLBACK")
    office.fingerprints.forget()

    assert [office.state(claim.message, n) for n in (1, 2)] == ["sending", "sending"]
    for table in ("attempt", "transcript", "sample", "fingerprint"):
        assert office.db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    record(office, outcome(claim, move(claim, 0, OK), move(claim, 1, BUSY)))
    assert office.db.execute("SELECT count(*) FROM fingerprint").fetchone() == (1,)
