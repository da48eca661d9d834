"""Looking at headers, and the lines the relay writes in front of them."""

import re
import time
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.intake import replies
from mailtui.intake.trace import MAX_FACT, date, missing, received, refusal, scan, without_ours
from mailtui.model import Address, HeaderFacts, Origin

NOW = 1763721721.5  # 2025-11-21 10:42:01 UTC
ORIGIN = Origin(
    listener="127.0.0.1:587",
    kind="submission",
    user="app",
    client="192.0.2.7",
    helo="app.example.org",
    protocol="ESMTPSA",
    tls="TLSv1.3",
)


def origin(**changes: str) -> Origin:
    return Origin(**{name: changes.get(name, getattr(ORIGIN, name)) for name in ORIGIN.__struct_fields__})


def test_scan_counts_fields_of_the_header_only() -> None:
    found = scan(
        b"Received: from a\r\n\tby b; date\r\n"
        b"RECEIVED: from c\r\n"
        b"X-From: no\r\n"
        b"from: One <one@example.org>\r\n"
        b"Date:Fri\r\n"
        b"Subject: folded\r\n  over\r\n\tlines \r\n"
        b"Message-Id : <1@example.org>\r\n"
        b"\r\n"
        b"From: body\r\nReceived: body\r\n"
    )
    assert (found.from_count, found.has_date, found.has_message_id, found.hops) == (1, True, True, 2)
    assert found.facts == HeaderFacts("One <one@example.org>", "folded  over\tlines", "<1@example.org>")
    assert not found.malformed


@pytest.mark.parametrize(
    "head", [b"", b"\r\n", b"\r\nFrom: body\r\n", b"just text\r\n", b" From: x\r\n\r\n", b": x\r\n"]
)
def test_text_without_a_single_field_is_malformed(head: bytes) -> None:
    found = scan(head)
    assert found.malformed and found.from_count == 0 and found.facts == HeaderFacts()


@pytest.mark.parametrize("head", [b"X: y", b"X-Y:\r\n\r\n", b"text\r\nX: y\r\n\r\n"])
def test_one_field_of_any_name_is_a_header(head: bytes) -> None:
    assert not scan(head).malformed


def test_the_first_of_several_fields_is_the_fact() -> None:
    found = scan(b"From: one\r\nFrom: two\r\nSubject:\r\nSubject: second\r\n\r\n")
    assert found.from_count == 2 and found.facts == HeaderFacts("one", "", "")


@pytest.mark.parametrize(
    ("raw", "subject"),
    [
        (b"=?utf-8?q?caf=C3=A9?=", "=?utf-8?q?caf=C3=A9?="),
        ("café".encode(), "café"),
        (b"caf\xe9", "café"),
        (b"x" * 5000, "x" * MAX_FACT),
        ("€".encode() * 500, "€" * MAX_FACT),
        (("x" + "𝄞" * 500).encode(), "x" + "𝄞" * (MAX_FACT - 1)),
        (b"\x1b]0;title", "\x1b]0;title"),
    ],
)
def test_facts_are_bounded_and_undecoded(raw: bytes, subject: str) -> None:
    assert scan(b"Subject: " + raw + b"\r\n\r\n").facts.subject == subject


@given(st.binary(max_size=400).map(lambda raw: b"From: x\r\nSubject: " + raw))
def test_scan_takes_any_octets(head: bytes) -> None:
    facts = scan(head).facts
    assert len(facts.subject) <= MAX_FACT
    assert facts.subject.encode("utf-8").decode("utf-8") == facts.subject  # no surrogates: the database takes it


