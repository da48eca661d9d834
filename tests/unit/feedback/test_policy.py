"""Who gets a DSN and when: RFC 3461 section 5.2 as a table, and the schedule of delay notices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.feedback.policy import (
    LARGEST_RETURNED,
    delay_due,
    delays_passed,
    next_delay,
    returns_body,
    wanted,
)
from mailtui.model import NULL_SENDER, Address
from mailtui.report import Kind

SENDER = Address("alice", "example.org")
HOUR = 3600.0
NOTIFY = ("", "NEVER", "SUCCESS", "FAILURE", "DELAY", "SUCCESS,FAILURE", "SUCCESS,FAILURE,DELAY", "delay,failure")


@pytest.mark.parametrize(
    ("notify", "failed", "delayed", "relayed"),
    [
        ("", True, False, False),
        ("NEVER", False, False, False),
        ("SUCCESS", False, False, True),
        ("FAILURE", True, False, False),
        ("DELAY", False, True, False),
        ("SUCCESS,FAILURE", True, False, True),
        ("SUCCESS,FAILURE,DELAY", True, True, True),
        ("delay,failure", True, True, False),
    ],
)
def test_notify_decides(notify: str, failed: bool, delayed: bool, relayed: bool) -> None:
    assert wanted(Kind.FAILED, notify, SENDER, is_dsn=False) is failed
    assert wanted(Kind.DELAYED, notify, SENDER, is_dsn=False) is delayed
    assert wanted(Kind.RELAYED, notify, SENDER, is_dsn=False) is relayed
    assert wanted(Kind.DELIVERED, notify, SENDER, is_dsn=False) is False


def test_a_schedule_speaks_for_those_who_said_nothing() -> None:
    schedule = (4 * HOUR, 24 * HOUR)
    assert wanted(Kind.DELAYED, "", SENDER, is_dsn=False, delay_notice=schedule)
    assert wanted(Kind.DELAYED, "DELAY", SENDER, is_dsn=False, delay_notice=schedule)
    assert not wanted(Kind.DELAYED, "FAILURE", SENDER, is_dsn=False, delay_notice=schedule)
    assert not wanted(Kind.DELAYED, "NEVER", SENDER, is_dsn=False, delay_notice=schedule)


@given(kind=st.sampled_from(Kind), notify=st.sampled_from(NOTIFY), schedule=st.lists(st.floats(1, 1e6), max_size=3))
def test_no_report_for_the_null_sender_or_about_a_dsn(kind: Kind, notify: str, schedule: list[float]) -> None:
    assert not wanted(kind, notify, NULL_SENDER, is_dsn=False, delay_notice=schedule)
    assert not wanted(kind, notify, SENDER, is_dsn=True, delay_notice=schedule)


def test_explicit_delay_is_honoured_once_at_four_hours() -> None:
    assert next_delay("DELAY", 1000.0, 0, ()) == 1000.0 + 4 * HOUR
    assert next_delay("DELAY", 1000.0, 1, ()) is None
    assert not delay_due("DELAY", 1000.0, 0, (), 1000.0 + 4 * HOUR - 1)
    assert delay_due("DELAY", 1000.0, 0, (), 1000.0 + 4 * HOUR)
    assert not delay_due("DELAY", 1000.0, 1, (), 1000.0 + 400 * HOUR)


@pytest.mark.parametrize("notify", ["NEVER", "FAILURE", "SUCCESS,FAILURE"])
def test_notify_without_delay_forbids_notices(notify: str) -> None:
    assert next_delay(notify, 0.0, 0, (HOUR,)) is None
    assert not delay_due(notify, 0.0, 0, (HOUR,), 100 * HOUR)


def test_a_long_stop_is_reported_once() -> None:
    schedule = (24 * HOUR, 4 * HOUR)  # order in the settings does not matter
    assert next_delay("", 0.0, 0, schedule) == 4 * HOUR
    late = 30 * HOUR
    assert delay_due("", 0.0, 0, schedule, late)
    notified = delays_passed("", 0.0, schedule, late)
    assert notified == 2
    assert not delay_due("", 0.0, notified, schedule, late + 100 * HOUR)
    assert next_delay("", 0.0, notified, schedule) is None


@given(
    schedule=st.lists(st.integers(1, 10**6), max_size=5),
    notified=st.integers(0, 6),
    now=st.integers(0, 2 * 10**6),
    notify=st.sampled_from(NOTIFY),
)
def test_due_means_that_the_next_time_has_come(schedule: list[int], notified: int, now: int, notify: str) -> None:
    due = next_delay(notify, 0.0, notified, schedule)
    assert delay_due(notify, 0.0, notified, schedule, now) is (due is not None and due <= now)


@pytest.mark.parametrize(
    ("kind", "ret", "setting", "size", "whole"),
    [
        (Kind.FAILED, "FULL", "headers", 1000, True),
        (Kind.FAILED, "FULL", "headers", LARGEST_RETURNED, True),
        (Kind.FAILED, "FULL", "full", LARGEST_RETURNED + 1, False),
        (Kind.FAILED, "HDRS", "full", 1000, False),
        (Kind.FAILED, "", "full", 1000, True),
        (Kind.FAILED, "", "headers", 1000, False),
        (Kind.DELAYED, "FULL", "full", 1000, False),
        (Kind.RELAYED, "FULL", "full", 1000, False),
    ],
)
def test_how_much_is_returned(kind: Kind, ret: str, setting: str, size: int, whole: bool) -> None:
    assert returns_body(kind, ret, setting, size) is whole
