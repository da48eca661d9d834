"""MAIL and RCPT arguments: every parameter, its limits, and the open-relay corpus as far as syntax refuses it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.intake import replies
from mailtui.intake.parameters import MailCommand, parse_mail, parse_rcpt
from mailtui.intake.replies import Refusal
from mailtui.model import NULL_SENDER, Address, EnvelopeRecipient

A = Address("a", "b.com")


def mail(args: bytes, *, smtputf8_offered: bool = True) -> MailCommand | bytes:
    try:
        return parse_mail(args, max_size=1000, smtputf8_offered=smtputf8_offered)
    except Refusal as refused:
        return refused.reply


def rcpt(args: bytes, *, smtputf8: bool = False) -> EnvelopeRecipient | bytes:
    try:
        return parse_rcpt(args, smtputf8=smtputf8, postmaster_ok=True)
    except Refusal as refused:
        return refused.reply


@pytest.mark.parametrize(
    ("args", "command"),
    [
        (b"<a@b.com>", MailCommand(A)),
        (b" <a@b.com>", MailCommand(A)),
        (b"<a@b.com> ", MailCommand(A)),
        (b"<a@b.com> \t", MailCommand(A)),
        (b"<>", MailCommand(NULL_SENDER)),
        (b"<> SIZE=1000", MailCommand(NULL_SENDER, size=1000)),
        (b"<a@b.com> SIZE=0", MailCommand(A)),
        (b"<a@b.com> size=00000000000000000007", MailCommand(A, size=7)),
        (b"<a@b.com> BODY=7BIT", MailCommand(A)),
        (b"<a@b.com>  body=8bitmime  SIZE=5", MailCommand(A, size=5, eight_bit=True)),
        (b"<a@b.com> SMTPUTF8", MailCommand(A, smtputf8=True)),
        (b"<a@b.com> RET=hdrs ENVID=QqQ+3D+20x", MailCommand(A, ret="HDRS", envid="QqQ+3D+20x")),
        (b"<a@b.com> RET=FULL", MailCommand(A, ret="FULL")),
        (b"<a@b.com> ENVID=" + b"e" * 100, MailCommand(A, envid="e" * 100)),
        (b"<a@b.com> AUTH=<>", MailCommand(A, auth="<>")),
        (b"<a@b.com> AUTH=e+3Dmc2@b.com", MailCommand(A, auth="e+3Dmc2@b.com")),
        ("<ü@b.com> SMTPUTF8".encode(), MailCommand(Address("ü", "b.com"), smtputf8=True)),
        (
            "<a@ü.com> BODY=8BITMIME SMTPUTF8".encode(),
            MailCommand(Address("a", "xn--tda.com"), eight_bit=True, smtputf8=True),
        ),
    ],
)
def test_mail(args: bytes, command: MailCommand) -> None:
    assert mail(args) == command


@pytest.mark.parametrize(
    ("args", "reply"),
    [
        (b"a@b.com", replies.SENDER_SYNTAX),
        (b"  <a@b.com>", replies.SENDER_SYNTAX),
        (b"\t<a@b.com>", replies.SENDER_SYNTAX),
        (b"<postmaster>", replies.SENDER_SYNTAX),
        (b"<a@b.com>SIZE=1", replies.BAD_ARGUMENTS),
        (b"<a@b.com>\tSIZE=1", replies.BAD_ARGUMENTS),
        (b"<a@b.com>,<c@d.com>", replies.BAD_ARGUMENTS),
        (b"<a@b.com> SIZE=1001", replies.TOO_BIG),
        (b"<a@b.com> SIZE=99999999999999999999", replies.TOO_BIG),
        (b"<a@b.com> SIZE", replies.BAD_PARAMETER),
        (b"<a@b.com> SIZE=", replies.BAD_PARAMETER),
        (b"<a@b.com> SIZE=-1", replies.BAD_PARAMETER),
        (b"<a@b.com> SIZE=1_0", replies.BAD_PARAMETER),
        (b"<a@b.com> SIZE=0x1", replies.BAD_PARAMETER),
        (b"<a@b.com> SIZE=" + b"0" * 21, replies.BAD_PARAMETER),
        ("<a@b.com> SIZE=١".encode(), replies.BAD_PARAMETER),
        (b"<a@b.com> SIZE=1 size=1", replies.BAD_PARAMETER),
        (b"<a@b.com> SMTPUTF8 SMTPUTF8", replies.BAD_PARAMETER),
        (b"<a@b.com> SMTPUTF8=yes", replies.BAD_PARAMETER),
        (b"<a@b.com> SMTPUTF8=", replies.BAD_PARAMETER),
        (b"<a@b.com> BODY", replies.BAD_PARAMETER),
        (b"<a@b.com> BODY=BINARYMIME", replies.BAD_PARAMETER),
        (b"<a@b.com> BODY=\xff", replies.BAD_PARAMETER),
        (b"<a@b.com> RET=BODY", replies.BAD_PARAMETER),
        (b"<a@b.com> ENVID=", replies.BAD_PARAMETER),
        (b"<a@b.com> ENVID=a=b", replies.BAD_PARAMETER),
        (b"<a@b.com> ENVID=a+zz", replies.BAD_PARAMETER),
        (b"<a@b.com> ENVID=a+0D+0A", replies.BAD_PARAMETER),
        (b"<a@b.com> ENVID=a+1F", replies.BAD_PARAMETER),
        (b"<a@b.com> ENVID=a+7F", replies.BAD_PARAMETER),
        (b"<a@b.com> ENVID=a+8D", replies.BAD_PARAMETER),
        (b"<a@b.com> ENVID=a\x1b", replies.BAD_PARAMETER),
        (b"<a@b.com> ENVID=" + b"e" * 101, replies.BAD_PARAMETER),
        (b"<a@b.com> AUTH", replies.BAD_PARAMETER),
        (b"<a@b.com> AUTH=a+0a", replies.BAD_PARAMETER),
        (b"<a@b.com> NOTIFY=NEVER", replies.UNKNOWN_PARAMETER),
        (b"<a@b.com> X=<r@third>", replies.UNKNOWN_PARAMETER),
        (b"<a@b.com> MT-PRIORITY=3", replies.UNKNOWN_PARAMETER),
        (b"<a@b.com> =1", replies.BAD_PARAMETER),
        (b"<a@b.com> \xff=1", replies.BAD_PARAMETER),
        (b"<a@b.com> SIZE\x00=1", replies.BAD_PARAMETER),
        ("<ü@b.com>".encode(), replies.NEEDS_SMTPUTF8),
        ("<a@ü.com> SIZE=1".encode(), replies.NEEDS_SMTPUTF8),
        ("<@ü.com:a@b.com>".encode(), replies.NEEDS_SMTPUTF8),
    ],
)
def test_mail_refusals(args: bytes, reply: bytes) -> None:
    assert mail(args) == reply


def test_smtputf8_that_is_not_offered_is_unknown() -> None:
    assert mail(b"<a@b.com> SMTPUTF8", smtputf8_offered=False) == replies.UNKNOWN_PARAMETER
    assert mail("<ü@b.com> SMTPUTF8".encode(), smtputf8_offered=False) == replies.NEEDS_SMTPUTF8


@pytest.mark.parametrize(
    ("args", "recipient"),
    [
        (b"<a@b.com>", EnvelopeRecipient(A)),
        (b" <a@b.com> ", EnvelopeRecipient(A)),
        (b"<Postmaster>", EnvelopeRecipient(Address("postmaster", ""))),
        (b"<a@b.com> NOTIFY=never", EnvelopeRecipient(A, notify="NEVER")),
        (b"<a@b.com> NOTIFY=SUCCESS,Delay", EnvelopeRecipient(A, notify="SUCCESS,DELAY")),
        (b"<a@b.com> ORCPT=rfc822;Bob+40X@B.com", EnvelopeRecipient(A, orcpt="rfc822;Bob+40X@B.com")),
        (b"<a@b.com> ORCPT=x;" + b"y" * 498, EnvelopeRecipient(A, orcpt="x;" + "y" * 498)),
        (
            b"<a@b.com> orcpt=x-y;z NOTIFY=FAILURE,DELAY,SUCCESS",
            EnvelopeRecipient(A, notify="FAILURE,DELAY,SUCCESS", orcpt="x-y;z"),
        ),
        (b"<a@b.com> ORCPT=utf-8;\\x{FC}@b.com", EnvelopeRecipient(A, orcpt="utf-8;\\x{FC}@b.com")),
    ],
)
def test_rcpt(args: bytes, recipient: EnvelopeRecipient) -> None:
    assert rcpt(args) == recipient


@pytest.mark.parametrize(
    ("args", "reply"),
    [
        (b"<>", replies.RECIPIENT_SYNTAX),
        (b"r@third.example", replies.RECIPIENT_SYNTAX),
        (b"<a@b.com> NOTIFY", replies.BAD_PARAMETER),
        (b"<a@b.com> NOTIFY=", replies.BAD_PARAMETER),
        (b"<a@b.com> NOTIFY=NEVER,SUCCESS", replies.BAD_PARAMETER),
        (b"<a@b.com> NOTIFY=SUCCESS,NEVER", replies.BAD_PARAMETER),
        (b"<a@b.com> NOTIFY=SUCCESS,SUCCESS", replies.BAD_PARAMETER),
        (b"<a@b.com> NOTIFY=SUCCESS,", replies.BAD_PARAMETER),
        (b"<a@b.com> NOTIFY=\xc3\x9f", replies.BAD_PARAMETER),
        (b"<a@b.com> NOTIFY=NEVER NOTIFY=NEVER", replies.BAD_PARAMETER),
        (b"<a@b.com> ORCPT", replies.BAD_PARAMETER),
        (b"<a@b.com> ORCPT=", replies.BAD_PARAMETER),
        (b"<a@b.com> ORCPT=bob@b.com", replies.BAD_PARAMETER),
        (b"<a@b.com> ORCPT=;bob", replies.BAD_PARAMETER),
        (b"<a@b.com> ORCPT=rfc822;", replies.BAD_PARAMETER),
        (b"<a@b.com> ORCPT=rfc822;a+0Ab", replies.BAD_PARAMETER),
        (b"<a@b.com> ORCPT=rfc822;a\x00b", replies.BAD_PARAMETER),
        (b"<a@b.com> ORCPT=x;" + b"y" * 499, replies.BAD_PARAMETER),
        ("<a@b.com> ORCPT=utf-8;ü@b.com".encode(), replies.BAD_PARAMETER),
        (b"<a@b.com> X=<r@third.example>", replies.UNKNOWN_PARAMETER),
        (b"<a@b.com> SIZE=1", replies.UNKNOWN_PARAMETER),
        (b"<a@b.com><r@third.example>", replies.BAD_ARGUMENTS),
        ("<ü@b.com>".encode(), replies.NEEDS_SMTPUTF8),
    ],
)
def test_rcpt_refusals(args: bytes, reply: bytes) -> None:
    assert rcpt(args) == reply


def test_utf8_in_orcpt_under_smtputf8() -> None:
    assert rcpt("<ü@b.com> ORCPT=utf-8;Ü@b.com".encode(), smtputf8=True) == EnvelopeRecipient(
        Address("ü", "b.com"), orcpt="utf-8;Ü@b.com"
    )
    for bad in (b"rfc822;\xc3\xbc", b"utf-8;\xff", "utf-8;\u0085".encode(), "utf-8;ü=".encode()):
        assert rcpt(b"<a@b.com> ORCPT=" + bad, smtputf8=True) == replies.BAD_PARAMETER


@given(st.lists(st.sampled_from([b"SIZE=1", b"BODY=8BITMIME", b"SMTPUTF8", b"RET=FULL", b"ENVID=x", b"AUTH=<>"])))
def test_order_does_not_matter_and_duplicates_do(words: list[bytes]) -> None:
    found = mail(b" ".join([b"<a@b.com>", *words]))
    if len(set(words)) < len(words):
        assert found == replies.BAD_PARAMETER
    else:
        assert found == mail(b" ".join([b"<a@b.com>", *reversed(words)]))
        assert isinstance(found, MailCommand) and found.smtputf8 == (b"SMTPUTF8" in words)


@given(st.binary(max_size=60), st.booleans())
def test_any_octets_give_a_clean_value_or_a_refusal(tail: bytes, smtputf8: bool) -> None:
    for found in (mail(b"<a@b.com> " + tail), rcpt(b"<a@b.com> " + tail, smtputf8=smtputf8), mail(tail), rcpt(tail)):
        if isinstance(found, bytes):
            assert found[:3] in (b"501", b"552", b"553", b"555")
        elif isinstance(found, MailCommand):
            assert (found.envid + found.auth).isprintable() and found.size <= 1000
        else:
            assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in found.orcpt)
