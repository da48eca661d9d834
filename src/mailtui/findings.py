"""What the relay finds out about its mail, as values: why a recipient waits, what differs from the usual, the past and the hour ahead.

Owned here: those shapes; encoded with msgspec each is exactly its JSON. What stands in the queue is in `views`, whose rules for
moments, durations and hostile text hold here too.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class CauseView(msgspec.Struct, frozen=True):
    """One reason why a recipient is where it is: a word for programs, a sentence for people."""

    kind: str
    text: str


class OtherRecipient(msgspec.Struct, frozen=True):
    """Another recipient of the message that was asked about, in short."""

    id: str
    recipient: str
    state: str
    next_attempt: datetime | None


class WhyView(msgspec.Struct, frozen=True):
    """Why a recipient is not going out now, and when it will be tried: `answer` in one sentence, `causes` with what decides first.

    `next_attempt` is the earliest moment, None when nothing is planned (held, being sent, finished, deliveries stopped). Asked about
    a message it speaks of the recipient that is tried next; `others` are the rest.
    """

    id: str
    recipient: str
    state: str
    answer: str
    next_attempt: datetime | None
    causes: tuple[CauseView, ...]
    others: tuple[OtherRecipient, ...] = ()


class IncidentRow(msgspec.Struct, frozen=True, rename={"class_": "class"}):
    """What differs from the usual. `change`: NEW (not met in the baseline), UP (several times its usual rate), GONE (not met any
    more), RECOVERED (the same, and the site takes mail), OURS (the trouble is on our side: `sentence` says why, and there is no reply).

    `count` is attempts in the window, `usual` how many of a window's length the baseline has on average; `delivered` what the site took
    in the window; `sample` a reply as it was received.
    """

    change: str
    site: str
    class_: str
    count: int
    usual: float
    delivered: int
    destinations: int
    fingerprint: str
    sentence: str
    sample: str
    first_seen: datetime | None
    last_seen: datetime | None


class MomentRow(msgspec.Struct, frozen=True):
    """A minute or an hour of the relay: depth by state at its end; recipients accepted, refusals to clients and attempts by disposition
    (`deferrals`: those that ended in a deferral) in it; `p50`, `p95` and `p99` are seconds from 250 to delivery, true to 5 %, None when
    nothing was delivered. `minutes` of it the relay ran, `peak` is the most that waited at the end of one of them. Where the relay
    did not run at all a row is missing."""

    at: datetime
    queued: int
    sending: int
    deferred: int
    held: int
    accepted: int
    delivered: int
    deferrals: int
    bounced: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    refused_4xx: int = 0
    refused_5xx: int = 0
    minutes: int = 1
    peak: int = 0


class DestinationMoment(msgspec.Struct, frozen=True, rename={"class_": "class"}):
    """A minute or an hour of one destination: attempts by disposition, and of what failed the commonest class with its sentence."""

    at: datetime
    destination: str
    delivered: int
    deferrals: int
    bounced: int
    class_: str = ""
    sentence: str = ""


class DestinationFlow(msgspec.Struct, frozen=True, rename={"class_": "class"}):
    """Attempts of a range of time at one destination by disposition, and the commonest class of what failed. `site` is the one it
    belongs to now, "" while that is not known; destination "": those that an hour no longer knows by name, together."""

    destination: str
    site: str
    delivered: int
    deferrals: int
    bounced: int
    class_: str


class FailureRow(msgspec.Struct, frozen=True, rename={"class_": "class"}):
    """Failed attempts of a range of time at one destination with the same kind of reply; destination "": those that an hour no longer
    knows by name, together. `first_seen` and `last_seen` are minutes, or hours, within the range; `sample` a reply as it was."""

    destination: str
    class_: str
    count: int
    deferred: int
    bounced: int
    first_seen: datetime
    last_seen: datetime
    fingerprint: str
    sentence: str
    sample: str


class ForecastRow(msgspec.Struct, frozen=True):
    """What is ahead of a destination ("": of all). `minutes` are the recipients due in each minute of the next hour, what is due
    already in the first; `due` their sum; `peak` the largest, at `peak_at`; `storm` when one minute ahead stands out. `waiting` is
    everything that is not held; `per_minute` what was delivered lately; at that rate it will be gone by `gone_by` (None: never)."""

    destination: str
    waiting: int
    due: int
    peak: int
    peak_at: datetime | None
    storm: bool
    per_minute: float
    gone_seconds: int | None
    gone_by: datetime | None
    minutes: tuple[int, ...]
