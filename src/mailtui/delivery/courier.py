"""The courier: takes a claim to the hosts of its destination and comes back with an attempt for every recipient.

Owned here: which host is dialled next, what TLS is asked of it, and when a kept connection serves. It raises nothing but
cancellation: every failure of the other side is an attempt. It decides nothing about when to try again.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from mailtui.config import Config
from mailtui.delivery import classify, failures, tls
from mailtui.delivery.dial import connect
from mailtui.delivery.dns import Host, Resolver
from mailtui.delivery.pool import Pool
from mailtui.delivery.problems import RoutingProblem
from mailtui.delivery.route import Route, Rule, choose
from mailtui.delivery.session import Lost, Refused, Session, StageTimeout, open_session
from mailtui.delivery.transaction import Transaction
from mailtui.model import Address, Attempt, Claim, Delivery, Disposition, Obstacle, Reply, Stage, Verdict

ReadContent = Callable[[int, int], Awaitable[bytes | None]]

#: Hosts dialled for one claim before it is deferred; more only lengthens the wait (Postfix: smtp_mx_session_limit).
HOSTS_TRIED: Final = 4
#: Handshakes that failed, remembered for the next attempt.
REMEMBERED: Final = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a lane leads right now: its route, the site it belongs to, the hosts in order (none for discard)."""

    route: Route
    site: str
    hosts: tuple[Host, ...]


