"""The settings applied to policy and composition, and the rate over which reports wait in line."""

from __future__ import annotations

from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.config import Config, Dsn, Rate, Relay
from mailtui.feedback.reporter import Reporter
from mailtui.model import NULL_SENDER, Address, HeaderFacts, Reply, encode_id
from mailtui.report import Kind, Original, Report, ReportedRecipient

NOW = 1_790_000_000.0
SENDER = Address("app", "example.org")


def reporter(**dsn: object) -> Reporter:
    return Reporter(Config(relay=Relay(hostname="relay.test"), dsn=Dsn(**dsn)))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("notify", ["", "NEVER", "SUCCESS,FAILURE,DELAY"])
def test_nobody_is_told_where_there_is_no_sender(kind: Kind, notify: str) -> None:
    assert not reporter(delay_notice=(60.0,)).wanted(kind, notify, NULL_SENDER)


@pytest.mark.parametrize(
    ("kind", "notify", "delay_notice", "wanted"),
    [
        (Kind.FAILED, "", (), True), (Kind.FAILED, "NEVER", (), False), (Kind.FAILED, "SUCCESS", (), False), (Kind.DELAYED, "", (), False),
        (Kind.DELAYED, "", (60.0,), True), (Kind.DELAYED, "DELAY", (), True), (Kind.DELAYED, "FAILURE", (60.0,), False),
        (Kind.RELAYED, "SUCCESS", (), True), (Kind.RELAYED, "", (), False), (Kind.DELIVERED, "SUCCESS", (), False),
    ],
)  # fmt: skip
def test_the_settings_and_the_sender_decide(
    kind: Kind, notify: str, delay_notice: tuple[float, ...], wanted: bool
) -> None:
    assert reporter(delay_notice=delay_notice).wanted(kind, notify, SENDER) is wanted


def test_delays_are_counted_by_the_schedule_or_on_request() -> None:
    assert [
        reporter(delay_notice=(60.0, 120.0)).delays_passed("", NOW, NOW + age) for age in (59, 60, 119, 120, 9999)
    ] == [0, 1, 1, 2, 2]
    assert [reporter().delays_passed("DELAY", NOW, NOW + age) for age in (4 * 3600 - 1, 4 * 3600)] == [0, 1]
    assert reporter().delays_passed("", NOW, NOW + 1e6) == 0


@pytest.mark.parametrize(
    ("setting", "ret", "whole"),
    [("full", "", True), ("full", "HDRS", False), ("headers", "", False), ("headers", "FULL", True)],
)
def test_what_comes_back(setting: str, ret: str, whole: bool) -> None:
    assert reporter(return_body=setting).returns_body(Kind.FAILED, ret, 1000) is whole
    assert not reporter(return_body=setting).returns_body(Kind.FAILED, ret, 10**7)


def test_a_report_is_from_us_and_about_them() -> None:
    recipient = ReportedRecipient(
        Address("gone", "d.test"),
        Reply(550, "5.1.1", "no such user"),
        "no-such-user",
        "There is no such mailbox.",
        "mx.d.test",
    )
    report = Report(Kind.FAILED, SENDER, (recipient,), "00000007", NOW - 60, HeaderFacts("x", "y", "<1@x>"))
    composed = reporter(postmaster="help@example.net").compose(report, Original(b"Subject: y\r\n"), 9, NOW)
    message = message_from_bytes(composed.content)

    assert message["Message-ID"] == f"<{encode_id(9)}@relay.test>"
    assert message["To"] == "<app@example.org>"
    assert message["Auto-Submitted"] == "auto-replied"
    assert "help@example.net" in composed.content.decode()
    assert (composed.envelope.sender, composed.envelope.recipients[0].address, composed.reported) == (
        NULL_SENDER,
        SENDER,
        1,
    )


RATES = st.builds(Rate, st.integers(1, 50), st.sampled_from([1, 60, 3600]))


@given(RATES, st.lists(st.floats(0, 400), max_size=120))
def test_no_window_lets_out_more_than_the_rate_and_none_is_dropped(rate: Rate, pauses: list[float]) -> None:
    """A bucket: up to `count` at once, `count` more in every further window."""
    subject, now, leaves = reporter(rate=rate), NOW, []
    for pause in pauses:
        now += pause
        at = subject.leave_at(now)
        assert at >= now
        leaves.append(at)

    assert leaves == sorted(leaves), "first come, first served"
    for first, begin in enumerate(leaves):
        inside = sum(at < begin + rate.seconds for at in leaves[first:])
        assert inside <= 2 * rate.count + 1


def test_a_burst_leaves_at_once_and_the_rest_in_line() -> None:
    subject = reporter(rate=Rate(3, 60))

    assert [subject.leave_at(NOW) - NOW for _ in range(6)] == [0, 0, 0, 20, 40, 60]
    assert subject.leave_at(NOW + 3600) == NOW + 3600, "and a quiet hour fills the bucket again"
