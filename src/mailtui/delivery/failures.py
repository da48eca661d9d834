"""What a failure without a reply means: the one place where foreign exceptions become a reply of ours and a verdict.

Owned here: the wording of client-side failures and their classes. A `Reply` made here has code 0: nothing was said by a server.
What we do not understand is a deferral, never a bounce.
"""

from __future__ import annotations

import socket
import ssl

from mailtui.delivery import classify
from mailtui.delivery.dial import ConnectFailed, NoSourceAddress, describe_error
from mailtui.delivery.problems import LookupFailed, LoopsToSelf, NoSuchDomain, NoUsableHost, NullMX, RoutingProblem
from mailtui.delivery.replies import BadReply
from mailtui.delivery.session import Lost, StageTimeout
from mailtui.model import Disposition, Reply, Stage, Verdict

_ROUTING = {
    NoSuchDomain: ("5.1.2", "no-such-domain", Disposition.BOUNCED),
    NullMX: ("5.1.10", "null-mx", Disposition.BOUNCED),
    LoopsToSelf: ("5.4.6", "loop", Disposition.BOUNCED),
    LookupFailed: ("4.4.3", "dns", Disposition.DEFERRED),
    NoUsableHost: ("4.4.4", "dns", Disposition.DEFERRED),
}


def explain(
    error: BaseException, stage: Stage, *, host: str = "", address: str = "", after_dot: bool = False
) -> tuple[Reply, Verdict]:
    """A failure at `stage` towards `host` as what is recorded. `after_dot`: the reply to the final dot never came."""
    where = f"{host}[{address}]" if address else host
    if after_dot:
        return Reply(0, "4.4.2", f"no reply to the final dot from {where}: {_text(error)}"), classify.unknown_outcome()
    if isinstance(error, RoutingProblem):
        enhanced, class_, disposition = _ROUTING[type(error)]
        return Reply(0, enhanced, str(error)), classify.outcome(class_, disposition, "destination")
    enhanced, class_, text = _failure(error, stage, where)
    return Reply(0, enhanced, text), classify.outcome(class_, Disposition.DEFERRED, "site")


def _failure(error: BaseException, stage: Stage, where: str) -> tuple[str, str, str]:
    """Enhanced code, class and text of a failure to talk to a host."""
    match error:
        case NoSourceAddress():
            return "4.4.1", "connection", f"connect to {where}: {error}"
        case ConnectFailed():
            tries = "; ".join(f"connect to {where}[{address}]: {describe_error(each)}" for address, each in error.errors)
            return "4.4.1", "connection", tries
        case StageTimeout():
            return "4.4.2", "timeout", f"{where}: timed out after {error.seconds:g} s at {error.stage.value}"
        case Lost():
            return "4.4.2", "connection", f"{where}: lost at {stage.value}: {error}"
        case ssl.SSLError():
            return "4.7.5", "tls", f"{where}: TLS handshake failed: {_ssl_reason(error)}"
        case BadReply():
            return "4.5.0", "protocol", f"{where}: {error}"
        case TimeoutError():
            return "4.4.2", "timeout", f"{where}: timed out at {stage.value}"
        case socket.gaierror():
            return "4.4.3", "dns", f"{where}: {error.strerror}"
        case OSError():
            return "4.4.1", "connection", f"{where}: {describe_error(error)} at {stage.value}"
    return "4.3.0", "unknown", f"{where}: {type(error).__name__} at {stage.value}"


def _ssl_reason(error: ssl.SSLError) -> str:
    """The reason without OpenSSL's file and line."""
    verify = getattr(error, "verify_message", "")
    return verify or (error.reason or str(error)).replace("_", " ").lower()


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
