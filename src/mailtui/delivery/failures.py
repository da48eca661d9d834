"""The one place where exceptions of libraries become facts about a delivery.

Owned here: the map from what dnspython, the sockets, OpenSSL, asyncio and aiosmtplib raise, and from the problems and interruptions our
own rooms raise, to a reply and a verdict. A failed delivery is a value; after this module nobody sees the exception. Replies made
here have no basic code: they are facts on our side, with an enhanced code (RFC 3463) for the DSN and a text of ours. What a remote
server said in so many words is `delivery.classify`'s to judge.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

import aiosmtplib
import dns.exception
import dns.resolver
import msgspec

from mailtui.delivery.classify import classify, outcome, provider_of, unknown_outcome
from mailtui.delivery.dial import ConnectFailed, NoSourceAddress, describe_error
from mailtui.delivery.problems import LookupFailed, LoopsToSelf, NoSuchDomain, NoUsableHost, NullMX, RoutingProblem
from mailtui.delivery.replies import BadReply, make_reply
from mailtui.delivery.session import Garbled, Lost, Refused, StageTimeout
from mailtui.model import Disposition, Reply, Stage, Verdict

Explained = tuple[Reply, Verdict]

TEXT_LIMIT: Final = 400  # characters of a text made here; what libraries quote from the network is cut to fit

_AWAITED: Final = {
    Stage.DNS: "a name server",
    Stage.CONNECT: "the connection",
    Stage.GREETING: "the greeting",
    Stage.HELO: "the reply to EHLO",
    Stage.STARTTLS: "the TLS handshake",
    Stage.AUTH: "the reply to AUTH",
    Stage.MAIL: "the reply to MAIL",
    Stage.RCPT: "the reply to RCPT",
    Stage.DATA: "the reply to DATA",
    Stage.FINAL_DOT: "the reply to the final dot",
    Stage.QUIT: "the reply to QUIT",
}
#: Errors of the dialling machine itself: the remote host has no part in them.
_OURS: Final = frozenset(
    (
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EADDRNOTAVAIL,
        errno.EADDRINUSE,
        errno.EACCES,
        errno.EPERM,
    )
)


def explain(
    error: BaseException, stage: Stage, *, host: str = "", address: str = "", port: int = 0, after_dot: bool = False
) -> Explained:
    """What an exception during a delivery means, as a reply of ours (code 0) and its verdict.

    `stage` is where it happened; `host`, `address` and `port` say with whom, as far as known. `after_dot` is True from the final
    dot until its reply: then a break leaves the outcome unknown (RFC 1047), except where a whole reply was read. What is not
    understood is a deferral that names the type of the exception and nothing else.
    """
    if (replied := _what_the_server_said(error, stage, host)) is not None:
        return replied
    peer = f"{host}[{address}]" if host and address else host or address or "the host"
    peer += f":{port}" if port else ""
    if after_dot:
        return _fact(
            "4.4.2",
            f"{_after_dot(error)} with {peer} after the final dot: it may have accepted the message",
            unknown_outcome(),
        )
    for types, meaning in _MEANINGS:
        if isinstance(error, types):
            return meaning(error, stage, peer)
    return _fact(
        "4.3.0", f"internal error: {type(error).__name__}", outcome("unknown", Disposition.DEFERRED, scope_of(stage))
    )


def scope_of(stage: Stage) -> str:
    """What backs off when a stage breaks without a reply (design 2.3): a drop before the dot is the site's."""
    return "destination" if stage is Stage.DNS else "site"


def _fact(enhanced: str, text: str, verdict: Verdict) -> Explained:
    return Reply(0, enhanced, " ".join(text.split())[:TEXT_LIMIT] or "no details"), verdict


def _deferred(class_: str, stage: Stage) -> Verdict:
    return outcome(class_, Disposition.DEFERRED, scope_of(stage))


def _our_fault(verdict: Verdict) -> Verdict:
    return msgspec.structs.replace(verdict, fault="our-config")


# ---------------------------------------------------------------------------------------- replies that came as exceptions


def _what_the_server_said(error: BaseException, stage: Stage, host: str) -> Explained | None:
    if isinstance(error, Refused):
        stage, reply = error.stage, error.reply
    elif isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
        return _what_the_server_said(error.recipients[0], Stage.RCPT, host)
    elif isinstance(error, aiosmtplib.SMTPResponseException):
        reply = make_reply(error.code, error.message.split("\n"))
    else:
        return None
    return reply, classify(stage, reply, provider=provider_of(host))


# --------------------------------------------------------------------------------------------------------------- routing


def _bounced(class_: str, enhanced: str, error: BaseException, stage: Stage, peer: str) -> Explained:
    return _fact(enhanced, str(error), outcome(class_, Disposition.BOUNCED, "destination"))


def _no_host(error: BaseException, stage: Stage, peer: str) -> Explained:
    """The domain exists and its mail hosts have no address: mostly a slip in the zone, mended within a day."""
    return _fact("4.4.4", str(error), _deferred("dns", Stage.DNS))


