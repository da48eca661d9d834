"""The human part of a DSN: what happened, to whom, what the other side said, what to do, in words for a sender.

Owned here: wording and the order of things. The sender knows nothing of SMTP; the machine part is `dsn`.
"""

from __future__ import annotations

import functools
import textwrap
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import formatdate
from typing import Final, NamedTuple

from mailtui.feedback.escape import mailbox, prose, quoted_printable
from mailtui.report import Kind, Report, ReportedRecipient

#: Octets, as encoded, of all that is said about single recipients.
ROOM: Final = 14 * 1024
_WIDTH: Final = 76
#: Recipients named one by one; the machine part has all of them.
NAMED: Final = 50


class Words(NamedTuple):
    """Subject of the DSN, and its first paragraph for one and for several recipients."""

    subject: str
    one: str
    several: str


WORDS: Final = {
    Kind.FAILED: Words(
        "Undelivered mail returned to sender",
        "Your message could not be delivered to the recipient named below. Nothing more will be tried.",
        "Your message could not be delivered to the recipients named below. Nothing more will be tried for them.",
    ),
    Kind.DELAYED: Words(
        "Delayed mail: delivery is still being tried",
        "Your message has not been delivered yet to the recipient named below. This is a warning only: you do not need"
        " to send it again.",
        "Your message has not been delivered yet to the recipients named below. This is a warning only: you do not need"
        " to send it again.",
    ),
    Kind.DELIVERED: Words(
        "Delivered: report on your mail",
        "Your message was delivered to the recipient named below.",
        "Your message was delivered to the recipients named below.",
    ),
    Kind.RELAYED: Words(
        "Passed on: report on your mail",
        "Your message was passed on to the mail server of the recipient named below. That server gives no reports of"
        " delivery, so this is the last you will hear of it unless something fails.",
        "Your message was passed on to the mail servers of the recipients named below. Those servers give no reports of"
        " delivery, so this is the last you will hear of it unless something fails.",
    ),
}

_CHECK: Final = "Check the address for typing mistakes, or ask the recipient for the right one."
_OTHERWISE: Final = "Reach the recipient in another way, or send the message again later."
_EXPERT: Final = "Forward this report to the people who run your mail system; they can find out more."

_UNREACHABLE: Final = ("The recipient's mail system could not be reached.", _OTHERWISE)
_BUSY: Final = ("The recipient's mail system did not take the message in time.", _OTHERWISE)
_REFUSED: Final = ("The recipient's mail system refuses this mail because of its rules.", _EXPERT)
_TECHNICAL: Final = ("The message met a technical problem on its way.", _EXPERT)

#: Class of the verdict -> what it means to the sender, what the sender can do. Its own sentence is for operators.
_MEANING: Final = {
    "no-such-user": ("There is no mailbox with this address.", _CHECK),
    "no-such-domain": ("The part of the address after the @ does not exist.", _CHECK),
    "null-mx": ("The part of the address after the @ belongs to a domain that accepts no mail.", _CHECK),
    "moved": ("The mailbox has moved to another address, or belongs to someone else now.", _CHECK),
    "mailbox-disabled": ("The mailbox exists, but it is switched off.", _OTHERWISE),
    "mailbox-full": ("The recipient's mailbox is full.", _OTHERWISE),
    "too-large": (
        "The message is larger than the recipient's mail system accepts.",
        "Send a smaller message, or share large files by a link.",
    ),
    "content": ("The recipient's mail system took the message for spam or for something harmful.", _EXPERT),
    "url-reputation": ("The recipient's mail system objects to a link in the message.", _EXPERT),
    "suppressed": (
        "This address is on the list of those that get no mail from here; nothing was sent to it.",
        _EXPERT,
    ),
    **dict.fromkeys(("connection", "timeout", "dns", "tls"), _UNREACHABLE),
    **dict.fromkeys(
        ("greylisted", "throttled", "too-many-connections", "too-many-recipients", "remote-overload", "remote-storage"),
        _BUSY,
    ),
    **dict.fromkeys(
        (
            "ip-reputation",
            "domain-reputation",
            "auth-spf",
            "auth-dkim",
            "auth-dmarc",
            "rdns",
            "sender-rejected",
            "policy",
        ),
        _REFUSED,
    ),
    **dict.fromkeys(("bad-syntax", "protocol", "loop", "relay-denied", "auth-failed"), _TECHNICAL),
}