def test_scan_of_a_hostile_header_is_linear() -> None:
    for line in (b"Received: x\r\n", b"\r\n ", b"a" * 70 + b"\r\n", b"Subject:" + b" \r\n" * 30, b"Subject"):
        head = b"X: y\r\n" + line * (262_144 // len(line))
        begin = time.process_time()
        scan(head)
        assert time.process_time() - begin < 0.256  # P7: 1 ms per KB


@pytest.mark.parametrize(("hops", "reply"), [(49, None), (50, None), (51, replies.TOO_MANY_HOPS)])
def test_the_loop_limit(hops: int, reply: bytes | None) -> None:
    assert refusal(scan(b"From: x\r\n" + b"Received: y\r\n" * hops + b"\r\n"), max_hops=50) == reply


@pytest.mark.parametrize(("count", "reply"), [(0, replies.FROM_COUNT), (1, None), (2, replies.FROM_COUNT)])
def test_submission_needs_exactly_one_from(count: int, reply: bytes | None) -> None:
    found = scan(b"X: y\r\n" + b"From: x\r\n" * count + b"\r\n")
    assert refusal(found, max_hops=50, needs_from=True) == reply
    assert refusal(found, max_hops=50) is None


def test_received() -> None:
    assert received(ORIGIN, "0123ABCD", "mx.example.net", NOW, Address("r", "example.com")) == (
        b"Received: from app.example.org ([192.0.2.7]) by mx.example.net (mailtui)\r\n"
        b"\twith ESMTPSA (TLSv1.3) id 0123ABCD for <r@example.com>;\r\n"
        b"\tFri, 21 Nov 2025 10:42:01 +0000\r\n"
    )


def test_received_without_tls_and_for_several() -> None:
    line = received(origin(tls="", protocol="ESMTP", client="2001:db8::1"), "0123ABCD", "mx", NOW, None)
    assert line == (
        b"Received: from app.example.org ([IPv6:2001:db8::1]) by mx (mailtui) with ESMTP\r\n"
        b"\tid 0123ABCD; Fri, 21 Nov 2025 10:42:01 +0000\r\n"
    )


def test_received_leaves_out_what_ascii_cannot_say() -> None:
    assert b" for " not in received(ORIGIN, "0123ABCD", "mx", NOW, Address("ü", "example.com"))
    assert b" for " not in received(ORIGIN, "0123ABCD", "mx", NOW, Address("", ""))


HOSTILE = st.one_of(
    st.text(max_size=600),
    st.sampled_from(["x\r\nBcc: v@example.com", "a) (b", "a;b", "<a>", '"', "\\", "a\x1b]0;t\x07", "\x00", "x" * 5000]),
)


@given(HOSTILE, HOSTILE, st.one_of(st.none(), st.just(Address("l" * 64, ".".join(["d" * 60] * 3)))))
def test_nothing_a_client_says_leaves_its_place(helo: str, client: str, recipient: Address | None) -> None:
    line = received(origin(helo=helo, client=client), "0123ABCD", "mx.example.net", NOW, recipient)
    message = message_from_bytes(line + b"\r\nbody", policy=policy.default)
    assert message.keys() == ["Received"]
    assert line.endswith(b"\r\n") and line.isascii()
    assert all(len(part) < 998 and (number == 0) != part.startswith(b"\t") for number, part in lines_of(line))
    assert line.count(b";") == 1 and line.count(b"(") == line.count(b")") == 3
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", line)


def lines_of(field: bytes) -> list[tuple[int, bytes]]:
    return list(enumerate(field.removesuffix(b"\r\n").split(b"\r\n")))


@given(st.integers(0, 4_000_000_000))
def test_date_is_rfc_5322_in_utc(second: int) -> None:
    parsed = parsedate_to_datetime(date(second + 0.9))
    assert parsed.timestamp() == second
    assert date(second) == parsed.strftime("%a, %d %b %Y %H:%M:%S +0000")


@pytest.mark.parametrize(
    ("head", "lines"),
    [
        (b"Date: x\r\nMessage-ID: <1@x>\r\n\r\n", b""),
        (b"Date: x\r\n\r\n", b"Message-ID: <0123ABCD.1763721721@mx.example.net>\r\n"),
        (b"Message-ID: <1@x>\r\n\r\n", b"Date: Fri, 21 Nov 2025 10:42:01 +0000\r\n"),
        (
            b"From: x\r\n\r\n",
            b"Date: Fri, 21 Nov 2025 10:42:01 +0000\r\nMessage-ID: <0123ABCD.1763721721@mx.example.net>\r\n",
        ),
    ],
)
def test_only_what_is_missing_is_added(head: bytes, lines: bytes) -> None:
    assert missing(scan(head), "0123ABCD", "mx.example.net", NOW) == lines


@pytest.mark.parametrize(
    ("head", "left"),
    [
        (b"X-Mailtui-Tag: a\r\nSubject: x\r\n\r\nbody", b"Subject: x\r\n\r\nbody"),
        (b"Subject: x\r\nx-mailtui-TAG : a\r\n\tfolded\r\n more\r\nFrom: y\r\n\r\n", b"Subject: x\r\nFrom: y\r\n\r\n"),
        (b"X-Mailtui-Tag: a\r\nX-Mailtui-Tag: b\r\n\r\n", b"\r\n"),
        (
            b"X-Not-X-Mailtui-Tag: a\r\n\r\nX-Mailtui-Tag: in the body\r\n",
            b"X-Not-X-Mailtui-Tag: a\r\n\r\nX-Mailtui-Tag: in the body\r\n",
        ),
        (b"Subject: the header only\r\nX-Mailtui-Tag: a\r\n", b"Subject: the header only\r\n"),
        (b"\r\nX-Mailtui-Tag: body\r\n", b"\r\nX-Mailtui-Tag: body\r\n"),
    ],
)
def test_what_is_said_to_us_alone_is_taken_out(head: bytes, left: bytes) -> None:
    assert without_ours(head) == left


def test_the_tag_is_the_first_one_without_its_folds() -> None:
    assert scan(b"X-Mailtui-Tag: invoices\r\n may\r\nX-Mailtui-Tag: other\r\n\r\n").facts.tag == "invoices may"
