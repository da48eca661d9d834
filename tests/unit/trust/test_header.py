"""A header section is split, or refused when verifiers could differ about it; From gives one domain."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.trust.header import (
    LARGEST_FROM,
    LARGEST_HEADER,
    SigningError,
    cut_header,
    from_domain,
    split_header,
)


def author(value: bytes) -> str:
    return from_domain(split_header(b"From:" + value + b"\r\n"))


def test_fields_keep_their_folds_and_lose_their_case() -> None:
    header = b"SUBJECT : a\r\n\tb\r\n \r\nX-Empty:\r\nFrom: c\r\n"
    fields = [(b"subject", b" a\r\n\tb\r\n "), (b"x-empty", b""), (b"from", b" c")]
    assert split_header(header) == split_header(header + b"\r\n") == fields


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\r\n",
        b"\r\nFrom: a@example.org\r\n",
        b" folded: nothing\r\nFrom: a@example.org\r\n",
        b"From: a@example.org\r\nno field\r\n",
        b"From a@example.org Mon Jan  1\r\nFrom: a@example.org\r\n",
        b"From: a@example.org\r\n\r\nTo: b@example.net\r\n",
        b"From: a@example.org\nTo: b@example.net\r\n",
        b"From: a@example.org\r\nSubject: a\rb\r\n",
        b": no name\r\n",
        b"Bet\xc3\xa4: a\r\n",
        b"From: a@example.org\r\nX: " + b"x" * LARGEST_HEADER + b"\r\n",
    ],
)
def test_malformed_sections_are_refused(header: bytes) -> None:
    with pytest.raises(SigningError):
        split_header(header)


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        (b" a@example.org", "example.org"),
        (b" A@EXAMPLE.Org.", "example.org"),
        (b' "x@evil.example" <a@example.org>', "example.org"),
        (b' "a \\" <x@evil.example>" <a@example.org>', "example.org"),
        (b" x@evil.example <a@example.org>", "example.org"),
        (b" (x@evil.example) a@example.org (or (nested) <x@evil.example>)", "example.org"),
        (b" <@relay.example,@two.example:a@example.org>", "example.org"),
        (b"\r\n <a\r\n @example.org>", "example.org"),
        (b' "a@b"@example.org', "example.org"),
        (b" a@example.org, b@example.net", "example.org"),
        (b" a@b\xc3\xbccher.example", "xn--bcher-kva.example"),
        (b" root", ""),
        (b" undisclosed: ;", ""),
        (b" a@\xff\xfe", ""),
        (b" a@", ""),
        (b"", ""),
    ],
)
def test_the_domain_of_the_author(value: bytes, domain: str) -> None:
    assert author(value) == domain


@pytest.mark.parametrize("header", [b"To: a@example.org\r\n", b"From: a@example.org\r\nfrom: b@example.org\r\n"])
def test_no_author_field_and_two_are_refused(header: bytes) -> None:
    with pytest.raises(SigningError, match="From field"):
        from_domain(split_header(header))


def test_an_overlong_author_field_is_refused() -> None:
    with pytest.raises(SigningError, match="octets"):
        author(b"a" * LARGEST_FROM + b"@example.org")


@pytest.mark.parametrize(
    "unit", [b"(", b"()", b'"', b'\\"', b"<", b"<>", b"@", b"a.", b"\\", b" \t", b"((a)", b"\xc3\xa4."]
)
def test_a_hostile_author_field_costs_little(unit: bytes) -> None:
    start = time.thread_time()
    author(b"a@" + unit * (8000 // len(unit)))
    assert time.thread_time() - start < 0.2


@given(st.binary(max_size=300))
def test_any_octets_give_a_domain_or_a_refusal(octets: bytes) -> None:
    try:
        domain = author(octets)
    except SigningError:
        return
    assert domain.isascii() and domain == domain.lower()


@given(st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"a: b", b" "])).map(b"".join), st.integers(1, 5))
def test_a_cut_message_is_the_message(message: bytes, step: int) -> None:
    chunks = [message[start : start + step] for start in range(0, len(message), step)]
    header, body = cut_header(chunks)
    rest = b"".join(body)
    if message.startswith(b"\r\n"):
        assert (header, rest) == (b"", message[2:])
    elif b"\r\n\r\n" in message:
        first, _, behind = message.partition(b"\r\n\r\n")
        assert (header, rest) == (first + b"\r\n", behind)
    else:
        assert (header, rest) == (message, b"")


def test_cutting_reads_no_further_than_it_must() -> None:
    read = 0

    def chunks() -> Iterator[bytes]:
        nonlocal read
        for chunk in (b"A: b\r\n", b"\r\nbody", b"more"):
            read += 1
            yield chunk

    header, body = cut_header(chunks())
    assert (header, read) == (b"A: b\r\n", 2)
    assert list(body) == [b"body", b"more"]


def test_cutting_gives_up_on_a_header_without_end() -> None:
    with pytest.raises(SigningError, match="octets"):
        cut_header([b"x" * (LARGEST_HEADER // 2)] * 3)