def write(report: Report, hostname: str, postmaster: str) -> list[str]:
    """The lines of the human part, printable, none longer than 998 octets when encoded as quoted-printable or ASCII."""
    words = WORDS[report.kind]
    return [
        f"This is the mail system at {hostname}.",
        "",
        *_wrap(words.one if len(report.recipients) == 1 else words.several),
        "",
        *_about(report),
        "",
        *_recipients(report),
        *_wrap(f"If you need help, forward this whole message to {postmaster}."),
        *_wrap(f"It is about the message that has the queue id {report.queue_id} there."),
    ]


def cost(lines: list[str]) -> int:
    """Octets the lines take at most."""
    return sum(len(quoted_printable(line.encode())) + 2 for line in lines)


def _about(report: Report) -> list[str]:
    subject = prose(_decoded(report.facts.subject), 200)
    return [
        *_wrap(f"Subject:  {subject or '(none)'}", "  ", 10),
        f"  Accepted: {formatdate(report.arrived, usegmt=True)}",
    ]


def _decoded(raw: str) -> str:
    """A Subject with its encoded-words (RFC 2047) decoded, as it is where they are broken."""
    try:
        return str(make_header(decode_header(raw[:998])))
    except (HeaderParseError, LookupError, ValueError):
        return raw


def _recipients(report: Report) -> list[str]:
    """Recipients in groups that share a reason, as many as there is room for."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for recipient in report.recipients:
        groups.setdefault(tuple(_reason(recipient, report.kind)), []).append(prose(mailbox(recipient.address), 320))
    lines: list[str] = []
    named, room = 0, ROOM
    for reason, addresses in groups.items():
        room -= cost(list(reason))
        shown: list[str] = []
        for address in addresses[: NAMED - named]:
            room -= cost([address])
            if room < 0:
                break
            shown.append(address)
        if shown:
            lines += [*shown, *reason]
            named += len(shown)
    more = len(report.recipients) - named
    if more:
        who = "recipient" if more == 1 else "recipients"
        lines += [*_wrap(f"... and {more} more {who}, named in the technical part of this report."), ""]
    return lines


def _reason(recipient: ReportedRecipient, kind: Kind) -> list[str]:
    """What is said below an address: meaning, answer of the other side, advice, an empty line."""
    lines: list[str] = []
    meaning, advice = _MEANING.get(recipient.class_, (prose(recipient.sentence, 300), _EXPERT))
    if kind in (Kind.FAILED, Kind.DELAYED):
        if recipient.expired:
            meaning = f"It was tried again and again until the time for it was over. The last problem: {meaning}"
        lines += _wrap(meaning, "  ")
    lines += _answer(recipient)
    if kind is Kind.FAILED:
        lines += _wrap(f"What you can do: {advice}", "  ")
    if kind is Kind.DELAYED and recipient.will_retry_until is not None:
        lines += _wrap(f"Delivery will be tried until {formatdate(recipient.will_retry_until, usegmt=True)}.", "  ")
    return [*lines, ""]


def _answer(recipient: ReportedRecipient) -> list[str]:
    said = prose(str(recipient.reply), 500)
    if not said:
        return []
    who = f"The server {prose(recipient.remote_mta, 255)} answered:" if recipient.remote_mta else "The reason in full:"
    return [*_wrap(who, "  "), *_wrap(said, "    ")]


def _wrap(text: str, indent: str = "", hanging: int = 0) -> tuple[str, ...]:
    if text and len(indent) + len(text) <= _WIDTH and text.isprintable() and text == text.strip():
        return (indent + text,)
    return _wrapped(text, indent, hanging)


@functools.lru_cache(256)  # much of what is said is said in every DSN
def _wrapped(text: str, indent: str, hanging: int) -> tuple[str, ...]:
    return tuple(
        textwrap.wrap(
            text,
            width=_WIDTH,
            initial_indent=indent,
            subsequent_indent=indent + " " * hanging,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        )
    )
