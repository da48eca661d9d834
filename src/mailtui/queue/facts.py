"""What the queue file knows of where recipients stand: the material of `why`.

Owned here: reading it, bounded: one recipient whole, the others of its message in short. What it means is `why`'s to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import msgspec

from mailtui.model import RECIPIENT_BITS, WAITING, Reply, State, format_recipient_id, parse_item_id
from mailtui.queue.measures import id_range
from mailtui.queue.reader import Reader, Row
from mailtui.queue.selection import UnknownId

#: Recipients of one message that are looked at.
MAX_RECIPIENTS: Final = 2_000

_ROWS: Final = (
    "SELECT r.id, r.address, r.state, max(r.next_attempt, l.not_before) FROM recipient r JOIN lane l ON l.id = r.lane"
    " WHERE r.id BETWEEN ? AND ? ORDER BY r.id LIMIT ?"
)
_ONE: Final = (
    "SELECT r.state, r.address, m.sender, l.destination, ifnull(s.name, ''), r.next_attempt, r.expires_at, r.attempts, r.changed_at,"
    " r.class, ifnull(f.sentence, ''), r.host, r.former_state, r.former_next, l.not_before, l.failures, l.reason,"
    " ifnull(s.failures, 0), ifnull(s.broken_until, 0), ifnull(s.reason, ''), l.suspended_since,"
    " l.resumed_at, l.back_by, iif(r.rerouted, l.route, ''), r.code, r.enhanced, r.text"
    " FROM recipient r JOIN message m ON m.id = r.id >> 20 JOIN lane l ON l.id = r.lane LEFT JOIN site s ON s.id = l.site"
    " LEFT JOIN fingerprint f ON f.id = r.fingerprint WHERE r.id = ?"
)
_LAST: Final = "SELECT ended, wait FROM attempt WHERE recipient = ? ORDER BY n DESC LIMIT 1"
_EVENT: Final = (
    "SELECT at, kind, actor, text FROM event WHERE message = ?1 AND recipient IN (0, ?2)"
    " AND (?3 = '[]' OR kind IN (SELECT value FROM json_each(?3))) ORDER BY at DESC, id DESC LIMIT 1"
)
#: The kinds of events that led to a state, as JSON; any else.
_LED: Final = {
    State.QUEUED: '["retry", "undo"]',
    State.DEFERRED: '["retry", "undo"]',
    State.HELD: '["hold", "held", "quarantined"]',
    State.BOUNCED: '["bounce", "expired"]',
    State.PURGED: '["purge"]',
    State.SUPPRESSED: '["suppressed"]',
}


class Other(msgspec.Struct, frozen=True):
    """A recipient in short; `next_attempt` is when its destination may be tried too."""

    row: int
    address: str
    state: State
    next_attempt: float

    @property
    def id(self) -> str:
        """As operators write it."""
        return format_recipient_id(self.row)


class LastAttempt(msgspec.Struct, frozen=True):
    """When the latest attempt ended, and how many seconds the reply asked us to wait (None: it named none)."""

    ended: float
    wait: float | None = None


class Happened(msgspec.Struct, frozen=True):
    """The latest event that led to its state: a verb of an operator (`actor`), or something the relay did."""

    at: float
    kind: str
    actor: str
    text: str


class Facts(msgspec.Struct, frozen=True):
    """Where one recipient stands, as the queue file has it. `lane_until` and `lane_failures` are of its destination (failing DNS),
    `site_until` and `site_failures` of its site's breaker, `suspended_since`, `resumed_at` and `back_by` of its suspension;
    `rerouted_to` is the route an operator chose for it, by the event `reroute` ("" and None: the rules did); all that was said by
    others is hostile text."""

    state: State
    address: str
    sender: str
    destination: str
    site: str
    next_attempt: float
    expires_at: float
    attempts: int
    changed_at: float
    class_: str = ""
    sentence: str = ""
    host: str = ""
    former_state: str | None = None
    former_next: float | None = None
    lane_until: float = 0.0
    lane_failures: int = 0
    lane_reason: str = ""
    site_failures: int = 0
    site_until: float = 0.0
    site_reason: str = ""
    suspended_since: float | None = None
    resumed_at: float | None = None
    back_by: float | None = None
    rerouted_to: str = ""
    reply: Reply = Reply(0)
    last: LastAttempt | None = None
    event: Happened | None = None
    reroute: Happened | None = None


async def recipients(reader: Reader, id: str) -> tuple[Other, ...]:
    """The recipients an id names, the one to speak of first: what waits before what is finished, the earliest next attempt first.
    UnknownId when there is none."""
    try:
        parse_item_id(id)
    except ValueError:
        raise UnknownId([id[:50]]) from None
    rows = await reader.fetch(_ROWS, (*id_range(id), MAX_RECIPIENTS))
    if not rows:
        raise UnknownId([id])
    found = [Other(*cast("tuple[int, str]", row[:2]), State(str(row[2])), cast("float", row[3])) for row in rows]
    return tuple(sorted(found, key=lambda other: (other.state not in WAITING, other.next_attempt, other.row)))


async def facts(reader: Reader, row: int) -> Facts:
    """Everything known of one recipient. UnknownId when it is gone meanwhile."""
    found = await reader.fetch(_ONE, (row,))
    if not found:
        raise UnknownId([format_recipient_id(row)])
    last = await reader.fetch(_LAST, (row,))
    led = _LED.get(State(str(found[0][0])), "[]")
    place = (row >> RECIPIENT_BITS, row & (1 << RECIPIENT_BITS) - 1)
    event = await reader.fetch(_EVENT, (*place, led))
    reroute = await reader.fetch(_EVENT, (*place, '["reroute"]')) if found[0][-4] else ()
    return _facts(found[0], last, event, reroute)


def _facts(row: Row, last: Sequence[Row], event: Sequence[Row], reroute: Sequence[Row]) -> Facts:
    *plain, code, enhanced, text = row
    known = cast("tuple[State, str, str, str, str, float, float, int, float]", (State(str(plain[0])), *plain[1:]))
    return Facts(
        *known,
        reply=Reply(cast("int", code), str(enhanced), str(text)),
        last=LastAttempt(*cast("tuple[float, float | None]", last[0])) if last else None,
        event=_happened(event),
        reroute=_happened(reroute),
    )


def _happened(rows: Sequence[Row]) -> Happened | None:
    return Happened(*cast("tuple[float, str, str, str]", rows[0])) if rows else None
