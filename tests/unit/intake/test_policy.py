"""Who may send what where: trust, ownership, and the open-relay matrix through the real parser."""

from ipaddress import ip_network

import pytest

from mailtui.config import Config, Dsn, Listener, Relay, User
from mailtui.intake import replies
from mailtui.intake.parameters import parse_mail, parse_rcpt
from mailtui.intake.policy import Client, Policy
from mailtui.intake.replies import Refusal
from mailtui.model import NULL_SENDER, Address

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"
OUR_HOST = "relay.example.net"


def policy(*senders: str, postmaster: str = "ops@example.org") -> Policy:
    user = User(name="app", password_hash=HASH, senders=senders or ("*",))
    return Policy.of(Config(relay=Relay(hostname=OUR_HOST), user=(user,), dsn=Dsn(postmaster=postmaster)))


STRANGER = Client("203.0.113.9", "relay")
INSIDER = Client("10.0.0.1", "relay", trusted=True)
USER = Client("203.0.113.9", "submission", user="app", tls=True, auth_required=True)


@pytest.mark.parametrize(
    ("ip", "trusted"),
    [
        ("127.0.0.1", True),
        ("127.255.255.255", True),
        ("128.0.0.1", False),
        ("::1", True),
        ("::2", False),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("", False),
        ("localhost", False),
    ],
)
def test_the_default_networks_are_this_machine(ip: str, trusted: bool) -> None:
    assert policy().trusts(Listener().networks, ip) is trusted


def test_trust_belongs_to_the_listener() -> None:
    inside = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    assert policy().trusts(inside, "10.9.9.9") and policy().trusts(inside, "2001:db8:1::1")
    assert not policy().trusts(inside, "127.0.0.1") and not policy().trusts((), "127.0.0.1")


@pytest.mark.parametrize(
    ("glob", "owned", "foreign"),
    [
        ("*", ["a@b.com", '"a@b"@c.com', "ü@x.com"], []),
        (
            "app@example.org",
            ["app@example.org", "APP@example.org"],
            ["app2@example.org", "xapp@example.org", "app@x.org"],
        ),
        ("*@example.org", ["a@example.org", '"a@b"@example.org'], ["a@sub.example.org", "a@example.org.evil.com"]),
        ("*@example.org", [], ["a@xexample.org", '"a@example.org"@evil.com', "a@exampleXorg"]),
        ("*@*.example.org", ["a@x.example.org", "a@x.y.example.org"], ["a@example.org", '"a@x.example.org"@evil.com']),
        ("News-*@example.org", ["news-1@example.org", "NEWS-@example.org"], ["new@example.org", "xnews-1@example.org"]),
        ("a?c@example.org", ["a?c@example.org"], ["abc@example.org"]),
        ("bo[ok]@example.org", ["bo[ok]@example.org"], ["boo@example.org"]),
        ("book@example.org", ["BOOK@example.org"], ["boo\u212a@example.org"]),
        ("a.c@example.org", ["a.c@example.org"], ["abc@example.org"]),
    ],
)
def test_a_sender_belongs_to_a_user_by_glob(glob: str, owned: list[str], foreign: list[str]) -> None:
    decide = policy(glob)
    for text in owned:
        assert decide.sender(USER, Address(*text.rsplit("@", 1))) is None
    for text in foreign:
        assert decide.sender(USER, Address(*text.rsplit("@", 1))) == replies.SENDER_NOT_OWNED


def test_any_of_several_globs_is_enough_and_none_is_nothing() -> None:
    decide = policy("a@x.org", "*@y.org")
    assert decide.sender(USER, Address("a", "x.org")) is decide.sender(USER, Address("q", "y.org")) is None
    assert decide.sender(USER, Address("b", "x.org")) == replies.SENDER_NOT_OWNED
    nobody = User(name="app", password_hash=HASH, senders=())
    assert Policy.of(Config(user=(nobody,))).sender(USER, Address("a", "b.c")) == replies.SENDER_NOT_OWNED


def test_a_user_who_is_no_longer_configured_owns_nothing() -> None:
    gone = Client("10.0.0.1", "submission", user="gone", tls=True, trusted=True)
    assert policy().sender(gone, Address("a", "b.com")) == replies.SENDER_NOT_OWNED


def test_the_null_sender_and_authentication() -> None:
    decide = policy("app@example.org")
    anonymous = Client("10.0.0.1", "submission", tls=True, trusted=True, auth_required=True)
    assert decide.sender(USER, NULL_SENDER) is decide.sender(STRANGER, NULL_SENDER) is None
    for sender in (NULL_SENDER, Address("app", "example.org")):
        assert decide.sender(anonymous, sender) == replies.AUTH_REQUIRED
    assert decide.recipient(anonymous, Address("r", "third.example")) == replies.AUTH_REQUIRED


