"""The incident bundle of a destination or a recipient, gathered from the rooms of a running relay. Part of `service`.

Owned here: what goes into it, how much of it, and what strangers may not see. The reads are in `queue.evidence` and its neighbours,
the masking itself in `masking`, what it looks like in `bundle_text`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec.structs import replace

from mailtui import report_words
from mailtui.bundles import (
    Bundle,
    DnsRow,
    DoneRow,
    FailureGroup,
    OneRecipient,
    Ourselves,
    Sample,
    TimelineRow,
)
from mailtui.delivery import sighting
from mailtui.delivery.ourselves import parse_ip
from mailtui.delivery.route import Route
from mailtui.errors import ControlError
from mailtui.findings import WhyView
from mailtui.intake.address import canonical_domain
from mailtui.masking import Mask, without_local
from mailtui.model import format_recipient_id, parse_item_id
from mailtui.queue import evidence, facts, history, incidents, message_view, why
from mailtui.queue.evidence import Pick, Place
from mailtui.queue.reader import QueryTimeout, Reader
from mailtui.queue.schedule import Backoff
from mailtui.queue.selection import UnknownId
from mailtui.times import TimeError, duration
from mailtui.views import AttemptView, EventView, MessageView, moment

if TYPE_CHECKING:
    from mailtui.relay import Relay

T = TypeVar("T")

#: Failure groups and samples of each; attempts of one recipient; lines of one transcript.
MAX_GROUPS: Final = 10
SAMPLES: Final = 2
MAX_ATTEMPTS: Final = 10
MAX_LINES: Final = 500
#: Seconds for each round of questions to the DNS.
DNS_SECONDS: Final = 1.5
SHORTEST, LONGEST = 60, 2 * 86_400

#: What is left out for strangers, and for ourselves.
MASKED: Final = (
    "passwords, and whatever carries them",
    "local parts of recipients other than the one a sample is about (they read `***@domain`)",
    "who handed the mail in: addresses of clients, login names",
    "Subject, and From but for its domain",
    "names, reasons and selections of our operators, logins and rules of our routes",
)
INTERNAL: Final = (MASKED[0],)
#: Causes of `why` that are fit for strangers once the name and words of an operator are out of the facts.
_TELLABLE: Final = frozenset(
    (
        *(
            "back-off",
            "hint",
            "breaker",
            "probe",
            "dns",
            "planned",
            "interrupted",
            "slots",
            "turn",
            "sending",
            "delivered",
        ),
        *("expired", "expiry", "held", "spread", "bounced", "purged", "suppressed", "outage", "paused", "stopping"),
    )
)
_AMONG: Final = (
    f"samples and TLS: chosen among the latest {evidence.LATEST:,} failures of all destinations and the latest {evidence.OF_EACH}"
    " recipients that wait with each kind of reply; a shorter window sees more of it"
)
_OWN_MEASURE: Final = "It waits because of a measure on our side."
_DOMAIN: Final = re.compile(r"@([A-Za-z0-9.-]{1,253})")


class ReportDesk:
    """Answers for one relay."""

    def __init__(self, relay: Relay, reader: Reader) -> None:
        self._relay = relay
        self._reader = reader

    async def report(self, subject: str, window: str, internal: bool) -> Bundle:
        """The bundle of a domain, a queue id or a recipient's id (a message: its recipient that `why` speaks of). UnknownId;
        ControlError `unknown-destination`, `bad-subject`, `bad-window`."""
        now, seconds = time.time(), _window(window)
        row = await self._recipient(subject)
        destination = _domain(subject) if row is None else (await facts.facts(self._reader, row)).destination
        where = await evidence.place(self._reader, destination)
        if where is None:
            text = f"no mail for {destination} is in the queue or its history"
            raise ControlError("unknown-destination", text, "mailtui queue domains lists destinations")
        return await _Gathering(self._relay, self._reader, where, now, seconds, internal).bundle(subject, row)

    async def _recipient(self, subject: str) -> int | None:
        """The row of the recipient an id names; None when the subject reads as a domain."""
        try:
            parse_item_id(subject)
            return (await facts.recipients(self._reader, subject))[0].row
        except ValueError:
            return None


class _Gathering:
    """One bundle in the making."""

    def __init__(self, relay: Relay, reader: Reader, where: Place, now: float, seconds: float, internal: bool) -> None:
        self._relay = relay
        self._config = relay.config
        self._reader = reader
        self._where = where
        self._now = now
        self._seconds = seconds
        self._since = now - seconds
        self._internal = internal
        self._missing: list[str] = []

    async def _bounded(self, part: str, search: Awaitable[tuple[T, ...]]) -> tuple[T, ...]:
        """What a search finds; one that takes too long makes the bundle poorer and no error."""
        try:
            return await search
        except QueryTimeout:
            self._missing.append(f"{part}: looking for it took too long; a shorter window helps")
            return ()

    def _mask(self, others: Sequence[str] = (), shown: str = "") -> Mask:
        secrets = self._relay.courier.secrets
        return Mask(secrets=secrets, others=others, shown=shown, internal=self._internal)

    async def bundle(self, subject: str, row: int | None) -> Bundle:
        reader, where, since = self._reader, self._where, self._since
        flow = await evidence.flow(reader, where, since)
        failed = await evidence.failures(reader, where, since)
        numbers = await evidence.numbers(reader, where, flow)
        picks = await self._picks(row)
        samples, events = await self._samples(picks)
        routes, live = self._routes(), self._relay.runner.live(where.site)
        groups = () if row is not None else await self._groups(samples)
        one = None if row is None else await self._one(row, samples)
        did = evidence.actions(reader, where, since) if row is None else evidence.touched(reader, row)
        done = await self._bounded("what we did", did)
        done = done if self._internal else tuple(DoneRow(d.at, d.verb, d.recipients, d.undone_at) for d in done)
        timeline = [*report_words.moments(flow, failed), *map(report_words.action, done), *await self._incidents()]
        if row is not None:
            timeline += [report_words.event(event, self._internal) for event in events]
        ours, dns = await asyncio.gather(self._ours(samples), self._dns())
        return Bundle(
            subject=subject,
            destination=where.destination,
            site=where.site,
            made=moment(self._now),
            since=moment(since),
            internal=self._internal,
            masked=INTERNAL if self._internal else MASKED,
            summary=report_words.summary(where.destination, numbers, groups, one),
            ours=ours,
            numbers=numbers,
            hours=report_words.hours(flow),
            groups=groups,
            samples=tuple(samples.values()),
            dns=dns,
            tls=await self._bounded("TLS", evidence.tls(reader, where, since, since - self._config.queue.lifetime)),
            settings=tuple(report_words.settings(self._config, routes, live.site, self._internal)),
            done=done,
            timeline=tuple(sorted(timeline, key=lambda row: row.at)),
            one=one,
            missing=tuple(self._missing),
        )

    # ------------------------------------------------------------------ samples

    async def _picks(self, row: int | None) -> tuple[Pick, ...]:
        if row is None:
            if await evidence.bounded(self._reader, self._since):
                self._missing.append(_AMONG)
            return await self._bounded("samples", evidence.picks(self._reader, self._where, self._since, SAMPLES))
        return tuple(Pick(row, n, "") for n in await evidence.attempts_of(self._reader, row, MAX_ATTEMPTS))

    async def _samples(self, picks: Sequence[Pick]) -> tuple[dict[Pick, Sample], tuple[EventView, ...]]:
        """The attempts that were picked, without those that are gone meanwhile; and the events of the last message of them."""
        found: dict[Pick, Sample] = {}
        views: dict[int, tuple[MessageView, Mask]] = {}
        events: tuple[EventView, ...] = ()
        for pick in picks[: max(MAX_GROUPS * SAMPLES, MAX_ATTEMPTS)]:
            with suppress(UnknownId, IndexError):
                if pick.recipient not in views:
                    view = await message_view.show(self._reader, format_recipient_id(pick.recipient))
                    beside = await evidence.beside(self._reader, pick.recipient)
                    views[pick.recipient] = view, self._mask(beside.addresses, view.recipients[0].recipient)
                view, mask = views[pick.recipient]
                back = await evidence.from_the_end(self._reader, pick.recipient, pick.n)
                found[pick] = self._sample(view, pick, view.recipients[0].attempts[-back], mask)
                events = view.events
        return found, events

    def _sample(self, view: MessageView, pick: Pick, attempt: AttemptView, mask: Mask) -> Sample:
        envelope, internal = view.envelope, self._internal
        sender_domain = _DOMAIN.findall(envelope.from_)
        return Sample(
            name=f"{view.recipients[0].id}-{pick.n}",
            started=attempt.started,
            sender=envelope.sender,
            recipient=view.recipients[0].recipient,
            message_id=envelope.message_id,
            received=envelope.received,
            size=envelope.size,
            signed=envelope.signed if internal or envelope.signed.startswith("d=") else "",
            host=attempt.host,
            address=attempt.address,
            tls=attempt.tls,
            stage=attempt.stage,
            disposition=attempt.disposition,
            class_=attempt.class_,
            code=attempt.code,
            enhanced=attempt.enhanced,
            text=mask.text(attempt.text),
            timings=attempt.timings,
            transcript=tuple(map(mask.line, attempt.transcript[:MAX_LINES])),
            cut=max(0, len(attempt.transcript) - MAX_LINES),
            header_from=envelope.from_ if internal else f"@{sender_domain[-1]}" if sender_domain else "",
            subject=envelope.subject if internal else "",
            client=f"{envelope.client} ({envelope.helo})" if internal else "",
            user=envelope.user if internal else "",
        )

    # ------------------------------------------------------------------ failures

    async def _groups(self, samples: dict[Pick, Sample]) -> tuple[FailureGroup, ...]:
        """Groups of the window, most attempts first, then those that only wait."""
        names: dict[str, list[str]] = {}
        for pick, sample in samples.items():
            names.setdefault(pick.fingerprint, []).append(sample.name)
        return tuple(
            FailureGroup(
                class_=kind.class_,
                sentence=kind.sentence,
                attempts=kind.attempts,
                waiting=kind.waiting,
                first_seen=moment(kind.first),
                last_seen=moment(kind.last),
                samples=tuple(names.get(kind.fingerprint, ())),
                fingerprint=self._mask().text(kind.fingerprint) if self._internal else "",
            )
            for kind in await evidence.groups(self._reader, self._where, self._since, MAX_GROUPS)
        )

    async def _incidents(self) -> list[TimelineRow]:
        """What is unusual at this site; what is our own trouble stays in the house."""
        past = await history.past(self._reader, self._now, self._seconds)
        since = self._relay.runner.live("").outage_since
        names = {self._where.site or self._where.destination} | ({""} if self._internal else set())
        return [
            TimelineRow(
                row.first_seen or moment(self._now),
                "incident",
                row.count,
                row.class_,
                f"{row.change}: {row.count} attempts, usually {row.usual:g}" if row.site else row.sentence,
            )
            for row in incidents.compare(past, since, self._now)
            if row.site in names
        ]

    # ------------------------------------------------------------------ one recipient

    async def _one(self, row: int, samples: dict[Pick, Sample]) -> OneRecipient:
        known, beside = await facts.facts(self._reader, row), await evidence.beside(self._reader, row)
        view = await message_view.show(self._reader, format_recipient_id(row))
        told = self._why(known, await facts.recipients(self._reader, format_recipient_id(row)))
        mask = self._mask(beside.addresses, known.address)
        tellable = [cause for cause in told.causes if self._internal or cause.kind in _TELLABLE]
        first = bool(told.causes) and told.causes[0] in tellable
        here = [address for address, at in zip(beside.addresses, beside.destinations, strict=True) if self._near(at)]
        return OneRecipient(
            id=told.id,
            recipient=known.address,
            state=known.state.value,
            sender=known.sender,
            message_id=view.envelope.message_id,
            received=view.envelope.received,
            size=view.envelope.size,
            attempts=known.attempts,
            next_attempt=told.next_attempt,
            answer=mask.text(told.answer) if first or self._internal else _OWN_MEASURE,
            causes=tuple(mask.text(cause.text) for cause in tellable),
            others=tuple(
                address if self._internal else without_local(address) for address in here if address != known.address
            ),
            elsewhere=len(beside.addresses) - len(here),
        )

    def _near(self, destination: str) -> bool:
        return self._internal or destination == self._where.destination

    def _why(self, known: facts.Facts, recipients: Sequence[facts.Other]) -> WhyView:
        if known.event is not None and not self._internal:
            actor = known.event.actor if known.event.actor == "relay" else "an operator"
            known = replace(known, event=replace(known.event, actor=actor, text=""))
        retry, live = self._config.retry, self._relay.runner.live(known.site)
        found = why.why(known, live, Backoff(retry.schedule, retry.jitter), self._now)
        return why.told(recipients[:1], found)

    # ------------------------------------------------------------------ ourselves and them

    async def _ours(self, samples: dict[Pick, Sample]) -> Ourselves:
        config, resolver = self._config, self._relay.resolver
        addresses = config.delivery.source_addresses
        if not addresses:
            rows = await sighting.addresses(resolver, [config.relay.hostname], DNS_SECONDS)
            addresses = tuple(answer for row in rows for answer in row.answers)
        return Ourselves(
            hostname=config.relay.hostname,
            addresses=addresses,
            configured=bool(config.delivery.source_addresses),
            contact=config.dsn.postmaster,
            signed=tuple(dict.fromkeys(sample.signed for sample in samples.values() if sample.signed)),
        )

    def _routes(self) -> list[Route | None]:
        """The ways its mail takes; None for one that is gone from the configuration."""
        return [self._relay.courier.route(key) for key in self._where.routes]

    async def _dns(self) -> tuple[DnsRow, ...]:
        resolver = self._relay.resolver
        hosts = {route.host for route in self._routes() if route is not None and route.kind == "smarthost"}
        named = sorted(host for host in hosts if host != "localhost" and parse_ip(host) is None)
        theirs, on_the_way = await asyncio.gather(
            sighting.destination(resolver, self._where.destination, DNS_SECONDS),
            sighting.addresses(resolver, named, DNS_SECONDS),
        )
        return (*theirs, *on_the_way)


def _window(text: str) -> float:
    try:
        seconds = duration(text)
    except TimeError:
        seconds = 0.0
    if not SHORTEST <= seconds <= LONGEST:
        raise ControlError("bad-window", f'a window of time is written like 15m or 24h, from 1m to 2d, not "{text}"')
    return seconds


def _domain(subject: str) -> str:
    """The destination a subject names. ControlError `bad-subject`."""
    try:
        return canonical_domain(subject.strip().encode())
    except ValueError:
        text = f'"{subject[:100]}" is neither a domain nor an id'
        raise ControlError("bad-subject", text, "write example.org, 1QHQZRES or 1QHQZRES.1") from None
