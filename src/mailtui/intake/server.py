"""What all sessions of all listeners share: who is connected, memory in use, counters, the clock.

Owned here: admission (greeting refusals), the registry the sweeper walks, counters, and the events sessions publish,
limited so that a flood of refusals cannot fill the journal. No socket is touched here and no SMTP is spoken.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mailtui.config import Config
from mailtui.events import Accepted, AnyEvent, Journal, Notice, Refused
from mailtui.model import Incoming, encode_id

from . import replies
from .auth import Authenticator
from .door import Door
from .limits import Buckets, Budget

if TYPE_CHECKING:
    from .session import Session

#: Share of `max_sessions` that strangers may use; the rest is kept for clients in `networks`.
STRANGERS_SHARE: Final = 0.9
#: Share of `max_sessions` from which on strangers are treated with less patience.
STRESS_SHARE: Final = 0.8
#: `Refused` events a second; what is beyond is counted and reported in one Notice.
REFUSED_EVENTS: Final = 50


class Server:
    """The shared state of a relay's intake. Counters are totals since start, exact also where events are limited."""

    def __init__(self, config: Config, door: Door, journal: Journal, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.door = door
        self.journal = journal
        self.now = loop.time()
        self.sessions: set[Session] = set()
        self.empty = asyncio.Event()
        self.empty.set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.budget = Budget(config.intake.memory_budget)
        self.authenticator = Authenticator({user.name: user.password_hash for user in config.user})
        self.draining = False
        self.suspended = False  # an operator wants no mail taken
        #: Why mail of this sender and user is not taken, "" when it is; None while that is so of all.
        self.suspends: Callable[[str, str], str] | None = None
        self.accepted = 0
        self.refused_4xx = 0
        self.refused_5xx = 0
        self._per_client: dict[str, int] = {}
        self._event_second = 0.0
        self._events_left = REFUSED_EVENTS
        self._suppressed = 0
        self.max_sessions = config.intake.max_sessions
        self._rates: dict[str, Buckets] = {}
        self.apply(config)

    def apply(self, config: Config, descriptors: int | None = None) -> None:
        """Take limits and users from `config`; `descriptors` caps the sessions (None: no cap)."""
        wanted = config.intake.max_sessions
        self.max_sessions = wanted if descriptors is None else max(1, min(wanted, descriptors))
        self.max_per_client = config.intake.max_sessions_per_ip
        self.budget.limit = config.intake.memory_budget
        self.authenticator.replace_users({user.name: user.password_hash for user in config.user})
        limited = {user.name: user.rate for user in config.user if user.rate is not None}
        self._rates = {
            name: self._rates[name]
            if name in self._rates and self._rates[name].burst == rate.count
            else Buckets(rate.count / rate.seconds, rate.count, keys=1)
            for name, rate in limited.items()
        }

    @property
    def stressed(self) -> bool:
        """Whether so many are connected that strangers get less patience."""
        return len(self.sessions) >= self.max_sessions * STRESS_SHARE

    def admit(self, key: str, trusted: bool) -> bytes | None:
        """Why a connection of the client `key` is refused (its 421), or None: then it must `enter` and `leave`."""
        if self.draining:
            return replies.DRAINING
        if self.suspended:
            return replies.INTAKE_SUSPENDED
        if len(self.sessions) >= self.max_sessions * (1.0 if trusted else STRANGERS_SHARE):
            return replies.TOO_MANY_SESSIONS
        if not trusted and self._per_client.get(key, 0) >= self.max_per_client:
            return replies.TOO_MANY_FROM_CLIENT
        return None

    def enter(self, session: Session) -> None:
        """Count a session in."""
        self.sessions.add(session)
        self.empty.clear()
        self._per_client[session.key] = self._per_client.get(session.key, 0) + 1

    def leave(self, session: Session) -> None:
        """Count a session out that was counted in."""
        self.sessions.remove(session)
        if not self.sessions:
            self.empty.set()
        left = self._per_client[session.key] - 1
        if left:
            self._per_client[session.key] = left
        else:
            del self._per_client[session.key]

    def within_rate(self, user: str) -> bool:
        """Take one message from the user's rate; False when it is used up."""
        rate = self._rates.get(user)
        return rate is None or rate.take(user, self.loop.time())

    def sweep(self, now: float) -> None:
        """Close what waits too long; called once a second with monotonic seconds."""
        self.now = now
        stressed = self.stressed
        for session in list(self.sessions):
            try:
                session.sweep(now, stressed)
            except Exception as error:
                self.unforeseen(error, "applying deadlines")
                session.abort()
        self._report_suppressed()

    def note_accepted(self, message: Incoming) -> None:
        """Count and publish a message whose commit is done."""
        self.accepted += 1
        self._publish(
            Accepted(
                at=time.time(),
                id=encode_id(message.number),
                sender=str(message.envelope.sender),
                recipients=len(message.envelope.recipients),
                size=message.size + len(message.prefix),
                client=message.origin.client,
                user=message.origin.user,
                message_id=message.facts.message_id,
            )
        )

    def note_refused(self, reply: bytes, client: str, sender: str = "", recipient: str = "") -> None:
        """Count a refusal that concerns mail, and publish it while the second's allowance lasts."""
        if reply[:1] == b"5":
            self.refused_5xx += 1
        else:
            self.refused_4xx += 1
        if self.now - self._event_second >= 1.0:
            self._event_second, self._events_left = self.now, REFUSED_EVENTS
        if self._events_left <= 0:
            self._suppressed += 1
            return
        self._events_left -= 1
        text = reply[4:-2].decode("ascii", "replace")
        self._publish(Refused(time.time(), client, int(reply[:3]), text, sender, recipient))

    def unforeseen(self, error: BaseException, doing: str) -> bytes:
        """Log an error nobody planned for under a fresh tag; the reply that names the tag and nothing else."""
        tag = secrets.token_hex(4)
        where = traceback.extract_tb(error.__traceback__)[-1:]
        place = f" at {where[0].filename.rpartition('/')[2]}:{where[0].lineno}" if where else ""
        # Type and place only: the text of an exception can hold what a client sent, a password included.
        self._publish(Notice(time.time(), "error", f"{doing} failed: {type(error).__name__}{place}", tag))
        return replies.internal_error(tag)

    def _publish(self, event: AnyEvent) -> None:
        """A log or a console that fails to take news must not cost a client its reply."""
        try:
            self.journal.publish(event)
        except Exception as error:
            self.loop.call_exception_handler({"message": "publishing an intake event", "exception": error})

    def own(self, task: asyncio.Task[None]) -> None:
        """Keep a task of a session until it ends; its failure is logged."""
        self.tasks.add(task)
        task.add_done_callback(self._disown)

    def _disown(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.unforeseen(error, "task of a session")

    def _report_suppressed(self) -> None:
        if self._suppressed:
            text = f"{self._suppressed} more refusals, not listed one by one"
            self._suppressed = 0
            self._publish(Notice(time.time(), "warning", text))
