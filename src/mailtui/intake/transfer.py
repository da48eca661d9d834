"""A mail transaction and the transfer of its content: from DATA to the reply behind the final dot.

Owned here: what MAIL and RCPT have gathered, handing content to the door in bounded chunks, what is put in front of
it, and the order of things around the commit: everything that can fail comes before it, only the reply comes after it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from mailtui.errors import Unavailable
from mailtui.model import Envelope, EnvelopeRecipient, Incoming, Origin, encode_id

from . import replies, trace
from .content import ContentReader
from .door import CHUNK
from .parameters import MailCommand

if TYPE_CHECKING:
    from .session import Session

#: Content must arrive at this many octets a second on average, after GRACE_SECONDS.
MIN_RATE: Final = 500
GRACE_SECONDS: Final = 60.0


class Transaction:
    """Sender and recipients so far; `held` is their part of the memory budget, `over` counts RCPT beyond the limit."""

    __slots__ = ("held", "mail", "over", "recipients")

    def __init__(self, mail: MailCommand) -> None:
        self.mail = mail
        self.recipients: list[EnvelopeRecipient] = []
        self.held = 0
        self.over = 0


class Transfer:
    """The content of one message on its way, from 354 to the reply behind the dot; `octets` have come over the wire."""

    __slots__ = (
        *("_session", "_transaction", "_reader", "_number", "_sequence", "_rest", "_held", "_flying", "octets"),
        *("_found", "_body_only", "_whole_header", "_eight_bit", "_taken_out"),
        *("_refusal", "_ended", "_committing", "_dropped", "_started", "_paused_at", "_message", "_reply"),
    )

    def __init__(self, session: Session, transaction: Transaction) -> None:
        profile = session.profile
        normalise = profile.bare_newline == "normalise"
        if profile.bare_newline == "auto":
            normalise = session.known
        self._session = session
        self._transaction = transaction
        self._reader = ContentReader(profile.max_size, normalise)
        self._number = -1
        self._sequence = 0
        self._rest = b""
        self._held = 0
        self._flying = 0  # octets of them that are being stored; nothing flies when it is 0
        self.octets = 0
        self._found: trace.HeaderScan | None = None
        self._whole_header = True
        self._body_only = False
        self._eight_bit = False
        self._taken_out = 0  # octets
        self._refusal: bytes | None = None
        self._ended = self._committing = self._dropped = False
        self._started = session.server.now
        self._paused_at = 0.0
        self._message: Incoming | None = None
        self._reply = b""

    def feed(self, data: bytes) -> int:
        """Take content; -1, or the offset in `data` just behind the end of the message, to be answered soon."""
        end = self._reader.feed(data)
        taken = len(data) if end < 0 else end
        self.octets += taken
        if not self.refused:
            self._held += taken
            self._session.server.budget.used += taken
        else:
            self._forget()
        if end >= 0:
            self._end()
        elif self._reader.overflow:
            self._overflow()
        elif self._held - self._flying >= CHUNK:
            self._spill()
        elif self._session.server.budget.spent:
            self._give_up(replies.NO_STORAGE)
        return end

    @property
    def refused(self) -> bool:
        """Whether the message will be refused whatever comes."""
        return self._refusal is not None or self._reader.fault is not None

    def too_slow(self, now: float) -> bool:
        """Whether the client sends slower than MIN_RATE. Time in which we did not read does not count."""
        return now - self._started > GRACE_SECONDS + self.octets / MIN_RATE

    def drop(self) -> None:
        """The client is gone or was sent away. A commit that was asked for is the store's and stays (finding F1)."""
        if self._committing or self._dropped:
            return
        self._dropped = True
        self._forget()
        self._abandon()

    # --- chunks ---

    def _take(self) -> bytes:
        content = self._reader.take()
        self._eight_bit = self._eight_bit or not content.isascii()  # many clients do not declare it (RFC 6152)
        if self._rest:
            content, self._rest = self._rest + content, b""
        return content

    def _spill(self) -> None:
        """Hand over all whole chunks but the last octets. While they are stored the next are read; no more than those."""
        if self._flying:
            self._wait()
            return
        content = self._take()
        if self._found is None:
            self._look_at_header(content[:CHUNK], complete=False)
            content = self._ours_taken_out(content)
        whole = max(0, len(content) - 1) // CHUNK * CHUNK
        self._rest = content[whole:]
        if not whole:
            return
        door = self._session.server.door
        if self._number < 0:
            self._number = door.new_number()
        stored: asyncio.Future[None] | None = None
        try:
            for start in range(0, whole, CHUNK):
                stored = door.append(self._number, self._sequence, content[start : start + CHUNK])
                self._sequence += 1
        except Unavailable:
            self._give_up(replies.NO_STORAGE)
            return
        assert stored is not None
        self._flying = self._held - len(self._rest)
        stored.add_done_callback(self._stored)

    def _wait(self) -> None:
        self._session.wait()
        self._paused_at = self._session.server.loop.time()

    def _stored(self, stored: asyncio.Future[None]) -> None:
        """A chunk is committed (or not): free its memory, and go on if that was waited for."""
        error = None if stored.cancelled() else stored.exception()
        if self._dropped:
            return
        self._release(self._flying)
        self._flying = 0
        if self._committing:
            return  # which fails by itself when a chunk is missing
        if stored.cancelled() or error is not None:
            self._give_up(self._failure(error))
        if not self._session.waiting:
            return
        self._started += self._session.server.loop.time() - self._paused_at
        if self._ended:
            self._finish()
            return
        if not self.refused:
            self._spill()
        self._session.proceed()

    def _give_up(self, refusal: bytes) -> None:
        """Read the message to its end without keeping it, then answer `refusal`."""
        self._refusal = refusal
        self._forget()

    def _forget(self) -> None:
        self._reader.take()
        self._rest = b""
        self._flying = 0
        self._release(self._held)

    def _release(self, octets: int) -> None:
        self._held -= octets
        self._session.server.budget.used -= octets

    def _abandon(self) -> None:
        if self._sequence:
            self._session.server.door.abandon(self._number)

    # --- the end ---

    def _overflow(self) -> None:
        reply = self._reader.fault or replies.TOO_BIG
        self._session.note_refused(reply)
        self._session.close_with(reply)

    def _end(self) -> None:
        """The final dot was read."""
        self._ended = True
        self._finish()

    def _finish(self) -> None:
        """What is left of the message behind its last whole chunk goes with the commit, which comes behind that chunk's."""
        if self._held - self._flying > CHUNK:
            if self._flying:
                self._wait()
                return
            self._spill()
        self._conclude(self._take())

    def _conclude(self, rest: bytes) -> None:
        """Decide on the message and either refuse it or ask for its commit."""
        refusal = self._reader.fault or self._refusal
        if refusal is None:
            if self._found is None:
                self._look_at_header(rest, complete=True)
                rest = self._ours_taken_out(rest)
            refusal = self._header_refusal()
        if refusal is not None:
            self._dropped = True  # a chunk may still be on its way to the store
            self._forget()
            self._abandon()
            self._session.note_refused(refusal)
            self._session.conclude(refusal)
            return
        if self._number < 0:
            self._number = self._session.server.door.new_number()
        queue_id = encode_id(self._number)
        self._reply = replies.queued(queue_id)  # built now: nothing may fail between commit and reply (finding F6)
        self._message = self._incoming(queue_id)
        try:
            committed = self._session.server.door.accept(self._message, self._sequence, rest)
        except Unavailable as error:
            self._not_accepted(self._failure(error))
            return
        self._committing = True
        self._session.wait()
        committed.add_done_callback(self._committed)

    def _look_at_header(self, head: bytes, *, complete: bool) -> None:
        self._found = trace.scan(head)
        self._body_only = self._found.malformed and not head.startswith(b"\r\n") and bool(head)
        self._whole_header = complete or b"\r\n\r\n" in head

    def _ours_taken_out(self, content: bytes) -> bytes:
        """Only of those who may speak to us by the header; anybody else's is passed on as it is, and means nothing."""
        assert self._found is not None
        if not self._found.facts.tag:
            return content
        if not self._session.known:
            self._found = replace(self._found, facts=replace(self._found.facts, tag=""))
            return content
        left = trace.without_ours(content)
        self._taken_out = len(content) - len(left)
        return left

    def _header_refusal(self) -> bytes | None:
        assert self._found is not None
        session = self._session
        submission = session.profile.kind != "relay" or bool(session.user)
        return trace.refusal(self._found, max_hops=session.profile.max_hops, needs_from=submission)

    def _incoming(self, queue_id: str) -> Incoming:
        session, mail, found = self._session, self._transaction.mail, self._found
        assert found is not None
        hostname = session.profile.hostname
        recipients = tuple(self._transaction.recipients)
        origin = Origin(
            session.profile.address,
            session.profile.kind,
            session.user,
            session.client,
            session.helo,
            protocol_keyword(session.extended, session.tls, session.user, mail.smtputf8),
            session.tls,
        )
        now = time.time()
        only = recipients[0].address if len(recipients) == 1 else None
        prefix = trace.received(origin, queue_id, hostname, now, only)
        if session.known and self._whole_header:  # what a header of more than a chunk has further down is not known
            prefix += trace.missing(found, queue_id, hostname, now)
        if self._body_only:
            prefix += b"\r\n"  # text without a header must not become part of ours
        envelope = Envelope(
            mail.sender, recipients, mail.ret, mail.envid, mail.eight_bit or self._eight_bit, mail.smtputf8
        )
        return Incoming(self._number, envelope, origin, found.facts, prefix, self._reader.size - self._taken_out, now)

    def _committed(self, committed: asyncio.Future[None]) -> None:
        """The store has answered. The reply goes first; counting and publishing come behind it."""
        error = None if committed.cancelled() else committed.exception()
        if committed.cancelled() or error is not None:
            self._not_accepted(self._failure(error))
            return
        assert self._message is not None
        self._release(self._held)
        session = self._session
        session.commands = 0
        session.conclude(self._reply)
        session.server.note_accepted(self._message)

    def _not_accepted(self, reply: bytes) -> None:
        self._forget()
        self._abandon()
        self._session.note_refused(reply)
        self._session.conclude(reply)

    def _failure(self, error: BaseException | None) -> bytes:
        if isinstance(error, Unavailable):
            return replies.NO_STORAGE
        return self._session.server.unforeseen(
            error or RuntimeError("cancelled"), f"storing mail of {self._session.client}"
        )


def protocol_keyword(extended: bool, tls: str, user: str, smtputf8: bool) -> str:
    """The "with" keyword of a Received field (RFC 3848, 6531 4.3): SMTP, ESMTP, ESMTPSA, UTF8SMTPS ..."""
    if not extended:
        return "SMTP"
    return f"{'UTF8SMTP' if smtputf8 else 'ESMTP'}{'S' if tls else ''}{'A' if user else ''}"
