"""How requests, errors and events travel."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.control import wire
from mailtui.control.api import Entry, Gap, Purge, QueueList
from mailtui.errors import ConfigError, ControlError, QueueError, RelayRunning, Unavailable
from mailtui.events import Accepted, Notice

TEXT = st.text(st.characters(exclude_categories=("Cs",)))


@given(TEXT, st.booleans(), st.integers(1, 10_000))
def test_a_read_survives_as_query_parameters(filter: str, history: bool, limit: int) -> None:
    request = QueueList(filter[:65536], history, limit)
    assert wire.read_query(wire.query(request).items(), QueueList) == request


@given(st.binary(max_size=200))
def test_any_body_is_a_request_or_a_clear_refusal(body: bytes) -> None:
    try:
        wire.read_json(body, Purge)
    except ControlError as error:
        assert error.code == "bad-request" and error.exit_code == 64
        assert str(error) and "filter" in error.hint


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"expect": "x"}', "$.expect"),
        (b'{"expect": -1}', "$.expect"),
        (b'{"filtre": ""}', "filtre"),
        (b"\xff\xfe", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_a_bad_body_is_named(body: bytes, part: str) -> None:
    with pytest.raises(ControlError) as caught:
        wire.read_json(body, Purge)
    assert part in str(caught.value)


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(ControlError, match="limit is given twice"):
        wire.read_query([("limit", "1"), ("limit", "2")], QueueList)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ControlError("unknown-request", "x"), 404, "unknown-request"),
        (ControlError("forbidden", "x", "h", 77), 403, "forbidden"),
        (ConfigError("x"), 422, "config-error"),
        (QueueError("x"), 404, "queue-error"),
        (Unavailable("x"), 503, "unavailable"),
        (RelayRunning("x", 1), 503, "relay-running"),
        (ControlError("odd", "x", exit_code=99), 500, "odd"),
    ],
)
def test_an_error_arrives_as_it_left(error: ControlError, status: int, code: str) -> None:
    told = wire.failure(error)
    assert (wire.http_status(told), told.code) == (status, code)
    back = wire.decode_failure(wire.encode_failure(told), status)
    assert (back.code, str(back), back.hint, back.exit_code) == (code, "x", told.hint, error.exit_code)


@given(st.binary(max_size=300))
def test_an_error_that_is_not_ours_is_still_one_line(body: bytes) -> None:
    error = wire.decode_failure(body, 400)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "event",
    [Accepted(1.5, "1QHQZRES", "a\x1b@b", 2, 10, "192.0.2.1"), Notice(2.0, "info", "ü\n"), Gap(3.0, 7)],
    ids=lambda event: type(event).__name__,
)
def test_an_event_is_one_flat_line(event: Accepted | Notice | Gap) -> None:
    line = wire.encode_entry(Entry(42, event))
    assert line.startswith(b'{"seq":42,"event":"') and line.count(b"\n") == 1
    assert wire.decode_entry(line) == Entry(42, event)


def test_signs_of_life_and_unknown_events_are_passed_over() -> None:
    assert wire.decode_entry(b"\n") is None
    assert wire.decode_entry(b'{"seq":1,"event":"comet","at":1}\n') is None


@pytest.mark.parametrize(
    ("client", "relay", "hint"),
    [
        ("1.2.3", "1.9.0", None),
        ("", "1.0.0", None),
        ("1.0.0", "", None),
        ("1.0.0", "2.0.0", "update this program"),
        ("2.0.0", "1.0.0", "update the relay"),
        ("nonsense", "1.0.0", "update this program"),
    ],
)
def test_versions_of_one_major_agree(client: str, relay: str, hint: str | None) -> None:
    problem = wire.disagreement(client, relay)
    assert (problem.hint if problem else None) == hint
