"""The courier: takes a claim to the hosts of its destination and comes back with an attempt for every recipient.

Owned here: which host is dialled next and when a kept connection serves. It raises nothing but
cancellation: every failure of the other side is an attempt. It decides nothing about when to try again.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from mailtui.config import Config, Limits
from mailtui.delivery import classify, failures
from mailtui.delivery.dns import Host, Resolver
from mailtui.delivery.naming import named
from mailtui.delivery.opening import Opener, Unopened
from mailtui.delivery.pool import Pool
from mailtui.delivery.problems import RoutingProblem
from mailtui.delivery.route import Route, Rule, choose
from mailtui.delivery.session import Session
from mailtui.delivery.shaping import Shaper
from mailtui.delivery.transaction import Transaction
from mailtui.model import Address, Attempt, Claim, Delivery, Disposition, Obstacle, Reply, Stage, TranscriptLine

ReadContent = Callable[[int, int], Awaitable[bytes | None]]

#: Hosts dialled for one claim before it is deferred; more only lengthens the wait (Postfix: smtp_mx_session_limit).
HOSTS_TRIED: Final = 4


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
        self._opener = Opener(config)
        self._shaper = Shaper(config)
        self._speaking: set[Session] = set()
        self.pool = Pool(config.delivery.per_connection, config.timeouts.quit)
        self.configure(config, rules)

    def configure(self, config: Config, rules: tuple[Rule, ...]) -> None:
        """Use these settings from the next claim on."""
        self._config = self._opener.config = config
        self._shaper.configure(config)
        self._rules = rules
        self._routes = {route_key(rule.route): rule.route for rule in rules}
        self.pool.per_connection = config.delivery.per_connection

    def route_of(self, sender: Address, destination: str, attempts: int) -> str:
        """The key of the route a recipient goes by after `attempts` attempts."""
        return route_key(choose(self._rules, sender, destination, attempts))

    def route_named(self, text: str) -> str:
        """The key of the route a person means. UnknownRoute."""
        return named(self._routes, text)

    def route(self, key: str) -> Route | None:
        """The route with that key; None when it is gone from the configuration."""
        return self._routes.get(key)

    @property
    def routes(self) -> frozenset[str]:
        """The keys of the routes there are."""
        return frozenset(self._routes)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not leave the house though a transcript may hold it: the passwords of all routes, as they are said."""
        return tuple(secret for route in self._routes.values() for secret in route.secrets)

    @property
    def awaiting_verdicts(self) -> int:
        """Transactions whose dot has been sent and not been answered: breaking them off would send the message twice."""
        return sum(session.stage is Stage.FINAL_DOT for session in self._speaking)

    @property
    def falls_back(self) -> bool:
        """Whether some route applies only after a number of attempts."""
        return any(rule.after_attempts for rule in self._rules)

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
                return self._met(
                    Plan(route, f"{route.host}:{route.port}", await self._resolver.smarthost(route.host, route.port))
                )
            hosts = await self._resolver.hosts(destination)
            return self._met(Plan(route, await self._resolver.site(destination), hosts), destination)
        except RoutingProblem as problem:
            return Obstacle(*failures.explain(problem, Stage.DNS))

    def _met(self, plan: Plan, destination: str = "") -> Plan:
        self._shaper.meet(plan.site, (host.name for host in plan.hosts), destination)
        return plan

    def limits(self, site: str) -> Limits:
        """What a site that was planned for may carry by the settings."""
        return self._shaper.limits(site)

    def part(self, site: str) -> None:
        """Close the connections to a site that are not in use."""
        self.pool.empty(site)

    async def deliver(self, claim: Claim, plan: Plan, signature: bytes) -> Delivery:
        """Take the claim to the first host that will talk, and tell what came of it."""
        if plan.route.kind == "discard":
            return self._discard(claim, plan.route)
        key = (plan.route.key, plan.site)
        most = self._shaper.limits(plan.site).per_connection
        started = time.time()
        earlier: tuple[TranscriptLine, ...] = ()  # what was said by hosts that gave no session
        last: Unopened | None = None
        for host in sorted(plan.hosts, key=lambda host: host.name != claim.prefer)[:HOSTS_TRIED]:
            while (session := self.pool.take(key, claim.prefer and host.name)) is not None:
                delivery, stale = await self._transact(session, claim, signature, key, most)
                if not stale:
                    return delivery
            opened = await self._opener.open(host, plan.route, claim.destination, self._number())
            if isinstance(opened, Session):
                opened.preamble_lines = earlier + opened.preamble_lines
                delivery, _ = await self._transact(opened, claim, signature, key, most)
                return delivery
            last = opened
            earlier += opened.lines
        if last is None:  # the resolver never gives an empty plan
            raise AssertionError("a plan without hosts")
        return self._unreached(claim, started, last, earlier)

    async def _transact(
        self, session: Session, claim: Claim, signature: bytes, key: tuple[object, ...], most: int
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
        session.stage = Stage.MAIL
        self._speaking.add(session)
        try:
            await transaction.run()
        except BaseException:
            session.abort()
            raise
        finally:
            self._speaking.discard(session)
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
        self.pool.give(key, session, most)
        return delivery, stale

    async def _chunks(self, message: int) -> AsyncIterator[bytes]:
        sequence = 0
        while (chunk := await self._read_content(message, sequence)) is not None:
            yield chunk
            sequence += 1

    # ------------------------------------------------------------------ outcomes without a transaction

    def _unreached(self, claim: Claim, started: float, last: Unopened, lines: tuple[TranscriptLine, ...]) -> Delivery:
        """No host gave a session: what the last one came to, with the dialogue of all of them."""
        ended = time.time()
        return Delivery(
            tuple(
                Attempt(
                    recipient=recipient.id,
                    started=started,
                    ended=ended,
                    stage=last.stage,
                    verdict=last.verdict,
                    reply=last.reply,
                    host=last.host,
                    address=last.address,
                    tls=last.tls,
                    timings=last.timings,
                )
                for recipient in claim.recipients
            ),
            preamble=(self._number(), lines),
        )

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
    if route.kind == "discard":
        return f"discard {route.rule}"  # the receipt names the rule
    return route.kind if route.tls == "opportunistic" else f"{route.kind} {route.tls}"
