"""A DSN as its readers see it: other programs (Python's parser, flufl.bounce) and people."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage, Message
from typing import Any

import pytest
from flufl.bounce import all_failures
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailtui.feedback.dsn import LARGEST, compose, status_code
from mailtui.feedback.policy import LARGEST_RETURNED
from mailtui.model import NULL_SENDER, Address, EnvelopeRecipient, HeaderFacts, Reply
from mailtui.report import Composed, Kind, Original, Report, ReportedRecipient

NOW = 1_700_000_000.0
SENDER = Address("alice", "example.org")
HEADER = (
    b"From: alice@example.org\r\nTo: bob@example.net\r\nSubject: Invoice 42\r\nMessage-ID: <m1@example.org>\r\n\r\n"
)
TOP = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
THREAD = ["In-Reply-To", "References"]


def recipient(name: str = "bob", text: str = "No such user", **changes: Any) -> ReportedRecipient:
    values: dict[str, Any] = {
        "address": Address(name, "example.net"),
        "reply": Reply(550, "5.1.1", text),
        "class_": "no-such-user",
        "remote_mta": "mx1.example.net",
        "last_attempt": NOW - 5,
    }
    return ReportedRecipient(**(values | changes))


def report(*recipients: ReportedRecipient, **changes: Any) -> Report:
    values: dict[str, Any] = {
        "kind": Kind.FAILED,
        "sender": SENDER,
        "recipients": recipients or (recipient(),),
        "queue_id": "0ABCDEFG",
        "arrived": NOW - 3600,
        "facts": HeaderFacts("alice@example.org", "Invoice 42", "<m1@example.org>"),
    }
    return Report(**(values | changes))


HEADER_ONLY = Original(HEADER)


def composed(about: Report, original: Original = HEADER_ONLY) -> Composed:
    return compose(
        about,
        original,
        hostname="relay.example.org",
        postmaster="postmaster@example.org",
        message_id="0ABCDEFH.1@relay.example.org",
        now=NOW,
    )


def parse(made: Composed) -> EmailMessage:
    return email.message_from_bytes(made.content, policy=email.policy.default)


def parts(made: Composed) -> list[Message]:
    payload = email.message_from_bytes(made.content).get_payload()
    assert isinstance(payload, list)
    return [part for part in payload if isinstance(part, Message)]


def human(made: Composed) -> str:
    return str(next(parse(made).iter_parts()).get_content()).replace("\r\n", "\n")


def flat(made: Composed) -> str:
    return " ".join(human(made).split())


def blocks(made: Composed) -> list[list[tuple[str, str]]]:
    """The groups of fields of the delivery status, unfolded."""
    part = made.content.split(b"delivery-status\r\n")[1].split(b"\r\n--=_")[0]
    text = (b"\r\n" + part).split(b"\r\n\r\n", 1)[1].decode().removesuffix("\r\n").replace("\r\n ", " ")
    return [[_pair(line) for line in group.split("\r\n")] for group in text.split("\r\n\r\n")]


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.removeprefix(" ")


def check_wire(made: Composed) -> None:
    """What every DSN owes the wire: RFC 5322 2.1.1 and 2.3, and our own limit."""
    lines = made.content.split(b"\r\n")
    assert lines[-1] == b""
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines)
    assert max(map(len, lines)) <= 998
    assert len(made.content) <= LARGEST
    assert made.envelope.eight_bit is not made.content.isascii()


def test_a_failure_in_full() -> None:
    made = composed(
        report(
            recipient(
                "bob", "<bob@example.net>: unknown\nsee https://example.net/550", orcpt="rfc822;Bob+2Btag@example.net"
            ),
            recipient("carol", "mailbox is full", class_="mailbox-full", reply=Reply(552, "5.2.2", "mailbox is full")),
            envid="QQ+2B1",
        )
    )
    check_wire(made)
    message = parse(made)
    assert message.keys() == TOP + THREAD
    assert str(message["From"]) == '"Mail Delivery System" <postmaster@example.org>' or str(message["From"]).startswith(
        "Mail"
    )
    assert message["To"].addresses[0].addr_spec == "alice@example.org"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Message-ID"] == "<0ABCDEFH.1@relay.example.org>"
    assert message["In-Reply-To"] == message["References"] == "<m1@example.org>"
    assert message["Date"].datetime.timestamp() == NOW
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    kinds = [part.get_content_type() for part in message.iter_parts()]
    assert kinds == ["text/plain", "message/delivery-status", "text/rfc822-headers"]
    assert blocks(made) == [
        [
            ("Original-Envelope-Id", "QQ+1"),
            ("Reporting-MTA", "dns; relay.example.org"),
            ("Arrival-Date", "Tue, 14 Nov 2023 21:13:20 +0000"),
            ("X-Mailtui-Queue-ID", "0ABCDEFG"),
        ],
        [
            ("Original-Recipient", "rfc822; Bob+tag@example.net"),
            ("Final-Recipient", "rfc822; bob@example.net"),
            ("Action", "failed"),
            ("Status", "5.1.1"),
            ("Remote-MTA", "dns; mx1.example.net"),
            (
                "Diagnostic-Code",
                "smtp; 550-5.1.1 <bob@example.net>: unknown 550 5.1.1 see https://example.net/550",
            ),
            ("Last-Attempt-Date", "Tue, 14 Nov 2023 22:13:15 +0000"),
        ],
        [
            ("Final-Recipient", "rfc822; carol@example.net"),
            ("Action", "failed"),
            ("Status", "5.2.2"),
            ("Remote-MTA", "dns; mx1.example.net"),
            ("Diagnostic-Code", "smtp; 552 5.2.2 mailbox is full"),
            ("Last-Attempt-Date", "Tue, 14 Nov 2023 22:13:15 +0000"),
        ],
    ]
    assert HEADER.removesuffix(b"\r\n") in made.content
    assert made.reported == 2
    assert made.envelope.sender == NULL_SENDER
    assert made.envelope.recipients == (EnvelopeRecipient(SENDER, notify="NEVER"),)
    assert (made.envelope.ret, made.envelope.eight_bit, made.envelope.smtputf8) == ("", False, False)
    assert made.facts.message_id == message["Message-ID"]
    assert made.facts.subject == message["Subject"]


def test_people_read_what_happened_to_whom_why_and_what_to_do() -> None:
    text = flat(composed(report(recipient("bob", "no such user here"))))
    for words in (
        "could not be delivered to the recipient named below",
        "Subject: Invoice 42",
        "bob@example.net",
        "There is no mailbox with this address.",
        "The server mx1.example.net answered: 550 5.1.1 no such user here",
        "Check the address for typing mistakes",
        "forward this whole message to postmaster@example.org",
        "0ABCDEFG",
    ):
        assert words in text


def test_recipients_with_one_reason_share_one_paragraph() -> None:
    text = human(composed(report(recipient("bob"), recipient("carol"), recipient("dan", "other"))))
    assert "bob@example.net\ncarol@example.net\n  There is no mailbox" in text
    assert text.count("There is no mailbox") == 2


def test_the_subject_is_shown_decoded() -> None:
    facts = HeaderFacts(subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?=")
    assert "Subject: Gr\u00fc\u00dfe" in flat(composed(report(facts=facts)))


@pytest.mark.parametrize(
    "subject",
    ["=?utf-8?b?A?=", "=?nonsense?q?a?=", "=?zip?q?a?=", "=?utf-8?q?=FF?=", "=?utf-8?q?a=0D=0ATo:_x?=", "\udcff"],
)
def test_a_broken_subject_breaks_nothing(subject: str) -> None:
    made = composed(report(facts=HeaderFacts(subject=subject)))
    check_wire(made)
    assert "Subject: " in flat(made)
    assert len(parse(made).get_all("To") or []) == 1


def test_a_delay_is_a_warning() -> None:
    late = recipient(
        reply=Reply(451, "4.7.1", "come back later"),
        class_="greylisted",
        will_retry_until=NOW + 86400,
        orcpt="rfc822;b@x",
    )
    made = composed(report(late, kind=Kind.DELAYED))
    check_wire(made)
    fields = dict(blocks(made)[1])
    assert (fields["Action"], fields["Status"]) == ("delayed", "4.7.1")
    assert fields["Will-Retry-Until"] == "Wed, 15 Nov 2023 22:13:20 +0000"
    assert "you do not need to send it again" in flat(made)
    assert "Delivery will be tried until Wed, 15 Nov 2023 22:13:20 GMT." in flat(made)
    assert "What you can do" not in flat(made)


def test_relayed_says_that_nothing_more_will_be_heard() -> None:
    passed = recipient(reply=Reply(250, "2.0.0", "ok"), will_retry_until=NOW + 1)
    made = composed(report(passed, kind=Kind.RELAYED))
    fields = dict(blocks(made)[1])
    assert (fields["Action"], fields["Status"]) == ("relayed", "2.0.0")
    assert "Will-Retry-Until" not in fields
    assert "gives no reports of delivery" in flat(made)


def test_our_own_outcome_is_no_smtp_reply() -> None:
    ours = recipient(reply=Reply(0, "", "connection timed out"), remote_mta="", class_="timeout", expired=True)
    made = composed(report(ours))
    fields = dict(blocks(made)[1])
    assert fields["Diagnostic-Code"] == "x-mailtui; connection timed out"
    assert "Remote-MTA" not in fields
    assert fields["Status"] == "4.4.7"
    assert "It was tried again and again" in flat(made)
    assert "The reason in full: connection timed out" in flat(made)


@pytest.mark.parametrize(
    ("kind", "code", "enhanced", "status", "expired", "result"),
    [
        (Kind.FAILED, 550, "5.1.1", "", False, "5.1.1"),
        (Kind.FAILED, 550, "", "", False, "5.0.0"),
        (Kind.FAILED, 550, "4.1.1", "", False, "5.1.1"),  # the basic code decides the class
        (Kind.FAILED, 550, "2.1.5", "", False, "5.0.0"),
        (Kind.FAILED, 0, "", "5.1.10", False, "5.1.10"),
        (Kind.FAILED, 0, "5.4.4", "5.1.2", False, "5.1.2"),
        (Kind.FAILED, 0, "", "", False, "5.0.0"),
        (Kind.FAILED, 451, "4.2.2", "", True, "4.2.2"),
        (Kind.FAILED, 451, "", "", True, "4.4.7"),
        (Kind.FAILED, 554, "5.3.2", "", True, "4.3.2"),  # a 5yz greeting deferred until it expired
        (Kind.FAILED, 451, "4.7.1", "", False, "4.7.1"),  # given up by the operator while deferred
        (Kind.FAILED, 0, "4.4.1", "", False, "4.4.1"),
        (Kind.DELAYED, 421, "5.0.1", "", False, "4.0.1"),
        (Kind.DELAYED, 0, "", "", False, "4.0.0"),
        (Kind.RELAYED, 250, "2.6.0", "", False, "2.6.0"),
        (Kind.RELAYED, 250, "", "", False, "2.0.0"),
        (Kind.RELAYED, 250, "5.1.1", "", False, "2.0.0"),
        (Kind.FAILED, 550, "5.1.1\r\nX: y", "", False, "5.0.0"),
        (Kind.FAILED, 550, "5.01.1", "", False, "5.0.0"),
        (Kind.FAILED, 550, "5.1.1000", "", False, "5.0.0"),
    ],
)
def test_status_agrees_with_the_action(
    kind: Kind, code: int, enhanced: str, status: str, expired: bool, result: str
) -> None:
    about = recipient(reply=Reply(code, enhanced, "x"), status=status, expired=expired)
    assert status_code(about, kind) == result


def test_another_program_finds_who_failed() -> None:
    made = composed(report(recipient("bob"), recipient("carol", orcpt="rfc822;carol+2Bx@example.org")))
    temporary, permanent = all_failures(email.message_from_bytes(made.content))
    assert permanent == {b"bob@example.net", b"carol+x@example.org"}
    assert not temporary


def test_another_program_takes_a_delay_for_temporary() -> None:
    made = composed(report(recipient("bob", reply=Reply(451, "4.7.1", "later")), kind=Kind.DELAYED))
    temporary, permanent = all_failures(email.message_from_bytes(made.content))
    assert temporary == {b"bob@example.net"}
    assert not permanent


# --- the returned original


def test_the_whole_original_comes_back_unchanged() -> None:
    body = b"Hello\r\n\r\n.\r\n--=_nothing\r\n  trailing  \r\n"
    made = composed(report(), Original(HEADER, body))
    check_wire(made)
    assert [part.get_content_type() for part in parts(made)][2] == "message/rfc822"
    assert HEADER + body in made.content
    assert made.envelope.eight_bit is False


def test_an_eight_bit_body_makes_an_eight_bit_dsn() -> None:
    body = "Grüße\r\n".encode("latin-1")
    made = composed(report(), Original(HEADER, body))
    check_wire(made)
    assert made.envelope.eight_bit is True
    assert made.envelope.smtputf8 is False
    assert parse(made)["Content-Transfer-Encoding"] == "8bit"
    assert parts(made)[2]["Content-Transfer-Encoding"] == "8bit"
    assert HEADER + body in made.content


@pytest.mark.parametrize(
    "original",
    [
        Original(HEADER, b"line\r\n" * (LARGEST_RETURNED // 6)),
        Original(HEADER, b"bare\nline feed\r\n"),
        Original(HEADER, b"bare\rcarriage return\r\n"),
        Original(HEADER, b"nul \0\r\n"),
        Original(HEADER, b"z" * 999 + b"\r\n"),
    ],
    ids=["large", "bare LF", "bare CR", "NUL", "long line"],
)
def test_what_cannot_travel_unchanged_comes_back_as_its_header(original: Original) -> None:
    made = composed(report(), original)
    check_wire(made)
    assert parts(made)[2].get_content_type() == "text/rfc822-headers"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Subject: Grüße".encode(), "message/global-headers"),
        ("Subject: Grüße".encode("latin-1"), "text/rfc822-headers"),
        (b"Subject: " + b"x" * 2000, "text/rfc822-headers"),
        (b"Subject: a\0b\nc", "text/rfc822-headers"),
    ],
)
def test_a_strange_header_is_wrapped_in_seven_bits(line: bytes, kind: str) -> None:
    made = composed(report(), Original(b"From: a@example.org\r\n" + line + b"\r\n\r\n", b"body\r\n"))
    check_wire(made)
    assert made.envelope.eight_bit is False
    assert parts(made)[2].get_content_type() == kind
    assert parts(made)[2]["Content-Transfer-Encoding"] == "quoted-printable"
    if kind == "text/rfc822-headers":
        returned = parts(made)[2].get_payload(decode=True)
        assert returned == b"From: a@example.org\r\n" + line + b"\r\n"


def test_a_huge_header_is_cut_at_a_line() -> None:
    made = composed(report(), Original(b"".join(b"X-%d: %s\r\n" % (n, b"\xff" * 900) for n in range(300))))
    check_wire(made)
    returned = parts(made)[2].get_payload(decode=True)
    assert isinstance(returned, bytes)
    assert returned.startswith(b"X-0: \xff")
    assert returned.endswith(b"\xff\r\n")
    assert len(returned) > 10_000


# --- addresses beyond ASCII


def test_a_foreign_recipient_needs_no_smtputf8() -> None:
    made = composed(report(recipient("d\u00f6r+te", orcpt="utf-8;d\\x{F6}r\\x{2B}te@example.net")))
    check_wire(made)
    fields = dict(blocks(made)[1])
    assert fields["Final-Recipient"] == r"utf-8; d\x{F6}r\x{2B}te@example.net"
    assert fields["Original-Recipient"] == r"utf-8; d\x{F6}r\x{2B}te@example.net"
    assert (made.envelope.smtputf8, made.envelope.eight_bit) == (False, False)
    assert "d\u00f6r+te@example.net" in human(made)


def test_a_foreign_sender_gets_an_internationalised_report() -> None:
    about = report(
        recipient("d\u00f6rte", orcpt="utf-8;d\\x{F6}rte@example.net"),
        sender=Address("j\u00f6rg", "xn--bcher-kva.example"),
    )
    made = composed(about, Original("Subject: Grüße\r\n\r\n".encode(), b"body\r\n"))
    check_wire(made)
    assert (made.envelope.smtputf8, made.envelope.eight_bit) == (True, True)
    assert "To: <j\u00f6rg@xn--bcher-kva.example>\r\n".encode() in made.content
    assert [part.get_content_type() for part in parts(made)] == [
        "text/plain",
        "message/global-delivery-status",
        "message/global",
    ]
    fields = dict(blocks(made)[1])
    assert fields["Final-Recipient"] == "utf-8; d\u00f6rte@example.net"
    assert fields["Original-Recipient"] == "utf-8; d\u00f6rte@example.net"


# --- many recipients


def test_fifty_failures_in_one_report() -> None:
    made = composed(report(*(recipient(f"user{n}", f"no user{n} here") for n in range(50))))
    check_wire(made)
    assert made.reported == 50
    assert len(blocks(made)) == 51
    for n in range(50):
        assert f"user{n}@example.net\n" in human(made)


def test_people_are_told_how_many_more_there_are() -> None:
    made = composed(report(*(recipient(f"user{n}") for n in range(75))))
    assert made.reported == 75
    assert "user49@example.net" in human(made)
    assert "user50@example.net" not in human(made)
    assert "... and 25 more recipients, named in the technical part" in flat(made)


def test_what_does_not_fit_is_left_to_the_next_report() -> None:
    everyone = tuple(recipient(f"user{n}", "x " * 300) for n in range(1000))
    rest, reports, seen = everyone, 0, 0
    while rest:
        made = composed(report(*rest))
        check_wire(made)
        assert len(blocks(made)) == made.reported + 1
        assert dict(blocks(made)[1])["Final-Recipient"] == f"rfc822; user{seen}@example.net"
        seen += made.reported
        rest, reports = rest[made.reported :], reports + 1
    assert seen == 1000
    assert reports < 20


def test_the_worst_of_everything_stays_below_the_limit() -> None:
    wide = "\U0001f600" * 3000
    worst = [recipient(f"{n}{wide}", f"{n}{wide}", orcpt="utf-8;" + wide, remote_mta=wide) for n in range(200)]
    for sender in (SENDER, Address("\u00f6" * 60, "example.org")):
        about = report(*worst, sender=sender, envid=wide, facts=HeaderFacts(subject=wide))
        original = Original(HEADER, b"\xff\r\n" * (LARGEST_RETURNED // 3 - 100))
        made = composed(about, original)
        check_wire(made)
        assert made.reported >= 1
        assert len(made.content) > LARGEST // 2


# --- hostile text

INJECTION = (
    "a\r\nBcc: evil@example.com\r\n\r\n--=_x\r\nContent-Type: text/html\r\n\r\n<b>\x1b]0;x\x07\u202e=?utf-8?q?=0D=0A?="
)
HOSTILE = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=()), max_size=60),
    st.text(alphabet='\r\n :-=_?<>"\\+;@.0DAaé\x00', max_size=60),
    st.sampled_from(
        [INJECTION, "rfc822;" + INJECTION, "rfc822;x+0D+0ABcc:+20y", "utf-8;\\x{D}\\x{A}X: y", "\n \n", "x" * 3000]
    ),
)
CODE = st.sampled_from([0, 250, 421, 451, 550, 554])


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(Kind),
    sender=HOSTILE,
    local=HOSTILE,
    code=CODE,
    enhanced=HOSTILE,
    text=HOSTILE,
    mta=HOSTILE,
    orcpt=HOSTILE,
    envid=HOSTILE,
    subject=HOSTILE,
    message_id=HOSTILE,
    header=st.binary(max_size=80) | st.just(HEADER),
    body=st.none() | st.binary(max_size=80),
)
@example(
    kind=Kind.FAILED,
    sender=INJECTION,
    local=INJECTION,
    code=550,
    enhanced=INJECTION,
    text=INJECTION,
    mta=INJECTION,
    orcpt="rfc822;" + INJECTION,
    envid=INJECTION,
    subject=INJECTION,
    message_id=f"<{INJECTION}@x>",
    header=HEADER,
    body=INJECTION.encode(),
)
def test_nothing_hostile_changes_the_shape(
    kind: Kind,
    sender: str,
    local: str,
    code: int,
    enhanced: str,
    text: str,
    mta: str,
    orcpt: str,
    envid: str,
    subject: str,
    message_id: str,
    header: bytes,
    body: bytes | None,
) -> None:
    one = ReportedRecipient(
        address=Address(local, "example.net"),
        reply=Reply(code, enhanced, text),
        sentence=text,
        remote_mta=mta,
        orcpt=orcpt,
        status=enhanced,
        last_attempt=NOW,
        will_retry_until=NOW,
    )
    facts = HeaderFacts("", subject, message_id)
    about = report(one, recipient("carol"), kind=kind, sender=Address(sender, "example.org"), envid=envid, facts=facts)
    made = composed(about, Original(header, body))
    check_wire(made)

    message = email.message_from_bytes(made.content)
    threaded = THREAD if "In-Reply-To" in message else []
    eight_bit = ["Content-Transfer-Encoding"] if "Content-Transfer-Encoding" in message else []
    assert message.keys() == TOP + eight_bit + threaded
    assert not message.defects
    assert [part.get_content_type() for part in parts(made)][:2] in (
        ["text/plain", "message/delivery-status"],
        ["text/plain", "message/global-delivery-status"],
    )
    assert len(parts(made)) == 3
    assert len(list(parse(made).iter_parts())) == 3
    assert all("\n" not in str(value) for value in parse(made).values())
    for part in parts(made):
        assert set(part.keys()) <= {"Content-Description", "Content-Type", "Content-Transfer-Encoding"}

    first, second, third = blocks(made)
    envelope_id = ["Original-Envelope-Id"] if envid else []
    assert [name for name, *_ in first] == [*envelope_id, "Reporting-MTA", "Arrival-Date", "X-Mailtui-Queue-ID"]
    said = ["Diagnostic-Code"] if code or enhanced or text else []
    names = ["Original-Recipient"] * bool(orcpt) + ["Final-Recipient", "Action", "Status"]
    names += ["Remote-MTA"] * bool(mta) + said + ["Last-Attempt-Date"] + ["Will-Retry-Until"] * (kind is Kind.DELAYED)
    assert [name for name, *_ in second] == names
    assert dict(third)["Final-Recipient"] == "rfc822; carol@example.net"
    if parts(made)[1].get_content_type() == "message/delivery-status":
        status = parts(made)[1].get_payload()
        assert isinstance(status, list)
        assert [group.keys() for group in status if isinstance(group, Message)] == [
            [name for name, *_ in group] for group in (first, second, third)
        ]


@given(words=st.lists(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)))
def test_printable_text_reads_back_as_it_was(words: list[str]) -> None:
    text = " ".join(words).replace("=?", "?")[:250].strip()
    made = composed(report(recipient(text=text, orcpt=f"rfc822;{_xtext(text)}"), envid=_xtext("e" + text)))
    status = parts(made)[1].get_payload()
    assert isinstance(status, list)
    per_message, per_recipient = (dict(group.items()) for group in status if isinstance(group, Message))
    assert _unfolded(per_message["Original-Envelope-Id"]) == "e" + text
    assert _unfolded(per_recipient["Original-Recipient"]) == f"rfc822; {text}".strip()
    assert _unfolded(per_recipient["Diagnostic-Code"]) == f"smtp; 550 5.1.1 {text}".strip()


def _xtext(text: str) -> str:
    return "".join(character if character.isalnum() else f"+{ord(character):02X}" for character in text)


def _unfolded(value: str) -> str:
    return value.replace("\r\n", "").replace("\n", "")


def test_the_boundary_is_in_no_part() -> None:
    first = composed(report())
    boundary = str(parse(first).get_boundary())
    again = composed(report(), Original(HEADER, f"--{boundary}\r\n--{boundary}--\r\n".encode()))
    assert parse(again).get_boundary() != boundary
    assert len(parts(again)) == 3


def test_a_postmaster_that_is_no_address_is_replaced() -> None:
    made = compose(
        report(),
        Original(HEADER),
        hostname="relay.example.org",
        postmaster="x@y\r\nBcc: z@example.com",
        message_id="1@relay.example.org",
        now=NOW,
    )
    assert parse(made)["From"].addresses[0].addr_spec == "MAILER-DAEMON@relay.example.org"
    assert "Bcc" not in parse(made)


@pytest.mark.parametrize(
    "sender",
    [
        Address("a", "example.org> (x"),
        Address("a", ""),
        Address("a\r\nBcc: b", "example.org"),
        Address("a" * 999, "b.c"),
    ],
)
def test_a_sender_that_fits_no_header_is_named_in_the_envelope_only(sender: Address) -> None:
    made = composed(report(sender=sender))
    check_wire(made)
    assert b"\r\nTo: undisclosed-recipients:;\r\n" in made.content
    assert made.envelope.recipients[0].address == sender


@pytest.mark.parametrize(
    ("about", "message_id"),
    [
        (report(sender=NULL_SENDER), "1@relay.example.org"),
        (Report(Kind.FAILED, SENDER, (), "0ABCDEFG", NOW, HeaderFacts()), "1@relay.example.org"),
        (report(), "1@relay.example.org\r\nX: y"),
    ],
)
def test_a_caller_without_sender_recipient_or_id_is_wrong(about: Report, message_id: str) -> None:
    with pytest.raises(ValueError, match=r"DSN needs|Message-ID"):
        compose(about, Original(HEADER), hostname="h.example", postmaster="p@h.example", message_id=message_id, now=NOW)
