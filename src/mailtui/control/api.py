"""What can be asked of a relay: one typed value per request, one table of them.

Owned here: names, arguments, results, what changes something and how much harm it can do. The server's routes, the client and the
command line are all made from `REQUESTS` and `STREAMS`; a verb is written down here and answered in `Service`, nowhere else. No I/O.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Generic, Literal, Protocol, TypeVar, cast, get_args

import msgspec
from msgspec import Meta

from mailtui.events import AnyEvent, Event
from mailtui.views import Affected, AgeRow, Counts, DestinationRow, MessageView, QueuePage, ReasonRow

from .results import BackedUp, Draining, Flushed, Pruned, Reloaded, StatusView

VERSION_HEADER: Final = "Mailtui-Version"
MAX_REQUEST: Final = 1024 * 1024

R = TypeVar("R")


class Risk(StrEnum):
    """What a request can cost: nothing, something its counterpart brings back, or something gone for good."""

    NONE = "none"
    REVERSIBLE = "reversible"
    FINAL = "final"


Filter = Annotated[
    str, Meta(description="words such as state:deferred domain:gmail.com, all of which must hold", max_length=65536)
]
History = Annotated[bool, Meta(description="finished recipients too")]
Limit = Annotated[int, Meta(description="at most this many", ge=1, le=10_000)]
Grouping = Annotated[Literal["site", "destination"], Meta(description="what makes one line")]


class Request(msgspec.Struct, Generic[R], frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A question or an order whose answer is one `R`. `patience`: seconds after which a client stops waiting."""

    name: ClassVar[str]
    changes: ClassVar[bool] = False
    risk: ClassVar[Risk] = Risk.NONE
    patience: ClassVar[float] = 60.0

    @classmethod
    def result_type(cls) -> type[R]:
        """The type of the answer, for decoding it."""
        bases = cast("tuple[object, ...]", vars(cls).get("__orig_bases__") or cls.__mro__[1].__dict__["__orig_bases__"])
        return cast("type[R]", get_args(bases[0])[0])


class Status(Request[StatusView], frozen=True):
    """Is mail flowing: queue by state, totals, rates, disk."""

    name = "status"


class QueueList(Request[QueuePage], frozen=True):
    """The recipients of the queue, oldest first."""

    name = "queue.list"
    filter: Filter = ""
    history: History = False
    limit: Limit = 100
    after: Annotated[str, Meta(description="continue behind this cursor", max_length=64)] = ""


class QueueCount(Request[Counts], frozen=True):
    """How many recipients and messages a filter finds, by state."""

    name = "queue.count"
    filter: Filter = ""
    history: History = False


class QueueDomains(Request[tuple[DestinationRow, ...]], frozen=True):
    """Destinations with mail waiting, and how they answer."""

    name = "queue.domains"
    filter: Filter = ""
    limit: Limit = 100


class QueueReasons(Request[tuple[ReasonRow, ...]], frozen=True):
    """Why mail waits: failures of the same kind, counted."""

    name = "queue.reasons"
    filter: Filter = ""
    by: Grouping = "site"
    limit: Limit = 100


class QueueAges(Request[tuple[AgeRow, ...]], frozen=True):
    """How long mail has waited, by destination."""

    name = "queue.ages"
    filter: Filter = ""
    by: Grouping = "site"
    limit: Limit = 100


class Show(Request[MessageView], frozen=True):
    """Everything known of a message or of one recipient."""

    name = "show"
    id: Annotated[str, Meta(description="a queue id or <queue id>.<n>", max_length=32)]


class Action(Request[Affected], frozen=True):
    """What verbs on recipients have in common: a selection (one of ids, a filter, and everything, said out loud) and manners.

    An id is `<queue id>.<n>`, or a queue id for all its recipients. `expect` makes the request fail when it would touch
    another number of recipients; `dry_run` only counts.
    """

    changes = True
    risk = Risk.REVERSIBLE
    patience = 3600.0
    ids: tuple[str, ...] = ()
    filter: Filter = ""
    everything: Annotated[bool, Meta(description="every recipient the verb applies to")] = False
    reason: Annotated[str, Meta(description="why, for those who come after", max_length=500)] = ""
    expect: Annotated[int, Meta(description="do nothing unless it is this many recipients", ge=0)] | None = None
    dry_run: Annotated[bool, Meta(description="only count")] = False


class Retry(Action, frozen=True):
    """Try again now, without waiting for the schedule."""

    name = "retry"


class Hold(Action, frozen=True):
    """Keep in the queue, untried, until released."""

    name = "hold"


class Release(Action, frozen=True):
    """Give held recipients back to the schedule they had."""

    name = "release"


class Purge(Action, frozen=True):
    """Remove from the queue without telling the sender."""

    name = "purge"
    risk = Risk.FINAL


