"""One SMTP conversation of a remote server of the lab: parses commands, asks the personality, performs its acts.

Owned here: the state of a session (greeting to QUIT, TLS, AUTH, DATA) and the timing of what is sent. Which act a
command gets is decided in `personality.py`; what was seen is kept in `records.py`. Input is bounded; replies may be as
bad as the personality wants.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

from mailtui.lab.personality import TOO_MANY, Act, Situation, Then, Tls, decide
from mailtui.lab.records import Command as CommandRecord
from mailtui.lab.records import Connection, Envelope, text, unstuffed
from mailtui.lab.voice import Voice
from mailtui.model import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailtui.lab.remote import RemoteServer

MAX_LINE: Final = 12_288  # the longest AUTH line of RFC 4954 4
MAX_BUFFER: Final = 1 << 20
MAX_CONTENT: Final = 64 << 20
END: Final = b"\r\n.\r\n"
_PATH: Final = re.compile(rb'<((?:"(?:[^"\\]|\\.)*"|[^<>"])*)>(?: +(.*))?')
#: Which extension a parameter of MAIL or RCPT belongs to.
_NEEDS: Final = {
    "SIZE": "SIZE", "BODY": "8BITMIME", "SMTPUTF8": "SMTPUTF8", "AUTH": "AUTH",
    "RET": "DSN", "ENVID": "DSN", "NOTIFY": "DSN", "ORCPT": "DSN",
}  # fmt: skip


class Dialogue(asyncio.Protocol):
    """A session; `server` gives the personality of the moment, the memory and the records."""

    def __init__(self, server: RemoteServer) -> None:
        self._server = server
        self._voice: Voice
        self._connection: Connection
        self._buffer = bytearray()
        self._ended = False
        self.gone = asyncio.Event()
        self._offered: frozenset[str] = frozenset()
        self._envelope: Envelope | None = None
        self._stage = Stage.GREETING
        self._scanned = -1  # where to look for the final dot; -1 outside DATA
        self._excess = 0
        self._continuation: Callable[[bytes], None] | None = None
        self._verbs: dict[str, Callable[[bytes], None]] = {
            "EHLO": self._ehlo, "HELO": self._helo, "STARTTLS": self._starttls, "AUTH": self._auth, "MAIL": self._mail,
            "RCPT": self._rcpt, "DATA": self._data, "RSET": self._rset, "NOOP": self._noop, "VRFY": self._vrfy,
            "QUIT": self._quit,
        }  # fmt: skip

    # --- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._voice = Voice(self._server, self, transport, self._pump)
        peer = transport.get_extra_info("peername")
        self._connection = self._server.records.connected(peer[0] if peer else "")
        self._server.dialogues.add(self)
        self._touched = self._server.now()
        self._timer = asyncio.get_running_loop().call_later(self._server.personality.idle, self._check_idle)
        limit = self._server.personality.max_connections
        if limit and self._server.records.open > limit:
            self._connection.turned_away = True
            self._server.records.turned_away += 1
            self._perform(Stage.GREETING, TOO_MANY)
        else:
            self._answer(Stage.GREETING, f"220 {self._server.name} ESMTP")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._ended:
            return
        self._ended = True
        self._timer.cancel()
        self._voice.lost()
        self._close_transaction(0)
        self._server.dialogues.discard(self)
        self._server.records.disconnected(self._connection)
        self.gone.set()

    def pause_writing(self) -> None:
        self._voice.writable.clear()

    def resume_writing(self) -> None:
        self._voice.writable.set()

    def eof_received(self) -> bool:
        return False

    def data_received(self, data: bytes) -> None:
        self._touched = self._server.now()
        busy = self._voice.busy and not self._voice.handshaking
        if busy and self._scanned < 0 and "PIPELINING" not in self._offered:
            self._violation("spoke before the reply to the last command")
        self._buffer += data
        if self._voice.busy:
            if len(self._buffer) > MAX_BUFFER:
                self._voice.transport.pause_reading()
        else:
            self._pump()

    def part(self, then: Then, farewell: str = "") -> None:
        """Ends the conversation from the server's side, with a last reply if there is one."""
        if farewell:
            self._voice.say(Act(farewell).wire())
        self._voice.follow(then)

    def abort(self) -> None:
        """Ends at once, whatever is still to be sent."""
        self._voice.transport.abort()

    def _check_idle(self) -> None:
        left = self._touched + self._server.personality.idle - self._server.now()
        if left <= 0:
            self.part(Then.CLOSE, f"421 4.4.2 {self._server.name} Error: timeout exceeded")
        else:
            self._timer = asyncio.get_running_loop().call_later(left, self._check_idle)

    # --- reading

    def _pump(self) -> None:
        while not self._voice.busy and not self._voice.silenced:
            if self._scanned >= 0:
                if not self._take_content():
                    return
            else:
                line = self._take_line()
                if line is None:
                    return
                self._command(line)

    def _take_line(self) -> bytes | None:
        end = self._buffer.find(b"\n")
        if end < 0 and len(self._buffer) <= MAX_LINE:
            return None
        if end < 0 or end > MAX_LINE:
            self.part(Then.CLOSE, "500 5.5.6 Line too long")
            return None
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        if not line.endswith(b"\r\n"):
            self._violation("line without CR LF")
        return line.rstrip(b"\r\n")

    def _take_content(self) -> bool:
        end = self._buffer.find(END, self._scanned)
        if end < 0:
            self._scanned = max(0, len(self._buffer) - len(END) + 1)
            if len(self._buffer) > MAX_CONTENT:
                self._excess += self._scanned
                del self._buffer[: self._scanned]
                self._scanned = 0
            return False
        raw = bytes(self._buffer[: end + 2])
        del self._buffer[: end + len(END)]
        self._scanned = -1
        self._final_dot(unstuffed(raw))
        return True

    def _command(self, line: bytes) -> None:
        if self._continuation is not None:
            step, self._continuation = self._continuation, None
            self._log("(AUTH data)")
            step(line)
            return
        self._connection.tls = self._voice.tls
        verb, _, rest = line.partition(b" ")
        word = text(verb).upper()
        self._log("AUTH ***" if word == "AUTH" else text(line))
        if self._buffer and ("PIPELINING" not in self._offered or word in ("EHLO", "HELO", "DATA", "STARTTLS", "AUTH")):
            self._violation(f"sent more after {word} without waiting for its reply")
        handler = self._verbs.get(word)
        if handler is None:
            self._reply("502 5.5.2 Error: command not recognized")
        else:
            handler(rest)

    # --- commands

    def _ehlo(self, rest: bytes) -> None:
        personality = self._server.personality
        if personality.helo_only:
            self._reply("502 5.5.2 Error: command not recognized")
            return
        lines = list(personality.extensions)
        if personality.tls is not Tls.OFF and not self._connection.tls:
            lines.append("STARTTLS")
        if personality.users:
            lines.append("AUTH PLAIN LOGIN")
        self._offered = frozenset(line.split()[0] for line in lines)
        self._begin(rest, "\n".join((f"250 {self._server.name}", *lines)))

    def _helo(self, rest: bytes) -> None:
        self._offered = frozenset()
        self._begin(rest, f"250 {self._server.name}")

    def _begin(self, rest: bytes, reply: str) -> None:
        self._close_transaction(0)
        self._connection.helo = text(rest)
        self._answer(Stage.HELO, reply)

    def _starttls(self, rest: bytes) -> None:
        if "STARTTLS" not in self._offered:
            self._reply("502 5.5.1 Error: command not implemented")
            return
        self._buffer.clear()  # what was sent in clear text must not count as said under TLS (RFC 3207 4.2)
        if self._answer(Stage.STARTTLS, "220 2.0.0 Ready to start TLS", then=Then.TLS) == 220:
            self._offered = frozenset()

    def _auth(self, rest: bytes) -> None:
        mechanism, _, initial = rest.partition(b" ")
        if "AUTH" not in self._offered or mechanism.upper() not in (b"PLAIN", b"LOGIN"):
            self._reply("504 5.5.4 Unrecognized authentication type")
        elif mechanism.upper() == b"PLAIN":
            self._prompt(initial, "334 ", self._plain)
        else:
            self._prompt(initial, "334 VXNlcm5hbWU6", self._login_name)

    def _prompt(self, initial: bytes, prompt: str, step: Callable[[bytes], None]) -> None:
        if initial:
            step(initial)
        else:
            self._continuation = step
            self._reply(prompt)

    def _plain(self, token: bytes) -> None:
        parts = _decoded(token).split("\0")
        self._check_login(*parts[1:] if len(parts) == 3 else ("", ""))

    def _login_name(self, token: bytes) -> None:
        name = _decoded(token)
        self._prompt(b"", "334 UGFzc3dvcmQ6", lambda secret: self._check_login(name, _decoded(secret)))

    def _check_login(self, name: str, password: str) -> None:
        self._connection.login_in_clear = self._connection.login_in_clear or not self._connection.tls
        known = (name, password) in self._server.personality.users
        refusal = "535 5.7.8 Error: authentication failed"
        if self._answer(Stage.AUTH, "235 2.7.0 Authentication successful" if known else refusal) == 235:
            self._connection.login = name

    def _mail(self, rest: bytes) -> None:
        parsed = self._path(rest, b"FROM:")
        if parsed is None:
            return
        if self._envelope is not None:
            self._reply("503 5.5.1 Error: nested MAIL command")
            return
        if self._server.personality.needs_auth and not self._connection.login:
            self._reply("530 5.7.0 Authentication required")
            return
        address, parameters = parsed
        announced = next((_number(p[5:]) for p in parameters if p.upper().startswith("SIZE=")), 0)
        if self._over_size(announced):
            self._reply("552 5.3.4 Message size exceeds fixed limit")
            return
        self._connection.messages += 1
        envelope = Envelope(address, parameters)
        if self._answer(Stage.MAIL, "250 2.1.0 Ok", address) // 100 == 2:
            self._envelope = envelope

    def _rcpt(self, rest: bytes) -> None:
        parsed = self._path(rest, b"TO:")
        if parsed is None:
            return
        if self._envelope is None:
            self._reply("503 5.5.1 Error: need MAIL command")
            return
        address, parameters = parsed
        code = self._answer(Stage.RCPT, "250 2.1.5 Ok", address)
        self._envelope.asked.append((address, code))
        if code // 100 == 2:
            self._envelope.recipients.append(address)
            self._envelope.rcpt_params.append(parameters)

    def _data(self, rest: bytes) -> None:
        if self._envelope is None:
            self._reply("503 5.5.1 Error: need MAIL command")
        elif not self._envelope.recipients:
            self._reply("554 5.5.1 Error: no valid recipients")
        elif self._answer(Stage.DATA, "354 End data with <CR><LF>.<CR><LF>") == 354:
            self._buffer[:0] = b"\r\n"
            self._scanned = 0
            self._excess = 0

    def _final_dot(self, content: bytes) -> None:
        envelope = self._envelope
        assert envelope is not None
        if "BODY=8BITMIME" not in map(str.upper, envelope.mail_params) and not content.isascii():
            self._violation("8-bit content without BODY=8BITMIME")
        number = self._server.records.total_received + 1
        ordinary = f"250 2.0.0 Ok: queued as {number:08X}"
        if self._excess or self._over_size(len(content)):
            ordinary = "552 5.3.4 Message size exceeds fixed limit"
        self._stage = Stage.FINAL_DOT
        act = self._decide(Stage.FINAL_DOT) or Act(ordinary)
        if act.code // 100 not in (4, 5):
            reply = text(act.wire().rstrip(b"\r\n")[:1000])
            self._server.records.took(envelope, content, reply, self._connection)
        self._close_transaction(act.code)
        self._perform(Stage.FINAL_DOT, act)

    def _rset(self, rest: bytes) -> None:
        self._close_transaction(0)
        self._reply("250 2.0.0 Ok")

    def _noop(self, rest: bytes) -> None:
        self._reply("250 2.0.0 Ok")

    def _vrfy(self, rest: bytes) -> None:
        self._reply("252 2.0.0 Try it and see")

    def _quit(self, rest: bytes) -> None:
        self._close_transaction(0)
        self._answer(Stage.QUIT, "221 2.0.0 Bye", then=Then.CLOSE)

    def _path(self, rest: bytes, word: bytes) -> tuple[str, tuple[str, ...]] | None:
        """Address and parameters of MAIL or RCPT; None when they were wrong and answered so."""
        matched = _PATH.fullmatch(rest[len(word) :]) if rest[: len(word)].upper() == word else None
        if matched is None:
            self._violation(f"bad syntax: {text(rest)[:200]}")
            self._reply("501 5.5.4 Syntax error")
            return None
        parameters = tuple(text(matched[2] or b"").split())
        for parameter in parameters:
            if _NEEDS.get(parameter.partition("=")[0].upper()) not in self._offered:
                self._violation(f"parameter that was not offered: {parameter[:200]}")
                self._reply("555 5.5.4 Unsupported parameter")
                return None
        if not matched[1].isascii() and "SMTPUTF8" not in self._offered:
            self._violation("8-bit address where SMTPUTF8 was not offered")
        return text(matched[1]), parameters

    def _over_size(self, octets: int) -> bool:
        limit = next((_number(e[5:]) for e in self._server.personality.extensions if e.startswith("SIZE ")), 0)
        return bool(limit) and octets > limit

    # --- answering

    def _answer(self, stage: Stage, ordinary: str, address: str = "", then: Then = Then.GO_ON) -> int:
        """Does what the personality says at this stage, or the ordinary thing; gives the code the client will read."""
        self._stage = stage
        act = self._decide(stage, address) or Act(ordinary, then)
        self._perform(stage, act, address)
        return act.code

    def _decide(self, stage: Stage, address: str = "") -> Act | None:
        envelope, connection = self._envelope, self._connection
        situation = Situation(
            stage,
            address,
            envelope.sender if envelope else "",
            tuple(envelope.recipients) if envelope else (),
            connection.peer,
            connection.number,
            connection.messages,
            bool(connection.tls),
        )
        server = self._server
        return decide(server.personality, situation, server.memory, server.now(), server.chance)

    def _reply(self, reply: str) -> None:
        self._voice.say(Act(reply).wire())

    def _perform(self, stage: Stage, act: Act, address: str = "") -> None:
        delay = act.delay + self._server.personality.slow.get(stage, 0.0)
        self._voice.perform(act, act.wire(self._connection.peer, address), delay)

    def _close_transaction(self, outcome: int) -> None:
        if self._envelope is not None:
            self._server.records.ended(self._envelope, self._stage, outcome, self._connection)
            self._envelope = None

    def _log(self, line: str) -> None:
        record = CommandRecord(self._connection.number, line, bool(self._connection.tls))
        self._server.records.commands.append(record)

    def _violation(self, what: str) -> None:
        self._server.records.violations.append(f"connection {self._connection.number}: {what}")


def _decoded(token: bytes) -> str:
    try:
        return base64.b64decode(token, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _number(digits: str) -> int:
    """A SIZE value of at most 20 digits (RFC 1870 6.1); 0 for anything else."""
    return int(digits) if len(digits) <= 20 and digits.isascii() and digits.isdigit() else 0
