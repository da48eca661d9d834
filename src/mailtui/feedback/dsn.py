"""Composes a DSN: multipart/report (RFC 6522) of human part, delivery status (RFC 3464) and returned original.

Owned here: the bytes of the message. They are written directly, from escaped values: Python's email package has let
header injection through when it serialises untrusted text (CVE-2024-6923, CVE-2026-1299). Who gets a DSN is `policy`,
the wording `notice`, the escaping `escape`. Never more than LARGEST octets, no line above 998, only CRLF.
"""

from __future__ import annotations

import hashlib
import re
import time
from typing import Final, NamedTuple

import msgspec

from mailtui.feedback import notice
from mailtui.feedback.escape import ADDRESS, escape, field, field_text, mailbox, quoted_printable, unxtext
from mailtui.feedback.policy import LARGEST_RETURNED
from mailtui.model import NULL_SENDER, Address, Envelope, EnvelopeRecipient, HeaderFacts, Reply
from mailtui.report import Composed, Kind, Original, Report, ReportedRecipient

#: Octets of the largest DSN: the sum of what its parts may take.
LARGEST: Final = 128 * 1024
_LARGEST_FIELDS: Final = 56 * 1024
_LARGEST_HEADER: Final = 48 * 1024
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_PLAIN_LINE: Final = re.compile(rb"[\t\x20-\x7e]{0,998}")
_LINES: Final = re.compile(rb"(?:[^\r\n\0]{0,998}\r\n)*[^\r\n\0]{0,998}")
_MESSAGE_ID: Final = re.compile(
    r"<?([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,250}@[A-Za-z0-9!#$%&'*+/=?^_`{|}~.:\[\]-]{1,250})>?"
)
_POSTMASTER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9._-]{1,255}")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9._-]{1,255}|\[[A-Za-z0-9:.]{1,64}\]")
_STATUS: Final = re.compile(r"[245](\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2}))", re.ASCII)
_ADDRESS_TYPE: Final = re.compile(r"[A-Za-z0-9-]{1,32}")
_EMBEDDED: Final = re.compile(r"\\x\{([0-9A-F]{2,6})\}")


class _Part(NamedTuple):
    type: str
    encoding: str
    description: str
    body: bytes


def compose(
    report: Report, original: Original, *, hostname: str, postmaster: str, message_id: str, now: float
) -> Composed:
    """The DSN for `report`. `message_id` is new and without brackets, `now` POSIX seconds.

    ValueError when there is nobody to send it to, nothing to report, or `message_id` is none.
    """
    if not report.sender or not report.recipients:
        raise ValueError("a DSN needs a sender that is not null, and a recipient")
    if not (own := _MESSAGE_ID.fullmatch(message_id)):
        raise ValueError(f"not a Message-ID: {message_id!r}")
    smtputf8 = not str(report.sender).isascii()
    status, reported = _delivery_status(report, hostname, smtputf8)
    postmaster = postmaster if _POSTMASTER.fullmatch(postmaster) else f"MAILER-DAEMON@{hostname}"
    parts = [_human(report, reported, hostname, postmaster), status, _returned(original, smtputf8)]
    boundary = _boundary(own[1], parts)
    header = _header(
        report, postmaster, own[1], now, boundary, eight_bit=any(part.encoding == "8bit" for part in parts)
    )
    content = header + _multipart(parts, boundary)
    if len(content) > LARGEST:
        raise AssertionError(f"a DSN of {len(content)} octets")
    envelope = Envelope(
        sender=NULL_SENDER,
        recipients=(EnvelopeRecipient(report.sender, notify="NEVER"),),  # RFC 3461 6.1: NEVER, and no RET
        eight_bit=not content.isascii(),
        smtputf8=smtputf8,
    )
    facts = HeaderFacts(f'"Mail Delivery System" <{postmaster}>', notice.WORDS[report.kind].subject, f"<{own[1]}>")
    return Composed(envelope, facts, content, reported)


def _header(report: Report, postmaster: str, own_id: str, now: float, boundary: str, *, eight_bit: bool) -> bytes:
    fields = [
        field("From", f'"Mail Delivery System" <{postmaster}>'),
        field("To", _to(report.sender)),
        field("Subject", notice.WORDS[report.kind].subject),
        field("Date", _date(now)),
        f"Message-ID: <{own_id}>\r\n",
        field("Auto-Submitted", "auto-replied"),  # RFC 3834 5
        field("MIME-Version", "1.0"),
        field("Content-Type", f'multipart/report; report-type=delivery-status; boundary="{boundary}"'),
    ]
    if eight_bit:
        fields.append(field("Content-Transfer-Encoding", "8bit"))
    if about := _MESSAGE_ID.fullmatch(report.facts.message_id.strip()):
        fields += [f"In-Reply-To: <{about[1]}>\r\n", f"References: <{about[1]}>\r\n"]
    return "".join(fields).encode()