class Courier:
    """Delivers claims. `hostname` is what EHLO says; `number` gives transcript numbers."""

    def __init__(
        self,
        config: Config,
        rules: tuple[Rule, ...],
        resolver: Resolver,
        read_content: ReadContent,
        number: Callable[[], int],
    ) -> None:
        self._resolver = resolver
        self._read_content = read_content
        self._number = number
        self._broken_tls: dict[str, float] = {}
        self.pool = Pool(config.delivery.per_connection, config.timeouts.quit)
        self.configure(config, rules)

    def configure(self, config: Config, rules: tuple[Rule, ...]) -> None:
        """Use these settings from the next claim on."""
        self._config = config
        self._rules = rules
        self._routes = {route_key(rule.route): rule.route for rule in rules}
        self.pool.per_connection = config.delivery.per_connection

    def route_of(self, sender: Address, destination: str, attempts: int) -> str:
        """The key of the route a recipient goes by after `attempts` attempts."""
        return route_key(choose(self._rules, sender, destination, attempts))

    @property
    def rules(self) -> str:
        """A text that stands for the routing rules; another text means that recipients may belong elsewhere."""
        return "\n".join(f"{r.match} {r.sender.pattern} {r.after_attempts} {route_key(r.route)}" for r in self._rules)

    async def plan(self, destination: str, key: str) -> Plan | Obstacle:
        """Resolve a lane. Cached look-ups make this cheap."""
        route = self._routes.get(key)
        if route is None:
            reply = Reply(0, "4.3.5", "the route of this message is gone from the configuration")
            return Obstacle(reply, classify.outcome("unknown", Disposition.DEFERRED, "destination"))
        try:
            if route.kind == "discard":
                return Plan(route, "discard", ())
            if route.kind == "smarthost":
                return Plan(route, f"{route.host}:{route.port}", await self._resolver.smarthost(route.host, route.port))
            hosts = await self._resolver.hosts(destination)
            return Plan(route, await self._resolver.site(destination), hosts)
        except RoutingProblem as problem:
            return Obstacle(*failures.explain(problem, Stage.DNS))

    async def deliver(self, claim: Claim, plan: Plan, signature: bytes) -> Delivery:
        """Take the claim to the first host that will talk, and tell what came of it."""
        if plan.route.kind == "discard":
            return self._discard(claim, plan.route)
        key = (plan.route.key, plan.site)
        started = time.time()
        last: Delivery | None = None
        for host in plan.hosts[:HOSTS_TRIED]:
            while (session := self.pool.take(key)) is not None:
                delivery, stale = await self._transact(session, claim, signature, key)
                if not stale:
                    return delivery
            outcome = await self._open(host, plan.route, claim, started)
            if isinstance(outcome, Session):
                delivery, _ = await self._transact(outcome, claim, signature, key)
                return delivery
            last = outcome
        if last is None:  # the resolver never gives an empty plan
            raise AssertionError("a plan without hosts")
        return last

    async def _transact(
        self, session: Session, claim: Claim, signature: bytes, key: tuple[object, ...]
    ) -> tuple[Delivery, bool]:
        """One transaction on a session; also whether the connection had died unnoticed, before it was asked anything."""
        reused = session.messages > 0
        transaction = Transaction(
            session,
            claim,
            signature + claim.prefix,
            lambda: self._chunks(claim.message),
            self._config.timeouts,
            classify.provider_of(session.host),
        )
        try:
            await transaction.run()
        except BaseException:
            session.abort()
            raise
        stale = reused and not transaction.proved and not session.alive
        told = session.preamble_kept and self._config.delivery.transcripts == "all"
        if not stale:
            session.preamble_kept = True
        delivery = Delivery(
            attempts=tuple(transaction.attempts),
            dialogue=(self._number(), transaction.lines),
            preamble=(session.preamble, () if told else session.preamble_lines),
            proved=transaction.proved,
            untouched=tuple(transaction.untouched),
        )
        self.pool.give(key, session)
        return delivery, stale

    async def _chunks(self, message: int) -> AsyncIterator[bytes]:
        sequence = 0
        while (chunk := await self._read_content(message, sequence)) is not None:
            yield chunk
            sequence += 1

    # ------------------------------------------------------------------ connections

    async def _open(self, host: Host, route: Route, claim: Claim, started: float) -> Session | Delivery:
        """A session ready for transactions, or the failed attempt of every recipient."""
        session: list[Session] = []
        stage = Stage.CONNECT
        address = ""
        preamble = self._number()
        try:
            dialled = await connect(
                host.addresses,
                route.port,
                source_addresses=self._config.delivery.source_addresses,
                source_seed=claim.destination,
                timeout=self._config.timeouts.connect,
            )
            address, stage = dialled.address, Stage.GREETING
            implicit = self._context(route) if route.kind == "smarthost" and route.port == 465 else None
            if implicit is not None:
                stage = Stage.STARTTLS
            opened = await open_session(
                dialled.sock, host.name, address, preamble, self._config.timeouts, implicit, session
            )
            await self._prepare(opened, route)
            opened.end_preamble()
            return opened
        except Refused as refused:
            verdict = classify.classify(refused.stage, refused.reply, provider=classify.provider_of(host.name))
            return self._failed(
                claim, started, refused.stage, refused.reply, verdict, host.name, address, session, preamble
            )
        except (OSError, ssl.SSLError, Lost, StageTimeout) as error:
            at = error.stage if isinstance(error, StageTimeout) else session[0].stage if session else stage
            if at is Stage.STARTTLS:
                self._remember_broken(address)
            reply, verdict = failures.explain(error, at, host=host.name, address=address)
            return self._failed(claim, started, at, reply, verdict, host.name, address, session, preamble)
        finally:
            if session and not session[0].ready:
                session[0].abort()

    async def _prepare(self, session: Session, route: Route) -> None:
        """EHLO, STARTTLS as the route wants it, AUTH as it needs."""
        wait, name = self._config.timeouts, self._config.relay.hostname
        await session.hello(name, wait.helo)
        if not session.tls:
            broken = self._broken_tls.pop(session.address, 0.0) > time.monotonic()
            todo = tls.plan(route.tls, "starttls" in session.extensions, broken, bool(route.username))
            if todo == "refuse":
                raise Refused(
                    Stage.STARTTLS, Reply(0, "4.7.5", "the host offers no TLS, and this route must not do without")
                )
            if todo == "use":
                await session.secure(self._context(route), session.host, wait.helo)
                await session.hello(name, wait.helo)
            elif broken:
                session.recorder.note("in clear text: the TLS handshake of the last attempt failed")
        if route.username and route.password is not None:
            await session.login(route.username, route.password.reveal(), wait.helo)

    def _context(self, route: Route) -> ssl.SSLContext:
        settings = self._config.tls
        if route.tls == "verified":
            return tls.verified(str(settings.ca_file or ""), settings.min_version)
        return tls.opportunistic(settings.min_version)

    def _remember_broken(self, address: str) -> None:
        """The next attempt at this address goes without TLS where that is allowed, and only the next (design 2.4)."""
        if len(self._broken_tls) >= REMEMBERED:
            self._broken_tls.clear()
        self._broken_tls[address] = time.monotonic() + 86400

    # ------------------------------------------------------------------ outcomes without a transaction

    def _failed(
        self,
        claim: Claim,
        started: float,
        stage: Stage,
        reply: Reply,
        verdict: Verdict,
        host: str,
        address: str,
        session: list[Session],
        preamble: int,
    ) -> Delivery:
        ended = time.time()
        lines = session[0].recorder.take() if session else ()
        timings = session[0].timings if session else {stage.value: int((ended - started) * 1000)}
        attempts = tuple(
            Attempt(
                recipient.id,
                started,
                ended,
                stage,
                verdict,
                reply,
                host,
                address,
                session[0].tls if session else "",
                timings,
            )
            for recipient in claim.recipients
        )
        return Delivery(attempts=attempts, preamble=(preamble, lines) if lines else None)

    def _discard(self, claim: Claim, route: Route) -> Delivery:
        now = time.time()
        reply = Reply(250, "2.0.0", f"discarded by the route {route.rule}")
        verdict = classify.classify(Stage.FINAL_DOT, reply)
        return Delivery(
            tuple(
                Attempt(recipient.id, now, now, Stage.FINAL_DOT, verdict, reply, "discard")
                for recipient in claim.recipients
            ),
            proved=True,
        )

    async def close(self) -> None:
        """Take leave of every host."""
        await self.pool.close()


def route_key(route: Route) -> str:
    """A route as it is stored with a lane: stable over restarts, free of secrets."""
    if route.kind == "smarthost":
        return f"smarthost {route.host}:{route.port} {route.tls} {route.username}".rstrip()
    return route.kind
