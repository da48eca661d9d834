"""Every reply this server can give, as bytes ready for the socket.

Owned here: the contract with clients: basic code, enhanced code (RFC 2034, 3463) and text. Constants are built before
anything can fail, because a reply that raises after a commit would turn an accepted message into an error. When to give
which reply is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

MAX_REPLY: Final = 512  # octets of one reply line with its CRLF, RFC 5321 4.5.3.1.5

_PRINTABLE: Final = bytes(range(0x20, 0x7F))
_UNPRINTABLE: Final = bytes(set(range(256)) - set(_PRINTABLE))


class Refusal(Exception):
    """A command or a message is answered with `reply` (a 4yz or 5yz line with CRLF) and has no other effect."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply.decode("ascii", "replace").rstrip())
        self.reply = reply


# 2yz
OK: Final = b"250 2.0.0 OK\r\n"
SENDER_OK: Final = b"250 2.1.0 sender OK\r\n"
RECIPIENT_OK: Final = b"250 2.1.5 recipient OK\r\n"
BYE: Final = b"221 2.0.0 bye\r\n"
HELP: Final = b"214 2.0.0 see RFC 5321\r\n"
STARTTLS_READY: Final = b"220 2.0.0 ready to start TLS\r\n"
AUTH_OK: Final = b"235 2.7.0 authentication succeeded\r\n"
VRFY: Final = b"252 2.5.0 cannot verify, but will take mail and try\r\n"

# 3yz carry no enhanced code (RFC 2034 section 4)
START_DATA: Final = b"354 end with <CRLF>.<CRLF>\r\n"
AUTH_CONTINUE: Final = b"334 \r\n"
AUTH_USERNAME: Final = b"334 VXNlcm5hbWU6\r\n"  # base64 of "Username:"
AUTH_PASSWORD: Final = b"334 UGFzc3dvcmQ6\r\n"  # base64 of "Password:"

# 421: the connection is closed behind it
TOO_MANY_SESSIONS: Final = b"421 4.7.0 too many sessions, try again later\r\n"
TOO_MANY_FROM_CLIENT: Final = b"421 4.7.0 too many sessions from your address, try again later\r\n"
TOO_MANY_ERRORS: Final = b"421 4.7.0 too many errors\r\n"
TOO_MANY_AUTH_FAILURES: Final = b"421 4.7.0 too many authentication failures, try again later\r\n"
TOO_SLOW: Final = b"421 4.4.2 too slow, closing\r\n"
TIMEOUT: Final = b"421 4.4.2 timeout, closing\r\n"
DRAINING: Final = b"421 4.3.2 shutting down, try again later\r\n"
INTAKE_SUSPENDED: Final = b"421 4.3.2 no mail is taken for now, try again later\r\n"
OVERLOADED: Final = b"421 4.3.2 overloaded, try again later\r\n"

# 45z
POLICY_LATER: Final = b"450 4.7.1 cannot check now, try again later\r\n"
RATE_LIMITED: Final = b"450 4.7.1 rate limit reached, try again later\r\n"
INTERNAL_ERROR: Final = b"451 4.3.0 temporary internal error\r\n"
NO_STORAGE: Final = b"452 4.3.1 insufficient system storage, try again later\r\n"
QUEUE_FULL: Final = b"452 4.3.1 queue is full, try again later\r\n"
TOO_MANY_RECIPIENTS: Final = b"452 4.5.3 too many recipients\r\n"
AUTH_LATER: Final = b"454 4.7.0 authentication not possible now, try again later\r\n"

# Commands
UNKNOWN_COMMAND: Final = b"500 5.5.1 unknown command\r\n"
LINE_TOO_LONG_COMMAND: Final = b"500 5.5.2 command line too long\r\n"
COMMAND_SYNTAX: Final = b"500 5.5.2 command is not a line of ASCII ended by CRLF\r\n"
BAD_ARGUMENTS: Final = b"501 5.5.4 syntax error in arguments\r\n"
NOT_IMPLEMENTED: Final = b"502 5.5.1 command not implemented\r\n"
BAD_SEQUENCE: Final = b"503 5.5.1 bad sequence of commands\r\n"
HELO_FIRST: Final = b"503 5.5.1 send EHLO first\r\n"
NESTED_MAIL: Final = b"503 5.5.1 sender already given\r\n"
MAIL_FIRST: Final = b"503 5.5.1 send MAIL first\r\n"
RCPT_FIRST: Final = b"503 5.5.1 send RCPT first\r\n"
TLS_ACTIVE: Final = b"503 5.5.1 TLS is already active\r\n"
AUTH_DONE: Final = b"503 5.5.1 already authenticated\r\n"
NO_RECIPIENTS: Final = b"554 5.5.1 no valid recipients\r\n"

