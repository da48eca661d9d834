"""Random kills under load: the relay dies again and again at moments nobody chose, and at the end everything is counted.

Owned here: the storm itself, for the short test and for the long script beside it (tests/soak/kill_loop.py).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.crash.process import CrashRelay, crash_relay, routes, settings, until
from tests.kit.ledger import Audit, Ledger, Source, Taken, reconcile, taken

from mailtui.lab.personality import Act, Personality, Situation
from mailtui.lab.remote import RemoteServer
from mailtui.model import Stage


@dataclass(frozen=True)
class Storm:
    """What to do: how often to kill, after how many seconds up (at random), how many messages at once, how slow the remote is.

    Every tenth recipient does not exist, so that bounces and their reports are under way too. `seed` makes the moments repeatable
    as far as a process allows.
    """

    kills: int
    uptime: tuple[float, float]
    sessions: int
    size: tuple[int, int]
    dot_delay: float
    seed: int = 1


@dataclass(frozen=True)
class Toll:
    """What came of it: the audit in recipients, the kills, the longest start in seconds, the most deliveries under way at a kill."""

    audit: Audit
    kills: int
    slowest_start: float
    under_way: int
    transactions: int

    def __str__(self) -> str:
        return (
            f"kills {self.kills}, client transactions {self.transactions}, {self.audit}, deliveries under way at the kills"
            f" {self.under_way}, slowest start to listening {self.slowest_start * 1000:.0f} ms"
        )


async def rage(storm: Storm, directory: Path, say: Callable[[str], None] = lambda line: None) -> Toll:
    """Do it; `say` hears of every tenth kill. AssertionError when a start breaks a promise."""
    chance = random.Random(storm.seed)
    ledger = Ledger(directory / "ledger")
    small, large = storm.size
    async with RemoteServer(_character(storm, chance)) as sink, crash_relay(_settings(sink)) as relay:
        source = Source(
            ("127.0.0.1", relay.port),
            ledger,
            sessions=storm.sessions,
            recipients=lambda n: (f"{'nobody' if n % 10 == 0 else 'user'}{n}@d{n % 7}.test",),
            size=lambda n: small + n * 7919 % (large - small),
        )
        sending = asyncio.create_task(source.run())
        under_way, seen = 0, list[Taken]()
        for kill in range(1, storm.kills + 1):
            await asyncio.sleep(chance.uniform(*storm.uptime))
            relay.kill()
            under_way += relay.one("SELECT count(*) FROM recipient WHERE state = 'sending'")
            await relay.up()
            _digest(sink, seen)
            if kill % 10 == 0:
                relay.check()
                say(f"{kill} kills, {source.accepted} accepted, {sink.records.total_recipients} taken by the remote")
        source.stop()
        await sending
        sink.personality = _character(replace(storm, dot_delay=0.0), chance)  # what is left is not what is tested
        await until(lambda: _settled(relay), "the queue to empty", 120)
        relay.check()
        assert relay.one("SELECT count(*) FROM message WHERE phase = 'receiving'") == 0
        _digest(sink, seen)
        audit = reconcile(ledger.read(), seen, relay.queue)
        ledger.close()
        return Toll(audit, storm.kills, max(relay.starts), under_way, source.attempts)


def _digest(sink: RemoteServer, seen: list[Taken]) -> None:
    """Keep what the audit needs of the mail that has come, and let the bodies go."""
    while sink.mailbox:
        seen.append(taken(sink.mailbox.popleft()))


def _settled(relay: CrashRelay) -> bool:
    """Whether nothing waits but what is held."""
    return not relay.one("SELECT count(*) FROM recipient WHERE state IN ('queued', 'sending', 'deferred')")


def _settings(sink: RemoteServer) -> dict[str, object]:
    return settings(routes(rest=sink), log={"level": "warning"}, delivery={"per_site": 20})


def _character(storm: Storm, chance: random.Random) -> Personality:
    """Slow at the dot, by a random time, and without some of its users."""

    def dot(situation: Situation) -> Act:
        return Act("250 2.0.0 taken", delay=chance.uniform(0, storm.dot_delay))

    unknown = Act("550 5.1.1 <{address}>: no such user")
    return Personality(mailboxes=(("nobody*", unknown),), hooks={Stage.FINAL_DOT: dot})
