"""One SMTP connection as an `asyncio.Protocol`: octets in, replies out.

Owned here: the order of things, TLS, the budget of errors and the deadlines. There is no task per connection and no
await per command: input is consumed as it arrives, the replies to one read go out in one write, and what must wait (a
commit, a password, a handshake) calls back. Lines are in `lines`, the way back in `link`, verbs in `commands`, AUTH in
`login`, content in `transfer`.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from . import commands, replies
from .auth import client_key
from .lines import Input
from .link import Link
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
HANDSHAKE_SECONDS: Final = 60.0
#: Input kept while something is waited for; beyond it reading pauses.
MAX_AHEAD: Final = 65536

_4YZ, _5YZ = ord("4"), ord("5")


class Session(asyncio.Protocol):
    """A client's connection. `server` is shared by all sessions, `profile` is the listener's as of connecting."""

    __slots__ = (
        *("server", "profile", "client", "key", "trusted", "helo", "extended", "user", "tls", "mail_seen", "commands"),
        *("transaction", "transfer", "login", "_link", "_input", "_facts", "_errors", "_began", "_seen"),
        *("_entered", "_waiting", "_discarding"),
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
        self._link = Link()
        self._input = Input()
        self._facts: Client | None = None
        self._errors = 0
        self._began = self._seen = server.now
        self._entered = self._waiting = self._discarding = False

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
        connection = self._link.transport = cast(asyncio.Transport, transport)
        if not self._entered:
            peer = transport.get_extra_info("peername")
            refusal = self.identify(peer[0] if peer else "")
            if refusal is not None:
                self._link.closing = True
                connection.write(refusal)
                connection.close()
                return
        self.tls = self._link.tls
        connection.write(self.profile.greeting)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone()

    def gone(self) -> None:
        """The client is no longer there. A message that was arriving is forgotten; one being committed stays."""
        self._link.lost()
        self._input.clear()
        if self._entered:
            self._entered = False
            self.server.leave(self)
        if self.transfer is not None:
            self.transfer.drop()
        self.drop_transaction()

    def eof_received(self) -> bool:
        """A client may send all it has and shut its side down: what is complete is still answered (not under TLS)."""
        self._link.eof = True
        return not self.tls and not self._link.closing and self._blocked

    def pause_writing(self) -> None:
        """The client does not read: stop working for it until it does."""
        self._link.choked_since = self.server.now
        self._link.pause()

    def resume_writing(self) -> None:
        self._link.choked_since = None
        if not self._waiting:
            self._process()

    # --- input ---

    def data_received(self, data: bytes) -> None:
        self._seen = self.server.now
        if self._link.closing or self._discarding:
            return
        self._input.append(data)
        if not self._blocked:
            self._process()
        elif len(self._input) > MAX_AHEAD:
            self._link.pause()

    @property
    def _blocked(self) -> bool:
        """Whether input must not be looked at now."""
        return self._waiting or self._link.closing or self._link.choked_since is not None

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
            self._link.resume()
            if self._link.eof:
                self._link.close()

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
        if self.server.suspended and command is commands.mail:
            self.note_refused(replies.INTAKE_SUSPENDED)
            self.close_with(replies.INTAKE_SUSPENDED)
            return
        try:
            reply = command(self, args)
        except Refusal as refusal:
            reply = refusal.reply
        except Exception as error:
            reply = self.server.unforeseen(error, f"command of {self.client}")
        if reply is not None:
            self._link.say(reply)
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
            kind, required = self.profile.kind, self.profile.auth_required
            self._facts = Client(self.client, kind, self.user, bool(self.tls), self.trusted, required)
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
        self._link.say(reply)

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
        self._link.say(reply)
        if reply[0] == _5YZ:
            self.count_error()
        if self._waiting:
            self.proceed()

    def start_tls(self) -> None:
        """Answer STARTTLS and begin the handshake. Plaintext behind the command is discarded (RFC 3207 section 6)."""
        self._link.say(replies.STARTTLS_READY)
        self._input.clear()
        self._waiting = self._discarding = True
        self._flush()
        self._link.pause()
        self.server.own(self.server.loop.create_task(self._shake_hands()))

    async def _shake_hands(self) -> None:
        clear = self._link.transport
        if clear is None or self.profile.tls is None:
            return
        self._discarding = False  # from the next line on, what arrives is TLS
        try:
            transport = await self.server.loop.start_tls(
                clear, self, self.profile.tls, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except OSError:  # ssl.SSLError and TimeoutError are
            transport = None
        if transport is None or self._link.closing:
            self.gone()
            return
        self._link.upgraded(transport)
        self.helo, self.extended = "", False
        self.tls = self._link.tls
        self._facts = None
        self.proceed()

    # --- the end ---

    def _flush(self) -> None:
        self._link.flush(self.server.now)
        if self._link.closing:
            self._input.clear()
            if self.transfer is not None:
                self.transfer.drop()

    def close_with(self, reply: bytes) -> None:
        """Answer `reply` and end the connection; what else the client sends is not read."""
        self._link.close_with(reply)

    def quit(self, reply: bytes) -> None:
        """Answer `reply` and close at once."""
        self._link.close_with(reply)
        self._link.eof = True  # as good as: who says QUIT sends no more

    def drain(self, *, break_off: bool) -> None:
        """The relay stops: tell a client between messages; with `break_off` also inside one, but not at its commit."""
        if not self._waiting and (break_off or self.transaction is None):
            self._end(replies.DRAINING)

    def abort(self) -> None:
        """Drop the connection without a word."""
        self._link.abort()

    def _end(self, reply: bytes) -> None:
        if self._link.transport is not None:
            self._link.close_with(reply)
            self._flush()

    def sweep(self, now: float, stressed: bool) -> None:
        """Apply the deadlines at `now` (monotonic seconds)."""
        if self._link.sweep(now) or self._waiting:
            return
        idle = IDLE_STRESSED if stressed and not self.known else IDLE_SECONDS
        if now - self._began > SESSION_SECONDS or now - self._seen > idle:
            self._end(replies.TIMEOUT)
        elif self.transfer is not None and self.transfer.too_slow(now):
            self._end(replies.TOO_SLOW)
