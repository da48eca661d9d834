"""What an operator can see, as values; encoded with msgspec each is exactly the JSON that scripts rely on.

Owned here: names and shapes of rows, counts, the view of a message and the result of a verb. How they are found is
the business of `queue`, how they travel that of `control`. Moments are UTC `datetime`s cut to the second (JSON
"2026-11-22T09:30:00Z"), durations whole seconds, sizes octets. Texts that came from the network are as received:
hostile, escape them before a terminal sees them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from mailtui.model import TranscriptLine

_LATEST: Final = 253402300799.0  # 9999-12-31T23:59:59Z, the last moment datetime can hold


def moment(at: float) -> datetime:
    """POSIX seconds as a UTC moment, cut to the second and to what a datetime can hold."""
    return datetime.fromtimestamp(int(min(max(at, 0.0), _LATEST)), UTC)


def moment_or_none(at: float | None) -> datetime | None:
    """The same; None for what there is none of."""
    return None if at is None else moment(at)


def moment_or_never(at: float) -> datetime | None:
    """The same; None for what comes when somebody says so, and not before."""
    return None if at >= _LATEST else moment(at)


class QueueRow(msgspec.Struct, frozen=True, rename={"class_": "class"}):
    """One recipient of the queue (or of the history). `id` is `<queue id>.<n>`; `site` is "" until a route was found.

    `next_attempt` is None for what is being sent, held, finished, or suspended until it is resumed; `last_code` 0, "" and "" before
    the first attempt.
    """

    id: str
    recipient: str
    sender: str
    subject: str
    message_id: str
    state: str
    destination: str
    site: str
    attempts: int
    next_attempt: datetime | None
    age_seconds: int
    size: int
    last_code: int
    last_enhanced: str
    last_text: str
    class_: str


class QueuePage(msgspec.Struct, frozen=True):
    """Some rows in the order of their ids, oldest first; `after` is the cursor of the next page, None on the last."""

    rows: tuple[QueueRow, ...]
    after: str | None = None


class StateCounts(msgspec.Struct, frozen=True):
    """Recipients by state."""

    queued: int = 0
    sending: int = 0
    deferred: int = 0
    held: int = 0
    delivered: int = 0
    bounced: int = 0
    suppressed: int = 0
    purged: int = 0


class Counts(msgspec.Struct, frozen=True):
    """How many recipients (of how many messages) a filter finds. `as_of` is there when they were not counted just now."""

    recipients: int
    messages: int
    by_state: StateCounts
    as_of: datetime | UnsetType = UNSET


class DestinationRow(msgspec.Struct, frozen=True):
    """A destination with waiting recipients or recent attempts. `waiting` is every unfinished recipient, held ones
    included.

    `oldest_seconds` is 0 when nothing waits; `top_class` the commonest class of failure of what waits;
    `suspended_until` is the end of what suspends it, None when only an operator ends that (and when nothing does).
    """

    destination: str
    site: str
    waiting: int
    held: int
    oldest_seconds: int
    delivered_15m: int
    deferred_15m: int
    bounced_15m: int
    top_class: str
    suspended_until: datetime | None = None
    suspended: bool = False


class TopDestination(msgspec.Struct, frozen=True):
    """One of the destinations that make up a group, and its share in recipients (or attempts)."""

    destination: str
    count: int


class ReasonRow(msgspec.Struct, frozen=True, rename={"class_": "class"}, kw_only=True):
    """Recipients that wait (or attempts of a window) which failed with the same kind of reply, of one site, destination, sender or
    user: whatever was asked for is there, the others are not. By class there is none of them. `site` is "" while it is not known.

    `destinations` is how many there are, `top_destinations` the largest of them; `fingerprint` the reply without its variable parts and
    `group` its number, which filters know; `sentence` what it means; `first_seen` and `last_seen` are those of this kind of reply
    anywhere, in a window of the attempts that were counted; `sample_id` is the oldest recipient; `next_attempt` when the first of them
    is tried again, None when none is; of a group in many lanes (pairs of destination and route) the first of those that stand in the
    twenty lanes that are due first, unless a filter narrows.
    `as_of` is there when it was not counted just now.
    """

    site: str | UnsetType = UNSET
    destination: str | UnsetType = UNSET
    sender: str | UnsetType = UNSET
    user: str | UnsetType = UNSET
    destinations: int
    fingerprint: str
    count: int
    behind: int = 0
    group: int = 0
    class_: str
    sentence: str
    first_seen: datetime
    last_seen: datetime
    oldest_seconds: int
    next_attempt: datetime | None
    sample_id: str
    top_destinations: tuple[TopDestination, ...] = ()
    as_of: datetime | UnsetType = UNSET


AGE_LABELS: Final = ("5m", "20m", "1h", "4h", "12h", "1d", "2d", "2d+")
#: Upper bounds of all age buckets but the last, in seconds.
AGE_BOUNDS: Final = (300, 1200, 3600, 14400, 43200, 86400, 172800)


class Ages(
    msgspec.Struct,
    frozen=True,
    rename=dict(zip(("m5", "m20", "h1", "h4", "h12", "d1", "d2", "older"), AGE_LABELS, strict=True)),
):
    """Waiting recipients by age; each bucket goes up to its label and begins where the one before ends."""

    m5: int = 0
    m20: int = 0
    h1: int = 0
    h4: int = 0
    h12: int = 0
    d1: int = 0
    d2: int = 0
    older: int = 0


class AgeRow(msgspec.Struct, frozen=True):
    """A line of the age grid: a site or a destination, as asked, the other one ""; by site, what has none yet stands there
    as its destination. `as_of` is there when it was not counted just now."""

    site: str
    destination: str
    waiting: int
    ages: Ages
    as_of: datetime | UnsetType = UNSET


class EnvelopeView(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """What MAIL, RCPT and the header said, who brought it, and what signing came to. `recipients` are the addresses;
    `about` is the id of the message a DSN speaks of, "" for other mail; `tag` is its sender's word for this kind of mail."""

    sender: str
    recipients: tuple[str, ...]
    ret: str
    envid: str
    eight_bit: bool
    smtputf8: bool
    size: int
    received: datetime
    client: str
    helo: str
    user: str
    listener: str
    protocol: str
    tls: str
    subject: str
    from_: str
    message_id: str
    signed: str
    about: str = ""
    tag: str = ""


