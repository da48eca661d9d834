"""The state table of the design written out, ids as people read them, and the small laws of the values."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.model import (
    EDGES,
    FINISHED,
    NULL_SENDER,
    WAITING,
    Address,
    Cause,
    Claim,
    Reply,
    State,
    decode_id,
    encode_id,
    format_recipient_id,
    may_move,
    parse_address,
    parse_item_id,
    recipient_row,
)

#: from | to | by. "-" is "not yet accepted".
TABLE = """
-                | queued held suppressed   | intake
queued deferred  | sending                  | runner
sending          | delivered deferred bounced | attempt
sending          | queued held              | start-up
sending          | queued deferred held     | runner
queued deferred  | held purged bounced      | operator
queued deferred  | bounced                  | expiry
queued deferred  | suppressed               | suppression list
deferred         | queued                   | operator
queued           | deferred held purged     | undo
deferred         | queued held              | undo
queued deferred  | suppressed               | undo
held             | purged                   | undo
held             | purged bounced           | operator
held suppressed  | queued deferred          | operator
held suppressed  | queued deferred          | undo
purged bounced   | queued deferred held     | undo
"""

NUMBERS = st.integers(0, (1 << 40) - 1)


def allowed() -> set[tuple[State | None, State, Cause]]:
    triples: set[tuple[State | None, State, Cause]] = set()
    for row in TABLE.strip().splitlines():
        sources, targets, cause = (cell.strip() for cell in row.split("|"))
        for source, target in itertools.product(sources.split(), targets.split()):
            triples.add((None if source == "-" else State(source), State(target), Cause(cause)))
    return triples


def test_every_pair_of_states_by_every_cause_is_as_the_table_says() -> None:
    found = {
        (source, target, cause)
        for source, target, cause in itertools.product((None, *State), State, Cause)
        if may_move(source, target, cause)
    }

    assert found == allowed()
    assert all(causes for causes in EDGES.values()), "an edge that nobody may cause is none"


def test_every_state_is_either_waiting_or_finished() -> None:
    assert sorted((*WAITING, *FINISHED)) == sorted(State)


def test_delivered_is_the_only_state_without_an_exit_and_nobody_stays_where_they_are() -> None:
    assert set(State) - {source for source, _ in EDGES} == {State.DELIVERED}
    assert not any(source is target for source, target in EDGES)


def test_every_state_can_be_reached_from_acceptance() -> None:
    reached: set[State | None] = {None}
    for _ in State:
        reached |= {target for source, target in EDGES if source in reached}
    assert reached == {None, *State}


@given(NUMBERS)
def test_an_id_comes_back_in_either_case(number: int) -> None:
    text = encode_id(number)

    assert len(text) == 8
    assert not set(text) & set("ILOU"), "letters that are misread"
    assert decode_id(text) == decode_id(text.lower()) == number


@given(NUMBERS, NUMBERS)
def test_ids_sort_as_their_numbers_do(one: int, other: int) -> None:
    assert (encode_id(one) < encode_id(other)) == (one < other)


@pytest.mark.parametrize("number", [-1, 1 << 40, 1 << 60])
def test_a_number_without_an_id_is_an_error(number: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        encode_id(number)


@given(st.text(max_size=12))
def test_what_is_decoded_is_within_range_or_refused(text: str) -> None:
    try:
        number = decode_id(text)
    except ValueError:
        return
    assert encode_id(number) == text.upper()


@pytest.mark.parametrize(
    "text", ["", "0000000", "000000000", "0000000I", "0000000U", "0000000ß", "0000000ſ", "00 00000", "٠0000000"]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a queue id"):
        decode_id(text)


@given(NUMBERS, st.integers(1, (1 << 20) - 1))
def test_a_recipient_id_comes_back(message: int, n: int) -> None:
    text = format_recipient_id(recipient_row(message, n))

    assert parse_item_id(text) == (message, n)
    assert text == f"{encode_id(message)}.{n}"


def test_recipient_rows_of_one_message_lie_together() -> None:
    assert recipient_row(7, (1 << 20) - 1) < recipient_row(8, 1)


def test_a_bare_id_means_all_of_them() -> None:
    assert parse_item_id("00000001") == (1, 0)


@pytest.mark.parametrize(
    "text",
    ["00000001.", "00000001.0", "00000001.-1", "00000001.x", "00000001.1.1", "00000001.²", "00000001.1048576", ".1"],
)
def test_what_is_no_recipient_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_item_id(text)


LOCALS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
DOMAINS = st.from_regex(r"[a-z0-9]{1,10}(\.[a-z]{2,5})?|\[192\.0\.2\.1\]", fullmatch=True)


@given(LOCALS, DOMAINS)
def test_an_address_comes_back_from_its_text(local: str, domain: str) -> None:
    address = Address(local, domain)

    assert parse_address(str(address)) == address
    assert address


def test_addresses_without_a_domain() -> None:
    assert parse_address(str(NULL_SENDER)) == NULL_SENDER
    assert not NULL_SENDER
    assert parse_address("postmaster") == Address("postmaster", "")


@given(st.integers(0, 999))
def test_a_reply_counts_by_its_first_digit(code: int) -> None:
    reply = Reply(code)

    assert (reply.positive, reply.permanent) == (code // 100 == 2, code // 100 == 5)


def test_a_reply_reads_as_it_was_said() -> None:
    assert str(Reply(550, "5.1.1", "no such user")) == "550 5.1.1 no such user"
    assert str(Reply(0, "4.4.1", "no route")) == "4.4.1 no route"
    assert str(Reply(250)) == "250"


@pytest.mark.parametrize(("interruptions", "solo"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_message_interrupted_twice_goes_alone(interruptions: int, solo: bool) -> None:
    claim = Claim(
        message=1, lane=1, destination="d.test", route="mx", sender=NULL_SENDER, recipients=(), size=0, received_at=0.0,
        prefix=b"", signature=None, content=b"", interruptions=interruptions,
    )  # fmt: skip

    assert claim.solo is solo
    assert claim.queue_id == "00000001"