def test_strangers_and_insiders_may_name_any_sender() -> None:
    for client in (STRANGER, INSIDER):
        assert policy("app@example.org").sender(client, Address("any", "body.example")) is None


def test_clients_and_users_send_anywhere() -> None:
    for client in (INSIDER, USER):
        for address in (Address("r", "third.example"), Address("r", "[192.0.2.1]"), Address("postmaster", OUR_HOST)):
            assert policy().recipient(client, address) is None


@pytest.mark.parametrize("client", [STRANGER, INSIDER, USER])
def test_postmaster_when_configured_is_for_everybody(client: Client) -> None:
    decide = policy()
    assert decide.postmaster == Address("ops", "example.org")
    for address in (Address("postmaster", ""), Address("PostMaster", OUR_HOST)):
        assert decide.is_postmaster(address) and decide.recipient(client, address) is None


def test_postmaster_that_is_nobody_else_is_refused() -> None:
    decide = policy(postmaster="postmaster@<hostname>")
    assert decide.postmaster is None
    assert decide.recipient(INSIDER, Address("postmaster", "")) == replies.NO_POSTMASTER
    for address in (Address("postmaster", ""), Address("postmaster", OUR_HOST)):
        assert decide.recipient(STRANGER, address) == replies.RELAY_DENIED


SENDERS = [b"<>", b"<x@third.example>", b"<x@relay.example.net>", b"<x@[192.0.2.1]>", b"<x@example.org>"]
MATRIX = [
    b"<r@third.example>",
    b"<r%third.example@[192.0.2.1]>",
    b"<r%third.example@relay.example.net>",
    b'<"r@third.example">',
    b'<"r%third.example">',
    b"<r@third.example@[192.0.2.1]>",
    b'<"r@third.example"@[192.0.2.1]>',
    b"<r@third.example@relay.example.net>",
    b"<@[192.0.2.1]:r@third.example>",
    b"<@relay.example.net:r@third.example>",
    b"<third.example!r>",
    b"<third.example!r@[192.0.2.1]>",
    b"<third.example!r@relay.example.net>",
    b'<"r@third.example"@relay.example.net>',
    b"<r%third.example@relay.example.net>",
    b"<postmaster%third.example@relay.example.net>",
    b'<"postmaster"@third.example>',
    b"<postmaster@third.example>",
    b"<@relay.example.net:postmaster@third.example>",
    b"<r@third.example.>",
    b"<R@THIRD.EXAMPLE>",
    b"<r@[127.0.0.1]>",
    b"<r@[IPv6:::1]>",
    b"<postmaster@[127.0.0.1]>",
    b"<r@localhost>",
    b"<postmaster@localhost>",
    b"<r>",
    b"<r@third.example,postmaster@relay.example.net>",
    b"<postmaster@relay.example.net\x00.third.example>",
    b"<postmaster\x00@third.example>",
    b"<=?utf-8?q?a=0d=0aRCPT_TO=3a=3cv=40x=3e?=@relay.example.net>",
    b"<=?utf-8?q?postmaster?=@relay.example.net>",
    b"<=?utf-8?q?a?=@=?utf-8?q?evil=2ecom=3e?=>",
    "<postmaster@relаy.example.net>".encode(),  # a Cyrillic letter
    b"<postmaster@xn--rely-53d.example.net>",
    b"<postmaster@sub.relay.example.net>",
    b"<postmaster@example.net>",
    b"<postmaster@relay.example.net.third.example>",
    b"<r@third.example> ",
    b"<r@third.example>\t",
    b"<r@third.example >",
    b"r@third.example",
    b"postmaster@relay.example.net",
    b"<postmaster@relay.example.net> X=<r@third.example>",
    b"<postmaster@relay.example.net> <r@third.example>",
    b"<postmaster@relay.example.net><r@third.example>",
    b"<postmaster@relay.example.net\r\nRCPT TO:<r@third.example>",
    b"<>",
    b"",
]


@pytest.mark.parametrize("smtputf8", [False, True])
@pytest.mark.parametrize("args", MATRIX)
def test_no_open_relay(args: bytes, smtputf8: bool) -> None:
    """From a stranger every form is refused at RCPT, whatever MAIL said; AUTH= of somebody trusted grants nothing."""
    decide = policy("*@example.org")
    for sender in SENDERS:
        mail = parse_mail(sender + b" AUTH=app@example.org", max_size=10)
        assert decide.sender(STRANGER, mail.sender) is None
        try:
            recipient = parse_rcpt(args, smtputf8=smtputf8, postmaster_ok=True)
        except Refusal as refused:
            assert refused.reply[:3] in (b"501", b"553", b"555")
        else:
            assert decide.recipient(STRANGER, recipient.address) == replies.RELAY_DENIED


def test_the_matrix_can_fail() -> None:
    recipient = parse_rcpt(b"<postmaster@RELAY.example.net> ", smtputf8=False, postmaster_ok=True)
    assert policy().recipient(STRANGER, recipient.address) is None
