"""Opening a connection to a mail host until it is ready for transactions: dial, greeting, EHLO, TLS as the route wants it, AUTH.

Owned here: the order of those steps, which context TLS gets, and the memory of handshakes that failed. Which host is tried, and
what a failure means for the recipients, is the courier's business.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from typing import Final

from mailtui.config import Config
from mailtui.delivery import classify, failures, tls
from mailtui.delivery.dial import connect
from mailtui.delivery.dns import Host
from mailtui.delivery.route import Route
from mailtui.delivery.session import Lost, Refused, Session, StageTimeout
from mailtui.model import Reply, Stage, TranscriptLine, Verdict

#: Handshakes that failed, remembered for the next attempt.
REMEMBERED: Final = 1000
#: RFC 8314: the port where TLS begins at once.
IMPLICIT_TLS: Final = 465


@dataclass(frozen=True, slots=True)
class Unopened:
    """Why a host gave no session: the stage it ended at, what was said, and the dialogue so far."""

    host: str
    address: str
    stage: Stage
    reply: Reply
    verdict: Verdict
    tls: str
    timings: dict[str, int]
    lines: tuple[TranscriptLine, ...]


class Opener:
    """Opens sessions with the settings of `config`, which may be replaced."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._broken_tls: dict[str, float] = {}

    async def open(self, host: Host, route: Route, seed: str, preamble: int) -> Session | Unopened:
        """A session ready for transactions. `seed` keeps the source address over retries; `preamble` numbers its transcript."""
        session = Session(host.name, preamble)
        try:
            await self._reach(session, host, route, seed)
            await self._prepare(session, route)
        except Refused as refused:
            if refused.stage is Stage.STARTTLS and refused.reply.code:
                self._remember_broken(session.address)
            verdict = classify.classify(refused.stage, refused.reply, provider=classify.provider_of(host.name))
            return _unopened(session, refused.stage, refused.reply, verdict)
        except (OSError, Lost, StageTimeout) as error:  # ssl.SSLError is an OSError
            stage = error.stage if isinstance(error, StageTimeout) else session.stage
            if stage is Stage.STARTTLS:
                self._remember_broken(session.address)
            reply, verdict = failures.explain(error, stage, host=host.name, address=session.address)
            session.recorder.note(str(reply))
            return _unopened(session, stage, reply, verdict)
        finally:
            if not session.ready:
                session.abort()
        return session

    async def _reach(self, session: Session, host: Host, route: Route, seed: str) -> None:
        """A greeted connection."""
        wait = self.config.timeouts
        dialled = await connect(
            host.addresses,
            route.port,
            source_addresses=self.config.delivery.source_addresses,
            source_seed=seed,
            timeout=wait.connect,
        )
        session.address = dialled.address
        implicit = route.kind == "smarthost" and route.port == IMPLICIT_TLS
        await session.begin_on(dialled.sock, self._context(route) if implicit else None, wait)

    async def _prepare(self, session: Session, route: Route) -> None:
        """EHLO, STARTTLS as the route wants it, AUTH as it needs."""
        wait, name = self.config.timeouts, self.config.relay.hostname
        await session.hello(name, wait.helo)
        if not session.tls:
            broken = self._broken_tls.pop(session.address, 0.0) > time.monotonic()
            todo = tls.plan(route.tls, "starttls" in session.extensions, broken, bool(route.username))
            if todo == "refuse":
                reply = Reply(0, "4.7.5", "the host offers no TLS, and this route must not do without")
                raise Refused(Stage.STARTTLS, reply)
            if todo == "use":
                await session.secure(self._context(route), session.host, wait.helo)
                await session.hello(name, wait.helo)
            elif broken:
                session.recorder.note("in clear text: the TLS handshake of the last attempt failed")
        if route.username and route.password is not None:
            await session.login(route.username, route.password.reveal(), wait.helo)
        session.end_preamble()

    def _context(self, route: Route) -> ssl.SSLContext:
        settings = self.config.tls
        if route.tls == "verified":
            return tls.verified(str(settings.ca_file or ""), settings.min_version)
        return tls.opportunistic(settings.min_version)

    def _remember_broken(self, address: str) -> None:
        """The next attempt at this address goes without TLS where that is allowed, and only the next (design 2.4)."""
        if len(self._broken_tls) >= REMEMBERED:
            self._broken_tls.clear()
        self._broken_tls[address] = time.monotonic() + 86400


def _unopened(session: Session, stage: Stage, reply: Reply, verdict: Verdict) -> Unopened:
    lines = session.recorder.take()
    return Unopened(session.host, session.address, stage, reply, verdict, session.tls, dict(session.timings), lines)
