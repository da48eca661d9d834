"""What operators ask, answered from the rooms of a running relay: `control.api.Service`, one method per request.

Owned here: which room answers what, and the limits the configuration sets to operators. How a request arrives is `control`'s, how
rows are found and changed `queue`'s.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mailtui import __version__
from mailtui.bundles import Bundle
from mailtui.chronicle import Chronicle
from mailtui.control import api, api_holdrules, api_shaping
from mailtui.control.api_history import Destinations, Failures, Samples
from mailtui.control.api_report import Report
from mailtui.control.api_suppress import SuppressAdd, SuppressImport, SuppressList, SuppressLookup, SuppressRemove
from mailtui.control.api_suspend import Resume, Suspend, Suspensions
from mailtui.control.results import BackedUp, Disk, Draining, Flushed, Pruned, Rate, Rates, Reloaded, StatusView
from mailtui.errors import EX_USAGE, ControlError
from mailtui.findings import (
    DestinationFlow,
    DestinationMoment,
    FailureRow,
    ForecastRow,
    IncidentRow,
    MomentRow,
    WhyView,
)
from mailtui.grid_desk import GridDesk
from mailtui.history_desk import HistoryDesk, moment_of
from mailtui.hold_rule_desk import HoldRuleDesk
from mailtui.holdrules import HoldRule
from mailtui.queue import (
    audit,
    backup,
    facts,
    filter,
    forecast,
    groups,
    hearing,
    message_view,
    octets,
    queries,
    why,
)
from mailtui.queue.notes import Notes
from mailtui.queue.operate import Operator, TooMany
from mailtui.queue.reader import Reader
from mailtui.queue.schedule import Backoff
from mailtui.queue.selection import select
from mailtui.queue.verbs import Verb
from mailtui.rates import NAMES
from mailtui.report_desk import ReportDesk
from mailtui.shapes import Lifted, SiteShape
from mailtui.shaping_desk import ShapingDesk
from mailtui.suppression_desk import SuppressionDesk
from mailtui.suppressions import ListChange, ListImport, Suppression, SuppressionPage
from mailtui.suspension_desk import SuspensionDesk
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

if TYPE_CHECKING:
    from mailtui.relay import Relay


class Desk:
    """Answers for one relay, from `reader` and by `operator`."""

    def __init__(self, relay: Relay, reader: Reader, operator: Operator) -> None:
        self._relay = relay
        self._reader = reader
        self._operator = operator
        self._suppression = SuppressionDesk(relay, reader)
        self._reports = ReportDesk(relay, reader)
        self._suspension = SuspensionDesk(relay, reader)
        self._hold_rules = HoldRuleDesk(relay, reader)
        self._shaping = ShapingDesk(relay)
        self._history = HistoryDesk(reader)
        self._chronicle = Chronicle(relay)
        self._grids = GridDesk(reader)
        self._notes = Notes(reader)

    # ------------------------------------------------------------------ reads

    async def status(self, request: api.Status) -> StatusView:
        relay, config = self._relay, self._relay.config
        standing = await queries.standing(self._reader, time.time())
        minute, quarter = relay.rates.per_minute(1), relay.rates.per_minute(15)
        return StatusView(
            ready=relay.ready and not relay.draining,
            pid=os.getpid(),
            version=__version__,
            started=datetime.fromtimestamp(int(relay.started_at), UTC),
            hostname=config.relay.hostname,
            environment=config.relay.environment,
            listeners=tuple(relay.listeners.addresses),
            queue=standing.queue,
            totals=standing.totals,
            oldest_seconds=standing.oldest_seconds,
            rates=Rates(**{name: Rate(minute[name], quarter[name]) for name in NAMES}),
            disk=_disk(relay.store.path),
            trouble=tuple(self._trouble()),
            notes=await self._notes.told(),
        )

    def _trouble(self) -> list[str]:
        relay = self._relay
        pressure = relay.store.pressure()
        told = [f"mail is refused for now: {pressure}"] if pressure and not relay.draining else []
        if relay.runner.outage.active:
            told.append("nothing can be reached: our network or resolver fails")
        paused = ["deliveries are paused"] if relay.runner.paused else []
        return [*told, *paused, *self._suspension.trouble(), *self._shaping.trouble()]

    async def queue_list(self, request: api.QueueList) -> QueuePage:
        now = time.time()
        found = filter.parse(request.filter, now=now)
        here = (request.after, request.before)
        return await queries.queue_list(self._reader, found, now, request.history, request.limit, *here)

    async def queue_count(self, request: api.QueueCount) -> Counts:
        return await self._grids.count(request)

    async def queue_domains(self, request: api.QueueDomains) -> tuple[DestinationRow, ...]:
        now = time.time()
        found = filter.parse(request.filter, now=now)
        return self._suspension.marked(await groups.domains(self._reader, found, now, request.limit))

    async def queue_reasons(self, request: api.QueueReasons) -> tuple[ReasonRow, ...]:
        return await self._grids.reasons(request)

    async def queue_ages(self, request: api.QueueAges) -> tuple[AgeRow, ...]:
        return await self._grids.ages(request)

    async def show(self, request: api.Show) -> MessageView:
        return await message_view.show(self._reader, request.id)

    async def why(self, request: api.Why) -> WhyView:
        recipients = await facts.recipients(self._reader, request.id)
        known, retry = await facts.facts(self._reader, recipients[0].row), self._relay.config.retry
        live = self._suspension.live(known.destination, known.site)
        return why.told(recipients, why.why(known, live, Backoff(retry.schedule, retry.jitter), time.time()))

    async def incidents(self, request: api.Incidents) -> tuple[IncidentRow, ...]:
        return await self._history.incidents(request, self._relay.runner.live("").outage_since)

    async def samples(self, request: Samples) -> tuple[MomentRow, ...] | tuple[DestinationMoment, ...]:
        return await self._history.samples(request)

    async def failures(self, request: Failures) -> tuple[FailureRow, ...]:
        return await self._history.failures(request)

    async def destinations(self, request: Destinations) -> tuple[DestinationFlow, ...]:
        return await self._history.destinations(request)

    async def forecast(self, request: api.Forecast) -> tuple[ForecastRow, ...]:
        return await forecast.forecast(self._reader, time.time(), request.limit)

    async def report(self, request: Report) -> Bundle:
        return await self._reports.report(request.subject, request.window, request.internal)

    def heard(self, request: api.Log) -> hearing.Heard:
        return hearing.heard(filter.parse(request.filter, now=time.time()))

    def content(self, request: api.Content) -> AsyncIterator[bytes]:
        whole = octets.octets(self._reader, request.id)
        return octets.header_of(whole) if request.headers else whole

    # ------------------------------------------------------------------ verbs on recipients

    async def retry(self, request: api.Retry, actor: str) -> Affected | Preview:
        result = await self._act(request, actor)
        if isinstance(result, Affected) and result.done == 1 and request.ids:
            await self._suspension.probe(result.action)
        return result

    async def hold(self, request: api.Hold, actor: str) -> Affected | Preview:
        return await self._act(request, actor)

    async def release(self, request: api.Release, actor: str) -> Affected | Preview:
        return await self._act(request, actor)

    async def bounce(self, request: api.Bounce, actor: str) -> Affected | Preview:
        return await self._act(request, actor)

    async def purge(self, request: api.Purge, actor: str) -> Affected | Preview:
        try:
            return await self._act(request, actor, self._relay.config.control.max_purge)
        except TooMany as error:
            raise ControlError("too-many", str(error), "narrow the selection, or raise control.max_purge") from None

    async def reroute(self, request: api.Reroute, actor: str) -> Affected | Preview:
        return await self._act(request, actor, to=self._relay.courier.route_named(request.to))

    async def _act(self, request: api.Action, actor: str, most: int | None = None, to: str = "") -> Affected | Preview:
        wanted = select(request.ids, request.filter, request.everything, time.time(), request.plan)
        verb, expect = Verb(request.name), request.expect
        if request.dry_run:
            preview = await self._operator.preview(verb, wanted, expect, to)
            return preview if most is None or preview.done <= most else _refused(preview, most)
        now = isinstance(request, api.Retry) and request.now
        try:
            return await self._operator.act(
                verb, wanted, actor, request.reason, expect=expect, most=most, now=now, to=to
            )
        finally:  # also what was stopped half-way
            self._grids.changed()

    async def undo(self, request: api.Undo, actor: str) -> Affected:
        try:
            return await self._operator.undo(request.action, actor, request.reason, request.expect)
        finally:
            self._grids.changed()

    async def cancel(self, request: api.Cancel, actor: str) -> AuditRow:
        await self._operator.cancel(request.action)
        await self._chronicle.note(actor, request, f"action {request.action}")
        (row,) = await audit.audit(self._reader, audit.Wanted(1, request.action + 1), self._relay.config.queue.trash)
        return row

    async def audit(self, request: api.Audit) -> tuple[AuditRow, ...]:
        now = time.time()
        since = moment_of(request.since, now) if request.since else 0.0
        until = moment_of(request.until, now) if request.until else audit.EVER
        wanted = audit.Wanted(request.limit, request.before, request.actor, request.verb, since, until)
        return await audit.audit(self._reader, wanted, self._relay.config.queue.trash)

    # ------------------------------------------------------------------ the relay as a whole

    async def dns_flush(self, request: api.DnsFlush, actor: str) -> Flushed:
        if bool(request.domain) == request.everything:
            raise ControlError("bad-domain", "name one domain, or all of them (--all)", exit_code=EX_USAGE)
        count = self._relay.resolver.flush(request.domain or None)
        self._relay.runner.forget_plans()
        await self._chronicle.note(actor, request, request.domain or "all", answers=count)
        return Flushed(count)

    async def reload(self, request: api.Reload, actor: str) -> Reloaded:
        applied, needs_restart = self._relay.reload()
        await self._chronicle.note(actor, request, applied=len(applied), needs_restart=len(needs_restart))
        return Reloaded(tuple(applied), tuple(needs_restart))

    async def drain(self, request: api.Drain, actor: str) -> Draining:
        await self._chronicle.note(actor, request)
        self._relay.begin_drain(f"{actor} asked for it")
        return await self._draining()

    async def stop(self, request: api.Stop, actor: str) -> Draining:
        await self._chronicle.note(actor, request)
        self._relay.stop(f"{actor} asked for it")
        return await self._draining()

    async def _draining(self) -> Draining:
        return Draining((await queries.standing(self._reader, time.time())).queue.sending)

    async def backup(self, request: api.Backup, actor: str) -> BackedUp:
        target = Path(request.path)
        if not target.is_absolute():
            raise ControlError("bad-path", f"{target} is not an absolute path")
        size = await asyncio.to_thread(backup.copy_queue, self._relay.store.path, target)
        await self._chronicle.note(actor, request, str(target), size=size)
        return BackedUp(str(target), size)

    async def prune(self, request: api.Prune, actor: str) -> Pruned:
        swept = await self._relay.pruner.sweep(time.time())
        await self._chronicle.note(actor, request, messages=swept.messages, bodies=swept.bodies, freed=swept.freed)
        return Pruned(swept.messages, swept.bodies, swept.freed)

    # ------------------------------------------------------------------ the suppression list

    async def suppress_list(self, request: SuppressList) -> SuppressionPage:
        return await self._suppression.page(request.limit, request.after)

    async def suppress_lookup(self, request: SuppressLookup) -> tuple[Suppression, ...]:
        return await self._suppression.lookup(request.entry)

    async def suppress_add(self, request: SuppressAdd, actor: str) -> ListChange:
        return await self._suppression.add(request, actor)

    async def suppress_remove(self, request: SuppressRemove, actor: str) -> ListChange:
        return await self._suppression.remove(request, actor)

    async def suppress_import(self, request: SuppressImport, actor: str) -> ListImport:
        return await self._suppression.merge(request, actor)

    # ------------------------------------------------------------------ what is suspended

    async def suspend(self, request: Suspend, actor: str) -> Suspended:
        return await self._suspension.suspend(request, actor)

    async def resume(self, request: Resume, actor: str) -> Suspended:
        return await self._suspension.resume(request, actor)

    async def suspensions(self, request: Suspensions) -> tuple[Suspension, ...]:
        return await self._suspension.suspensions()

    # ------------------------------------------------------------------ hold rules for new mail

    async def holdrule_add(self, request: api_holdrules.HoldRuleAdd, actor: str) -> HoldRule:
        return await self._hold_rules.add(
            request.filter, request.lasts, request.until, actor, request.reason, request.dry_run
        )

    async def holdrule_list(self, request: api_holdrules.HoldRuleList) -> tuple[HoldRule, ...]:
        return await self._hold_rules.rules(request.everything, request.limit)

    async def holdrule_remove(self, request: api_holdrules.HoldRuleRemove, actor: str) -> HoldRule:
        return await self._hold_rules.remove(request.rule, actor, request.reason, request.dry_run)

    # ------------------------------------------------------------------ shaping

    async def shaping_list(self, request: api_shaping.ShapingList) -> tuple[SiteShape, ...]:
        return self._shaping.sites(request.site, request.restrained, request.limit)

    async def shaping_lift(self, request: api_shaping.ShapingLift, actor: str) -> Lifted:
        return await self._shaping.lift(request.site, request.reason, actor)


def _refused(preview: Preview, most: int) -> Preview:
    """The preview of a purge that is too large says so before anybody tries."""
    note = f"it would be refused: control.max_purge allows {most:,} recipient{'' if most == 1 else 's'} at once"
    return msgspec.structs.replace(preview, irreversible=(note, *preview.irreversible))


def _disk(path: Path) -> Disk:
    found = os.statvfs(path.parent)
    return Disk(
        found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, _size(path), _size(Path(f"{path}-wal"))
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
