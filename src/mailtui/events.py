"""What can happen, one type each, and the journal that carries it.

Owned here: the facts of the relay as values and the ring that keeps the latest of them for subscribers. An event is published
after the transaction that made it true (design 1.6.3); it is news, never state: whoever needs the truth asks the queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec


class Event(msgspec.Struct, frozen=True, tag=True, tag_field="event"):
    """Base of all events: `at` is POSIX seconds."""

    at: float


class Ready(Event, frozen=True, tag="ready"):
    """Listeners and control socket accept."""

    listeners: list[str]
    pid: int


class Stopping(Event, frozen=True, tag="stopping"):
    """The relay takes nothing new and will end when what is under way is finished."""

    reason: str


class Draining(Event, frozen=True, tag="draining"):
    """The relay takes nothing new and goes on delivering what it has."""

    reason: str


class Refused(Event, frozen=True, tag="refused"):
    """A client was refused something by a 4yz or 5yz that concerns mail."""

    client: str
    code: int
    text: str
    sender: str = ""
    recipient: str = ""


class Accepted(Event, frozen=True, tag="accepted"):
    """A message is durable and was acknowledged with 250."""

    id: str
    sender: str
    recipients: int
    size: int
    client: str
    user: str = ""
    message_id: str = ""


class Attempted(Event, frozen=True, tag="attempted", rename={"class_": "class"}):
    """One try for one recipient ended: `disposition` delivered, deferred or bounced."""

    id: str
    recipient: str
    disposition: str
    class_: str
    stage: str
    code: int
    enhanced: str
    text: str
    host: str = ""
    address: str = ""
    tls: str = ""
    delay: float = 0.0
    next_attempt: float | None = None


class Changed(Event, frozen=True, tag="changed"):
    """An operator (or the relay, `actor` "relay") moved recipients: verb is retry, hold, release, purge, bounce ..."""

    verb: str
    actor: str
    recipients: int
    ids: list[str]


class Notified(Event, frozen=True, tag="notified"):
    """A DSN was composed: `kind` failed, delayed, delivered or relayed; `id` is the new message, `about` the old one."""

    id: str
    about: str
    kind: str
    to: str


class SiteChanged(Event, frozen=True, tag="site"):
    """A site (or destination) stopped or began to answer: `state` broken or alive."""

    site: str
    state: str
    reason: str
    until: float | None = None


class Notice(Event, frozen=True, tag="notice"):
    """Anything else worth a line: reload, interrupted messages at start, key failure, disk low. `level` info, warning, error."""

    level: str
    text: str
    id: str = ""


AnyEvent = Ready | Stopping | Draining | Refused | Accepted | Attempted | Changed | Notified | SiteChanged | Notice


class Journal:
    """The latest events with their sequence numbers, and who listens.

    `publish` belongs to the relay's loop. A subscriber's queue is bounded: one that does not read loses the oldest and is told
    by a gap in `seq`.
    """

    def __init__(self, keep: int = 5000) -> None:
        self.seq = 0
        self._ring: deque[tuple[int, AnyEvent]] = deque(maxlen=keep)
        self._sinks: list[Callable[[AnyEvent], None]] = []
        self._queues: set[asyncio.Queue[tuple[int, AnyEvent]]] = set()

    def publish(self, event: AnyEvent) -> None:
        """Number the event and hand it to every sink and subscriber; never blocks."""
        self.seq += 1
        item = (self.seq, event)
        self._ring.append(item)
        for sink in self._sinks:
            sink(event)
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(item)

    def add_sink(self, sink: Callable[[AnyEvent], None]) -> None:
        """Call `sink` with every event from now on (the log, the rates)."""
        self._sinks.append(sink)

    def since(self, seq: int) -> list[tuple[int, AnyEvent]]:
        """What the ring still holds after `seq`, oldest first."""
        return [item for item in self._ring if item[0] > seq]

    def subscribe(self, limit: int = 1000) -> asyncio.Queue[tuple[int, AnyEvent]]:
        """A bounded queue of events from now on; give it back with `unsubscribe`."""
        queue: asyncio.Queue[tuple[int, AnyEvent]] = asyncio.Queue(limit)
        self._queues.add(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[tuple[int, AnyEvent]]) -> None:
        """Stop feeding `queue`."""
        self._queues.discard(queue)
