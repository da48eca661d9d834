"""One DNS question at a time: cached by TTL, asked once however many wait for it, and mapped to an answer or
`LookupFailed`.

Owned here: dnspython, the cache, the joining of identical queries and the limit on open ones. What an answer means for
mail (preferences, null MX, loops) belongs to `dns`.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.rdtypes.ANY.MX
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.resolver
import dns.rrset

from mailtui.delivery.problems import LookupFailed

RecordType = Literal["MX", "A", "AAAA"]
Rows = tuple[tuple[int, str], ...]

TTL_FLOOR: Final = 5.0  # a TTL of 0 must not mean one query per message
TTL_CAP: Final = 3600.0
NEGATIVE_TTL_CAP: Final = 300.0  # a domain that was just repaired gets its mail soon
MAX_ROWS: Final = 100
MAX_OPEN_QUERIES: Final = 200  # each holds a socket; one blackholed domain must not take all descriptors
PER_TRY: Final = 2.0  # seconds before the same question goes to the next nameserver
EDNS_PAYLOAD: Final = 1232  # octets that no path fragments (DNS flag day 2020)


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows are (preference, host) for MX (host "" is the null MX) and (0, address) else, sorted; `exists` is False for
    NXDOMAIN; `ttl` seconds, clamped."""

    rows: Rows
    exists: bool
    ttl: float


@dataclass(frozen=True, slots=True)
class _Cached:
    answer: Answer
    expires: float


_Key = tuple[str, RecordType]
ChangeCallback = Callable[[str, RecordType, Answer, Answer], None]


