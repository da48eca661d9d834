"""What an incident bundle says in words and sums: settings, hours, the rows of its timeline, the summary.

Owned here: those as pure functions over values. What goes into a bundle is `report_desk`'s choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from mailtui.bundles import DoneRow, FailureGroup, HourRow, Numbers, OneRecipient, Setting, TimelineRow
from mailtui.config import Config
from mailtui.delivery.route import Route
from mailtui.queue.evidence import Minute
from mailtui.queue.live import SiteLive
from mailtui.queue.wording import count, span
from mailtui.views import EventView, moment

_LEVELS: Final = {
    "opportunistic": "opportunistic: used when offered, certificates are not checked",
    "required": "required, certificates are not checked",
    "verified": "required, chain and name of the certificate must hold",
    "off": "off",
}


def settings(
    config: Config, routes: Sequence[Route | None], site: SiteLive | None, internal: bool
) -> Iterator[Setting]:
    """What applies to a destination with these routes at that site (None: nothing is known of it now). Passwords are never in it."""
    for route in routes:
        yield from _route(route, internal)
    now = f", {site.limit} now" if site is not None else ""
    yield Setting("connections at once", f"{config.delivery.per_site}{now}")
    yield Setting("messages per connection", str(config.delivery.per_connection))
    yield Setting("recipients per message", str(config.delivery.max_recipients))
    yield Setting("IPv6", "yes" if config.delivery.ipv6 else "no")
    yield Setting("least TLS version", config.tls.min_version)
    steps = ", ".join(map(span, config.retry.schedule))
    yield Setting("retries after", f"{steps}, then the last again (± {config.retry.jitter:.0%})")
    yield Setting("given up after", span(config.queue.lifetime))
    timeouts = config.timeouts
    stages = (f"{name.replace('_', ' ')} {getattr(timeouts, name):g} s" for name in timeouts.__struct_fields__)
    yield Setting("time-outs", ", ".join(stages))


def _route(route: Route | None, internal: bool) -> Iterator[Setting]:
    if route is None:
        yield Setting("route", "one that is gone from the configuration")
        return
    way = {"mx": f"by MX, port {route.port}", "discard": "discarded"}
    yield Setting("route", way.get(route.kind, f"through {route.host}:{route.port}"))
    yield Setting("TLS", _LEVELS[route.tls])
    if route.username:
        yield Setting("login", f"as {route.username if internal else '***'}, password ***")
    if internal:
        yield Setting("rule", route.rule)


def hours(minutes: Sequence[Minute]) -> tuple[HourRow, ...]:
    """Minutes summed up, hours without attempts left out."""
    sums: dict[int, list[int]] = {}
    for minute in minutes:
        of = sums.setdefault(minute.minute // 60, [0, 0, 0])
        for i, n in enumerate((minute.delivered, minute.deferred, minute.bounced)):
            of[i] += n
    return tuple(HourRow(datetime.fromtimestamp(hour * 3600, UTC), *of) for hour, of in sorted(sums.items()))


def moments(flow: Sequence[Minute], failed: Sequence[Minute]) -> Iterator[TimelineRow]:
    """The rows of a timeline: what was delivered (of `flow`), and what failed, by class."""
    for minute in flow:
        if minute.delivered:
            yield TimelineRow(moment(minute.minute * 60), "delivered", minute.delivered)
    for minute in failed:
        for kind, n in (("deferred", minute.deferred), ("bounced", minute.bounced)):
            if n:
                yield TimelineRow(moment(minute.minute * 60), kind, n, minute.class_)


def action(done: DoneRow) -> TimelineRow:
    """The row of something we did."""
    by = f" by {done.actor}" if done.actor else ""
    reason = f": {done.reason}" if done.reason else ""
    return TimelineRow(done.at, "action", done.recipients, "", f"{done.verb}{by}{reason}")


def event(event: EventView, internal: bool) -> TimelineRow:
    """The row of an event of a message; by whom and in which words only for ourselves."""
    text = f"{event.kind} by {event.actor}: {event.text}" if internal else event.kind
    return TimelineRow(event.at, "event", 0, "", text)


def summary(destination: str, numbers: Numbers, groups: Sequence[FailureGroup], one: OneRecipient | None) -> str:
    """The whole in two or three sentences."""
    total = numbers.delivered + numbers.deferred + numbers.bounced
    waits = f"{count(numbers.waiting, 'recipient')} wait{'s' if numbers.waiting == 1 else ''} now."
    text = (
        f"{count(total, 'attempt')} to {destination} in the window: {numbers.delivered:,} delivered, {numbers.deferred:,}"
        f" deferred, {numbers.bounced:,} refused for good. {waits}"
    )
    if one is not None:
        return f"{one.id} is {one.state} after {count(one.attempts, 'attempt')}. {text}"
    if groups:
        sentence = f" ({groups[0].sentence.rstrip('.')})" if groups[0].sentence else ""
        text += f" Most often: {groups[0].class_}{sentence}."
    return text
