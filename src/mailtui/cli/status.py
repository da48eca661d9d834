"""The answer to "is mail flowing?": the screen of `mailtui status`, and the verdict of `status --check` for monitoring.

Owned here: pure judgement of a `StatusView`; nothing is asked or printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from mailtui.control.results import Rate, StatusView
from mailtui.display import age, clock, plural, rate, size
from mailtui.text import safe_text


def waiting(status: StatusView) -> int:
    """Recipients in the queue."""
    depth = status.queue
    return depth.queued + depth.sending + depth.deferred + depth.held


def headline(status: StatusView) -> str:
    """One sentence: does mail flow?"""
    rates, count = status.rates, waiting(status)
    moving = f"{rate(rates.accepted.minute)} in and {rate(rates.delivered.minute)} out a minute"
    backlog = (
        f"{plural(count, 'recipient')} wait, the oldest for {age(status.oldest_seconds)}" if count else "nothing waits"
    )
    if not status.ready:
        return f"not taking mail (starting or draining); {backlog}"
    if not rates.delivered.quarter and rates.bounced.quarter and not count:
        return "everything bounced lately, nothing waits: see `mailtui queue list --history`"
    if count == status.queue.held:
        return f"mail flows: {moving}; " + (f"{plural(count, 'recipient')} held" if count else backlog)
    if rates.delivered.quarter:
        return f"mail flows: {moving}; {backlog}"
    if rates.deferred.quarter or rates.bounced.quarter:
        return f"nothing was delivered lately; {backlog}: see `mailtui queue reasons`"
    return f"quiet: {backlog}"


def status_screen(status: StatusView, now: datetime) -> Iterator[str]:
    """All of it on one screen."""
    depth, totals, disk = status.queue, status.totals, status.disk
    yield headline(status)
    yield from (f"attention: {safe_text(line)}" for line in status.trouble)
    yield from (f"note: {safe_text(line)}" for line in status.notes)
    up = age((now - status.started).total_seconds())
    where = f"{status.hostname}{f' ({status.environment})' if status.environment else ''}"
    yield f"relay    {safe_text(where)}, up {up} since {clock(status.started, now)}, pid {status.pid}, mailtui {status.version}"
    yield f"listens  {', '.join(status.listeners) or 'nowhere'}"
    yield f"queue    queued {depth.queued:,}  sending {depth.sending:,}  deferred {depth.deferred:,}  held {depth.held:,}"
    yield f"/min 1m  {_rates({name: value.minute for name, value in _named(status).items()})}"
    yield f"/min 15m {_rates({name: value.quarter for name, value in _named(status).items()})}"
    yield (
        f"totals   accepted {totals.accepted:,} = waiting {waiting(status):,} + delivered {totals.delivered:,}"
        f" + bounced {totals.bounced:,} + suppressed {totals.suppressed:,} + purged {totals.purged:,}{_ledger(status)}"
    )
    yield f"disk     {size(disk.free)} free of {size(disk.total)}; queue {size(disk.queue)}, its log {size(disk.wal)}"


def _named(status: StatusView) -> dict[str, Rate]:
    return {name.replace("_", " "): getattr(status.rates, name) for name in status.rates.__struct_fields__}


def _rates(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {rate(value)}" for name, value in values.items())


def _ledger(status: StatusView) -> str:
    totals = status.totals
    off = totals.accepted - waiting(status) - totals.delivered - totals.bounced - totals.suppressed - totals.purged
    return f"  OFF BY {off:,}" if off else ""


class Limits(NamedTuple):
    """Thresholds of `--check`; None is not judged. Ages in seconds."""

    warn_queued: int | None = None
    crit_queued: int | None = None
    warn_oldest: float | None = None
    crit_oldest: float | None = None


WORDS = ("OK", "WARNING", "CRITICAL")


def judge(status: StatusView, limits: Limits) -> tuple[int, str]:
    """0, 1 or 2 as monitoring plugins end, and their line: verdict, causes, numbers."""
    causes = [(2, "not taking mail")] if not status.ready else []
    causes += [(1, line) for line in status.trouble]
    for least, most, value, text in (
        (
            limits.warn_queued,
            limits.crit_queued,
            float(waiting(status)),
            f"{plural(waiting(status), 'recipient')} wait",
        ),
        (limits.warn_oldest, limits.crit_oldest, float(status.oldest_seconds), f"oldest {age(status.oldest_seconds)}"),
    ):
        if most is not None and value >= most:
            causes.append((2, text))
        elif least is not None and value >= least:
            causes.append((1, text))
    level = max((level for level, _ in causes), default=0)
    why = ", ".join(text for _, text in causes) or headline(status)
    return level, f"{WORDS[level]}: {safe_text(why)} | queued={waiting(status)} oldest={status.oldest_seconds}s"
