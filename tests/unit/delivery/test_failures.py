"""Foreign exceptions as facts: what each means, in which words, and that nothing else leaks out."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl

import aiosmtplib
import dns.exception
import dns.message
import dns.name
import dns.resolver
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtui.delivery.dial import ConnectFailed, NoSourceAddress
from mailtui.delivery.failures import TEXT_LIMIT, explain
from mailtui.delivery.problems import LookupFailed, LoopsToSelf, NoSuchDomain, NoUsableHost, NullMX, RoutingProblem
from mailtui.delivery.replies import BadReply
from mailtui.delivery.session import Lost, Refused, StageTimeout
from mailtui.model import Disposition, Reply, Stage

HOST, ADDRESS = "mx.example.net", "192.0.2.1"
BOUNCED, DEFERRED = Disposition.BOUNCED, Disposition.DEFERRED


def system(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def nxdomain() -> dns.resolver.NXDOMAIN:
    name = dns.name.from_text("example.org.")
    return dns.resolver.NXDOMAIN(qnames=[name], responses={name: dns.message.make_query(name, "MX")})  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("error", "enhanced", "class_", "disposition"),
    [
        (NoSuchDomain("example.org", "the domain does not exist"), "5.1.2", "no-such-domain", BOUNCED),
        (nxdomain(), "5.1.2", "no-such-domain", BOUNCED),
        (NullMX("example.org", "the domain accepts no mail"), "5.1.10", "null-mx", BOUNCED),
        (LoopsToSelf("example.org", "mail.example.com"), "5.4.6", "loop", BOUNCED),
        (NoUsableHost("example.org", "no address: mx.example.org"), "4.4.4", "dns", DEFERRED),
        (LookupFailed("example.org", "SERVFAIL"), "4.4.3", "dns", DEFERRED),
        (RoutingProblem("example.org"), "4.4.3", "dns", DEFERRED),
        (dns.resolver.NoNameservers(), "4.4.3", "dns", DEFERRED),  # type: ignore[no-untyped-call]
        (dns.resolver.LifetimeTimeout(timeout=5.0, errors=[]), "4.4.3", "dns", DEFERRED),  # type: ignore[no-untyped-call]
        (dns.resolver.YXDOMAIN(), "4.4.3", "dns", DEFERRED),  # type: ignore[no-untyped-call]
        (dns.exception.FormError(), "4.4.3", "dns", DEFERRED),  # type: ignore[no-untyped-call]
        (TimeoutError(), "4.4.3", "dns", DEFERRED),
    ],
)
def test_routing(error: Exception, enhanced: str, class_: str, disposition: Disposition) -> None:
    reply, verdict = explain(error, Stage.DNS)
    assert (reply.code, reply.enhanced, verdict.class_) == (0, enhanced, class_)
    assert (verdict.disposition, verdict.scope) == (disposition, "destination")


def test_the_texts_of_routing_name_the_domain() -> None:
    assert (
        explain(NoSuchDomain("example.org", "the domain does not exist"), Stage.DNS)[0].text
        == "example.org: the domain does not exist"
    )
    text = explain(LoopsToSelf("example.org", "mail.example.com"), Stage.DNS)[0].text
    assert text == "mail for example.org loops back to this relay (mail.example.com)"
    assert explain(LoopsToSelf("example.org"), Stage.DNS)[1].fault == "our-config"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ECONNREFUSED, "Connection refused"),
        (errno.EHOSTUNREACH, "No route to host"),
        (errno.ENETUNREACH, "Network is unreachable"),
        (errno.ETIMEDOUT, "Connection timed out"),
    ],
)
def test_no_connection(number: int, words: str) -> None:
    reply, verdict = explain(system(number), Stage.CONNECT, host=HOST, address=ADDRESS, port=25)
    assert reply == Reply(0, "4.4.1", f"connect to mx.example.net[192.0.2.1]:25: {words}")
    assert (verdict.class_, verdict.fault, verdict.scope) == ("connection", "network", "site")
    assert verdict.disposition is DEFERRED


def test_no_address_answered() -> None:
    errors = [("192.0.2.1", system(errno.ECONNREFUSED)), ("2001:db8::1", TimeoutError())]
    reply, verdict = explain(ConnectFailed(errors), Stage.CONNECT, host=HOST)
    assert reply.text == "connect to mx.example.net: 192.0.2.1: Connection refused; 2001:db8::1: timed out"
    assert (reply.enhanced, verdict.class_) == ("4.4.1", "connection")


@pytest.mark.parametrize(
    "error", [NoSourceAddress("no source address of this family is configured"), system(errno.EMFILE)]
)
def test_our_own_trouble_is_not_the_networks(error: OSError) -> None:
    assert explain(error, Stage.CONNECT, host=HOST)[1].fault == "our-config"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (StageTimeout(Stage.MAIL, 300.0), "timed out after 300 s waiting for the reply to MAIL"),
        (TimeoutError(), "timed out waiting for the reply to MAIL"),
        (aiosmtplib.SMTPReadTimeoutError("Timed out"), "timed out waiting for the reply to MAIL"),
    ],
)
def test_a_stage_that_takes_too_long(error: Exception, text: str) -> None:
    reply, verdict = explain(error, Stage.MAIL, host=HOST)
    assert reply == Reply(0, "4.4.2", text)
    assert (verdict.class_, verdict.scope, verdict.disposition) == ("timeout", "site", DEFERRED)


def test_a_connection_that_takes_too_long() -> None:
    for error in (TimeoutError(), aiosmtplib.SMTPConnectTimeoutError("Timed out")):
        reply, verdict = explain(error, Stage.CONNECT, host=HOST, address=ADDRESS)
        assert reply == Reply(0, "4.4.1", "connect to mx.example.net[192.0.2.1]: Connection timed out")
        assert verdict.class_ == "connection"


@pytest.mark.parametrize(
    "error",
    [
        Lost("closed"),
        system(errno.ECONNRESET),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
        aiosmtplib.SMTPServerDisconnected("Connection lost"),
        asyncio.IncompleteReadError(b"", 1),
    ],
)
def test_a_connection_lost_before_the_dot(error: Exception) -> None:
    reply, verdict = explain(error, Stage.RCPT, host=HOST, address=ADDRESS)
    assert reply.text.startswith("lost connection with mx.example.net[192.0.2.1] while waiting for the reply to RCPT")
    assert (reply.code, reply.enhanced) == (0, "4.4.2")
    assert (verdict.class_, verdict.scope, verdict.disposition) == ("connection", "site", DEFERRED)


@pytest.mark.parametrize(
    ("error", "verb"),
    [
        (Lost("closed"), "lost connection"),
        (system(errno.ECONNRESET), "lost connection"),
        (aiosmtplib.SMTPServerDisconnected("x"), "lost connection"),
        (StageTimeout(Stage.FINAL_DOT, 600.0), "timed out"),
        (TimeoutError(), "timed out"),
    ],
)
def test_between_the_dot_and_its_reply_nothing_is_known(error: Exception, verb: str) -> None:
    reply, verdict = explain(error, Stage.FINAL_DOT, host=HOST, after_dot=True)
    assert reply.text == f"{verb} with mx.example.net after the final dot: it may have accepted the message"
    assert (reply.enhanced, verdict.class_, verdict.disposition) == ("4.4.2", "unknown-outcome", DEFERRED)


def test_a_complete_reply_after_the_dot_is_known() -> None:
    reply, verdict = explain(
        aiosmtplib.SMTPDataError(554, "5.7.1 Spam message rejected"), Stage.FINAL_DOT, after_dot=True
    )
    assert (reply.code, reply.enhanced, verdict.class_, verdict.disposition) == (554, "5.7.1", "content", BOUNCED)


def test_a_certificate_that_does_not_verify() -> None:
    error = ssl.SSLCertVerificationError(
        1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired"
    )
    error.verify_message = "certificate has expired"
    reply, verdict = explain(error, Stage.STARTTLS, host=HOST, address=ADDRESS)
    assert reply.text == "TLS with mx.example.net[192.0.2.1] failed: certificate not verified: certificate has expired"
    assert (reply.enhanced, verdict.class_, verdict.scope, verdict.disposition) == ("4.7.5", "tls", "site", DEFERRED)


def test_a_real_handshake_with_something_else() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"220 this is no TLS\r\n")
        context = ssl.create_default_context()
        with pytest.raises(ssl.SSLError) as caught:
            context.wrap_socket(ours, server_hostname="mx.example.net")
    reply, verdict = explain(caught.value, Stage.STARTTLS, host=HOST)
    assert reply.text == "TLS with mx.example.net failed: wrong version number"
    assert verdict.class_ == "tls"


@pytest.mark.parametrize(
    ("error", "stage", "class_", "disposition"),
    [
        (Refused(Stage.GREETING, Reply(554, "", "SMTP service not available")), Stage.CONNECT, "policy", DEFERRED),
        (aiosmtplib.SMTPHeloError(550, "Bad HELO"), Stage.HELO, "rdns", BOUNCED),
        (aiosmtplib.SMTPAuthenticationError(535, "5.7.8 Authentication failed"), Stage.AUTH, "auth-failed", DEFERRED),
        (
            aiosmtplib.SMTPSenderRefused(550, "5.1.8 Sender domain not found", "a@b.c"),
            Stage.MAIL,
            "sender-rejected",
            BOUNCED,
        ),
        (aiosmtplib.SMTPRecipientRefused(550, "5.1.1 User unknown", "a@b.c"), Stage.RCPT, "no-such-user", BOUNCED),
        (
            aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(452, "4.2.2 Mailbox full", "a@b.c")]),
            Stage.DATA,
            "mailbox-full",
            DEFERRED,
        ),
        (aiosmtplib.SMTPConnectResponseError(421, "4.3.2 Too busy"), Stage.GREETING, "remote-overload", DEFERRED),
        (aiosmtplib.SMTPResponseException(-1, "junk"), Stage.MAIL, "protocol", DEFERRED),
    ],
)
def test_replies_that_come_as_exceptions(error: Exception, stage: Stage, class_: str, disposition: Disposition) -> None:
    _, verdict = explain(error, stage, host=HOST)
    assert (verdict.class_, verdict.disposition) == (class_, disposition)


def test_the_provider_of_the_host_counts() -> None:
    error = aiosmtplib.SMTPRecipientRefused(550, "Mailbox unavailable or access denied", "a@qq.com")
    assert explain(error, Stage.RCPT, host="mx3.qq.com")[1].class_ == "throttled"


@pytest.mark.parametrize(
    ("error", "stage", "class_"),
    [
        (BadReply("not an SMTP reply"), Stage.RCPT, "protocol"),
        (aiosmtplib.SMTPNotSupported("no STARTTLS"), Stage.STARTTLS, "tls"),
        (aiosmtplib.SMTPNotSupported("no AUTH"), Stage.AUTH, "auth-failed"),
        (aiosmtplib.SMTPConnectError("could not"), Stage.CONNECT, "connection"),
        (socket.gaierror(-2, "Name or service not known"), Stage.CONNECT, "connection"),
    ],
)
def test_the_rest_of_the_libraries(error: Exception, stage: Stage, class_: str) -> None:
    reply, verdict = explain(error, stage, host=HOST)
    assert (reply.code, verdict.class_, verdict.disposition) == (0, class_, DEFERRED)


def test_what_is_not_understood_is_a_deferral_that_names_the_type_only() -> None:
    reply, verdict = explain(KeyError("hunter2"), Stage.RCPT, host=HOST)
    assert reply == Reply(0, "4.3.0", "internal error: KeyError")
    assert (verdict.class_, verdict.disposition, verdict.suppress) == ("unknown", DEFERRED, False)


ERRORS = st.sampled_from(
    [
        OSError,
        ConnectionResetError,
        TimeoutError,
        ssl.SSLError,
        Lost,
        BadReply,
        ValueError,
        EOFError,
        dns.exception.DNSException,
        aiosmtplib.SMTPException,
        aiosmtplib.SMTPServerDisconnected,
        RoutingProblem,
        LookupFailed,
    ]
)


@given(ERRORS, st.text(max_size=2000), st.sampled_from(Stage), st.booleans())
def test_every_exception_has_a_bounded_fact(kind: type[Exception], text: str, stage: Stage, after_dot: bool) -> None:
    reply, verdict = explain(kind(text), stage, host=HOST, after_dot=after_dot)
    assert reply.code == 0 and reply.enhanced.startswith("4.") and 0 < len(reply.text) <= TEXT_LIMIT
    assert "\n" not in reply.text and "\r" not in reply.text
    assert verdict.disposition is DEFERRED and not verdict.suppress