# AUTH and TLS
AUTH_BASE64: Final = b"501 5.5.2 invalid base64\r\n"
AUTH_CANCELLED: Final = b"501 5.7.0 authentication cancelled\r\n"
AUTH_TOO_LONG: Final = b"500 5.5.6 authentication exchange line is too long\r\n"
AUTH_MECHANISM: Final = b"504 5.5.4 mechanism not supported\r\n"
AUTH_REQUIRED: Final = b"530 5.7.0 authentication required\r\n"
STARTTLS_FIRST: Final = b"530 5.7.0 issue STARTTLS first\r\n"
AUTH_FAILED: Final = b"535 5.7.8 authentication failed\r\n"
AUTH_NEEDS_TLS: Final = b"538 5.7.11 encryption required for authentication\r\n"

# Addresses and parameters
SENDER_SYNTAX: Final = b"501 5.1.7 bad sender address syntax\r\n"
RECIPIENT_SYNTAX: Final = b"501 5.1.3 bad recipient address syntax\r\n"
NEEDS_SMTPUTF8: Final = b"553 5.6.7 non-ASCII address needs SMTPUTF8\r\n"
BAD_PARAMETER: Final = b"501 5.5.4 bad parameter\r\n"
UNKNOWN_PARAMETER: Final = b"555 5.5.4 unknown parameter\r\n"

# Policy
RELAY_DENIED: Final = b"550 5.7.1 relaying denied\r\n"
SENDER_NOT_OWNED: Final = b"550 5.7.1 sender address not owned by the authenticated user\r\n"
NO_POSTMASTER: Final = b"550 5.1.1 no postmaster is configured here\r\n"
NULL_MX: Final = b"556 5.1.10 recipient domain takes no mail\r\n"

# Content
TOO_BIG: Final = b"552 5.3.4 message too big\r\n"
BARE_NEWLINE: Final = b"550 5.5.2 bare CR or LF in message\r\n"
NUL_OCTET: Final = b"550 5.6.0 NUL octet in message\r\n"
LINE_TOO_LONG: Final = b"550 5.6.0 line longer than 998 octets in message\r\n"
FROM_COUNT: Final = b"554 5.6.0 message must have exactly one From field\r\n"
TOO_MANY_HOPS: Final = b"554 5.4.6 too many hops, mail loop\r\n"


def _line(text: bytes) -> bytes:
    return text.translate(None, _UNPRINTABLE)[: MAX_REPLY - 2] + b"\r\n"


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "ignore")


def greeting(hostname: str) -> bytes:
    """The 220 banner: our name, no version."""
    return _line(b"220 " + _ascii(hostname) + b" ESMTP mailtui")


def helo(hostname: str) -> bytes:
    """The answer to HELO."""
    return _line(b"250 " + _ascii(hostname))


def ehlo(hostname: str, extensions: Iterable[str]) -> bytes:
    """The answer to EHLO, one line per extension (RFC 5321 4.1.1.1)."""
    lines = [hostname, *extensions]
    head = b"".join(_line(b"250-" + _ascii(line)) for line in lines[:-1])
    return head + _line(b"250 " + _ascii(lines[-1]))


def queued(queue_id: str) -> bytes:
    """The acknowledgement of a durable message."""
    return _line(b"250 2.0.0 queued as " + _ascii(queue_id))


def suspended(text: str) -> bytes:
    """The refusal of a sender or a user whose mail is not taken for a while."""
    return _line(b"450 4.3.2 " + _ascii(text))


def internal_error(tag: str) -> bytes:
    """What every unforeseen error becomes; `tag` finds it in the log, the error's own text never leaves the process."""
    return _line(b"451 4.3.0 temporary internal error (id " + _ascii(tag)[:64] + b")")
