"""What an incident bundle holds, as values: the facts a postmaster asks for about one destination, or one recipient.

Owned here: those shapes; encoded with msgspec a `Bundle` is exactly the JSON of `report`. What strangers may not see has been masked
before it got here: a masked text is "". Gathering is `report_desk`'s, the files are written by `bundle_text` and the command line. The
rules of `views` for moments, durations and hostile text hold here too.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from mailtui.model import TranscriptLine


class Ourselves(msgspec.Struct, frozen=True):
    """Who we are to the other side. `addresses` are the configured source addresses, or else (`configured` false) those our own
    name resolves to; `signed` is what DKIM signing came to for the samples, such as `d=example.org s=s1`."""

    hostname: str
    addresses: tuple[str, ...]
    configured: bool
    contact: str
    signed: tuple[str, ...] = ()


class Numbers(msgspec.Struct, frozen=True):
    """Recipients of the destination that wait now (held ones included), and attempts of the window by disposition."""

    waiting: int
    held: int
    delivered: int
    deferred: int
    bounced: int


class HourRow(msgspec.Struct, frozen=True):
    """Attempts of one hour (UTC) that lies in the window, wholly or partly."""

    hour: datetime
    delivered: int
    deferred: int
    bounced: int


class FailureGroup(msgspec.Struct, frozen=True, rename={"class_": "class"}):
    """Failures of the same kind: attempts in the window, recipients that wait because of it now, first and last time in the window
    (of what waits: anywhere). `samples` are names of samples; `fingerprint` is only there for ourselves."""

    class_: str
    sentence: str
    attempts: int
    waiting: int
    first_seen: datetime
    last_seen: datetime
    samples: tuple[str, ...] = ()
    fingerprint: str = ""


class Sample(msgspec.Struct, frozen=True, rename={"class_": "class"}):
    """One attempt, word for word. `name` is `<queue id>.<n>-<attempt>`; `cut` says how many lines of the transcript are missing at
    its end. `client`, `user`, `subject` and `header_from` are only there for ourselves (but of `header_from` the domain)."""

    name: str
    started: datetime
    sender: str
    recipient: str
    message_id: str
    received: datetime
    size: int
    signed: str
    host: str
    address: str
    tls: str
    stage: str
    disposition: str
    class_: str
    code: int
    enhanced: str
    text: str
    timings: dict[str, int]
    transcript: tuple[TranscriptLine, ...]
    cut: int = 0
    header_from: str = ""
    subject: str = ""
    client: str = ""
    user: str = ""


class DnsRow(msgspec.Struct, frozen=True):
    """What our resolver goes by now: `answers` as people write them (`10 mx.example`), none with `note` for what does not exist or
    was not answered. `ttl` is in seconds as we keep it (5 s to 1 h), `asked` when the answer came, None for a failure."""

    name: str
    type: str
    answers: tuple[str, ...]
    note: str = ""
    ttl: int = 0
    asked: datetime | None = None


class TlsRow(msgspec.Struct, frozen=True):
    """How connections to one address were secured: version, cipher, and whether the certificate was verified ("" is clear text, or
    that none was reached); attempts and the last of them."""

    host: str
    address: str
    tls: str
    attempts: int
    last: datetime


class Setting(msgspec.Struct, frozen=True):
    """One of our settings as it applies there."""

    name: str
    value: str


class DoneRow(msgspec.Struct, frozen=True):
    """Something we did ourselves: an action of the audit that touched the destination, and how many of its recipients. Who, why and
    of what else is only there for ourselves."""

    at: datetime
    verb: str
    recipients: int
    undone_at: datetime | None = None
    actor: str = ""
    reason: str = ""
    filter: str = ""


class TimelineRow(msgspec.Struct, frozen=True, rename={"class_": "class"}):
    """What happened in a minute: `kind` is delivered, deferred, bounced (then `count` attempts, of `class` when they failed), action,
    incident or event (then `text` says which)."""

    at: datetime
    kind: str
    count: int = 0
    class_: str = ""
    text: str = ""


class OneRecipient(msgspec.Struct, frozen=True):
    """The recipient a bundle is about. `others` are the other recipients of its message at the same destination, without their local
    parts unless it is for ourselves; `elsewhere` counts those at other destinations."""

    id: str
    recipient: str
    state: str
    sender: str
    message_id: str
    received: datetime
    size: int
    attempts: int
    next_attempt: datetime | None
    answer: str
    causes: tuple[str, ...]
    others: tuple[str, ...] = ()
    elsewhere: int = 0


class Bundle(msgspec.Struct, frozen=True):
    """Everything for one ticket. `subject` is what was asked for; `one` is there when that was a message or recipient; `masked` says
    in sentences what was left out, `missing` which parts could not be gathered."""

    subject: str
    destination: str
    site: str
    made: datetime
    since: datetime
    internal: bool
    masked: tuple[str, ...]
    summary: str
    ours: Ourselves
    numbers: Numbers
    hours: tuple[HourRow, ...]
    groups: tuple[FailureGroup, ...]
    samples: tuple[Sample, ...]
    dns: tuple[DnsRow, ...]
    tls: tuple[TlsRow, ...]
    settings: tuple[Setting, ...]
    done: tuple[DoneRow, ...]
    timeline: tuple[TimelineRow, ...]
    one: OneRecipient | None = None
    missing: tuple[str, ...] = ()