class Bounce(Action, frozen=True):
    """Give up now and tell the sender (DSN)."""

    name = "bounce"
    risk = Risk.FINAL


class DnsFlush(Request[Flushed], frozen=True):
    """Forget what DNS said about a domain."""

    name = "dns.flush"
    changes = True
    domain: Annotated[str, Meta(description="a domain", max_length=255)]


class Reload(Request[Reloaded], frozen=True):
    """Read the configuration again and apply what needs no restart."""

    name = "reload"
    changes = True


class Drain(Request[Draining], frozen=True):
    """Take nothing new, go on delivering what is queued, until a stop or restart."""

    name = "drain"
    changes = True
    risk = Risk.REVERSIBLE


class Stop(Request[Draining], frozen=True):
    """Drain, then end the relay."""

    name = "stop"
    changes = True
    risk = Risk.REVERSIBLE


class Prune(Request[Pruned], frozen=True):
    """Remove history and trash past their time now."""

    name = "prune"
    changes = True
    patience = 3600.0


class Backup(Request[BackedUp], frozen=True):
    """Copy the queue to a new file that the relay itself writes."""

    name = "backup"
    changes = True
    patience = 3600.0
    path: Annotated[str, Meta(description="an absolute path that does not exist yet", max_length=4096)]


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What happened lately: the last `limit` events behind `after_seq`; with `follow`, then what happens from now on."""

    name: ClassVar[str] = "log"
    after_seq: Annotated[int, Meta(description="events behind this number", ge=0)] = 0
    limit: Annotated[int, Meta(description="at most this many of those that happened already", ge=0, le=10000)] = 200
    follow: Annotated[bool, Meta(description="go on with what happens")] = False


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The message itself, as it is sent: header lines of ours, signature, content; octets, not JSON."""

    name: ClassVar[str] = "content"
    id: Annotated[str, Meta(description="a queue id or <queue id>.<n>", max_length=32)]
    headers: Annotated[bool, Meta(description="up to the empty line only")] = False


class Gap(Event, frozen=True, tag="gap"):
    """`missed` events behind this subscriber's last one are no longer held (it read too slowly, or the relay was restarted)."""

    missed: int


class Entry(msgspec.Struct, frozen=True):
    """An event with its number. On the wire one flat object a line: `{"seq": 7, "event": "accepted", "at": …}`."""

    seq: int
    event: AnyEvent | Gap


#: Every request with one answer, by its name on the wire.
REQUESTS: Final[dict[str, type[Request[object]]]] = {
    request.name: cast("type[Request[object]]", request)
    for request in (
        *(Status, QueueList, QueueCount, QueueDomains, QueueReasons, QueueAges, Show),
        *(Retry, Hold, Release, Purge, Bounce),
        *(DnsFlush, Reload, Drain, Stop, Prune, Backup),
    )
}

#: The verbs on recipients.
ACTIONS: Final[tuple[type[Action], ...]] = (Retry, Hold, Release, Purge, Bounce)


class Service(Protocol):
    """Who answers: a method per request, named as it with "_" for ".". Changes are told the actor (a user name).

    Errors are `MailtuiError`s; `ControlError` for what is wrong with the request.
    """

    async def status(self, request: Status) -> StatusView: ...
    async def queue_list(self, request: QueueList) -> QueuePage: ...
    async def queue_count(self, request: QueueCount) -> Counts: ...
    async def queue_domains(self, request: QueueDomains) -> tuple[DestinationRow, ...]: ...
    async def queue_reasons(self, request: QueueReasons) -> tuple[ReasonRow, ...]: ...
    async def queue_ages(self, request: QueueAges) -> tuple[AgeRow, ...]: ...
    async def show(self, request: Show) -> MessageView: ...
    async def retry(self, request: Retry, actor: str) -> Affected: ...
    async def hold(self, request: Hold, actor: str) -> Affected: ...
    async def release(self, request: Release, actor: str) -> Affected: ...
    async def purge(self, request: Purge, actor: str) -> Affected: ...
    async def bounce(self, request: Bounce, actor: str) -> Affected: ...
    async def dns_flush(self, request: DnsFlush, actor: str) -> Flushed: ...
    async def reload(self, request: Reload, actor: str) -> Reloaded: ...
    async def drain(self, request: Drain, actor: str) -> Draining: ...
    async def stop(self, request: Stop, actor: str) -> Draining: ...
    async def prune(self, request: Prune, actor: str) -> Pruned: ...
    async def backup(self, request: Backup, actor: str) -> BackedUp: ...

    def content(self, request: Content) -> AsyncIterator[bytes]:
        """The octets of a message, in chunks; ControlError before the first when there is none."""
        ...
