"""The verbs of SMTP: what each demands of the session, in which order, and what it answers.

Owned here: RFC 5321 4.1 and its extensions, one function a verb, from arguments (the octets behind the verb) to reply
bytes, or None when the reply comes later. A `Refusal` raised on the way is the reply. Sockets and buffers are the
session's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from . import parameters, replies
from .auth import MECHANISMS
from .login import Login
from .transfer import Transaction, Transfer

if TYPE_CHECKING:
    from .session import Session

Command: TypeAlias = "Callable[[Session, bytes], bytes | None]"

#: A HELO name goes into trace fields and onto screens: printable ASCII without spaces, no longer than a domain.
_NAME: Final = re.compile(rb"[\x21-\x7e]{1,255}\Z")


def _greet(session: Session, args: bytes, reply: bytes, extended: bool) -> bytes:
    name = args.strip(b" ")
    if not _NAME.match(name):
        return replies.BAD_ARGUMENTS
    session.drop_transaction()
    session.helo, session.extended = name.decode("ascii"), extended
    return reply


def ehlo(session: Session, args: bytes) -> bytes:
    profile = session.profile
    return _greet(session, args, profile.ehlo_tls if session.tls else profile.ehlo_clear, extended=True)


def helo(session: Session, args: bytes) -> bytes:
    return _greet(session, args, session.profile.helo, extended=False)


def mail(session: Session, args: bytes) -> bytes:
    """Begin a transaction. Back-pressure is answered here, before the client sends anything big."""
    if not session.helo:
        return replies.HELO_FIRST
    if session.transaction is not None:
        return replies.NESTED_MAIL
    if args[:5].upper() != b"FROM:":
        return replies.BAD_ARGUMENTS
    profile, server = session.profile, session.server
    session.mail_seen = True
    command = parameters.parse_mail(args[5:], max_size=profile.max_size)
    refusal = profile.policy.sender(session.facts(), command.sender)
    if refusal is not None:
        return refusal
    if server.suspends is not None and (text := server.suspends(str(command.sender), session.user)):
        return replies.suspended(text)
    if server.door.pressure() or server.budget.spent:
        return replies.NO_STORAGE
    if session.user and not server.within_rate(session.user):
        return replies.RATE_LIMITED
    session.transaction = Transaction(command)
    return replies.SENDER_OK


def rcpt(session: Session, args: bytes) -> bytes | None:
    """Add a recipient. Above the limit they are refused for now (RFC 5321 4.5.3.1.10), at twice the limit it ends."""
    transaction = session.transaction
    if transaction is None:
        return replies.MAIL_FIRST if session.helo else replies.HELO_FIRST
    if args[:3].upper() != b"TO:":
        return replies.BAD_ARGUMENTS
    limit = session.profile.max_recipients
    if len(transaction.recipients) >= limit:
        transaction.over += 1
        if transaction.over <= limit:
            return replies.TOO_MANY_RECIPIENTS
        session.note_refused(replies.TOO_MANY_RECIPIENTS)
        session.close_with(replies.TOO_MANY_ERRORS)
        return None
    recipient = parameters.parse_rcpt(args[3:], smtputf8=transaction.mail.smtputf8, postmaster_ok=True)
    policy = session.profile.policy
    refusal = policy.recipient(session.facts(), recipient.address)
    if refusal is not None:
        return refusal
    if policy.postmaster is not None and policy.is_postmaster(recipient.address):
        recipient = msgspec.structs.replace(recipient, address=policy.postmaster)
    budget = session.server.budget
    if budget.spent:
        return replies.NO_STORAGE
    transaction.held += len(args)
    budget.used += len(args)
    transaction.recipients.append(recipient)
    return replies.RECIPIENT_OK


def data(session: Session, args: bytes) -> bytes:
    transaction = session.transaction
    if args.strip(b" "):
        return replies.BAD_ARGUMENTS
    if transaction is None:
        return replies.MAIL_FIRST if session.helo else replies.HELO_FIRST
    if not transaction.recipients:
        return replies.NO_RECIPIENTS
    if session.server.door.pressure() or session.server.budget.spent:
        return replies.NO_STORAGE
    session.transfer = Transfer(session, transaction)
    return replies.START_DATA


def rset(session: Session, args: bytes) -> bytes:
    if args.strip(b" "):
        return replies.BAD_ARGUMENTS
    session.drop_transaction()
    return replies.OK


def noop(session: Session, args: bytes) -> bytes:
    return replies.OK


def quit_(session: Session, args: bytes) -> bytes | None:
    if args.strip(b" "):
        return replies.BAD_ARGUMENTS
    session.quit(replies.BYE)
    return None


def vrfy(session: Session, args: bytes) -> bytes:
    """Never says whether an address exists (RFC 2505 2.11)."""
    return replies.VRFY if args.strip(b" ") else replies.BAD_ARGUMENTS


def help_(session: Session, args: bytes) -> bytes:
    return replies.HELP


def starttls(session: Session, args: bytes) -> bytes | None:
    if session.tls:
        return replies.TLS_ACTIVE
    if session.profile.tls is None:
        return replies.NOT_IMPLEMENTED
    if args.strip(b" "):
        return replies.BAD_ARGUMENTS
    if not session.extended:
        return replies.HELO_FIRST
    if session.transaction is not None:
        return replies.BAD_SEQUENCE
    session.start_tls()
    return None


def auth(session: Session, args: bytes) -> bytes | None:
    if not session.profile.offers_auth:
        return replies.NOT_IMPLEMENTED
    if not session.extended:
        return replies.HELO_FIRST
    if session.user:
        return replies.AUTH_DONE
    if session.transaction is not None:
        return replies.BAD_SEQUENCE
    mechanism, _, initial = args.strip(b" ").partition(b" ")
    if not mechanism:
        return replies.BAD_ARGUMENTS
    if not session.tls:
        return replies.AUTH_NEEDS_TLS
    if mechanism.upper() not in MECHANISMS:
        return replies.AUTH_MECHANISM
    if session.login is None:
        session.login = Login(session)
    session.login.begin(mechanism.upper(), initial.strip(b" "))
    return None


def not_implemented(session: Session, args: bytes) -> bytes:
    return replies.NOT_IMPLEMENTED


def bdat(session: Session, args: bytes) -> bytes | None:
    """CHUNKING is not offered. The octets a client sends behind BDAT all the same must not be read as commands."""
    length = args.strip(b" ").partition(b" ")[0]
    if not length.isdigit() or len(length) > 12 or int(length) > session.profile.max_size:
        session.close_with(replies.NOT_IMPLEMENTED)
        return None
    session.skip(int(length))
    return replies.NOT_IMPLEMENTED


def unknown(session: Session, args: bytes) -> bytes:
    return replies.UNKNOWN_COMMAND


def web_request(session: Session, args: bytes) -> bytes | None:
    """A browser was made to talk to us: what follows is a form somebody else wrote."""
    session.close_with(replies.UNKNOWN_COMMAND)
    return None


VERBS: Final[dict[bytes, Command]] = {
    b"EHLO": ehlo,
    b"HELO": helo,
    b"MAIL": mail,
    b"RCPT": rcpt,
    b"DATA": data,
    b"RSET": rset,
    b"NOOP": noop,
    b"QUIT": quit_,
    b"VRFY": vrfy,
    b"HELP": help_,
    b"STARTTLS": starttls,
    b"AUTH": auth,
    b"BDAT": bdat,
    b"EXPN": not_implemented,
    b"ETRN": not_implemented,
    b"TURN": not_implemented,
    b"ATRN": not_implemented,
    b"SEND": not_implemented,
    b"SOML": not_implemented,
    b"SAML": not_implemented,
    b"BURL": not_implemented,
    b"GET": web_request,
    b"POST": web_request,
    b"PUT": web_request,
    b"CONNECT": web_request,
    b"OPTIONS": web_request,
}

#: Verbs whose refusal means that mail was refused.
ABOUT_MAIL: Final = frozenset({mail, rcpt, data})