class AttemptView(msgspec.Struct, frozen=True, rename={"class_": "class"}):
    """One try for one recipient. `timings` is milliseconds by stage; `transcript` how the connection began, then this
    transaction, each with its own clock; empty when none was kept or it was pruned."""

    started: datetime
    host: str
    address: str
    tls: str
    code: int
    enhanced: str
    text: str
    class_: str
    disposition: str
    stage: str
    timings: dict[str, int]
    transcript: tuple[TranscriptLine, ...]


class RecipientView(msgspec.Struct, frozen=True, rename={"class_": "class"}):
    """A recipient with all its attempts, first to last."""

    id: str
    recipient: str
    state: str
    destination: str
    site: str
    attempts: tuple[AttemptView, ...]
    next_attempt: datetime | None
    expires: datetime
    notify: str
    orcpt: str
    last_code: int
    last_enhanced: str
    last_text: str
    class_: str


class EventView(msgspec.Struct, frozen=True):
    """Something else that happened to a message: `actor` is the operator or "relay", `recipient` an id or "" for
    all."""

    at: datetime
    kind: str
    actor: str
    text: str
    recipient: str


class MessageView(msgspec.Struct, frozen=True):
    """Everything known of a message, or of the one recipient that was asked for."""

    id: str
    envelope: EnvelopeView
    recipients: tuple[RecipientView, ...]
    events: tuple[EventView, ...]


class Depth(msgspec.Struct, frozen=True):
    """Unfinished recipients by state: the queue."""

    queued: int
    sending: int
    deferred: int
    held: int


class Totals(msgspec.Struct, frozen=True):
    """Life-long counts of recipients. accepted = the queue + delivered + bounced + suppressed + purged."""

    accepted: int
    delivered: int
    bounced: int
    suppressed: int
    purged: int


class Standing(msgspec.Struct, frozen=True):
    """What `status` says of the queue; `oldest_seconds` is 0 when it is empty."""

    queue: Depth
    totals: Totals
    oldest_seconds: int


class Share(msgspec.Struct, frozen=True):
    """Recipients that have a name in common; `other` is the rest of a list that was cut."""

    name: str
    count: int


class Affected(msgspec.Struct, frozen=True):
    """What a verb did, in recipients: of `matched` recipients of the selection `done` changed, `skipped` were being
    sent and `failed` stood in a state the verb does not apply to. `messages` is how many messages `done` belong
    to, `action` what `undo` wants to know, `reasons` why the others were left alone.

    Of an undo: `matched` is what the action changed, `skipped` has moved on since, for `failed` it was too late.
    """

    action: int
    verb: str
    matched: int
    done: int
    skipped: int
    failed: int
    messages: int
    reasons: tuple[Share, ...] = ()


class Preview(msgspec.Struct, frozen=True):
    """What a verb would do now: of `matched` recipients `done` would change; `skipped` are being sent, to the state of
    `failed` it does not apply. Messages, their octets and the breakdowns (the commonest twenty and `other`) are of `done`.

    `filter` is the selection as it was understood; `irreversible` says in sentences what cannot be taken back; `plan`
    names the frozen set, to apply exactly that ("" when it is too large to be kept); `to` is the route of a reroute, and of nothing else.
    """

    verb: str
    filter: str
    matched: int
    done: int
    skipped: int
    failed: int
    messages: int
    bytes: int
    by_site: tuple[Share, ...]
    by_destination: tuple[Share, ...]
    by_sender: tuple[Share, ...]
    by_state: tuple[Share, ...]
    by_class: tuple[Share, ...]
    by_age: tuple[Share, ...]
    irreversible: tuple[str, ...]
    plan: str = ""
    to: str | UnsetType = UNSET


class AuditRow(msgspec.Struct, frozen=True):
    """A change somebody made. `filter` is the selection as it was understood, `args` what else was said; `state` is
    open (being applied, the counts are those so far), done or stopped (the counts are exact). Of an undo, `undoes` is the
    action it took back; of an action that was, `undone_by` the undo. `trash_until` is how long what a purge took away can be brought
    back; None of anything else."""

    action: int
    at: datetime
    actor: str
    verb: str
    filter: str
    reason: str
    matched: int
    done: int
    skipped: int
    failed: int
    messages: int
    state: str
    undone: bool
    args: dict[str, int | str | bool] = {}
    undoes: int | None = None
    undone_by: int | None = None
    undone_at: datetime | None = None
    trash_until: datetime | None = None