class Lookup:
    """A stub resolver with memory; lives in one event loop. `timeout` is the lifetime of one question in seconds.

    `nameservers` are (ip, port); without any the system's are used. `on_change(name, type, old, new)` is called when a
    question that was answered before is answered differently.
    """

    def __init__(
        self,
        nameservers: Sequence[tuple[str, int]] = (),
        *,
        timeout: float = 20.0,
        cache_size: int = 10_000,
        on_change: ChangeCallback | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = _stub_resolver(nameservers, timeout)
        self._timeout = timeout
        self._cache: OrderedDict[_Key, _Cached] = OrderedDict()
        self._cache_size = cache_size
        self._on_change = on_change
        self._clock = clock
        self._open = asyncio.Semaphore(MAX_OPEN_QUERIES)
        self._joined: dict[_Key, asyncio.Task[Answer | str]] = {}
        self._tasks: set[asyncio.Task[Answer | str]] = set()

    async def ask(self, name: str, type_: RecordType) -> Answer:
        """The answer for `name` (absolute, lower-case, no final dot). Raises LookupFailed for whatever may be better
        later."""
        cached = self._cache.get((name, type_))
        if cached is not None and self._clock() < cached.expires:
            self._cache.move_to_end((name, type_))
            return cached.answer
        # The shield keeps a waiter that gives up from taking the answer away from the others.
        result = await asyncio.shield(self._join((name, type_)))
        if isinstance(result, str):
            raise LookupFailed(name, result)
        return result

    def age(self, name: str, type_: RecordType) -> float:
        """How many seconds ago what is `known` was answered; 0 when nothing is."""
        cached = self._cache.get((name, type_))
        return max(0.0, cached.answer.ttl - (cached.expires - self._clock())) if cached else 0.0

    def known(self, name: str, type_: RecordType) -> Answer | None:
        """What was answered last, expired or not; asks nobody."""
        cached = self._cache.get((name, type_))
        return cached.answer if cached else None

    def flush(self, name: str | None = None) -> int:
        """Forget the answers for `name` (None: all); the count of live answers that went.

        Entries stay as expired ones, so that the next answer can still be compared with the last.
        """
        now = self._clock()
        live = [(key, item) for key, item in self._cache.items() if name in (None, key[0]) and now < item.expires]
        for key, item in live:
            self._cache[key] = _Cached(item.answer, now)
        for key in [key for key in self._joined if name in (None, key[0])]:
            del self._joined[key]  # whoever asks from now on wants an answer that is younger than the flush
        return len(live)

    async def aclose(self) -> None:
        """Give up what is still being asked."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _join(self, key: _Key) -> asyncio.Task[Answer | str]:
        task = self._joined.get(key)
        if task is None:
            task = asyncio.create_task(self._settle(key), name=f"dns {key[1]} {key[0]}")
            self._joined[key] = task
            self._tasks.add(task)
            task.add_done_callback(lambda done: self._leave(key, done))
        return task

    def _leave(self, key: _Key, task: asyncio.Task[Answer | str]) -> None:
        self._tasks.discard(task)
        if self._joined.get(key) is task:
            del self._joined[key]

    async def _settle(self, key: _Key) -> Answer | str:
        """Ask and remember; a failure is a value, because several waiters cannot share one exception's traceback."""
        async with self._open:
            result = await self._query(*key)
        if isinstance(result, Answer):
            self._remember(key, result)
        return result

    async def _query(self, name: str, type_: RecordType) -> Answer | str:
        try:
            # dnspython measures its lifetime on the wall clock; this bound holds when that clock is set back.
            async with asyncio.timeout(self._timeout + PER_TRY):
                answer = await self._resolver.resolve(
                    dns.name.from_text(name + "."), type_, raise_on_no_answer=False, search=False
                )
        except dns.resolver.NXDOMAIN as missing:
            response = next(iter(missing.kwargs["responses"].values()))
            return Answer((), False, _clamp(response.resolve_chaining().minimum_ttl, NEGATIVE_TTL_CAP))
        except dns.resolver.NoNameservers as failed:
            return _server_errors(failed)
        except (TimeoutError, dns.exception.Timeout):
            return f"no answer within {self._timeout:g} s"
        except Exception as error:  # what a hostile packet makes dnspython raise is a failed look-up, never a crash
            return f"{type(error).__name__}: {error}"[:200]
        ttl = answer.chaining_result.minimum_ttl
        if answer.rrset is None:
            return Answer((), True, _clamp(ttl, NEGATIVE_TTL_CAP))
        return Answer(_rows(answer.rrset), True, _clamp(ttl, TTL_CAP))

    def _remember(self, key: _Key, answer: Answer) -> None:
        before = self._cache.get(key)
        self._cache[key] = _Cached(answer, self._clock() + answer.ttl)
        self._cache.move_to_end(key)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        if self._on_change and before and (before.answer.rows, before.answer.exists) != (answer.rows, answer.exists):
            self._on_change(*key, before.answer, answer)


def _stub_resolver(nameservers: Sequence[tuple[str, int]], timeout: float) -> dns.asyncresolver.Resolver:
    try:
        resolver = dns.asyncresolver.Resolver(configure=not nameservers)
    except dns.resolver.NoResolverConfiguration:
        resolver = dns.asyncresolver.Resolver(
            configure=False
        )  # every question fails, and says that no server was asked
    if nameservers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(*server) for server in nameservers]
    resolver.lifetime = timeout
    resolver.timeout = PER_TRY
    resolver.use_edns(0, 0, EDNS_PAYLOAD)
    return resolver


def _clamp(ttl: float, cap: float) -> float:
    return min(max(float(ttl), TTL_FLOOR), cap)


def _rows(rrset: dns.rrset.RRset) -> Rows:
    rows: set[tuple[int, str]] = set()
    for record in rrset:
        if isinstance(record, dns.rdtypes.ANY.MX.MX):
            host = record.exchange.to_text(omit_final_dot=True).lower()
            rows.add((record.preference, "" if host == "." else host))
        elif isinstance(record, dns.rdtypes.IN.A.A | dns.rdtypes.IN.AAAA.AAAA):
            rows.add((0, record.address))
    return tuple(sorted(rows)[:MAX_ROWS])


def _server_errors(failed: dns.resolver.NoNameservers) -> str:
    """The distinct complaints of the nameservers asked, such as "SERVFAIL"."""
    complaints = dict.fromkeys(str(error[3]) or type(error[3]).__name__ for error in failed.kwargs.get("errors", ()))
    return ", ".join(complaints)[:200] or "no nameserver to ask"
