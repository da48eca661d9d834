"""One SMTP connection as an `asyncio.Protocol`: octets in, replies out.

Owned here: the order of things, pausing, TLS, the budget of errors, deadlines and the ways a connection ends. There is
no task per connection and no await per command: input is consumed as it arrives, the replies to one read go out in one
write, and what must wait (a commit, a password, a handshake) calls back. Verbs are in `commands`, AUTH in `login`,
content in `transfer`.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final, cast

from . import commands, replies
from .auth import client_key
from .lines import Input
from .login import Login
from .policy import Client
from .profile import Profile
from .replies import Refusal
from .server import Server
from .transfer import Transaction, Transfer

MAX_ERRORS: Final = 20
MAX_JUNK: Final = 10  # errors before a first MAIL
MAX_COMMANDS: Final = 100  # without a message; RCPT has a limit of its own
#: Idle seconds before a session is closed (RFC 5321 4.5.3.2.7: at least 5 minutes), and a stranger's under stress.
IDLE_SECONDS: Final = 300.0
IDLE_STRESSED: Final = 10.0
SESSION_SECONDS: Final = 3600.0
UNREAD_SECONDS: Final = 300.0  # a client that does not read its replies
LINGER_SECONDS: Final = 5.0  # between our close and the client's
HANDSHAKE_SECONDS: Final = 60.0
#: Input kept while something is waited for; beyond it reading pauses.
MAX_AHEAD: Final = 65536

_4YZ, _5YZ = ord("4"), ord("5")


class Session(asyncio.Protocol):
    """A client's connection. `server` is shared by all sessions, `profile` is the listener's as of connecting."""

    __slots__ = (
        *("server", "profile", "client", "key", "trusted", "helo", "extended", "user", "tls", "mail_seen", "commands"),
        *("transaction", "transfer", "login", "_transport", "_input", "_out", "_facts", "_errors", "_began", "_seen"),
        *("_entered", "_waiting", "_discarding", "_paused", "_choked", "_eof", "_closing", "_closed_at"),
    )

    def __init__(self, server: Server, profile: Profile) -> None:
        self.server = server
        self.profile = profile
        self.client = self.key = ""
        self.trusted = False
        self.helo = ""
        self.extended = False
        self.user = ""
        self.tls = ""
        self.mail_seen = False
        self.commands = 0
        self.transaction: Transaction | None = None
        self.transfer: Transfer | None = None
        self.login: Login | None = None
        self._transport: asyncio.Transport | None = None
        self._input = Input()
        self._out: list[bytes] = []
        self._facts: Client | None = None
        self._errors = 0
        self._began = self._seen = server.now
        self._entered = self._waiting = self._discarding = self._paused = self._eof = self._closing = False
        self._choked: float | None = None
        self._closed_at: float | None = None

    # --- the connection ---

    def identify(self, address: str) -> bytes | None:
        """Note who the client is and ask for admission: None, or the refusal. Before the handshake of implicit TLS."""
        self.client = address.removeprefix("::ffff:") if "." in address else address
        self.key = client_key(self.client)
        self.trusted = self.profile.policy.trusts(self.profile.networks, self.client)
        refusal = self.server.admit(self.key, self.trusted)
        if refusal is None:
            self._entered = True
            self.server.enter(self)
        else:
            self.server.note_refused(refusal, self.client)
        return refusal

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._entered:
            peer = transport.get_extra_info("peername")
            refusal = self.identify(peer[0] if peer else "")
            if refusal is not None:
                self._closing = True
                self._transport.write(refusal)
                self._transport.close()
                return
        self._note_tls()
        self._transport.write(self.profile.greeting)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone()

    def gone(self) -> None:
        """The client is no longer there. A message that was arriving is forgotten; one being committed stays."""
        self._closing = True
        self._transport = None
        self._input.clear()
        if self._entered:
            self._entered = False
            self.server.leave(self)
        if self.transfer is not None:
            self.transfer.drop()
        self.drop_transaction()

    def eof_received(self) -> bool:
        """A client may send all it has and shut its side down: what is complete is still answered (not under TLS)."""
        self._eof = True
        return not self.tls and not self._closing and (self._waiting or self._choked is not None)

    def pause_writing(self) -> None:
        """The client does not read: stop working for it until it does."""
        self._choked = self.server.now
        self._pause()

    def resume_writing(self) -> None:
        self._choked = None
        if not self._waiting:
            self._process()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _note_tls(self) -> None:
        assert self._transport is not None
        tls = cast("ssl.SSLObject | None", self._transport.get_extra_info("ssl_object"))
        self.tls = (tls.version() or "TLS") if tls is not None else ""
        self._facts = None

    # --- input ---

    def data_received(self, data: bytes) -> None:
        self._seen = self.server.now
        if self._closing or self._discarding:
            return
        self._input.append(data)
        if not self._blocked:
            self._process()
        elif len(self._input) > MAX_AHEAD:
            self._pause()

    @property
    def _blocked(self) -> bool:
        """Whether input must not be looked at now."""
        return self._waiting or self._closing or self._choked is not None

    def _process(self) -> None:
        """Consume what can be consumed now and send the replies in one write."""
        try:
            while self._input and not self._blocked:
                if self.transfer is not None:
                    self._read_content(self.transfer)
                elif not self._read_line():
                    break
        except Exception as error:
            # Inside a message the place in the input is lost, so the connection cannot go on.
            reply = self.server.unforeseen(error, f"session with {self.client}")
            self.note_refused(reply)
            self.close_with(reply)
        self._flush()
        if not self._blocked:
            self._resume()
            if self._eof and self._transport is not None:
                self._transport.close()

    def _read_content(self, transfer: Transfer) -> None:
        data = self._input.rest()
        end = transfer.feed(data)
        self._input.advance(len(data) if end < 0 else end)

    def _read_line(self) -> bool:
        """Work off one line; False when there is no whole one."""
        login = self.login if self.login is not None and self.login.active else None
        try:
            line = self._input.next_line(login is not None)
        except Refusal as refusal:
            if login is not None:
                login.cancel()
            self.commands += 1
            self.say(refusal.reply)
            self.count_error()
            return True
        if line is None:
            return False
        if login is not None:
            login.answer(line)
        else:
            self._command(line)
        return True

    def skip(self, octets: int) -> None:
        """Read past what follows a refused BDAT: it is no command."""
        self._input.skip(octets)

    def _command(self, line: bytes) -> None:
        verb, _, args = line.partition(b" ")
        command = commands.VERBS.get(verb) or commands.VERBS.get(verb.upper()) or commands.unknown
        if command is not commands.rcpt:
            self.commands += 1
            if self.commands > MAX_COMMANDS:
                self.close_with(replies.TOO_MANY_ERRORS)
                return
        if self.server.draining and self.transaction is None and command is not commands.quit_:
            self.close_with(replies.DRAINING)
            return
        try:
            reply = command(self, args)
        except Refusal as refusal:
            reply = refusal.reply
        except Exception as error:
            reply = self.server.unforeseen(error, f"command of {self.client}")
        if reply is not None:
            self._out.append(reply)
            if reply[0] >= _4YZ:
                self._refused(command, args, reply)

    # --- refusals ---

    def _refused(self, command: commands.Command, args: bytes, reply: bytes) -> None:
        """After a 4yz or 5yz: publish it if mail was refused, and count a 5yz as an error."""
        # What follows from an earlier refusal in a pipelined group is not another one.
        if command in commands.ABOUT_MAIL and reply[:3] != b"503" and reply is not replies.NO_RECIPIENTS:
            path = args.partition(b":")[2].partition(b">")[0].strip(b" <").decode("ascii", "backslashreplace")[:320]
            sender, recipient = path if command is commands.mail else "", path if command is commands.rcpt else ""
            self.note_refused(reply, sender, recipient)
        # One bad address in the list of a client we know must not cost it the connection.
        if reply[0] == _5YZ and not (command is commands.rcpt and self.known):
            self.count_error()

    @property
    def known(self) -> bool:
        """Whether the client is a user or in the listener's networks, not a stranger."""
        return self.trusted or bool(self.user)

    def note_refused(self, reply: bytes, sender: str = "", recipient: str = "") -> None:
        """Count and publish a refusal that concerns mail."""
        if not sender and self.transaction is not None:
            sender = str(self.transaction.mail.sender)
        self.server.note_refused(reply, self.client, sender, recipient)

    def count_error(self) -> None:
        """One more 5yz; too many of them end the connection."""
        self._errors += 1
        limit = MAX_ERRORS if self.mail_seen else MAX_JUNK
        if self._errors >= limit or (self.server.stressed and not self.known):
            self.close_with(replies.TOO_MANY_ERRORS)

    # --- for commands, login and transfer ---

    def facts(self) -> Client:
        """Who is connected, as policy asks for it."""
        if self._facts is None:
            required = self.profile.auth == "required"
            self._facts = Client(self.client, self.profile.kind, self.user, bool(self.tls), self.trusted, required)
        return self._facts

    def logged_in(self, user: str) -> None:
        """AUTH succeeded."""
        self.user = user
        self._facts = None

    def drop_transaction(self) -> None:
        """Forget sender and recipients."""
        if self.transaction is not None:
            self.server.budget.used -= self.transaction.held
            self.transaction = None

    def say(self, reply: bytes) -> None:
        """Answer, in order, with the next write."""
        self._out.append(reply)

    def wait(self) -> None:
        """Look at no input until `proceed`."""
        self._waiting = True

    @property
    def waiting(self) -> bool:
        """Whether something is waited for that is not the client."""
        return self._waiting

    def proceed(self) -> None:
        """What was waited for is here: send what was said and go on with what arrived meanwhile."""
        self._waiting = False
        self._seen = self.server.now
        self._process()

    def conclude(self, reply: bytes) -> None:
        """A message is over; `reply` answers its final dot."""
        self.transfer = None
        self.drop_transaction()
        self._out.append(reply)
        if reply[0] == _5YZ:
            self.count_error()
        if self._waiting:
            self.proceed()

    def start_tls(self) -> None:
        """Answer STARTTLS and begin the handshake. Plaintext behind the command is discarded (RFC 3207 section 6)."""
        self._out.append(replies.STARTTLS_READY)
        self._input.clear()
        self._waiting = self._discarding = True
        self._flush()
        self._pause()
        self.server.own(self.server.loop.create_task(self._shake_hands()))

    async def _shake_hands(self) -> None:
        if self._transport is None or self.profile.tls is None:
            return
        self._discarding = False  # from the next line on, what arrives is TLS
        try:
            transport = await self.server.loop.start_tls(
                self._transport, self, self.profile.tls, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except OSError:  # ssl.SSLError and TimeoutError are
            transport = None
        if transport is None or self._closing:
            self.gone()
            return
        self._transport = transport
        self._paused = False
        self.helo, self.extended = "", False
        self._note_tls()
        self.proceed()

    # --- output and the end ---

    def _flush(self) -> None:
        if self._transport is None:
            self._out.clear()
            return
        if self._out:
            self._transport.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
            self._out.clear()
        if self._closing and self._closed_at is None:
            self._hang_up(self._transport)

    def close_with(self, reply: bytes) -> None:
        """Answer `reply` and end the connection; what else the client sends is not read."""
        if self._closing:
            return
        self._out.append(reply)
        self._closing = True

    def quit(self) -> None:
        """Close at once behind the last reply."""
        self._closing = True
        self._eof = True  # as good as: who says QUIT sends no more

    def _hang_up(self, transport: asyncio.Transport) -> None:
        """Close so that the last reply arrives: a close with input unread resets the connection, the reply with it."""
        self._closed_at = self.server.now
        self._input.clear()
        if self.transfer is not None:
            self.transfer.drop()
        if self._eof or self.tls or not transport.can_write_eof():
            transport.close()
            return
        try:
            transport.write_eof()
        except OSError:  # the client was faster
            transport.abort()
            return
        self._resume()

    def drain(self, *, break_off: bool) -> None:
        """The relay stops: tell a client between messages; with `break_off` also inside one, but not at its commit."""
        if not self._waiting and (break_off or self.transaction is None):
            self._end(replies.DRAINING)

    def abort(self) -> None:
        """Drop the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _end(self, reply: bytes) -> None:
        if not self._closing and self._transport is not None:
            self.close_with(reply)
            self._flush()

    def sweep(self, now: float, stressed: bool) -> None:
        """Apply the deadlines at `now` (monotonic seconds)."""
        if self._closed_at is not None:
            if now - self._closed_at > LINGER_SECONDS:
                self.abort()
        elif self._choked is not None:
            if now - self._choked > UNREAD_SECONDS:
                self.abort()
        elif not self._waiting:
            idle = IDLE_STRESSED if stressed and not self.known else IDLE_SECONDS
            if now - self._began > SESSION_SECONDS or now - self._seen > idle:
                self._end(replies.TIMEOUT)
            elif self.transfer is not None and self.transfer.too_slow(now):
                self._end(replies.TOO_SLOW)
