"""What can be asked of a relay: one typed value per request, one table of them.

Owned here: names, arguments, results, what changes something and how much harm it can do. The server's routes, the client and the
command line are all made from `REQUESTS` and `STREAMS`; a verb is written down here and answered in `Service`, nowhere else. No I/O.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, ClassVar, Final, Literal, Protocol, cast

import msgspec
from msgspec import Meta

from mailtui.bundles import Bundle
from mailtui.events import AnyEvent, Event
from mailtui.findings import (
    DestinationFlow,
    DestinationMoment,
    FailureRow,
    ForecastRow,
    IncidentRow,
    MomentRow,
    WhyView,
)
from mailtui.shapes import Lifted, SiteShape
from mailtui.suppressions import ListChange, ListImport, Suppression, SuppressionPage
from mailtui.suspensions import Suspended, Suspension
from mailtui.views import (
    Affected,
    AgeRow,
    AuditRow,
    Counts,
    DestinationRow,
    MessageView,
    Preview,
    QueuePage,
    ReasonRow,
)

from . import api_holdrules
from .api_history import Destinations, Failures, Samples
from .api_report import Report
from .api_shaping import ShapingLift, ShapingList
from .api_suppress import SuppressAdd, SuppressImport, SuppressList, SuppressLookup, SuppressRemove
from .api_suspend import Resume, Suspend, Suspensions
from .request import HIGHEST, Reason, Request, Risk
from .results import BackedUp, Draining, Flushed, Pruned, Reloaded, StatusView

VERSION_HEADER: Final = "Mailtui-Version"
MAX_REQUEST: Final = 1024 * 1024

Filter = Annotated[
    str, Meta(description="words such as state:deferred domain:gmail.com, all of which must hold", max_length=65536)
]
History = Annotated[bool, Meta(description="finished recipients too")]
Limit = Annotated[int, Meta(description="at most this many", ge=1, le=10_000)]
Grouping = Annotated[Literal["site", "destination"], Meta(description="what makes one line")]
Concern = Annotated[
    Literal["site", "destination", "sender", "class", "user"], Meta(description="what makes one line, beside the reply")
]


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
    before: Annotated[str, Meta(description='the page in front of this cursor; "end": the newest', max_length=64)] = ""


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
    by: Concern = "site"
    window: Annotated[
        str, Meta(description="count the attempts of the last 15m (or 2h) instead, bounces too", max_length=32)
    ] = ""
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


class Why(Request[WhyView], frozen=True):
    """Why a recipient is not going out right now, and when it will be tried."""

    name = "why"
    id: Annotated[str, Meta(description="a queue id or <queue id>.<n>", max_length=32)]


class Incidents(Request[tuple[IncidentRow, ...]], frozen=True):
    """What fails now that did not fail before, what does not any more, and whether it is us."""

    name = "incidents"
    window: Annotated[
        str, Meta(description="what is now: the last 15m, compared with the day before", max_length=32)
    ] = "15m"
    at: Annotated[
        str, Meta(description="as it was at a past moment: 2h (ago), 03:10; the last two days", max_length=32)
    ] = ""
    limit: Limit = 100


class Forecast(Request[tuple[ForecastRow, ...]], frozen=True):
    """What the schedule has planned for the next hour, and when backlogs will be gone."""

    name = "forecast"
    limit: Limit = 20


class Action(Request[Affected | Preview], frozen=True):
    """What verbs on recipients have in common: a selection (one of ids, a filter, everything, said out loud, and a plan) and manners.

    An id is `<queue id>.<n>`, or a queue id for all its recipients. `expect` makes the request fail when it would touch
    another number of recipients; with `dry_run` the answer is a preview, whose `plan` stands for exactly these recipients.
    """

    changes = True
    risk = Risk.REVERSIBLE
    patience = 3600.0
    ids: tuple[str, ...] = ()
    filter: Filter = ""
    everything: Annotated[bool, Meta(description="every recipient the verb applies to")] = False
    reason: Reason = ""
    expect: Annotated[int, Meta(description="do nothing unless it is this many recipients", ge=0)] | None = None
    dry_run: Annotated[bool, Meta(description="only say what would be done")] = False
    plan: Annotated[str, Meta(description="exactly the recipients of this preview", max_length=64)] = ""

    @property
    def answer_type(self) -> type[Affected | Preview]:
        """A preview when that was asked for."""
        return Preview if self.dry_run else Affected


class Retry(Action, frozen=True):
    """Try again now, without waiting for the schedule; many are spread over some minutes."""

    name = "retry"
    now: Annotated[bool, Meta(description="all of them at once, not spread")] = False


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


class Reroute(Action, frozen=True):
    """Send another way: by MX or a smarthost of the configuration, past its rules."""

    name = "reroute"
    to: Annotated[str, Meta(description="a configured route: mx, host[:port] or its whole key", max_length=500)] = ""


ActionNumber = Annotated[int, Meta(description="the number of an action", ge=1, le=HIGHEST)]


class Undo(Request[Affected], frozen=True):
    """Take an action back: every recipient it changed as it was, but for those that have moved on."""

    name = "undo"
    changes = True
    patience = 3600.0
    action: ActionNumber
    reason: Reason = ""
    expect: Annotated[int, Meta(description="do nothing unless the action changed this many", ge=0)] | None = None


class Cancel(Request[AuditRow], frozen=True):
    """Stop applying an action where it is."""

    name = "cancel"
    changes = True
    action: ActionNumber
    reason: Reason = ""


class Audit(Request[tuple[AuditRow, ...]], frozen=True):
    """Who changed what, when and why, the latest first."""

    name = "audit"
    limit: Limit = 100
    before: Annotated[int, Meta(description="only actions before this one", ge=0, le=HIGHEST)] = 0
    actor: Annotated[str, Meta(description="only of those whose name (or claim) contains this", max_length=100)] = ""
    verb: Annotated[str, Meta(description="only this verb; suppress means all of suppress.*", max_length=40)] = ""
    since: Annotated[str, Meta(description="only since then: 2h, 09:00, 2026-11-22T09:00Z", max_length=32)] = ""
    until: Annotated[str, Meta(description="only up to then", max_length=32)] = ""


class DnsFlush(Request[Flushed], frozen=True):
    """Forget what DNS said about a domain, or about all of them."""

    name = "dns.flush"
    changes = True
    domain: Annotated[str, Meta(description="a domain", max_length=255)] = ""
    everything: Annotated[bool, Meta(description="every domain")] = False
    reason: Reason = ""


class Reload(Request[Reloaded], frozen=True):
    """Read the configuration again and apply what needs no restart."""

    name = "reload"
    changes = True
    reason: Reason = ""


class Drain(Request[Draining], frozen=True):
    """Take nothing new, go on delivering what is queued, until a stop or restart."""

    name = "drain"
    changes = True
    risk = Risk.REVERSIBLE
    reason: Reason = ""


class Stop(Request[Draining], frozen=True):
    """Drain, then end the relay."""

    name = "stop"
    changes = True
    risk = Risk.REVERSIBLE
    reason: Reason = ""


class Prune(Request[Pruned], frozen=True):
    """Remove history and trash past their time now."""

    name = "prune"
    changes = True
    patience = 3600.0
    reason: Reason = ""


class Backup(Request[BackedUp], frozen=True):
    """Copy the queue to a new file that the relay itself writes."""

    name = "backup"
    changes = True
    patience = 3600.0
    path: Annotated[str, Meta(description="an absolute path that does not exist yet", max_length=4096)]
    reason: Reason = ""


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What happened lately: the last `limit` events behind `after_seq`; with `follow`, then what happens from now on."""

    name: ClassVar[str] = "log"
    after_seq: Annotated[int, Meta(description="events behind this number", ge=0)] = 0
    limit: Annotated[int, Meta(description="at most this many of those that happened already", ge=0, le=10000)] = 200
    follow: Annotated[bool, Meta(description="go on with what happens")] = False
    filter: Filter = ""


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
        *(Why, Incidents, Samples, Failures, Destinations, Forecast, Report),
        *(Retry, Hold, Release, Purge, Bounce, Reroute),
        *(Undo, Cancel, Audit),
        *(DnsFlush, Reload, Drain, Stop, Prune, Backup),
        *(SuppressList, SuppressLookup, SuppressAdd, SuppressRemove, SuppressImport),
        *(Suspend, Resume, Suspensions),
        *api_holdrules.REQUESTS,
        *(ShapingList, ShapingLift),
    )
}

