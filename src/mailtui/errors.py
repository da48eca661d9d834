"""The few exceptions an operator can meet, each with the exit code (sysexits) the command line ends with.

Owned here: errors whose text is written for a person. Failures of a delivery are values (`model.Attempt`), never
exceptions, and bugs keep their Python types.
"""

EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE = 64, 65, 66, 69
EX_CANTCREAT, EX_IOERR, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 73, 74, 75, 77, 78


class MailtuiError(Exception):
    """Something an operator must be told in one line; `exit_code` is what the process ends with."""

    exit_code = 1


class ConfigError(MailtuiError):
    """A configuration file, key or value is wrong; the text names file, key and what would be right."""

    exit_code = EX_CONFIG


class RelayRunning(MailtuiError):
    """Another relay owns the data directory; `pid` is its process id (0 when it could not be read)."""

    exit_code = EX_TEMPFAIL

    def __init__(self, text: str, pid: int) -> None:
        super().__init__(text)
        self.pid = pid


class RelayNotRunning(MailtuiError):
    """No relay answers on the control socket."""

    exit_code = EX_UNAVAILABLE


class QueueError(MailtuiError):
    """The queue file cannot be used: newer schema, damaged, unreadable."""

    exit_code = EX_NOINPUT


class QueueIOError(MailtuiError):
    """The disk under the queue failed an fsync or a read: no 250 may be trusted any more, the process must end."""

    exit_code = EX_IOERR


class Unavailable(MailtuiError):
    """The queue cannot take this now (full, locked, shutting down); the client is answered with a 4xx."""

    exit_code = EX_TEMPFAIL


class ControlError(MailtuiError):
    """A request on the control socket was refused; `code` is a word for programs, `hint` says what would be right."""

    def __init__(self, code: str, text: str, hint: str = "", exit_code: int = EX_DATAERR) -> None:
        super().__init__(text)
        self.code = code
        self.hint = hint
        self.exit_code = exit_code