def _date(seconds: float) -> str:
    """As RFC 5322 3.3 writes it; a third of the time that `email.utils` takes, four times a DSN."""
    at = time.gmtime(seconds)
    day, month = _DAYS[at.tm_wday], _MONTHS[at.tm_mon - 1]
    return f"{day}, {at.tm_mday:02} {month} {at.tm_year:04} {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} +0000"


def _to(sender: Address) -> str:
    text = mailbox(sender)
    usable = text.isprintable() and len(text.encode()) <= ADDRESS and _DOMAIN.fullmatch(sender.domain)
    return f"<{text}>" if usable else "undisclosed-recipients:;"


def _human(report: Report, reported: int, hostname: str, postmaster: str) -> _Part:
    named = msgspec.structs.replace(report, recipients=report.recipients[:reported])
    lines = [line.encode() for line in notice.write(named, hostname, postmaster)]
    if all(line.isascii() for line in lines):
        return _Part("text/plain; charset=us-ascii", "7bit", "Notification", _joined(lines))
    encoded = _joined([quoted_printable(line) for line in lines])
    return _Part("text/plain; charset=utf-8", "quoted-printable", "Notification", encoded)


def _delivery_status(report: Report, hostname: str, utf8: bool) -> tuple[_Part, int]:
    """The machine part, and how many recipients found room in it (always at least one)."""
    blocks = [_message_fields(report, hostname)]
    room = _LARGEST_FIELDS - len(blocks[0])
    for recipient in report.recipients:
        block = _recipient_fields(recipient, report.kind, utf8)
        room -= len(block) + 2
        if room < 0 and len(blocks) > 1:
            break
        blocks.append(block)
    body = b"\r\n".join(blocks)
    # RFC 6533 4.4: where nothing is lost in ASCII the traditional type may stay, and every reader knows it.
    kind, encoding = ("delivery-status", "7bit") if body.isascii() else ("global-delivery-status", "8bit")
    return _Part(f"message/{kind}", encoding, "Delivery report", body), len(blocks) - 1


def _message_fields(report: Report, hostname: str) -> bytes:
    fields = [field("Reporting-MTA", f"dns; {hostname}")]
    if report.envid:
        fields.insert(0, field("Original-Envelope-Id", field_text(unxtext(report.envid), 256)))
    fields.append(field("Arrival-Date", _date(report.arrived)))
    fields.append(field("X-Mailtui-Queue-ID", report.queue_id))
    return "".join(fields).encode()


def _recipient_fields(recipient: ReportedRecipient, kind: Kind, utf8: bool) -> bytes:
    fields: list[str] = []
    if recipient.orcpt:
        fields.append(field("Original-Recipient", _original_recipient(recipient.orcpt, utf8)))
    fields.append(field("Final-Recipient", _final_recipient(recipient.address, utf8)))
    fields.append(field("Action", kind.value))
    fields.append(field("Status", status_code(recipient, kind)))
    if recipient.remote_mta:
        fields.append(field("Remote-MTA", f"dns; {field_text(recipient.remote_mta, 255)}"))
    if diagnostic := _diagnostic(recipient):
        fields.append(field("Diagnostic-Code", diagnostic))
    if recipient.last_attempt is not None:
        fields.append(field("Last-Attempt-Date", _date(recipient.last_attempt)))
    if kind is Kind.DELAYED and recipient.will_retry_until is not None:  # RFC 3464 2.3.9: not in other DSNs
        fields.append(field("Will-Retry-Until", _date(recipient.will_retry_until)))
    return "".join(fields).encode()


def _original_recipient(orcpt: str, utf8: bool) -> str:
    """ORCPT as a field says it: decoded (RFC 3461 4.2), a "utf-8" address as the part can carry it (RFC 6533 3)."""
    kind, separator, value = orcpt.partition(";")
    if not separator or not _ADDRESS_TYPE.fullmatch(kind):
        kind, value = "x-unknown", orcpt
    if kind.lower() != "utf-8":
        return f"{kind}; {escape(unxtext(value), ADDRESS)}"
    if utf8:
        value = _EMBEDDED.sub(_embedded, value)
    return f"{kind}; {escape(value, ADDRESS, utf8=utf8)}"


