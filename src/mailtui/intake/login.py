"""The AUTH dialogue of one session: from the command to 235 or 535, and how many failures a connection is worth.

Owned here: the steps between the session and `auth`. Created by the first AUTH command; a password passes through it
only while it is being checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from . import replies
from .auth import Busy, Credentials, Exchange, TooManyFailures
from .replies import Refusal

if TYPE_CHECKING:
    from .session import Session

MAX_FAILURES: Final = 3


class Login:
    """`active` while the client's next line is an answer to a challenge."""

    __slots__ = ("_exchange", "_failures", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._exchange: Exchange | None = None
        self._failures = 0

    @property
    def active(self) -> bool:
        """Whether the next line belongs here."""
        return self._exchange is not None

    def begin(self, mechanism: bytes, initial: bytes) -> None:
        """Start a dialogue with the initial response (b"" for none)."""
        self._exchange = Exchange(mechanism)
        self._step(self._exchange.start, initial)

    def answer(self, line: bytes) -> None:
        """Take the client's answer to a challenge."""
        assert self._exchange is not None
        self._step(self._exchange.answer, line)

    def cancel(self) -> None:
        """The line that should have been an answer was none."""
        self._exchange = None

    def _step(self, step: Callable[[bytes], bytes | Credentials], line: bytes) -> None:
        try:
            result = step(line)
        except Refusal as refusal:
            self._exchange = None
            self._refuse(refusal.reply)
            return
        if isinstance(result, bytes):
            self._session.say(result)
            return
        self._exchange = None
        self._session.wait()
        server = self._session.server
        server.own(server.loop.create_task(self._check(result)))

    async def _check(self, credentials: Credentials) -> None:
        session = self._session
        server = session.server
        try:
            valid = await server.authenticator.check(credentials, session.client, server.loop.time())
        except TooManyFailures:
            session.close_with(replies.TOO_MANY_AUTH_FAILURES)
        except Busy:
            session.say(replies.AUTH_LATER)
        except Exception as error:
            session.say(server.unforeseen(error, f"AUTH of {session.client}"))
        else:
            if valid:
                session.logged_in(credentials.user)
                session.say(replies.AUTH_OK)
            else:
                self._refuse(replies.AUTH_FAILED)
        session.proceed()

    def _refuse(self, reply: bytes) -> None:
        self._session.say(reply)
        self._session.note_refused(reply)
        self._failures += reply is replies.AUTH_FAILED
        if self._failures >= MAX_FAILURES:
            self._session.close_with(replies.TOO_MANY_AUTH_FAILURES)
        else:
            self._session.count_error()