#: The verbs on recipients.
ACTIONS: Final[tuple[type[Action], ...]] = (Retry, Hold, Release, Purge, Bounce, Reroute)


class Service(api_holdrules.Answers, Protocol):
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
    async def why(self, request: Why) -> WhyView: ...
    async def incidents(self, request: Incidents) -> tuple[IncidentRow, ...]: ...
    async def samples(self, request: Samples) -> tuple[MomentRow, ...] | tuple[DestinationMoment, ...]: ...
    async def failures(self, request: Failures) -> tuple[FailureRow, ...]: ...
    async def destinations(self, request: Destinations) -> tuple[DestinationFlow, ...]: ...
    async def forecast(self, request: Forecast) -> tuple[ForecastRow, ...]: ...
    async def report(self, request: Report) -> Bundle: ...
    async def retry(self, request: Retry, actor: str) -> Affected | Preview: ...
    async def hold(self, request: Hold, actor: str) -> Affected | Preview: ...
    async def release(self, request: Release, actor: str) -> Affected | Preview: ...
    async def purge(self, request: Purge, actor: str) -> Affected | Preview: ...
    async def bounce(self, request: Bounce, actor: str) -> Affected | Preview: ...
    async def reroute(self, request: Reroute, actor: str) -> Affected | Preview: ...
    async def undo(self, request: Undo, actor: str) -> Affected: ...
    async def cancel(self, request: Cancel, actor: str) -> AuditRow: ...
    async def audit(self, request: Audit) -> tuple[AuditRow, ...]: ...
    async def dns_flush(self, request: DnsFlush, actor: str) -> Flushed: ...
    async def reload(self, request: Reload, actor: str) -> Reloaded: ...
    async def drain(self, request: Drain, actor: str) -> Draining: ...
    async def stop(self, request: Stop, actor: str) -> Draining: ...
    async def prune(self, request: Prune, actor: str) -> Pruned: ...
    async def backup(self, request: Backup, actor: str) -> BackedUp: ...
    async def suppress_list(self, request: SuppressList) -> SuppressionPage: ...
    async def suppress_lookup(self, request: SuppressLookup) -> tuple[Suppression, ...]: ...
    async def suppress_add(self, request: SuppressAdd, actor: str) -> ListChange: ...
    async def suppress_remove(self, request: SuppressRemove, actor: str) -> ListChange: ...
    async def suppress_import(self, request: SuppressImport, actor: str) -> ListImport: ...
    async def suspend(self, request: Suspend, actor: str) -> Suspended: ...
    async def resume(self, request: Resume, actor: str) -> Suspended: ...
    async def suspensions(self, request: Suspensions) -> tuple[Suspension, ...]: ...
    async def shaping_list(self, request: ShapingList) -> tuple[SiteShape, ...]: ...
    async def shaping_lift(self, request: ShapingLift, actor: str) -> Lifted: ...

    def heard(self, request: Log) -> Callable[[AnyEvent], bool]:
        """Which events are meant; a MailtuiError for a filter that is none."""
        ...

    def content(self, request: Content) -> AsyncIterator[bytes]:
        """The octets of a message, in chunks; ControlError before the first when there is none."""
        ...
