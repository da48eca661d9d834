"""The contract with clients: codes, enhanced codes, and the shape no reply may leave."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.intake import replies

CONSTANTS = {name: value for name, value in vars(replies).items() if name.isupper() and isinstance(value, bytes)}
WITHOUT_ENHANCED = (b"354", b"334")


@pytest.mark.parametrize("name", sorted(name for name in CONSTANTS if not name.startswith("_")))
def test_a_reply_is_one_short_ascii_line_whose_class_is_said_twice(name: str) -> None:
    reply = CONSTANTS[name]
    assert reply.endswith(b"\r\n") and reply.count(b"\r") == reply.count(b"\n") == 1
    assert len(reply) <= 512 and all(0x20 <= octet < 0x7F for octet in reply[:-2])
    if reply[:3] not in WITHOUT_ENHANCED:
        match = re.fullmatch(rb"([245])\d\d ([245])\.\d{1,3}\.\d{1,3} .+\r\n", reply)
        assert match and match[1] == match[2]


@pytest.mark.parametrize(
    ("reply", "codes"),
    [
        (replies.TOO_MANY_SESSIONS, b"421 4.7.0"),
        (replies.TOO_MANY_FROM_CLIENT, b"421 4.7.0"),
        (replies.DRAINING, b"421 4.3.2"),
        (replies.OVERLOADED, b"421 4.3.2"),
        (replies.NO_STORAGE, b"452 4.3.1"),
        (replies.QUEUE_FULL, b"452 4.3.1"),
        (replies.internal_error("x"), b"451 4.3.0"),
        (replies.TOO_MANY_RECIPIENTS, b"452 4.5.3"),
        (replies.TOO_BIG, b"552 5.3.4"),
        (replies.BARE_NEWLINE, b"550 5.5.2"),
        (replies.NUL_OCTET, b"550 5.6.0"),
        (replies.LINE_TOO_LONG, b"550 5.6.0"),
        (replies.FROM_COUNT, b"554 5.6.0"),
        (replies.TOO_MANY_HOPS, b"554 5.4.6"),
        (replies.RELAY_DENIED, b"550 5.7.1"),
        (replies.SENDER_NOT_OWNED, b"550 5.7.1"),
        (replies.POLICY_LATER, b"450 4.7.1"),
        (replies.RECIPIENT_SYNTAX, b"501 5.1.3"),
        (replies.SENDER_SYNTAX, b"501 5.1.7"),
        (replies.NEEDS_SMTPUTF8, b"553 5.6.7"),
        (replies.NULL_MX, b"556 5.1.10"),
        (replies.AUTH_REQUIRED, b"530 5.7.0"),
        (replies.AUTH_NEEDS_TLS, b"538 5.7.11"),
        (replies.AUTH_FAILED, b"535 5.7.8"),
        (replies.TOO_MANY_AUTH_FAILURES, b"421 4.7.0"),
        (replies.UNKNOWN_COMMAND, b"500 5.5.1"),
        (replies.BAD_SEQUENCE, b"503 5.5.1"),
        (replies.TOO_MANY_ERRORS, b"421 4.7.0"),
        (replies.queued("0123ABCD"), b"250 2.0.0 queued as 0123ABCD\r\n"),
    ],
)
def test_the_promised_codes(reply: bytes, codes: bytes) -> None:
    assert reply.startswith(codes)


@given(st.text())
def test_no_text_can_break_a_built_reply(text: str) -> None:
    for reply in (replies.greeting(text), replies.helo(text), replies.queued(text), replies.internal_error(text)):
        assert reply.endswith(b"\r\n") and len(reply) <= 512
        assert all(0x20 <= octet < 0x7F for octet in reply[:-2])


def test_a_long_text_is_cut_to_512_octets() -> None:
    assert len(replies.queued("x" * 2000)) == 512


def test_ehlo_lists_one_extension_a_line() -> None:
    assert replies.ehlo("mx.example.org", []) == b"250 mx.example.org\r\n"
    assert replies.ehlo("mx.example.org", ["SIZE 10", "DSN"]) == b"250-mx.example.org\r\n250-SIZE 10\r\n250 DSN\r\n"


def test_a_refusal_carries_its_reply() -> None:
    assert replies.Refusal(replies.RELAY_DENIED).reply == replies.RELAY_DENIED