def _loop(error: BaseException, stage: Stage, peer: str) -> Explained:
    domain, detail = (error.domain, error.detail) if isinstance(error, RoutingProblem) else ("the domain", "")
    text = f"mail for {domain} loops back to this relay" + (f" ({detail})" if detail else "")
    return _fact("5.4.6", text, _our_fault(outcome("loop", Disposition.BOUNCED, "destination")))


def _lookup_failed(error: BaseException, stage: Stage, peer: str) -> Explained:
    text = str(error) if isinstance(error, RoutingProblem) else f"DNS look-up failed: {type(error).__name__}"
    return _fact("4.4.3", text, _deferred("dns", Stage.DNS))


# ------------------------------------------------------------------------------------------------------ TLS and transport


def _tls(error: BaseException, stage: Stage, peer: str) -> Explained:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = f"certificate not verified: {error.verify_message}"
    else:
        why = (getattr(error, "reason", "") or type(error).__name__).replace("_", " ").lower()
    return _fact("4.7.5", f"TLS with {peer} failed: {why}", _deferred("tls", stage))


def _timed_out(error: BaseException, stage: Stage, peer: str) -> Explained:
    if isinstance(error, StageTimeout):
        stage = error.stage
    if stage is Stage.DNS:
        return _lookup_failed(error, stage, peer)
    if stage is Stage.CONNECT or isinstance(error, aiosmtplib.SMTPConnectTimeoutError):
        return _fact("4.4.1", f"connect to {peer}: Connection timed out", _deferred("connection", stage))
    after = f" after {error.seconds:g} s" if isinstance(error, StageTimeout) else ""
    return _fact("4.4.2", f"timed out{after} waiting for {_AWAITED[stage]}", _deferred("timeout", stage))


def _lost(error: BaseException, stage: Stage, peer: str) -> Explained:
    why = (
        describe_error(error) if isinstance(error, OSError) and not isinstance(error, aiosmtplib.SMTPException) else ""
    )
    text = f"lost connection with {peer} while waiting for {_AWAITED[stage]}" + (f": {why}" if why else "")
    return _fact("4.4.2", text, _deferred("connection", stage))


def _no_reply(error: BaseException, stage: Stage, peer: str) -> Explained:
    return _fact("4.5.0", f"{peer} sent no SMTP reply when {_AWAITED[stage]} was due", _deferred("protocol", stage))


def _not_connected(error: BaseException, stage: Stage, peer: str) -> Explained:
    return _fact("4.4.1", f"connect to {peer}: {_why(error)}", _deferred("connection", stage))


def _no_source(error: BaseException, stage: Stage, peer: str) -> Explained:
    return _fact("4.4.1", f"connect to {peer}: {error}", _our_fault(_deferred("connection", stage)))


def _system(error: BaseException, stage: Stage, peer: str) -> Explained:
    """The OSError family: before there is a connection, or on it."""
    ours = isinstance(error, OSError) and error.errno in _OURS
    reply, verdict = _not_connected(error, stage, peer) if stage is Stage.CONNECT or ours else _lost(error, stage, peer)
    return reply, _our_fault(verdict) if ours else verdict


def _not_supported(error: BaseException, stage: Stage, peer: str) -> Explained:
    class_ = "auth-failed" if stage is Stage.AUTH else "tls" if stage is Stage.STARTTLS else "protocol"
    return _fact("4.5.4", f"{peer} does not offer what {stage.value} needs", _deferred(class_, stage))


def _why(error: BaseException) -> str:
    if isinstance(error, ConnectFailed):
        return str(error)
    return describe_error(error) if isinstance(error, OSError) else type(error).__name__


def _after_dot(error: BaseException) -> str:
    return "timed out" if isinstance(error, (TimeoutError, StageTimeout)) else "lost connection"


Meaning = Callable[[BaseException, Stage, str], Explained]

#: The first line whose types fit decides, so the special ones stand before their bases (TimeoutError and SSLError are OSErrors).
_MEANINGS: Final[tuple[tuple[tuple[type[BaseException], ...], Meaning], ...]] = (
    ((NoSuchDomain, dns.resolver.NXDOMAIN), partial(_bounced, "no-such-domain", "5.1.2")),
    ((NullMX,), partial(_bounced, "null-mx", "5.1.10")),
    ((LoopsToSelf,), _loop),
    ((NoUsableHost, dns.resolver.NoAnswer), _no_host),
    ((LookupFailed, RoutingProblem, dns.exception.DNSException), _lookup_failed),
    ((ssl.SSLError, ssl.CertificateError), _tls),
    ((ConnectFailed,), _not_connected),
    ((NoSourceAddress,), _no_source),
    ((StageTimeout, TimeoutError), _timed_out),
    ((Garbled,), _no_reply),
    ((aiosmtplib.SMTPServerDisconnected, Lost, EOFError), _lost),
    ((BadReply, asyncio.LimitOverrunError, UnicodeError), _no_reply),
    ((aiosmtplib.SMTPNotSupported,), _not_supported),
    ((aiosmtplib.SMTPConnectError, OSError), _system),
)
