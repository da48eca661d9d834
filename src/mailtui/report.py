"""The values of a DSN: what is to be reported, and what composing it gives.

Owned here: the structs that cross between the queue, which knows what happened, and feedback, which writes it down. No wording, no syntax.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from mailtui.model import Address, Envelope, HeaderFacts, Reply


class Kind(StrEnum):
    """What a DSN reports; the value is the Action field of RFC 3464 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"


class ReportedRecipient(msgspec.Struct, frozen=True):
    """One recipient a DSN speaks of. Everything but `class_` and `sentence` came from the network and is hostile.

    `orcpt` keeps its xtext ("" when none was given). `class_` and `sentence` are those of the verdict. `remote_mta`
    is the host that gave `reply`, "" when the outcome is our own; then `reply` is our own text. `status` overrides
    the enhanced code of `reply`. `expired` means given up after trying for the whole lifetime. Times are POSIX
    seconds.
    """

    address: Address
    reply: Reply
    class_: str = ""
    sentence: str = ""
    remote_mta: str = ""
    orcpt: str = ""
    status: str = ""
    expired: bool = False
    last_attempt: float | None = None
    will_retry_until: float | None = None


class Report(msgspec.Struct, frozen=True):
    """One DSN to be written: `kind` is the action for all of its recipients, `sender` the reverse-path it goes to.

    `arrived` is when the original was accepted; `queue_id`, `facts` and `envid` (xtext kept, "" when none) are those of
    the original.
    """

    kind: Kind
    sender: Address
    recipients: tuple[ReportedRecipient, ...]
    queue_id: str
    arrived: float
    facts: HeaderFacts
    envid: str = ""


class Original(msgspec.Struct, frozen=True):
    """What may be returned of the original: its header section (with or without the empty line) and, when
    `policy.returns_body` says so, everything behind the empty line."""

    header: bytes
    body: bytes | None = None


class Composed(msgspec.Struct, frozen=True):
    """A DSN ready for the queue.

    `envelope` has the null sender, one recipient with NOTIFY=NEVER, and says whether the content needs 8BITMIME or
    SMTPUTF8. `content` is the whole message, CRLF line ends, not dot-stuffed; there is no prefix. The first `reported`
    recipients of the report are in it; when that is not all of them, compose another one for the rest.
    """

    envelope: Envelope
    facts: HeaderFacts
    content: bytes
    reported: int
