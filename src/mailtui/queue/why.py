"""Why a recipient is not going out right now, and when it will be tried: one ordered answer.

Owned here: the judgement, as a pure function of what the queue file knows (`facts`), what the runner knows (`live`), the retry steps
and the time. What decides stands first: what stops all deliveries, then what ends last. No I/O.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from mailtui.findings import CauseView, OtherRecipient, WhyView
from mailtui.model import WAITING, State
from mailtui.queue.facts import Facts, Other
from mailtui.queue.live import Live, SiteLive
from mailtui.queue.schedule import HINT_FLOOR, Backoff
from mailtui.queue.wording import ago, ahead, clock, count, said, span
from mailtui.suspensions import named
from mailtui.views import moment, moment_or_none


class Why(msgspec.Struct, frozen=True):
    """The answer in one sentence, the earliest next attempt (POSIX seconds; None when nothing is planned), and its causes."""

    answer: str
    next_attempt: float | None
    causes: tuple[CauseView, ...]


class _Cause(msgspec.Struct, frozen=True):
    kind: str
    text: str
    until: float = 0.0


def why(facts: Facts, live: Live, backoff: Backoff, now: float) -> Why:
    """Judge one recipient."""
    if facts.state in (State.QUEUED, State.DEFERRED):
        return _waiting(facts, live, backoff, now)
    found = _HELD_OR_SENDING.get(facts.state, _finished)(facts, live, now)
    causes = [found]
    if facts.state in WAITING:
        causes += _rerouted(facts, now)
        causes.append(_expiry(facts, now))
    return Why(_sentence(found.text), None, _views(causes))


def _views(causes: list[_Cause]) -> tuple[CauseView, ...]:
    return tuple(CauseView(cause.kind, _sentence(cause.text)) for cause in causes)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


# ---------------------------------------------------------------------- what waits for an attempt


def _waiting(facts: Facts, live: Live, backoff: Backoff, now: float) -> Why:
    stopped, timed = [*_stopped(live, now), *_suspended(facts, live, now)], list(_timed(facts, live, backoff, now))
    timed.sort(key=lambda cause: -cause.until)  # what ends last decides
    causes = [*stopped, *timed] or [_turn(facts, live, now)]
    at = max([facts.next_attempt, *(cause.until for cause in (*stopped, *timed))])
    frozen = live.paused or live.stopping or any(halt.until is None for halt in live.halts)
    when = "nothing is tried meanwhile" if frozen else _when(causes[0], at, now)
    answer = _sentence("; ".join(part for part in (causes[0].text, when) if part))
    return Why(answer, None if frozen else at, _views([*causes, *_rerouted(facts, now), _expiry(facts, now, at)]))


def _rerouted(facts: Facts, now: float) -> Iterator[_Cause]:
    """Nothing that keeps it, but worth knowing: the rules of the configuration do not say which way it goes."""
    event, to = facts.reroute, f"to {facts.rerouted_to}"
    if not facts.rerouted_to:
        return
    if event is not None and (event.text == to or event.text.startswith(f"{to}: ")):
        yield _Cause("rerouted", f"rerouted by {_who(event.actor)} at {ago(event.at, now)} {said(event.text)}")
    else:  # the latest one was undone
        yield _Cause("rerouted", f"rerouted {to}")


def _when(first: _Cause, at: float, now: float) -> str:
    if first.kind in ("slots", "turn", "probe", "rate"):
        return ""
    if first.kind == "outage":
        return "one delivery a minute probes, the others follow as soon as anybody answers"
    later = " at the earliest" if first.kind in ("breaker", "suspended", "shaping") else ""
    return f"it is tried next at {ahead(at, now)}{later}"


def _stopped(live: Live, now: float) -> Iterator[_Cause]:
    """What keeps everything, whatever its time."""
    if live.stopping:
        yield _Cause("stopping", "the relay is stopping: what waits goes on with its next start")
    if live.paused:
        yield _Cause("paused", "all deliveries are paused")
    if live.outage_since:
        since = ago(live.outage_since, now)
        yield _Cause("outage", f"nothing can be reached since {since}: our network or resolver fails, not this site")


def _suspended(facts: Facts, live: Live, now: float) -> Iterator[_Cause]:
    """What an operator has suspended; what ends last stands first."""
    for halt in sorted(live.halts, key=lambda halt: -math.inf if halt.until is None else -halt.until):
        end = "until it is resumed" if halt.until is None else f"until {ahead(halt.until, now)}"
        plural = "are" if halt.kind == "delivery" else "is"
        text = (
            f"{named(halt.kind, halt.name)} {plural} suspended by {_who(halt.actor)} since {ago(halt.since, now)} {end}"
        )
        yield _Cause("suspended", f"{text}{_because(halt.reason)}", halt.until or now)
    if facts.suspended_since is not None and not live.halts:
        yield _Cause("suspended", "its suspension is over, what waited is being given its turns", now)


def _timed(facts: Facts, live: Live, backoff: Backoff, now: float) -> Iterator[_Cause]:
    """What keeps this recipient until some time."""
    if facts.lane_failures and facts.lane_until > now:
        times = count(facts.lane_failures, "time")
        text = f"no host is known for {facts.destination}, its DNS failed {times} in a row{_because(facts.lane_reason)}"
        yield _Cause("dns", text, facts.lane_until)
    if (breaker := _breaker(facts, live.site, now)) is not None:
        yield breaker
    for one in live.restraints:
        if one.paused:
            yield _Cause("shaping", f"its site {one.site} is {one.told(now)}", max(one.until, now))
    if facts.next_attempt > now:
        yield _Cause(*_schedule(facts, backoff, now), facts.next_attempt)


def _breaker(facts: Facts, site: SiteLive | None, now: float) -> _Cause | None:
    """The site does not work. The runner knows it better than the file, whose word comes a commit later."""
    failures, until, reason = facts.site_failures, facts.site_until, facts.site_reason
    if site is not None:
        failures, until, reason = site.failures, site.broken_until, site.reason
    if not failures:
        return None
    broken = f"its site {facts.site} does not work, {count(failures, 'failure')} in a row{_because(reason)}"
    if until > now:
        return _Cause("breaker", f"{broken}; one message probes it at {ahead(until, now)}, the rest follow", until)
    if site is not None and site.in_use:
        return _Cause("probe", f"{broken}; a probe is under way now, the rest follow when it answers", now)
    return _Cause("probe", f"{broken}; the probe is due now, the rest follow when it answers", now)


def _because(reason: str) -> str:
    return f" ({said(reason)})" if reason else ""


def _schedule(facts: Facts, backoff: Backoff, now: float) -> tuple[str, str]:
    """Why the next attempt of the recipient itself lies in the future."""
    last, event = facts.last, facts.event
    if event is not None and event.kind == "retry" and (last is None or event.at > last.ended):
        reason = f" ({said(event.text)})" if event.text else ""
        return (
            "spread",
            f"a retry was asked for by {event.actor} at {clock(event.at, now)}{reason}; many at once are spread",
        )
    if (
        facts.resumed_at is not None
        and facts.back_by is not None
        and _came_back(facts, facts.resumed_at, facts.back_by)
    ):
        over = span(facts.back_by - facts.resumed_at)
        return (
            "spread",
            f"its destination was resumed at {clock(facts.resumed_at, now)}; what waited comes back over {over}",
        )
    if last is None or not facts.attempts:
        return "planned", "its first attempt is planned for later" + (
            "" if facts.sender else ", notices leave at a limited rate"
        )
    if facts.class_ == "interrupted":
        return (
            "interrupted",
            f"the relay ended during attempt {facts.attempts}; its outcome is unknown and it is made again",
        )
    met = f"attempt {facts.attempts} was deferred at {clock(last.ended, now)}: {_met(facts)}"
    if last.wait is not None:
        return "hint", f"{met}; {_hint(last.wait, backoff)}"
    step = min(facts.attempts, len(backoff.steps))
    repeats = (
        f" of {len(backoff.steps)}, the last, which repeats"
        if step == len(backoff.steps)
        else f" of {len(backoff.steps)}"
    )
    waits = f"step {step}{repeats}, waits {span(backoff.steps[step - 1])} ± {backoff.jitter:.0%}"
    return "back-off", f"{met}; {waits}, the reply named no time"


def _came_back(facts: Facts, resumed: float, by: float) -> bool:
    """Whether the next attempt was planned by the end of a suspension."""
    return resumed < facts.next_attempt <= by and (facts.last is None or facts.last.ended < resumed)


def _met(facts: Facts) -> str:
    reply = said(str(facts.reply)) or "no reply"
    return f"{facts.class_}, {reply}" if facts.class_ else reply


def _hint(wait: float, backoff: Backoff) -> str:
    used = min(max(wait, min(HINT_FLOOR, backoff.steps[0])), backoff.steps[-1])
    asked = f"the reply asked to wait {span(wait)}"
    return asked if used == wait else f"{asked}, {span(used)} is the {'least' if used > wait else 'most'} that is done"


def _turn(facts: Facts, live: Live, now: float) -> _Cause:
    """Due, and nothing forbids it: only others are before it."""
    site, due = live.site, "" if now - facts.next_attempt < 1 else f" since {ago(facts.next_attempt, now)}"
    if site is not None and site.rate is not None and site.token_at > now:
        text = f"due{due} and waiting for the rate of {site.rate} for site {site.name}: next token at {ahead(site.token_at, now)}"
        return _Cause("rate", text + _restrained(live, now))
    if site is not None and site.in_use >= site.limit:
        at_once = (
            f"{site.in_use} of {count(site.limit, 'delivery').replace('deliverys', 'deliveries')} at once are under way"
        )
        more = f" (up to {site.configured} as it proves itself)" if site.limit < site.configured else ""
        return _Cause(
            "slots", f"due{due} and waiting for a slot: to {site.name} {at_once}{more}{_restrained(live, now)}"
        )
    if live.slots >= live.concurrency:
        return _Cause("slots", f"due{due} and waiting for a slot: all {live.concurrency} of the relay are at work")
    if (site is None or not site.proven) and live.unproven >= max(1, live.concurrency // 2):
        half = max(1, live.concurrency // 2)
        return _Cause("slots", f"due{due} and waiting for one of the {half} slots for sites that have not answered yet")
    if site is None:
        return _Cause("turn", f"due{due}; it is tried as soon as its hosts are looked up")
    return _Cause("turn", f"due{due}; nothing stands in the way, its turn comes within moments")


def _restrained(live: Live, now: float) -> str:
    """What rules have to do with it."""
    return "".join(f"; {one.told(now)}" for one in live.restraints if not one.paused)


def _expiry(facts: Facts, now: float, next_attempt: float = 0.0) -> _Cause:
    if facts.state is State.HELD:
        return _Cause("expiry", "its lifetime stands still while it is held")
    if facts.suspended_since is not None:
        return _Cause("expiry", "its lifetime stands still while it is suspended")
    if facts.expires_at <= max(now, next_attempt):
        return _Cause("expiry", f"its lifetime ends at {clock(facts.expires_at, now)}: the next attempt is its last")
    return _Cause("expiry", f"unless it is delivered before, it is given up after {ahead(facts.expires_at, now)}")


# ---------------------------------------------------------------------- what is not planned


def _sending(facts: Facts, live: Live, now: float) -> _Cause:
    where = facts.site or facts.destination
    return _Cause("sending", f"attempt {facts.attempts} is under way to {where} since {ago(facts.changed_at, now)}")


def _held(facts: Facts, live: Live, now: float) -> _Cause:
    event = facts.event
    by, reason = ("the relay", facts.reply.text) if event is None else (_who(event.actor), event.text)
    former = ""
    if facts.former_next is not None:
        former = f"; a release gives it back as {facts.former_state or 'queued'}, to be tried {_then(facts.former_next, now)}"
    return _Cause("held", f"held by {by} since {ago(facts.changed_at, now)}{_because(reason)}{former}")


def _then(at: float, now: float) -> str:
    return f"at {ahead(at, now)}" if at > now else "at once"


def _who(actor: str) -> str:
    return "the relay" if actor == "relay" else actor


def _finished(facts: Facts, live: Live, now: float) -> _Cause:
    at, tries = ago(facts.changed_at, now), count(facts.attempts, "attempt")
    if facts.state is State.DELIVERED:
        host = facts.host or facts.site or facts.destination
        return _Cause("delivered", f"accepted by {host} at {at} after {tries}: {said(str(facts.reply)) or 'no reply'}")
    event = facts.event
    if facts.state is not State.BOUNCED:
        by = f" by {_who(event.actor)}" if event is not None else ""
        return _Cause(
            facts.state.value, f"{facts.state}{by} at {at}{_because(event.text if event is not None else '')}"
        )
    if event is not None and event.kind == "bounce":
        return _Cause("bounced", f"given up by {_who(event.actor)} at {at}{_because(event.text)}")
    if facts.class_ == "expired" or (event is not None and event.kind == "expired"):
        return _Cause(
            "expired", f"given up at {at}, its lifetime was over after {tries}; the last reply was: {_met(facts)}"
        )
    return _Cause("bounced", f"given up at {at} after {tries}: {_met(facts)}{_meaning(facts.sentence)}")


def _meaning(sentence: str) -> str:
    return f" - {sentence.rstrip('.')}" if sentence else ""


_HELD_OR_SENDING: Final = {State.SENDING: _sending, State.HELD: _held}


def told(recipients: Sequence[Other], found: Why) -> WhyView:
    """The answer about the first of some recipients of a message, and the others in short."""
    first, others = recipients[0], recipients[1:]
    waiting = sum(other.state in WAITING for other in recipients)
    several = (
        f"{waiting} of {len(recipients)} recipients wait, {first.id} {'first' if waiting else 'last'}: "
        if others
        else ""
    )
    answer = f"{several}{found.answer[0].lower() if several else found.answer[0]}{found.answer[1:]}"
    at = moment_or_none(found.next_attempt)
    return WhyView(first.id, first.address, first.state.value, answer, at, found.causes, tuple(map(_other, others)))


def _other(other: Other) -> OtherRecipient:
    due = moment(other.next_attempt) if other.state in (State.QUEUED, State.DEFERRED) else None
    return OtherRecipient(other.id, other.address, other.state.value, due)
