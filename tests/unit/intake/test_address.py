"""RFC 5321 4.1.2 on bytes: what is an address, what is refused, and that nothing is ever repaired."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailtui.intake import replies
from mailtui.intake.address import canonical_domain, parse_path
from mailtui.intake.replies import Refusal
from mailtui.model import NULL_SENDER, Address

ATEXT = string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-"
ATOMS = st.text(ATEXT, min_size=1, max_size=12)
LABELS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,10}[A-Za-z0-9])?", fullmatch=True)
LOCALS = st.lists(ATOMS, min_size=1, max_size=4).map(".".join)
DOMAINS = st.tuples(st.lists(LABELS, max_size=3), st.from_regex(r"[a-z]{2,6}", fullmatch=True)).map(
    lambda parts: ".".join([*parts[0], parts[1]])
)
QUOTED = st.lists(
    st.one_of(
        st.sampled_from([chr(code) for code in range(0x20, 0x7F) if chr(code) not in '"\\']),
        st.sampled_from([chr(code) for code in range(0x20, 0x7F)]).map(lambda character: "\\" + character),
    ),
    max_size=20,
).map(lambda parts: f'"{"".join(parts)}"')


def parse(text: bytes, *, null_ok: bool = False, smtputf8: bool = False, postmaster_ok: bool = False) -> Address:
    address, rest = parse_path(text, null_ok=null_ok, smtputf8=smtputf8, postmaster_ok=postmaster_ok)
    assert rest == b""
    return address


def refusal(text: bytes, *, null_ok: bool = False, smtputf8: bool = False, postmaster_ok: bool = False) -> bytes:
    with pytest.raises(Refusal) as caught:
        parse_path(text, null_ok=null_ok, smtputf8=smtputf8, postmaster_ok=postmaster_ok)
    return caught.value.reply


@given(st.one_of(LOCALS, QUOTED), DOMAINS, st.sampled_from([b"", b" SIZE=1", b" X=<a@b>", b">x"]))
def test_a_valid_mailbox_comes_back_as_it_was(local: str, domain: str, rest: bytes) -> None:
    path = f"<{local}@{domain}>".encode()
    found = parse_path(path + rest, null_ok=False, smtputf8=False, postmaster_ok=True)
    assert found == (Address(local, domain.lower()), rest)


@given(st.text(min_size=1, max_size=15, alphabet=st.characters(min_codepoint=0xA1, codec="utf-8")), DOMAINS)
def test_a_local_part_outside_ascii_needs_smtputf8(local: str, domain: str) -> None:
    path = f"<{local}@{domain}>".encode()
    assert refusal(path) == replies.NEEDS_SMTPUTF8
    if len(local.encode()) <= 64 and not {"\u2028", "\u2029"} & set(local):
        assert parse(path, smtputf8=True) == Address(local, domain.lower())


@given(st.binary(max_size=80).map(lambda inside: b"<" + inside + b">"), st.booleans(), st.booleans())
@example(b"<a\r\n@x.com>", False, True)
def test_whatever_comes_is_an_address_without_controls_or_a_refusal(text: bytes, utf8: bool, null_ok: bool) -> None:
    try:
        address, rest = parse_path(text, null_ok=null_ok, smtputf8=utf8, postmaster_ok=True)
    except Refusal as refused:
        assert refused.reply[:3] in (b"501", b"553")
        return
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in str(address))
    assert address.domain.isascii()
    assert address.domain.startswith("[") or address.domain == address.domain.lower()
    assert text.endswith(rest)


NOT_ADDRESSES = [
    b"",
    b"<",
    b"<>",
    b"<@>",
    b"a@b.com",
    b"<a@b.com",
    b"a@b.com>",
    b"<r>",
    b"<@b.com>",
    b"<a@>",
    b"<a@b..com>",
    b"<a@.com>",
    b"<a@b.com.>",
    b"<.a@b.com>",
    b"<a.@b.com>",
    b"<a..b@c.com>",
    b"<a b@c.com>",
    b"< a@b.com>",
    b"<a@b.com >",
    b"<<a@b.com>>",
    b"<a@b@c.com>",
    b"<a,b@c.com>",
    b"<a;b@c.com>",
    b"<a:b@c.com>",
    b"<a(b)@c.com>",
    b"<a@b.com(c)>",
    b"<a@-b.com>",
    b"<a@b-.com>",
    b"<a@b_c.com>",
    b"<a@b\x00.com>",
    b"<a\x00@b.com>",
    b"<a\r\n@b.com>",
    b"<a\x1b@b.com>",
    b"<a\x7f@b.com>",
    b"<a\t@b.com>",
    b'<"a\r\n"@b.com>',
    b'<"a\x00"@b.com>',
    b'<"a\tb"@b.com>',
    b'<"a"b@c.com>',
    b'<"a@b.com>',
    b'<"a"@"b".com>',
    b"<a@127.0.0.1>",
    b"<a@1.2.3.256>",
    b"<a@[1.2.3]>",
    b"<a@[1.2.3.256]>",
    b"<a@[01.2.3.4]>",
    b"<a@[IPv6:]>",
    b"<a@[IPv6:1::2::3]>",
    b"<a@[IPv6:fe80::1%eth0]>",
    b"<a@[::1]>",
    b"<a@[x]>",
    b"<a@[1.2.3.4]x>",
    b"<@a.com:>",
    b"<@a.com,@b.com>",
    b"<@a_b.com:u@x.com>",
    b"<@:u@x.com>",
    b"<postmaster>",
    b"<" + b"l" * 65 + b"@x.com>",
    b'<"' + b"l" * 63 + b'"@x.com>',
    b"<a@" + b"l" * 64 + b".com>",
]


@pytest.mark.parametrize("text", NOT_ADDRESSES)
def test_what_is_no_path_is_refused(text: bytes) -> None:
    assert refusal(text) == replies.RECIPIENT_SYNTAX
    if text != b"<>":
        assert refusal(text, null_ok=True) == replies.SENDER_SYNTAX
        assert refusal(text, null_ok=True, smtputf8=True) == replies.SENDER_SYNTAX


def test_the_null_path_is_for_senders_only() -> None:
    assert parse(b"<>", null_ok=True) is NULL_SENDER
    assert parse_path(b"<> SIZE=1", null_ok=True, smtputf8=False, postmaster_ok=False) == (NULL_SENDER, b" SIZE=1")


@pytest.mark.parametrize("text", [b"<postmaster>", b"<Postmaster>", b"<POSTMASTER>"])
def test_the_bare_postmaster_is_for_those_who_allow_it(text: bytes) -> None:
    assert parse(text, postmaster_ok=True) == Address("postmaster", "")
    assert refusal(text) == replies.RECIPIENT_SYNTAX


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (b"<@a.com:u@x.com>", Address("u", "x.com")),
        (b"<@a.com,@b.com:u@X.com>", Address("u", "x.com")),
        (b"<@[1.2.3.4]:r@third.example>", Address("r", "third.example")),
        (b"<a@[1.2.3.4]>", Address("a", "[1.2.3.4]")),
        (b"<a@[IPV6:2001:DB8:0::1]>", Address("a", "[IPv6:2001:db8::1]")),
        (b"<a@[ipv6:::1]>", Address("a", "[IPv6:::1]")),
        (b"<a@localhost>", Address("a", "localhost")),
        (b"<a%b@c.com>", Address("a%b", "c.com")),
        (b"<a!b@c.com>", Address("a!b", "c.com")),
        (b'<"a@b"@c.com>', Address('"a@b"', "c.com")),
        (b'<"a>b"@c.com>', Address('"a>b"', "c.com")),
        (b'<"\\"\\\\"@c.com>', Address('"\\"\\\\"', "c.com")),
        (b'<"simple"@c.com>', Address('"simple"', "c.com")),
        (b'<""@c.com>', Address('""', "c.com")),
        (b"<MiXed@XN--BCHER-KVA.Example>", Address("MiXed", "xn--bcher-kva.example")),
        (b"<a@3com.com>", Address("a", "3com.com")),
        (b"<" + b"l" * 64 + b"@x.com>", Address("l" * 64, "x.com")),
        (b"<a@" + b"l" * 63 + b".com>", Address("a", "l" * 63 + ".com")),
    ],
)
def test_unusual_mailboxes(text: bytes, address: Address) -> None:
    assert parse(text) == address


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("length", [253, 254, 255, 256])
def test_a_mailbox_has_254_octets_at_most(length: int, quoted: bool) -> None:
    local = '"ll"' if quoted else "llll"
    domain = ".".join(["d" * 60] * 4)
    domain += "." + "e" * (length - len(domain) - len(local) - 2)
    text = f"<{local}@{domain}>".encode()
    assert len(text) == length + 2
    if length <= 254:
        assert parse(text) == Address(local, domain)
    else:
        assert refusal(text) == replies.RECIPIENT_SYNTAX


def test_a_source_route_counts_towards_the_256_octets_of_a_path() -> None:
    route = b"@" + b".".join([b"d" * 60] * 4)
    assert parse(b"<" + route + b":u@x.examp>") == Address("u", "x.examp")
    assert refusal(b"<" + route + b":u@xy.examp>") == replies.RECIPIENT_SYNTAX


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("<a@bücher.example>", "xn--bcher-kva.example"),
        ("<a@BÜCHER.example>", "xn--bcher-kva.example"),
        ("<a@bücher。example>", "xn--bcher-kva.example"),
        ("<a@ｌｏｃａｌｈｏｓｔ>", "localhost"),
    ],
)
def test_u_labels_become_a_labels(text: str, domain: str) -> None:
    assert parse(text.encode(), smtputf8=True).domain == domain
    assert refusal(text.encode()) == replies.NEEDS_SMTPUTF8


@pytest.mark.parametrize(
    "text",
    [
        b"<a\xff@x.com>",  # not UTF-8
        b"<a\xed\xa0\x80@x.com>",  # a surrogate
        b"<a@\xff.com>",
        "<a@bücher。>".encode(),  # maps to a trailing dot
        "<a\u0085b@x.com>".encode(),  # C1 control
        "<a\u2028b@x.com>".encode(),
        "<a@\u2100.com>".encode(),  # maps to a/c
        "<a@x\u00ad\u200d.com>".encode(),
        "<a@１２７.０.０.１>".encode(),  # maps to an IP address
        ("<" + "ü" * 33 + "@x.com>").encode(),
        ("<a@" + "ü" * 62 + ".com>").encode(),  # the A-label is longer than 63
    ],
)
def test_what_smtputf8_does_not_excuse(text: bytes) -> None:
    assert refusal(text, smtputf8=True) == replies.RECIPIENT_SYNTAX


@pytest.mark.parametrize(
    ("text", "local"),
    [
        (b"<=?utf-8?q?a?=@x.com>", "=?utf-8?q?a?="),
        (b"<=?utf-8?q?a=0d=0aRCPT_TO?=@x.com>", "=?utf-8?q?a=0d=0aRCPT_TO?="),
    ],
)
def test_encoded_words_are_literal_text(text: bytes, local: str) -> None:
    assert parse(text) == Address(local, "x.com")


def test_an_encoded_word_is_no_domain() -> None:
    assert refusal(b"<=?utf-8?q?a?=@=?utf-8?q?evil=2ecom=3e?=>") == replies.RECIPIENT_SYNTAX


@pytest.mark.parametrize("domain", [b"a" * 300, b"a.b-", b"a\n", b"[1.2.3.4", "ü".encode() * 130])
def test_a_domain_is_a_value_error_or_canonical(domain: bytes) -> None:
    with pytest.raises(ValueError):
        canonical_domain(domain)