def _embedded(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return chr(code) if code <= 0x10FFFF else match[0]


def _final_recipient(address: Address, utf8: bool) -> str:
    text = mailbox(address)
    if text.isascii():
        return f"rfc822; {escape(text, ADDRESS)}"
    return f"utf-8; {escape(text, ADDRESS, utf8=utf8, also='' if utf8 else ' +=' + chr(92))}"


def status_code(recipient: ReportedRecipient, kind: Kind) -> str:
    """The Status field: the enhanced code known, in the class that `kind` and reply ask for.

    What expired, or was given up while deferred, is reported in class 4 although the action is "failed": RFC 3464
    2.3.3 (note on action and status codes) describes this very case, and RFC 3463 2 defines class 4 by it. The code
    of the actual problem goes before X.4.7, delivery time expired (RFC 3463 3.5).
    """
    given = _STATUS.fullmatch(recipient.status) or _STATUS.fullmatch(recipient.reply.enhanced)
    digit = _status_class(recipient.expired, kind, recipient.reply, given[0][0] if given else "")
    if given and (given[0][0] == "2") == (digit == "2"):
        return digit + given[1]
    return "4.4.7" if recipient.expired and kind is Kind.FAILED else f"{digit}.0.0"


def _status_class(expired: bool, kind: Kind, reply: Reply, given: str) -> str:
    if kind in (Kind.DELIVERED, Kind.RELAYED):
        return "2"
    if kind is Kind.DELAYED or expired or 400 <= reply.code < 500:
        return "4"
    return "4" if given == "4" and not reply.permanent else "5"


def _diagnostic(recipient: ReportedRecipient) -> str:
    """The reply as RFC 3461 9.2 writes it, lines with their code; what no SMTP server said is of our own type."""
    reply = recipient.reply
    if not (reply.code and recipient.remote_mta):
        own = str(reply) or recipient.sentence
        return f"x-mailtui; {field_text(own, 500)}" if own else ""
    lines = reply.text[:2000].split("\n")
    enhanced = f"{reply.enhanced} " if reply.enhanced else ""
    said = [f"{reply.code}-{enhanced}{line}" for line in lines[:-1]] + [f"{reply.code} {enhanced}{lines[-1]}"]
    return f"smtp; {field_text(' '.join(said), 500)}"


def _returned(original: Original, smtputf8: bool) -> _Part:
    """The third part: the whole original where it was handed over and can be wrapped unchanged, else its header."""
    header = original.header.partition(b"\r\n\r\n")[0].removesuffix(b"\r\n") + b"\r\n"
    if original.body is not None:
        whole = header + b"\r\n" + original.body
        # A header in UTF-8 is a message/global, which needs SMTPUTF8 on the way back (RFC 6533 4.5).
        if (
            len(whole) <= LARGEST_RETURNED
            and _canonical(whole)
            and (header.isascii() or (smtputf8 and _is_utf8(header)))
        ):
            kind = "message/rfc822" if header.isascii() else "message/global"
            return _Part(kind, "7bit" if whole.isascii() else "8bit", "Undelivered message", whole)
    return _returned_header(header.removesuffix(b"\r\n").split(b"\r\n"))


def _returned_header(lines: list[bytes]) -> _Part:
    room, kept = _LARGEST_HEADER, 0
    for line in lines:
        room -= len(quoted_printable(line)) + 2
        if room < 0:
            break
        kept += 1
    lines = lines[:kept]
    description = "Undelivered message headers"
    if all(_PLAIN_LINE.fullmatch(line) for line in lines):
        return _Part("text/rfc822-headers", "7bit", description, _joined(lines))
    text = b"\r\n".join(lines)
    kind = "message/global-headers" if not text.isascii() and _is_utf8(text) else "text/rfc822-headers"
    return _Part(kind, "quoted-printable", description, _joined([quoted_printable(line) for line in lines]))


def _canonical(data: bytes) -> bool:
    """Whether `data` can travel as it is: CRLF only, no NUL, no line above 998 octets."""
    return _LINES.fullmatch(data) is not None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\r\n" for line in lines)


def _boundary(own_id: str, parts: list[_Part]) -> str:
    """A boundary that no part contains (RFC 2046 5.1.1), the same for the same input."""
    for attempt in range(1000):
        boundary = "=_" + hashlib.sha256(f"{own_id} {attempt}".encode()).hexdigest()[:32]
        if not any(boundary.encode() in part.body for part in parts):
            return boundary
    raise AssertionError("no boundary is free")


def _multipart(parts: list[_Part], boundary: str) -> bytes:
    pieces = [b"\r\nThis is a delivery report in MIME format.\r\n"]
    for part in parts:
        header = [
            f"\r\n--{boundary}\r\n",
            field("Content-Description", part.description),
            field("Content-Type", part.type),
        ]
        if part.encoding != "7bit":
            header.append(field("Content-Transfer-Encoding", part.encoding))
        pieces += ["".join(header).encode(), b"\r\n", part.body]
    return b"".join(pieces) + f"\r\n--{boundary}--\r\n".encode()
